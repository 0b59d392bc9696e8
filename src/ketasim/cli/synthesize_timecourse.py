"""``ketasim synthesize timecourse`` and ``dose-response``: empirical curves over arm means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    from ketasim.synthesis import DoseResponse, TimeCourseData, TimeCourseResult

_Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE.csv", help="Own arm means: study, treatment, time_h, n, change, sd, dose, dose_unit."),
]
_Scale = Annotated[str, typer.Option("--scale", help="Of the evidence base, e.g. madrs; percent for all severity scales.")]
_Figure = Annotated[Path | None, typer.Option("--figure", metavar="FILE", help="Figure: .png, .svg or .pdf.")]
_Uncontrolled = Annotated[bool, typer.Option("--uncontrolled", help="Also arms of trials without a control arm.")]
_Recalled = Annotated[bool, typer.Option("--recalled-arms", help="Also arms whose description is recalled, not read.")]
_Anaesthesia = Annotated[bool, typer.Option("--anaesthesia", help="Also trials during anaesthesia for surgery.")]
_Evidence = Annotated[
    list[Path] | None, typer.Option("--evidence", metavar="DIR", help="Folder of own tables, merged in; repeatable.")
]
_Level = Annotated[float, typer.Option("--level", help="Of the intervals.")]


@verb
def timecourse(
    *,
    data: _Data = None,
    scale: _Scale = "",
    figure: _Figure = None,
    by_dose: Annotated[bool, typer.Option("--by-dose", help="Doses of the evidence base apart.")] = False,
    uncontrolled: _Uncontrolled = False,
    recalled_arms: _Recalled = False,
    anaesthesia: _Anaesthesia = False,
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Refits for the bands; 0 for none.")] = 0,
    level: _Level = 0.95,
    seed: Annotated[int, typer.Option("--seed", help="Of the bands.")] = 1,
    evidence: _Evidence = None,
) -> None:
    """Change from baseline over time after one dose: two-exponential curves, scored on held-out arms.

    \b
    ketasim synthesize timecourse --figure course.png
    ketasim synthesize timecourse --data arms.csv --json
    """
    from ketasim.synthesis import fit_time_course

    _writable(figure)
    rows = _data(data, scale, evidence, by_dose, uncontrolled, recalled_arms, anaesthesia)
    result = fit_time_course(rows, level=level, bootstrap=bootstrap, seed=seed)
    if figure is not None:
        from ketasim.report import save_figure, time_course_figure

        save_figure(time_course_figure(result), figure)
    if settings.json:
        _show.emit_json({**result.as_dict(), "notice": _show.NOTICE})
        return
    _show_course(result)
    _written(figure)
    _show.notice()


@verb
def dose_response(
    *,
    data: _Data = None,
    treatment: Annotated[
        str, typer.Option("--treatment", metavar="NAME", help="Whose doses; racemic_ketamine iv unless given.")
    ] = "",
    scale: _Scale = "",
    figure: _Figure = None,
    from_h: Annotated[float, typer.Option("--from", metavar="H", help="Earliest time after the dose.")] = 20.0,
    to_h: Annotated[float, typer.Option("--to", metavar="H", help="Latest time after the dose.")] = 28.0,
    recalled_arms: _Recalled = False,
    anaesthesia: _Anaesthesia = False,
    level: _Level = 0.95,
    evidence: _Evidence = None,
) -> None:
    """Effect against control by dose about one day after one dose: flat, linear and Emax.

    \b
    ketasim synthesize dose-response --treatment "esketamine nasal" --figure dose.png
    ketasim synthesize dose-response --data arms.csv --treatment ketamine --json
    """
    from ketasim.synthesis import dose_response as fit

    _writable(figure)
    rows = _data(data, scale, evidence, False, False, recalled_arms, anaesthesia)
    known = sorted({r.treatment for r in rows.rows if not r.control})
    treatment = treatment or (known[0] if data is not None and len(known) == 1 else "racemic_ketamine iv")
    if treatment not in known:
        from ketasim.errors import close_names

        raise InvalidOption(
            f"--treatment '{treatment}': no arm mean of it.{close_names(treatment, known)} There are: {', '.join(known) or 'none'}."
        )
    result = fit(rows, treatment, window_h=(from_h, to_h), level=level)
    if figure is not None:
        from ketasim.report import dose_response_figure, save_figure

        save_figure(dose_response_figure(result), figure)
    if settings.json:
        _show.emit_json({**result.as_dict(), "notice": _show.NOTICE})
        return
    _show_doses(result)
    _written(figure)
    _show.notice()


def _data(
    data: Path | None,
    scale: str,
    evidence: list[Path] | None,
    by_dose: bool,
    uncontrolled: bool,
    recalled_arms: bool,
    anaesthesia: bool,
) -> TimeCourseData:
    from ketasim.synthesis import evidence_time_course, read_time_course

    if data is not None:
        if evidence or by_dose or uncontrolled or recalled_arms or anaesthesia:
            raise InvalidOption("--data is a table of your own; --evidence, --by-dose, --uncontrolled, --recalled-arms, --anaesthesia choose "
                                "from the evidence base. Use one or the other.")  # fmt: skip
        return read_time_course(data, scale=scale or "score")
    from ketasim import evidence as base

    return evidence_time_course(base.load(*(evidence or [])), scale=scale or "madrs", by_dose=by_dose, uncontrolled=uncontrolled,
                                recalled_arms=recalled_arms, anaesthesia=anaesthesia)  # fmt: skip


def _writable(figure: Path | None) -> None:
    from ketasim.cli._outputs import FIGURES, check_file

    check_file(figure, FIGURES, "--figure")


def _written(figure: Path | None) -> None:
    if figure is not None:
        _show.note(f"Written: {figure}")


def _number(value: float | None, open_as: str = "open") -> str:
    return open_as if value is None else f"{value:.3g}"


def _show_course(result: TimeCourseResult) -> None:
    x = result.as_dict()
    has_control = any(a["role"] == "control course" for a in x["amplitudes"])
    _show.text(f"Change from baseline ({x['scale']}): {x['n_studies']} studies, {x['n_rows']} arm means; AIC {x['aic']:.1f}.")
    _show.table(
        ["treatment", "amplitude of", "estimate", "low", "high", "studies", "patients"],
        [(a["treatment"], a["role"], *(f"{a[k]:.2f}" for k in ("estimate", "ci_low", "ci_high")), a["studies"], f"{a['patients']:g}")
         for a in x["amplitudes"]], numbers_from=2,
    )  # fmt: skip
    _show.table(
        ["treatment", "h", "difference from control" if has_control else "change from baseline", "low", "high"],
        [(e["treatment"], f"{e['time_h']:g}", *(f"{e[k]:.2f}" for k in ("estimate", "ci_low", "ci_high"))) for e in x["effects"]],
        numbers_from=1,
    )
    _show.table(
        ["rate", "per h", "low", "high", "half-time h", "kind"],
        [(r["name"], _number(r["per_h"]), _number(r["ci_low"], "-" if r["kind"] == "assumed" else "open"),
          _number(r["ci_high"], "-" if r["kind"] == "assumed" else "open"), f"{r['half_time_h']:.3g}", r["kind"]) for r in x["rates"]],
        numbers_from=1,
    )  # fmt: skip
    for which, value in x["between_study_sd"].items():
        _show.text(f"Between-study SD of the {which}: {_number(value, 'not estimated')}")
    _show_scores(x["holdout"])
    if x["mean_absolute_error"] is not None:
        _show.text(f"Held out, mean absolute error: {x['mean_absolute_error']:.2f}; independent and within the times fitted: "
                   f"{_number(x['mean_absolute_error_independent'], 'none')}.")  # fmt: skip
    for sentence in x["notes"]:
        _show.note(sentence)


def _show_scores(scores: list[dict[str, Any]]) -> None:
    if scores:
        _show.table(
            ["held out", "arm", "h", "observed", "predicted", "error", "remark"],
            [(s["study"], s["arm"], f"{s['time_h']:g}", f"{s['observed']:.1f}", *("-" if s[k] is None else f"{s[k]:.1f}"
              for k in ("predicted", "error")), s["reason"]) for s in scores], numbers_from=2,
        )  # fmt: skip


def _show_doses(result: DoseResponse) -> None:
    x = result.as_dict()
    _show.text(
        f"{x['drug']}, {x['window_h'][0]:g} to {x['window_h'][1]:g} h after one dose, difference from control ({x['scale']})."
    )
    if x["contrasts"]:
        _show.table(["study", "dose", "difference", "se", "n", "control"],
                    [(c["study"], f"{c['dose']:g}", f"{c['difference']:.2f}", f"{c['se']:.2f}", f"{c['n']:g}", c["control"])
                     for c in x["contrasts"]], numbers_from=1)  # fmt: skip
    lines = [(m["model"] + (" *" if m["model"] == x["best"] else ""), f"{m['aic']:.1f}", p["name"], _number(p["estimate"], "-"),
              _number(p["ci_low"]), _number(p["ci_high"]), p["remark"]) for m in x["models"] for p in m["parameters"]]  # fmt: skip
    if lines:
        _show.table(["model", "AIC", "parameter", "estimate", "low", "high", "remark"], lines, numbers_from=1)
        _show.note("* lowest AIC. An effect above 0 is improvement against control.")
    for name, reason in x["not_fitted"].items():
        _show.text(f"{name}: {reason}")
    _show_scores(x["holdout"])
    for sentence in x["notes"]:
        _show.note(sentence)
