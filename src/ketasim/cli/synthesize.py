"""``ketasim synthesize``: meta-analysis, pairwise and of networks."""

from __future__ import annotations

import typer

from ketasim.cli import synthesize_multilevel, synthesize_network, synthesize_pairwise, synthesize_question, synthesize_timecourse

app = typer.Typer(no_args_is_help=True, help="Evidence synthesis: pairwise and network meta-analysis.")

app.command("network", short_help="Network meta-analysis.")(synthesize_network.network)
app.command("question", short_help="Estimates from the evidence base.")(synthesize_question.question)
app.command("pairwise", short_help="Pairwise meta-analysis.")(synthesize_pairwise.pairwise)
app.command("multilevel", short_help="Several effects per study.")(synthesize_multilevel.multilevel)
app.command("bias", short_help="Funnel asymmetry, trim and fill.")(synthesize_pairwise.bias)
app.command("regression", short_help="Meta-regression.")(synthesize_pairwise.regression)
app.command("timecourse", short_help="Curves over time.")(synthesize_timecourse.timecourse)
app.command("dose-response", short_help="Curves over dose.")(synthesize_timecourse.dose_response)
