"""``ketasim evidence``: the tables of sourced facts, queried, checked, widened, exported."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(no_args_is_help=True, help="Sourced facts: trials, outcomes, safety, affinities, mechanisms, pharmacokinetics.")

Folder = Annotated[
    list[Path] | None, typer.Option("--evidence", metavar="DIR", help="Folder of own tables, checked and merged; repeatable.")
]
Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE.csv", help="Write the rows, every column and the citation, as CSV.")
]
#: Tables write routes in short (trials) or in full (safety, pharmacokinetics): either finds both.
_ROUTES = {
    "iv": "intravenous", "im": "intramuscular", "sc": "subcutaneous", "intravenous": "iv", "intramuscular": "im", "subcutaneous": "sc",
    "intranasal": "nasal",
}  # fmt: skip
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True, slots=True)
class Filter:
    """An option that keeps rows: ``column`` must equal one of the words given, or hold one where ``part``."""

    option: str
    help: str
    column: str = ""
    part: bool = True


_DISORDER = Filter("--disorder", "mdd, trd, mdsi, bipolar, aud, aws, oud, cocaine, ptsd, ocd, healthy, other.", part=False)
_DRUG = Filter("--drug", "e.g. esketamine; a part is enough.")
_ROUTE = Filter("--route", "e.g. iv, nasal, oral; a part is enough.")
_TRIAL = Filter("--trial", "Name of a trial; a part is enough.")
_STUDY = Filter("--trial", "Name of a trial or study; a part is enough.", "study")
_SCALE = Filter("--scale", "e.g. madrs, ybocs, caps5.", part=False)
_METRIC = Filter("--metric", "e.g. mean_difference, smd, or, rr.", part=False)
_SPECIES = Filter("--species", "e.g. human, rat, mouse; a part is enough.")
_SOURCE = Filter("--source", "Key of a source.", part=False)
_CONFIDENCE = Filter("--confidence", "read, derived, digitised or recalled.", part=False)

#: Verb -> table, line of help, filters.
LISTS: dict[str, tuple[str, str, tuple[Filter, ...]]] = {
    "trials": ("trials", "Arms of trials: who got what. ``ketasim evidence trials --disorder ocd``", (
        _DISORDER, _DRUG, _ROUTE, _TRIAL, Filter("--control", "inactive, active, ect, drug, dose, none.", "control_type", part=False),
        Filter("--masking", "double-blind, single-blind, rater-blinded, open-label.", part=False),
    )),
    "outcomes": ("outcomes", "What the arms showed, per scale and time. ``ketasim evidence outcomes --trial Daly2018 --scale madrs``", (
        _TRIAL, Filter("--arm", "Name of an arm; a part is enough."), _SCALE, _DISORDER, _DRUG,
    )),
    "contrasts": ("contrasts", "Differences between arms, also pooled ones of published meta-analyses.", (
        _STUDY, _DISORDER, _SCALE, Filter("--kind", "trial, meta_analysis or network.", part=False), _METRIC,
    )),
    "safety": ("safety", "Side effects: incidence, size, time. ``ketasim evidence safety --event dissociation``", (
        Filter("--event", "e.g. dissociation, cadss, sbp; a part is enough."), _DRUG, _ROUTE, _STUDY,
    )),
    "affinity": ("receptor_affinity", "How strongly ligands bind. ``ketasim evidence affinity --target nmda``", (
        Filter("--target", "e.g. nmda, mu_opioid; a part is enough."), Filter("--ligand", "e.g. s_ketamine, 2r6r_hnk.", part=False),
        _SPECIES,
    )),
    "findings": ("mechanism_findings", "Experiments on mechanisms. ``ketasim evidence findings --system bdnf``", (
        Filter("--system", "e.g. bdnf_trkb, lhb_burst; a part is enough."), _SPECIES,
        Filter("--readout", "What was measured; a part is enough."),
    )),
    "pk": ("pk_observations", "Published pharmacokinetic observations.", (
        _DRUG, Filter("--analyte", "e.g. s_ketamine, ketamine.", part=False), _ROUTE,
        Filter("--metric", "e.g. cmax, auc_inf, clearance.", part=False),
    )),
    "interactions": ("interactions", "What other drugs and organ disease change.", (
        Filter("--with", "The other drug or disease; a part is enough.", "perpetrator"), _ROUTE,
    )),
    "rules": ("monitoring_rules", "What labels and guidelines ask for.", (
        Filter("--authority", "e.g. FDA, EMA; a part is enough."),
        Filter("--applies-to", "e.g. esketamine; a part is enough.", "applies_to"),
    )),
    "exposure": ("exposure_response", "Published relations between concentration and effect.", (
        Filter("--model", "A part is enough."), Filter("--endpoint", "e.g. dissociation; a part is enough."),
    )),
    "sources": ("sources", "Where the facts were read. ``ketasim evidence sources --text zarate``", (
        Filter("--text", "Part of key, authors, year, title, journal or identifier.", "citation"),
        Filter("--how-read", "full_text, table, abstract, label, registry_results, secondary.", "how_read", part=False),
    )),
}  # fmt: skip


def _listing(name: str) -> Callable[..., None]:
    """The function of one verb that lists rows; its options follow from the filters."""
    table, text, filters = LISTS[name]
    if name != "sources":
        filters = (*filters, _CONFIDENCE)
    filters = (*filters, _SOURCE)

    def command(**given: Any) -> None:
        wanted = {one: given[_word(one)] for one in filters if given[_word(one)] is not None}
        _list(table, wanted, given["holdout"], given["evidence"], given["csv"], given["all_columns"])

    options: dict[str, tuple[Any, Any]] = {_word(one): (_option(one), None) for one in filters}
    options["holdout"] = (
        Annotated[
            bool | None, typer.Option("--holdout/--no-holdout", help="Only rows scored and never fitted, or only the others.")
        ],
        None,
    )
    options |= {"evidence": (Folder, None), "csv": (Csv, None)}
    options["all_columns"] = (Annotated[bool, typer.Option("--all-columns", help="Every column, row by row.")], False)
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(word, _KEYWORD, annotation=kind, default=default) for word, (kind, default) in options.items()]
    )
    command.__annotations__ = {word: kind for word, (kind, _) in options.items()}
    command.__name__, command.__doc__ = name, text
    return command


def _word(one: Filter) -> str:
    return f"only_{one.option.strip('-').replace('-', '_')}"  # `with` is a word of Python


def _option(one: Filter) -> Any:
    return Annotated[str | None, typer.Option(one.option, help=f"{one.help.rstrip('.')}; several with commas.")]


for _name in LISTS:
    app.command(_name)(verb(_listing(_name)))


@app.command("sql")
@verb
def sql(
    query: Annotated[str, typer.Argument(help="One DuckDB query, e.g. \"select drug, count(*) from trials group by drug\".")],
    *, evidence: Folder = None, csv: Csv = None,
) -> None:  # fmt: skip
    """A query over all tables; ``show tables`` and ``describe TABLE`` say what there is. A column ``source`` gets its citations."""
    _check(csv)
    whole = _load(evidence)
    frame = whole.sql(query)
    cited = {k: whole.citation(k) for k in dict.fromkeys(frame["source"]) if k in whole.sources} if "source" in frame else {}
    if csv is not None:
        if cited and "citation" not in frame:
            frame = frame.assign(citation=[cited.get(key, "") for key in frame["source"]])
        _write(frame, csv)
    elif settings.json:
        _show.emit_json({"rows": frame.to_dict("records"), "sources": cited, "notice": _show.NOTICE})
    else:
        from ketasim.cli._evidence_views import show_plain

        show_plain(frame)
        for key, citation in cited.items() if "citation" not in frame else ():
            _show.text(f" {key}: {citation}")
        _show.note(_rows(len(frame)))
        _show.notice()


@app.command("check")
@verb
def check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder of own tables; without one, ketasim's own.")
    ] = None,
) -> None:
    """Check tables: one message that names file, line, column, value and what is allowed."""
    from ketasim.evidence import check as check_tables

    counts = check_tables(folder)
    if settings.json:
        _show.emit_json({"folder": str(folder) if folder else None, "rows": counts})
        return
    rows = ", ".join(f"{name} {n}" for name, n in counts.items()) or "no new"
    _show.text(f"{folder or 'The evidence base'}: in order. {rows} rows.")


@app.command("export")
@verb
def export(
    *, out: Annotated[Path, typer.Option("-o", "--output", metavar="PATH", help="A folder (CSV), or a file .json or .duckdb.")],
    evidence: Folder = None,
) -> None:  # fmt: skip
    """Every table, own ones merged in."""
    written = _load(evidence).export(out)
    if settings.json:
        _show.emit_json({"written": [str(path) for path in written]})
        return
    _show.text("Written: " + (str(out) if written == [out] else f"{', '.join(path.name for path in written)} in {out}") + ".")


@app.command("import")
@verb
def import_(
    file: Annotated[Path, typer.Argument(help="ClinicalTrials.gov study (API v2, .json), .ris or .bib.")],
    *, into: Annotated[Path, typer.Option("--into", "-o", metavar="DIR", help="Folder of own tables, made where missing.")],
) -> None:  # fmt: skip
    """Rows from a registry record or a bibliography, into own tables."""
    from ketasim.evidence import import_record

    done = import_record(file, into)
    if settings.json:
        _show.emit_json({"file": str(file), "into": str(into), "rows": done.added, "left_out": list(done.left_out),
                          "remarks": list(done.remarks)})  # fmt: skip
        return
    _show.text(f"Into {into}: " + (", ".join(f"{name} {n}" for name, n in done.added.items()) or "no new") + " rows.")
    for remark in done.remarks:
        _show.note(f"Note: {remark}")
    for remark in done.left_out:
        _show.note(f"Left out: {remark}")
    _show.note(f"Read them before use: an empty cell is what the record does not say. Then: ketasim evidence check {into}")


def _load(folders: list[Path] | None) -> Any:
    from ketasim import evidence

    return evidence.load(*(folders or []))


def _list(
    name: str, wanted: dict[Filter, str], holdout: bool | None, folders: list[Path] | None, csv: Path | None, all_columns: bool
) -> None:
    _check(csv)
    whole = _load(folders)
    frame = whole.table(name)
    arms = whole.table("trials") if name == "outcomes" else None
    for one, words in wanted.items():
        column = one.column or one.option.strip("-").replace("-", "_")
        if arms is not None and column not in frame:
            arms = arms[_kept(arms, column, words, one, "trials")]
            frame = frame[frame["trial"].isin(set(arms["trial"]))]
            if column == "drug":
                frame = frame[(frame["trial"] + "\n" + frame["arm"]).isin(set(arms["trial"] + "\n" + arms["arm"]))]
        else:  # words are known or not by the whole table, so that filters may be combined in any order
            frame = frame[_kept(whole.table(name), column, words, one, name).reindex(frame.index)]
    if holdout is not None:
        frame = frame[frame["holdout"] == holdout]
    if "citation" not in frame:
        frame = frame.assign(citation=[whole.citation(key) for key in frame["source"]])
    _emit(name, frame, csv, all_columns, whole.citation)


def _kept(frame: pd.DataFrame, column: str, words: str, one: Filter, table: str) -> pd.Series:
    """Which rows have one of the words between commas; a word that the column never holds is an error that says what there is."""
    from ketasim.evidence import TABLES

    values = frame[column].astype(str).str.lower()
    asked = [word.strip().lower() for word in words.split(",") if word.strip()]
    if not asked:
        raise InvalidOption(f"{one.option}: give a word.")
    spec = TABLES[table].columns.get(column)
    chosen = values != values
    for word in asked:
        here = values == word
        for also in {word, _ROUTES.get(word, word)} if one.part else ():
            here |= values.str.contains(also, regex=False)
        if not here.any() and word not in (spec.choices if spec else ()):
            _unknown(one, word, frame[column])
        chosen |= here
    return chosen


def _unknown(one: Filter, word: str, column: pd.Series) -> None:
    """Refuse a word, with near ones and what there is."""
    from ketasim.errors import close_names

    known = sorted({v for v in column.astype(str).unique() if v and len(v) <= 60}, key=str.lower)
    few = len(known) <= 12
    listed = ", ".join(known[:25]) + (f" and {len(known) - 25} more" if len(known) > 25 else "")
    raise InvalidOption(f"{one.option} {word}: no such row.{'' if few else close_names(word, known)} There is: {listed}.")


def _emit(name: str, frame: pd.DataFrame, csv: Path | None, all_columns: bool, citation: Callable[[str], str]) -> None:
    from ketasim.cli._evidence_views import show, show_all

    if csv is not None:
        _write(frame, csv)
        return
    if settings.json:
        _show.emit_json({"rows": frame.to_dict("records"), "notice": _show.NOTICE})
        return
    if frame.empty:
        _show.note("0 rows: each word is known, but no row has them all.")
        return
    if all_columns:
        show_all(frame)
    else:
        show(name, frame, citation)
    _show.note(f"{_rows(len(frame))} --all-columns, --csv FILE and --json show every column, notes included.")
    _show.notice()


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}."


def _check(csv: Path | None) -> None:
    from ketasim.cli._outputs import check_file

    check_file(csv, (".csv",), "--csv")


def _write(frame: pd.DataFrame, path: Path) -> None:
    from ketasim.csvtext import plain_texts
    from ketasim.writing import replacing

    with replacing(path) as part:
        plain_texts(frame).to_csv(part, index=False, float_format="%.12g")
    if settings.json:
        _show.emit_json({"written": [str(path)], "rows": len(frame)})
    else:
        _show.note(f"Written: {path} ({_rows(len(frame)).rstrip('.')}).")
