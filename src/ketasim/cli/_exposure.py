"""What ``simulate`` and ``compare`` show: exposure of every analyte, who failed, where the numbers come from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.cli import _show
from ketasim.cli._care import care_json, contrast_json, has_care, show_care
from ketasim.cli._readouts import readouts_json, show_readouts
from ketasim.cli._settings import settings

if TYPE_CHECKING:
    import xarray as xr

_HEAD = ("analyte", "unit", "Cmax", "Cmax 5-95 %", "h after dose", "AUC to end", "AUC 5-95 %")
_ORDER = ("ketamine", "norketamine", "hnk", "dhnk")


def show_result(result: xr.DataTree) -> None:
    """One simulated regimen."""
    rows = exposures(result)
    if settings.json:
        from ketasim.results import summary

        _show.emit_json(
            {**summary(result), "exposure": rows, "readouts": readouts_json(result), "failed": _failed(result)}
            | _draws_json({"": result})
            | care_json(result)
        )
        return
    attrs = result.attrs
    _show.text(f"{_given(result)}\n{attrs['model']}; {who_text(result)}; {_span(result)}")
    if rows:
        _show.table(_HEAD, [_cells(row) for row in rows], _title(rows, result), numbers_from=2)
        _show_interval({"": rows})
    else:
        _show.text("No drug at these times.")
    _show_draws({"": result}, [row["analyte"] for row in rows])
    if has_care({"": result}):
        show_care({"": result})
    else:
        show_readouts({"": result})
    _show_named({"": result})
    _remarks({"": result})


def show_arms(results: Mapping[str, xr.DataTree]) -> None:
    """Arms side by side, with ratios of medians to the first."""
    from ketasim.results import arm_words, asked_analytes, redundant_totals

    first = next(iter(results))
    rows = {label: exposures(result, all_totals=True) for label, result in results.items()}
    redundant = redundant_totals([{row["analyte"] for row in own} for own in rows.values()], asked_analytes(results))
    rows = {label: [row for row in own if row["analyte"] not in redundant] for label, own in rows.items()}
    base = {r["analyte"]: r for r in rows[first]}
    for own in rows.values():
        for row in own:
            other = base.get(row["analyte"])
            row["ratio_cmax"], row["ratio_auc"] = (_ratio(row, other, key) for key in ("cmax", "auc"))
    if settings.json:
        arms = {
            k: {
                **_facts(r),
                "exposure": rows[k],
                "readouts": readouts_json(r),
                "failed": _failed(r),
                **care_json(r),
                **_named_json(r),
            }
            for k, r in results.items()
        }
        from ketasim.results import warnings_of

        facts = {"arms": arms, "first": first, "warnings": warnings_of(results), "notice": _show.NOTICE}
        _show.emit_json(facts | _draws_json(results) | contrast_json(results))
        return
    for label, words in arm_words(results).items():
        _show.text(f"{label}: {words}")
    one = results[first]
    models = dict.fromkeys(str(result.attrs["model"]) for result in results.values())
    _show.text(f"{', '.join(models)}; {_people_of(results)}; {_span(one)}")
    wanted = sorted({row["analyte"] for own in rows.values() for row in own}, key=_rank)
    table = [
        (label, *_cells(row), row["ratio_cmax"], row["ratio_auc"])
        for analyte in wanted
        for label, own in rows.items()
        for row in own
        if row["analyte"] == analyte
    ]
    _show.table(("arm", *_HEAD, f"Cmax / {first}", f"AUC / {first}"), table, _title(rows[first], one), numbers_from=3)
    _show_interval(rows)
    _show_draws(results, wanted)
    if has_care(results):
        show_care(results)
    else:
        show_readouts(results)
    _show_named(results)
    _remarks(results)


def _show_named(results: Mapping[str, xr.DataTree]) -> None:
    """What was asked for by name."""
    from ketasim.results import shown_rows

    rows = [(label, row) for label, result in results.items() for row in shown_rows(result)]
    if not rows:
        return
    lead = ("arm",) if len(results) > 1 else ()
    cells = [
        (*((label,) if lead else ()), row["name"], row["unit"], row["first"], row["largest"], _interval(row, "largest"), row["largest_at_h"],
         row["last"], _interval(row, "last"), row["last_at_h"])
        for label, row in rows
    ]  # fmt: skip
    head = (*lead, "name", "unit", "start", "largest", "5-95 %", "at h", "last", "5-95 %", "at h")
    several = any(result.attrs["n"] > 1 for result in results.values())
    _show.table(head, cells, "asked for by name" + ("; medians over people" if several else ""), numbers_from=2 + len(lead))


def who_text(result: xr.DataTree) -> str:
    """How many people, who, and what differs at random between them and their readings."""
    a = result.attrs
    random = [name for name, on in (("people", a.get("variability")), ("readings", a.get("residual"))) if on]
    how = f"{' and '.join(random)} differ at random (seed {a['seed']})" if random else "no random effects"
    how += f"; covariates drawn (seed {a['seed']})" if a.get("sampled") and not random else ""
    many = "1 person" if a["n"] == 1 else f"{a['n']:,} people"
    times = f" x {a['replicates']} replicates" if a.get("replicates", 1) > 1 else ""
    return f"{many}{times}, {a.get('population', a['regimen'])}; {how}"


def _people_of(results: Mapping[str, xr.DataTree]) -> str:
    """Whether the arms have the same people."""
    who = {label: who_text(r) for label, r in results.items()}
    said = set(who.values())
    return f"the same in every arm: {said.pop()}" if len(said) == 1 else "; ".join(f"{k}: {v}" for k, v in who.items())


def exposures(result: xr.DataTree, *, all_totals: bool = False) -> list[dict[str, Any]]:
    """Rows of exposure in the order they are shown."""
    from ketasim.results import exposure_rows

    return sorted(exposure_rows(result, all_totals=all_totals), key=lambda row: _rank(row["analyte"]))


def _show_draws(results: Mapping[str, xr.DataTree], analytes: Sequence[str]) -> None:
    """How sure the medians are, and in a comparison their ratios to the first arm."""
    from ketasim.results import held_sentence, sureness

    rows = sorted((row for row in sureness(results) if row["analyte"] in analytes), key=lambda row: _rank(row["analyte"]))
    if not rows:
        return
    several, first = len(results) > 1, next(iter(results))
    head = ("analyte", "unit", "Cmax", "AUC to end", *((f"Cmax / {first}", f"AUC / {first}") if several else ()))
    keys = ("cmax", "auc", *(("ratio_cmax", "ratio_auc") if several else ()))
    cells = [(row["analyte"], row["unit"], *(_interval(row, key) for key in keys)) for row in rows]
    draws = results[first].attrs["draws"]
    title = f"{draws_title(results[first])}: 5-95 % of {draws} draws"
    if several:
        _show.table(("arm", *head), [(row["arm"], *line) for row, line in zip(rows, cells, strict=True)], title, numbers_from=3)
    else:
        _show.table(head, cells, title, numbers_from=2)
    if note := held_sentence(results[first]):
        _show.note(note)
    lost = {label: int(result["draws"]["failed"].sum()) for label, result in results.items()}
    for label, number in lost.items():
        if number:
            of = results[label].attrs["n"] * draws
            _show.note(f"{label} {number} of {of} repetitions of patients failed to solve; the intervals leave them out.".strip())


def draws_title(result: xr.DataTree) -> str:
    """What the intervals over draws hold."""
    from ketasim.results import NEW_STUDY

    return "medians of a new study" if result.attrs.get("draws_of") == NEW_STUDY else "how sure the medians are"


def _interval(row: Mapping[str, Any], key: str) -> str:
    return f"{_show.cell(row[f'{key}_low'])} - {_show.cell(row[f'{key}_high'])}" if f"{key}_low" in row else ""


def _draws_json(results: Mapping[str, xr.DataTree]) -> dict[str, Any]:
    from ketasim.results import sureness

    rows = sureness(results)
    return {"draws_exposure": rows} if rows else {}


def _named_json(result: xr.DataTree) -> dict[str, Any]:
    from ketasim.results import shown_names, shown_rows

    return {"shown": shown_rows(result)} if shown_names(result) else {}


def _rank(analyte: str) -> tuple[int, str]:
    base = analyte.removeprefix("s_").removeprefix("r_")
    return (
        _ORDER.index(base) if base in _ORDER else len(_ORDER),
        {"s": "0", "r": "1"}.get(analyte.partition("_")[0], "2") + analyte,
    )


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["analyte"], row["unit"], row["cmax"], _interval(row, "cmax"), row["tmax"], row["auc"], _interval(row, "auc")


def _show_interval(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """The last dosing interval of every arm that repeats; nothing where none does."""
    repeating = [(label, row) for label, own in rows.items() for row in own if "tau" in row]
    if not repeating:
        return
    spans = {f"{row['tau']:g} h" for _, row in repeating}
    head = ("analyte", "unit", "AUCtau", "AUCtau 5-95 %", "Ctrough", "Ctrough 5-95 %", "accumulation")
    cells = [
        (row["analyte"], row["unit"], row["auctau"], _interval(row, "auctau"), row["ctrough"], _interval(row, "ctrough"), row["accumulation"])
        for _, row in repeating
    ]  # fmt: skip
    title = f"last dosing interval ({', '.join(sorted(spans))}); accumulation: its AUC over that of the first"
    if len(rows) > 1:
        lines = [(label, *line) for (label, _), line in zip(repeating, cells, strict=True)]
        _show.table(("arm", *head), sorted(lines, key=lambda line: _rank(line[1])), title, numbers_from=3)
    else:
        _show.table(head, cells, title, numbers_from=2)


def _title(rows: list[dict[str, Any]], result: xr.DataTree) -> str:
    """What the table is about: no median of one patient, no area where nothing ends after the start."""
    if not rows:
        return ""
    over = "medians over patients" if result.attrs["n"] > 1 else ""
    areas = "AUC in h x unit" if any(np.isfinite(row["auc"]) for row in rows) else ""
    return "; ".join([rows[0]["site"].replace("_", " "), *filter(None, (over, areas))])


def _ratio(row: Mapping[str, Any], base: Mapping[str, Any] | None, key: str) -> float:
    return row[key] / base[key] if base is not None and base[key] else float("nan")


def _facts(result: xr.DataTree) -> dict[str, Any]:
    """What makes an arm, for programs."""
    return {key: result.attrs[key] for key in ("regimen", "comedication", "replaced")}


def _given(result: xr.DataTree) -> str:
    """Regimen, and what is taken beside it."""
    return " with ".join([result.attrs["regimen"], *result.attrs["comedication"]])


def _span(result: xr.DataTree) -> str:
    time = result["plasma"]["time"].to_numpy() if "plasma" in result.children else np.array([np.nan])
    start, end = float(time[0]), float(time[-1])
    scale, unit = (24.0, "days") if end > 48 else (1.0, "h")
    return f"at {end / scale:.4g} {unit}" if len(time) == 1 else f"{start / scale:.3g} to {end / scale:g} {unit}"


def _failed(result: xr.DataTree) -> int:
    subject = result["subject"]
    return int(subject["failed"]) if "failed" in subject else int((subject["status"].to_numpy() != 0).sum())


def _cited(result: xr.DataTree) -> list[str]:
    """Entries behind a result."""
    whole = str(result.attrs["model"])
    cited = whole.split("+") if "/" in whole else result.attrs["models"]  # a whole names its parts
    return [str(model).partition("@")[0] for model in cited]


def _remarks(results: Mapping[str, xr.DataTree]) -> None:
    """What the numbers rest on, of all arms."""
    from ketasim.results import assumed_sentence

    if note := assumed_sentence(results):
        _show.note(note)
    provisional = dict.fromkeys(str(entry) for result in results.values() for entry in result.attrs.get("provisional", ()))
    if provisional:
        _show.note(f"Provisional entries (second entry or published checkpoint missing): {', '.join(provisional)}.")
    packs = [word for pack in settings.packs for word in ("--pack", pack)]
    packs += [word for pack in settings.data_packs for word in ("--pack-data", pack)]
    models = dict.fromkeys(name for result in results.values() for name in _cited(result))
    _show.note(f"Sources: {shlex.join(['ketasim', 'cite', *models, *packs])}")
    _show.notice()
