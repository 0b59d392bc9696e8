"""``ketasim evidence``: the tables of sourced facts, queried, checked, widened, exported."""

from __future__ import annotations

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
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the rows, all columns, as CSV.")]
Everything = Annotated[bool, typer.Option("--all-columns", help="Every column.")]
Holdout = Annotated[
    bool | None, typer.Option("--holdout/--no-holdout", help="Only rows that are scored and never fitted, or only the others.")
]
Confidence = Annotated[str | None, typer.Option("--confidence", help="read, derived, digitised or recalled.")]
Source = Annotated[str | None, typer.Option("--source", help="Key of a source.")]
Drug = Annotated[str | None, typer.Option("--drug", help="e.g. esketamine; a part of the name is enough.")]
Disorder = Annotated[
    str | None, typer.Option("--disorder", help="mdd, trd, mdsi, bipolar, aud, aws, oud, cocaine, ptsd, ocd, other.")
]
Trial = Annotated[str | None, typer.Option("--trial", help="Name of a trial or study; a part is enough.")]
Scale = Annotated[str | None, typer.Option("--scale", help="e.g. madrs, ybocs, caps.")]

_SHOWN = {
    "trials": ["trial", "arm", "disorder", "drug", "route", "dose", "dose_unit", "schedule", "n_randomised", "control_type", "holdout"],
    "outcomes": ["trial", "arm", "scale", "time_h", "n", "mean", "sd", "change_from_baseline", "change_sd", "response_percent",
                 "remission_percent", "other_metric", "other_value"],
    "contrasts": ["study", "kind", "comparison", "disorder", "scale", "time_h", "metric", "value", "ci_low", "ci_high", "n"],
    "safety": ["study", "drug", "route", "dose", "event", "time_h", "metric", "value", "spread", "n", "comparator_value"],
    "receptor_affinity": ["ligand", "target", "species", "assay", "metric", "value", "unit", "spread"],
    "mechanism_findings": ["system", "species", "intervention", "dose", "readout", "time_after_h", "effect", "effect_unit", "direction"],
    "pk_observations": ["drug", "analyte", "route", "dose", "dose_unit", "infusion_min", "metric", "value", "unit", "n"],
    "interactions": ["perpetrator", "mechanism", "victim", "route", "metric", "ratio", "ci_low", "ci_high"],
    "monitoring_rules": ["rule_id", "applies_to", "condition", "action", "threshold", "unit", "authority"],
    "sources": ["source", "authors", "year", "title", "journal", "doi", "how_read"],
    "exposure_response": ["model", "drug", "endpoint", "parameter", "value", "unit"],
}  # fmt: skip
_EXACT = {"disorder", "scale", "confidence", "source", "kind", "metric"}


@app.command("trials")
@verb
def trials(
    *, disorder: Disorder = None, drug: Drug = None, trial: Trial = None,
    control: Annotated[str | None, typer.Option("--control", help="inactive, active_sedative, ect, drug, dose, none.")] = None,
    holdout: Holdout = None, source: Source = None, confidence: Confidence = None, evidence: Folder = None, csv: Csv = None,
    all_columns: Everything = False,
) -> None:  # fmt: skip
    """Arms of trials: who got what. ``ketasim evidence trials --disorder ocd``"""
    filters = {
        "disorder": disorder,
        "drug": drug,
        "trial": trial,
        "control_type": control,
        "source": source,
        "confidence": confidence,
    }
    _list("trials", filters, holdout, evidence, csv, all_columns)


