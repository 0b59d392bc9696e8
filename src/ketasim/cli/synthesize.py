"""``ketasim synthesize``: meta-analysis, pairwise and of networks."""

from __future__ import annotations

import typer

from ketasim.cli import synthesize_network

app = typer.Typer(no_args_is_help=True, help="Evidence synthesis: pairwise and network meta-analysis.")

app.command("network", short_help="Network meta-analysis.")(synthesize_network.network)
