"""Symptoms and side effects of people, labelled: scores at visits, sessions, incidences, and tables over everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.clinical import ControlArm, DisorderEntry, Endpoint, Outcome, Reactions
from ketasim.results._linear import LinearCounts

Floats = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Statistics of a visit, over people.
VISIT_STATISTICS = ("mean", "sd", "change", "change_sd", "response", "remission")


class CareTable:
    """What is kept of everybody: sums and counts, so that chunks add up to the same table in any order.

    Parameters
    ----------
    visits, starts, after : h: visits, starts of sessions, times after the start of a session.
    """

    def __init__(
        self, disorder: DisorderEntry, endpoints: Sequence[Endpoint], visits: Floats, starts: Floats, after: Floats, *,
        keep_quantiles: bool = True,
    ) -> None:  # fmt: skip
        self.disorder, self.endpoints, self.visits, self.starts, self.after = disorder, tuple(endpoints), visits, starts, after
        self.n = 0
        self.sums = np.zeros((6, len(visits)))
        self.in_care, self.given = np.zeros(len(visits)), np.zeros(len(starts))
        self.more: dict[str, Floats] = {}
        self.happened: dict[str, Floats] = {}
        self.met = {(e.measure, d): np.zeros(len(starts)) for e in self.endpoints for d in e.definitions}
        self.ever = dict.fromkeys(self.met, 0.0)
        self.peaks = {e.measure: np.zeros(len(starts)) for e in self.endpoints}
        self.counts: dict[str, LinearCounts] = {}
        if keep_quantiles:
            scale = disorder.scale
            self.counts["score"] = LinearCounts((len(visits),), scale.low, scale.high)
            self.counts |= {e.measure: LinearCounts((len(starts), len(after)), *e.bounds, bins=800) for e in self.endpoints}

    def add(self, outcome: Outcome) -> None:
        """Add people."""
        scale, change = self.disorder.scale, outcome.score - outcome.baseline
        reactions = joined_reactions(outcome)
        responds, remits = scale.responds(outcome.score, outcome.baseline), scale.remits(outcome.score)
        for row, values in enumerate((outcome.score, outcome.score**2, change, change**2, responds, remits)):
            self.sums[row] += values.sum(axis=1)
        self.n += outcome.score.shape[1]
        self.in_care += outcome.in_care.sum(axis=1)
        self.given += (outcome.level >= 0).sum(axis=1)
        for name, values in (outcome.others | outcome.readings).items():
            self.more.setdefault(name, np.zeros(len(self.visits)))[:] += values.sum(axis=1)
        for name, at in outcome.happened.items():
            self.happened.setdefault(name, np.zeros(len(self.visits)))[:] += (at[None, :] <= self.visits[:, None]).sum(axis=1)
        if not reactions:
            return self._count(outcome, reactions)
        for endpoint in self.endpoints:
            found = reactions[endpoint.measure]
            self.peaks[endpoint.measure] += found.largest.sum(axis=1)
            for name, definition in endpoint.definitions.items():
                meets = found.meets(definition)
                self.met[endpoint.measure, name] += meets.sum(axis=1)
                self.ever[endpoint.measure, name] += float(meets.any(axis=0).sum()) if len(meets) else 0.0
        return self._count(outcome, reactions)

    def _count(self, outcome: Outcome, reactions: Mapping[str, Reactions]) -> None:
        for measure, counts in self.counts.items():
            values = outcome.score if measure == "score" else reactions[measure].curve if measure in reactions else np.empty(0)
            if values.size:
                counts.add(values)

    def visit_statistics(self) -> dict[str, Floats]:
        """Statistic -> (visit,)."""
        mean, square, change, change_square, responds, remits = self.sums / self.n
        scale = self.n / max(self.n - 1, 1)
        sd, change_sd = (np.sqrt(np.maximum(b - a**2, 0.0) * scale) for a, b in ((mean, square), (change, change_square)))
        found = dict(zip(VISIT_STATISTICS, (mean, sd, change, change_sd, responds, remits), strict=True))
        events = {f"{name}_by_now": values / self.n for name, values in self.happened.items()}
        return found | {"in_care": self.in_care / self.n} | {f"{k}_mean": v / self.n for k, v in self.more.items()} | events

    def incidences(self) -> list[dict[str, Any]]:
        """Per definition: share of people in the first session, on average per session, and ever."""
        rows: list[dict[str, Any]] = []
        for endpoint in self.endpoints:
            for name, definition in endpoint.definitions.items():
                per_session = self.met[endpoint.measure, name] / self.n
                rows.append({
                    "definition": name, "measure": endpoint.measure, "title": definition.title,
                    "first": float(per_session[0]) if len(per_session) else 0.0,
                    "per_session": float(per_session.mean()) if len(per_session) else 0.0,
                    "ever": self.ever[endpoint.measure, name] / self.n,
                })  # fmt: skip
        return rows


@checked
def add_care(
    tree: xr.DataTree, table: CareTable, control: ControlArm, ids: NDArray[Any], outcome: Outcome, per_session: Mapping[str, Floats],
) -> None:  # fmt: skip
    """Add groups score, session, safety, visit and incidence to a result with every subject; per_session : name -> (subject, session)."""
    reactions = joined_reactions(outcome)
    scale = table.disorder.scale
    visit = ("visit", table.visits, {"units": "h", "long_name": "time since start"})
    score = {
        scale.id: (("subject", "visit"), outcome.score.T, {"units": "points", "long_name": scale.title}),
        "baseline": ("subject", outcome.baseline, {"units": "points", "long_name": f"{scale.title} at the start"}),
        "drug_effect": (("subject", "visit"), outcome.store.T, {"units": "1", "long_name": "what has arrived of the drug, relative to one reference session"}),
    }  # fmt: skip
    score["in_care"] = (("subject", "visit"), outcome.in_care.T, {"long_name": "has not dropped out"})
    for name, values in outcome.others.items():
        score[name] = (("subject", "visit"), values.T, {"units": "points", "long_name": table.disorder.scales[name].title})
    for name, values in outcome.readings.items():
        unit, meaning = table.disorder.equations.records[name]
        score[name] = (("subject", "visit"), values.T, {"units": unit, "long_name": meaning})
    tree["score"] = xr.DataTree(xr.Dataset(score, coords={"subject": ids, "visit": visit}))
    events = {
        name: (
            "subject",
            at,
            {"units": "h", "long_name": f"{table.disorder.equations.events[name]}; empty where it did not happen"},
        )
        for name, at in outcome.happened.items()
    }
    if events:
        tree["event"] = xr.DataTree(xr.Dataset(events, coords={"subject": ids}))
    start = ("session", table.starts, {"units": "h", "long_name": "start of the session"})
    own: dict[str, Any] = {
        name: (("subject", "session"), values, {"units": _SESSION[name][0], "long_name": _SESSION[name][1]})
        for name, values in per_session.items()
    }
    own["given"] = (
        ("subject", "session"),
        outcome.level.T,
        {"units": "1", "long_name": "level of dose: 0 as planned, -1 not given"},
    )
    for endpoint in (e for e in table.endpoints if e.measure in reactions):
        largest = reactions[endpoint.measure].largest
        own[f"{endpoint.measure}_largest"] = (("subject", "session"), largest.T, {"units": endpoint.unit, "long_name": f"{endpoint.title}, largest of a session"})  # fmt: skip
    tree["session"] = xr.DataTree(xr.Dataset(own, coords={"subject": ids, "session": start}))
    curves = {
        e.measure: (("subject", "session", "after"), np.moveaxis(reactions[e.measure].curve, -1, 0), {"units": e.unit, "long_name": e.title})
        for e in table.endpoints if e.measure in reactions
    }  # fmt: skip
    after = ("after", table.after, {"units": "h", "long_name": "time since the start of the session"})
    tree["safety"] = xr.DataTree(xr.Dataset(curves, coords={"subject": ids, "session": start, "after": after}))
    _add_tables(tree, table, control, visit)


_SESSION = {
    "s_ketamine_brain": ("ng/mL", "peak of unbound S-ketamine in brain"),
    "r_ketamine_brain": ("ng/mL", "peak of unbound R-ketamine in brain"),
    "occupancy_nmda": ("1", "largest share of NMDA receptors blocked"),
}


def joined_reactions(outcome: Outcome) -> dict[str, Reactions]:
    """Side effects by measure, all sessions together; empty without sessions."""
    names = outcome.reactions[0] if outcome.reactions else ()
    return {name: Reactions.joined([session[name] for session in outcome.reactions]) for name in names}


@checked
def add_care_summary(tree: xr.DataTree, table: CareTable, control: ControlArm, levels: Sequence[float]) -> None:
    """Add groups score, safety, visit and incidence of a streamed cohort: quantiles instead of people."""
    scale = table.disorder.scale
    visit = ("visit", table.visits, {"units": "h", "long_name": "time since start"})
    bands = {
        scale.id: (("quantile", "visit"), table.counts["score"].quantiles(levels), {"units": "points", "long_name": scale.title})
    }
    tree["score"] = xr.DataTree(xr.Dataset(bands, coords={"quantile": list(levels), "visit": visit}))
    curves = {
        e.measure: (("quantile", "session", "after"), table.counts[e.measure].quantiles(levels), {"units": e.unit, "long_name": e.title})
        for e in table.endpoints
    }  # fmt: skip
    tree["safety"] = xr.DataTree(
        xr.Dataset(curves, coords={"quantile": list(levels), "session": table.starts, "after": table.after})
    )
    _add_tables(tree, table, control, visit)


def _add_tables(tree: xr.DataTree, table: CareTable, control: ControlArm, visit: Any) -> None:
    entry = table.disorder
    units = dict.fromkeys(("mean", "sd", "change", "change_sd"), "points")
    statistics = {k: ("visit", v, {"units": units.get(k, "1")}) for k, v in table.visit_statistics().items()}
    tree["visit"] = xr.DataTree(xr.Dataset(statistics, coords={"visit": visit}))
    given = {"given": ("session", table.given / table.n, {"units": "1", "long_name": "share of people who got the session"})}
    tree["course"] = xr.DataTree(xr.Dataset(given, coords={"session": ("session", table.starts, {"units": "h"})}))
    rows = table.incidences()
    shares = {k: ("definition", [row[k] for row in rows], {"units": "1"}) for k in ("first", "per_session", "ever")}
    names = {k: ("definition", [row[k] for row in rows]) for k in ("measure", "title")}
    tree["incidence"] = xr.DataTree(xr.Dataset({**names, **shares}, coords={"definition": [row["definition"] for row in rows]}))
    notes = [*entry.notes, *(f"{e.title}: {note}" for e in table.endpoints for note in e.notes)]
    tree.attrs |= {
        "disorder": entry.cite, "disorder_title": entry.title, "scale": entry.scale.id, "scale_title": entry.scale.title,
        "control": control.id, "control_title": control.title, "grade": entry.grade, "from_priors": list(entry.from_priors),
        "certainty": certainty(entry), "controlled": entry.controlled,
        "care_notes": notes, "baseline": f"{entry.baseline.mean:g} (SD {entry.baseline.sd:g})",
        "response": f"at least {entry.scale.response:.0%} of the baseline lost", "remission": f"{entry.scale.remission:g} points or less",
    }  # fmt: skip
    cited = [
        *(str(s) for s in tree.attrs.get("sources", [])),
        entry.source,
        entry.scale.source,
        *(e.source for e in table.endpoints),
    ]
    tree.attrs["sources"] = list(dict.fromkeys(s for s in cited if s))
    tree.attrs["models"] = [*tree.attrs.get("models", []), entry.cite, *(e.cite for e in table.endpoints)]
    provisional = [e.cite for e in (entry, *table.endpoints) if e.status != "checked"]
    tree.attrs["provisional"] = [*tree.attrs.get("provisional", []), *provisional]


#: Said in place of an interval whose ends are one number.
ALIKE = "all draws alike"


@checked
def add_care_draws(tree: xr.DataTree, drawn: Sequence[CareTable]) -> None:
    """Add groups draws_visit and draws_incidence: what plausible numbers and trials make of the tables."""
    first = drawn[0]
    each = [table.visit_statistics() for table in drawn]
    draw = np.arange(len(drawn))
    statistics = {k: (("draw", "visit"), np.stack([one[k] for one in each])) for k in each[0]}
    tree["draws_visit"] = xr.DataTree(xr.Dataset(statistics, coords={"draw": draw, "visit": first.visits}))
    rows = [table.incidences() for table in drawn]
    names = [row["definition"] for row in rows[0]]
    shares = {
        k: (("draw", "definition"), np.array([[row[k] for row in one] for one in rows])) for k in ("first", "per_session", "ever")
    }
    tree["draws_incidence"] = xr.DataTree(xr.Dataset(shares, coords={"draw": draw, "definition": names}))
    tree.attrs |= {"care_draws": len(drawn)}


def certainty(entry: DisorderEntry) -> str:
    """How sure anything said of a disorder is: the grade, whether there is a controlled trial, what is prior, and the chance of no effect."""
    said = [entry.grade]
    if not entry.controlled:
        said.append("no controlled data")
    if prior := len(entry.from_priors):
        said.append(f"{prior} of {len(entry.priors)} estimated numbers are prior, not data")
    if (none := float(entry.numbers["null"].value)) > 0:
        said.append(f"chance that the drug does nothing here {none:.0%}")
    return "; ".join(said)


@checked
def add_without(tree: xr.DataTree, without: CareTable | Sequence[CareTable]) -> None:
    """Add what visits show of the same people without the drug, as ``mean_without`` and so on; a sequence holds draws."""
    if isinstance(without, CareTable):
        group, found = "visit", {k: ("visit", v) for k, v in without.visit_statistics().items()}
    else:
        each = [table.visit_statistics() for table in without]
        group, found = "draws_visit", {k: (("draw", "visit"), np.stack([one[k] for one in each])) for k in each[0]}
    own = tree[group].to_dataset()
    added = {f"{k}_without": (dims, values, own[k].attrs) for k, (dims, values) in found.items()}
    tree[group] = xr.DataTree(own.assign(added))


@checked
def without_rows(result: xr.DataTree) -> list[dict[str, Any]]:
    """By visit, with and without the drug in the same people: the score, further measures, and the difference; with draws also 5-95 %."""
    visit = result["visit"].to_dataset()
    if "mean_without" not in visit:
        return []
    drawn = result["draws_visit"].to_dataset() if "draws_visit" in result.children else None
    measures = ["mean", *(str(name) for name in visit.data_vars if str(name).endswith(("_mean", "_by_now")))]
    rows: list[dict[str, Any]] = []
    for k, time in enumerate(visit["visit"].to_numpy()):
        row: dict[str, Any] = {"time_h": float(time)}
        for name in measures:
            row |= {name: float(visit[name][k]), f"{name}_without": float(visit[f"{name}_without"][k])}
            if drawn is not None:
                apart = (drawn[name] - drawn[f"{name}_without"])[:, k].to_numpy()
                row[f"{name}_low"], row[f"{name}_high"] = map(float, np.quantile(apart, [0.05, 0.95]))
        rows.append(row)
    return rows


@checked
def visit_rows(result: xr.DataTree) -> list[dict[str, Any]]:
    """Symptoms by visit: mean, 5-95 % of people, change, response and remission; with draws also 5-95 % over them."""
    visit, scale = result["visit"].to_dataset(), str(result.attrs["scale"])
    low, high = _ends(result["score"].to_dataset()[scale])
    drawn = result["draws_visit"].to_dataset() if "draws_visit" in result.children else None
    rows: list[dict[str, Any]] = []
    for k, time in enumerate(visit["visit"].to_numpy()):
        row = {
            "time_h": float(time),
            **{str(name): float(visit[name][k]) for name in visit.data_vars},
            "low": float(low[k]),
            "high": float(high[k]),
        }
        if drawn is not None:
            for name in ("change", "response", "remission"):
                row[f"{name}_low"], row[f"{name}_high"] = map(float, np.quantile(drawn[name][:, k].to_numpy(), [0.05, 0.95]))
        rows.append(row)
    return rows


@checked
def contrast_rows(results: Mapping[str, xr.DataTree]) -> list[dict[str, Any]]:
    """Every arm on the scale of the first against it, by visit: difference of change and of response; with draws also 5-95 % over them.

    A draw is one trial with both arms, so what arms share cancels.
    """
    first, *others = results or ("",)
    if not others:
        return []
    base = results[first]["visit"].to_dataset()
    rows: list[dict[str, Any]] = []
    for label in others:
        if results[label].attrs["scale"] != results[first].attrs["scale"]:
            continue  # points of one scale are none of another
        own = results[label]["visit"].to_dataset()
        for time in sorted(set(base["visit"].to_numpy()) & set(own["visit"].to_numpy()) - {0.0}):
            row: dict[str, Any] = {"arm": label, "against": first, "time_h": float(time)}
            for name in ("change", "response"):
                row[name] = float(own[name].sel(visit=time) - base[name].sel(visit=time))
                if all("draws_visit" in results[arm].children for arm in (first, label)):
                    drawn = [results[arm]["draws_visit"][name].sel(visit=time).to_numpy() for arm in (label, first)]
                    row[f"{name}_low"], row[f"{name}_high"] = map(float, np.quantile(drawn[0] - drawn[1], [0.05, 0.95]))
            rows.append(row)
    return rows


@checked
def incidence_rows(result: xr.DataTree) -> list[dict[str, Any]]:
    """Side effects by definition: shares of people in the first session, per session and ever; with draws also 5-95 % over them."""
    table = result["incidence"].to_dataset()
    drawn = result["draws_incidence"].to_dataset() if "draws_incidence" in result.children else None
    rows: list[dict[str, Any]] = []
    for k, name in enumerate(table["definition"].to_numpy()):
        row: dict[str, Any] = {
            "definition": str(name),
            "measure": str(table["measure"].to_numpy()[k]),
            "title": str(table["title"].to_numpy()[k]),
        }
        for share in ("first", "per_session", "ever"):
            row[share] = float(table[share][k])
            if drawn is not None:
                row[f"{share}_low"], row[f"{share}_high"] = map(float, np.quantile(drawn[share][:, k].to_numpy(), [0.05, 0.95]))
        rows.append(row)
    return rows


@checked
def draws_notes(results: Sequence[xr.DataTree]) -> list[str]:
    """What draws were made of, and what they cannot tell; empty where none were made."""
    made = dict.fromkeys(result.attrs["care_draws"] for result in results if "care_draws" in result.attrs)
    if not made:
        return []
    return [
        f"{' or '.join(map(str, made))} draws: plausible numbers of the disorder and of side effects, each in a trial of its own; 5 to 95 % of "
        "them. Concentrations are as estimated: how studies differ in them is part of how trials differ.",
        f"'{ALIKE}': what a row rests on has no standard error, or lies at the end of its scale; it is no certainty.",
    ]


@checked
def care_bands(result: xr.DataTree, group: str, name: str) -> tuple[Floats, Floats]:
    """Times (days of a score, h after the start of the first session of a side effect) and quantiles over people, (5, time)."""
    array = result[group].to_dataset()[name]
    array = array.isel(session=0) if "session" in array.dims else array
    times = array["visit"].to_numpy() / 24.0 if "visit" in array.dims else array["after"].to_numpy()
    if "quantile" in array.dims:
        return times, array.sel(quantile=list(QUANTILES), method="nearest").to_numpy()
    return times, np.quantile(array.to_numpy(), QUANTILES, axis=0)


def _ends(array: xr.DataArray) -> tuple[Floats, Floats]:
    """5 and 95 % over people, (visit,)."""
    if "quantile" in array.dims:
        found = array.sel(quantile=[0.05, 0.95], method="nearest").to_numpy()
    else:
        found = np.quantile(array.to_numpy(), [0.05, 0.95], axis=0)
    return found[0], found[1]