@app.command("outcomes")
@verb
def outcomes(
    *, trial: Trial = None, arm: Annotated[str | None, typer.Option("--arm", help="Name of an arm; a part is enough.")] = None,
    scale: Scale = None, disorder: Disorder = None, holdout: Holdout = None, source: Source = None, confidence: Confidence = None,
    evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """What the arms showed, per scale and time."""
    filters = {"trial": trial, "arm": arm, "scale": scale, "source": source, "confidence": confidence}
    _list("outcomes", filters, holdout, evidence, csv, all_columns, disorder)


@app.command("contrasts")
@verb
def contrasts(
    *, trial: Trial = None, disorder: Disorder = None, scale: Scale = None,
    kind: Annotated[str | None, typer.Option("--kind", help="trial, meta_analysis or network.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="e.g. mean_difference, smd, or, rr.")] = None,
    holdout: Holdout = None, source: Source = None, confidence: Confidence = None, evidence: Folder = None, csv: Csv = None,
    all_columns: Everything = False,
) -> None:  # fmt: skip
    """Differences between arms, also pooled ones of published meta-analyses."""
    filters = {"study": trial, "disorder": disorder, "scale": scale, "kind": kind, "metric": metric, "source": source,
               "confidence": confidence}  # fmt: skip
    _list("contrasts", filters, holdout, evidence, csv, all_columns)


@app.command("safety")
@verb
def safety(
    *, event: Annotated[str | None, typer.Option("--event", help="e.g. dissociation, cadss, sbp; a part is enough.")] = None,
    drug: Drug = None, route: Annotated[str | None, typer.Option("--route", help="e.g. intravenous, intranasal.")] = None,
    trial: Trial = None, holdout: Holdout = None, source: Source = None, confidence: Confidence = None, evidence: Folder = None,
    csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """Side effects: incidence, size, time. ``ketasim evidence safety --event dissociation``"""
    filters = {"event": event, "drug": drug, "route": route, "study": trial, "source": source, "confidence": confidence}
    _list("safety", filters, holdout, evidence, csv, all_columns)


@app.command("affinity")
@verb
def affinity(
    *, target: Annotated[str | None, typer.Option("--target", help="e.g. nmda, mu_opioid; a part is enough.")] = None,
    ligand: Annotated[str | None, typer.Option("--ligand", help="e.g. s_ketamine, 2r6r_hnk.")] = None,
    species: Annotated[str | None, typer.Option("--species", help="e.g. human, rat.")] = None, source: Source = None,
    confidence: Confidence = None, evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """How strongly ligands bind. ``ketasim evidence affinity --target nmda``"""
    filters = {"target": target, "ligand": ligand, "species": species, "source": source, "confidence": confidence}
    _list("receptor_affinity", filters, None, evidence, csv, all_columns)


@app.command("findings")
@verb
def findings(
    *, system: Annotated[str | None, typer.Option("--system", help="e.g. bdnf_trkb, lhb_burst; a part is enough.")] = None,
    species: Annotated[str | None, typer.Option("--species", help="e.g. human, mouse.")] = None,
    readout: Annotated[str | None, typer.Option("--readout", help="What was measured; a part is enough.")] = None,
    source: Source = None, confidence: Confidence = None, evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """Experiments on mechanisms."""
    filters = {"system": system, "species": species, "readout": readout, "source": source, "confidence": confidence}
    _list("mechanism_findings", filters, None, evidence, csv, all_columns)


@app.command("pk")
@verb
def pk(
    *, drug: Drug = None, analyte: Annotated[str | None, typer.Option("--analyte", help="e.g. s_ketamine, norketamine.")] = None,
    route: Annotated[str | None, typer.Option("--route", help="e.g. iv, nasal, oral.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="e.g. cmax, auc_inf, clearance.")] = None, holdout: Holdout = None,
    source: Source = None, confidence: Confidence = None, evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """Published pharmacokinetic observations."""
    filters = {"drug": drug, "analyte": analyte, "route": route, "metric": metric, "source": source, "confidence": confidence}
    _list("pk_observations", filters, holdout, evidence, csv, all_columns)


@app.command("interactions")
@verb
def interactions(
    *, perpetrator: Annotated[str | None, typer.Option("--with", help="The other drug or disease; a part is enough.")] = None,
    route: Annotated[str | None, typer.Option("--route", help="e.g. oral.")] = None, source: Source = None, confidence: Confidence = None,
    evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """What other drugs and organ disease change."""
    filters = {"perpetrator": perpetrator, "route": route, "source": source, "confidence": confidence}
    _list("interactions", filters, None, evidence, csv, all_columns)


@app.command("rules")
@verb
def rules(
    *, authority: Annotated[str | None, typer.Option("--authority", help="e.g. FDA, EMA; a part is enough.")] = None,
    applies_to: Annotated[str | None, typer.Option("--applies-to", help="e.g. esketamine_nasal.")] = None, source: Source = None,
    evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """What labels and guidelines ask for."""
    _list(
        "monitoring_rules", {"authority": authority, "applies_to": applies_to, "source": source}, None, evidence, csv, all_columns
    )


@app.command("exposure")
@verb
def exposure(
    *, model: Annotated[str | None, typer.Option("--model", help="e.g. kamp2021co.")] = None, source: Source = None,
    evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """Published relations between concentration and effect."""
    _list("exposure_response", {"model": model, "source": source}, None, evidence, csv, all_columns)


@app.command("sources")
@verb
def sources(
    *, text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Part of key, author, title or journal.")] = None,
    how_read: Annotated[str | None, typer.Option("--how-read", help="full_text, table, abstract, label, registry_results, secondary.")] = None,
    evidence: Folder = None, csv: Csv = None, all_columns: Everything = False,
) -> None:  # fmt: skip
    """Where the facts were read."""
    _list("sources", {"how_read": how_read}, None, evidence, csv, all_columns, text=text)


@app.command("sql")
@verb
def sql(
    query: Annotated[str, typer.Argument(help="One DuckDB query, e.g. \"select drug, count(*) from trials group by drug\".")],
    *, evidence: Folder = None, csv: Csv = None,
) -> None:  # fmt: skip
    """A query over all tables; ``show tables`` and ``describe TABLE`` say what there is."""
    _emit(_load(evidence).sql(query), csv, list)


@app.command("check")
@verb
def check(folder: Annotated[Path, typer.Argument(help="Folder of own tables.")]) -> None:
    """Check own tables: one message that names file, line, column, value and what is allowed."""
    whole = _load([folder])
    counts = {name: int((whole.table(name)["origin"] == "user").sum()) for name in whole.names}
    found = {name: n for name, n in counts.items() if n}
    if settings.json:
        _show.emit_json({"folder": str(folder), "rows": found})
        return
    _show.text(f"{folder}: in order. " + ", ".join(f"{n} rows of {name}" for name, n in found.items()) + ".")


@app.command("export")
@verb
def export(
    *, out: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for one CSV per table.")], evidence: Folder = None,
) -> None:  # fmt: skip
    """Every table as CSV, own ones merged in."""
    written = _load(evidence).export(out)
    if settings.json:
        _show.emit_json([str(path) for path in written])
        return
    _show.text("Written: " + ", ".join(path.name for path in written) + f" in {out}.")


@app.command("import")
@verb
def import_(
    file: Annotated[Path, typer.Argument(help="ClinicalTrials.gov study (API v2, .json), .ris or .bib.")],
    *, into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Folder of own tables, made where missing.")],
) -> None:  # fmt: skip
    """Draft rows from a registry record or a bibliography, into own tables."""
    from ketasim.evidence import import_record

    added = import_record(file, into)
    if settings.json:
        _show.emit_json({"file": str(file), "into": str(into), "rows": added})
        return
    _show.text(f"Into {into}: " + ", ".join(f"{n} rows of {name}" for name, n in added.items()) + ".")
    _show.note("Read them before use: empty cells are what the record does not say. Then: ketasim evidence check " + str(into))


def _load(folders: list[Path] | None) -> Any:
    from ketasim import evidence

    return evidence.load(*(folders or []))


def _list(
    name: str, filters: dict[str, str | None], holdout: bool | None, folders: list[Path] | None, csv: Path | None, all_columns: bool,
    disorder: str | None = None, text: str | None = None,
) -> None:  # fmt: skip
    whole = _load(folders)
    frame = whole.table(name)
    for column, wanted in filters.items():
        if wanted is not None:
            frame = _filtered(frame, column, wanted)
    if disorder is not None:
        arms = _filtered(whole.table("trials"), "disorder", disorder)
        frame = frame[frame["trial"].isin(set(arms["trial"]))]
    if text is not None:
        words = frame[["source", "authors", "title", "journal"]].agg(" ".join, axis=1)
        frame = frame[words.str.contains(text, case=False, regex=False)]
    if holdout is not None and "holdout" in frame:
        frame = frame[frame["holdout"] == holdout]

    def shown(columns: list[str]) -> list[str]:
        ends = [
            c for c in ("source", "confidence", "origin") if c in columns and (c != "origin" or (frame["origin"] == "user").any())
        ]
        return columns if all_columns else [*(c for c in _SHOWN[name] if c not in ends), *ends]

    _emit(frame, csv, shown, whole)


def _filtered(frame: pd.DataFrame, column: str, wanted: str) -> pd.DataFrame:
    values = frame[column].astype(str)
    chosen = values.str.lower() == wanted.lower() if column in _EXACT else values.str.contains(wanted, case=False, regex=False)
    if not chosen.any():
        known = sorted({v for v in values.unique() if v})
        listed = ", ".join(known[:25]) + (" ..." if len(known) > 25 else "")
        raise InvalidOption(
            f"no row with {column} '{wanted}' here. There is: {listed or 'nothing left after the other filters'}."
        )
    return frame[chosen]


def _emit(frame: pd.DataFrame, csv: Path | None, shown: Any, whole: Any = None) -> None:
    if csv is not None:
        from ketasim.cli._outputs import check_writable

        check_writable(csv)
        frame.to_csv(csv, index=False)
        _show.note(f"Written: {csv} ({len(frame)} rows).")
        return
    if settings.json:
        rows = frame.to_dict("records")
        if whole is not None and "source" in frame and "authors" not in frame:
            rows = [row | {"citation": whole.citation(row["source"]) if row["source"] else ""} for row in rows]
        _show.emit_json({"rows": rows, "notice": _show.NOTICE})
        return
    columns = shown(list(frame.columns))
    _show.table(columns, frame[columns].itertuples(index=False), numbers_from=len(columns))
    _show.note(f"{len(frame)} rows. Every row stands for one fact read in its source: ketasim evidence sources KEY.")
    _show.notice()
