"""Symptoms and side effects of people, labelled: scores at visits, sessions, incidences, and tables over everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim.clinical import ControlArm, DisorderEntry, Endpoint, Outcome, Reactions, Session
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
        self.met = {(e.measure, d): np.zeros(len(starts)) for e in self.endpoints for d in e.definitions}
        self.ever = dict.fromkeys(self.met, 0.0)
        self.peaks = {e.measure: np.zeros(len(starts)) for e in self.endpoints}
        self.counts: dict[str, LinearCounts] = {}
        if keep_quantiles:
            scale = disorder.scale
            self.counts["score"] = LinearCounts((len(visits),), scale.low, scale.high)
            self.counts |= {e.measure: LinearCounts((len(starts), len(after)), *e.bounds, bins=800) for e in self.endpoints}

    def add(self, outcome: Outcome, reactions: Mapping[str, Reactions]) -> None:
        """Add people."""
        scale, change = self.disorder.scale, outcome.score - outcome.baseline
        responds, remits = scale.responds(outcome.score, outcome.baseline), scale.remits(outcome.score)
        for row, values in enumerate((outcome.score, outcome.score**2, change, change**2, responds, remits)):
            self.sums[row] += values.sum(axis=1)
        self.n += outcome.score.shape[1]
        for endpoint in self.endpoints:
            found = reactions[endpoint.measure]
            self.peaks[endpoint.measure] += found.largest.sum(axis=1)
            for name, definition in endpoint.definitions.items():
                meets = found.meets(definition)
                self.met[endpoint.measure, name] += meets.sum(axis=1)
                self.ever[endpoint.measure, name] += float(meets.any(axis=0).sum()) if len(meets) else 0.0
            if endpoint.measure in self.counts and found.curve.size:
                self.counts[endpoint.measure].add(found.curve)
        if "score" in self.counts:
            self.counts["score"].add(outcome.score)

    def visit_statistics(self) -> dict[str, Floats]:
        """Statistic -> (visit,)."""
        mean, square, change, change_square, responds, remits = self.sums / self.n
        scale = self.n / max(self.n - 1, 1)
        sd, change_sd = (np.sqrt(np.maximum(b - a**2, 0.0) * scale) for a, b in ((mean, square), (change, change_square)))
        return dict(zip(VISIT_STATISTICS, (mean, sd, change, change_sd, responds, remits), strict=True))

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


def add_care(
    tree: xr.DataTree, table: CareTable, control: ControlArm, ids: NDArray[Any], outcome: Outcome, sessions: Sequence[Session],
    occupancy: Floats, reactions: Mapping[str, Reactions],
) -> None:  # fmt: skip
    """Add groups score, session, safety, visit and incidence to a result with every subject."""
    scale = table.disorder.scale
    visit = ("visit", table.visits, {"units": "h", "long_name": "time since start"})
    score = {
        scale.id: (("subject", "visit"), outcome.score.T, {"units": "points", "long_name": scale.title}),
        "baseline": ("subject", outcome.baseline, {"units": "points", "long_name": f"{scale.title} at the start"}),
        "drug_effect": (("subject", "visit"), outcome.store.T, {"units": "1", "long_name": "what has arrived of the drug, relative to one reference session"}),
    }  # fmt: skip
    tree["score"] = xr.DataTree(xr.Dataset(score, coords={"subject": ids, "visit": visit}))
    start = ("session", table.starts, {"units": "h", "long_name": "start of the session"})
    own: dict[str, Any] = {
        "s_ketamine_brain": (("subject", "session"), _per_session([s.s_ketamine for s in sessions], len(ids)), {"units": "ng/mL", "long_name": "peak of unbound S-ketamine in brain"}),
        "r_ketamine_brain": (("subject", "session"), _per_session([s.r_ketamine for s in sessions], len(ids)), {"units": "ng/mL", "long_name": "peak of unbound R-ketamine in brain"}),
        "occupancy_nmda": (("subject", "session"), occupancy.T, {"units": "1", "long_name": "largest share of NMDA receptors blocked"}),
    }  # fmt: skip
    for endpoint in table.endpoints:
        largest = reactions[endpoint.measure].largest
        own[f"{endpoint.measure}_largest"] = (("subject", "session"), largest.T, {"units": endpoint.unit, "long_name": f"{endpoint.title}, largest of a session"})  # fmt: skip
    tree["session"] = xr.DataTree(xr.Dataset(own, coords={"subject": ids, "session": start}))
    curves = {
        e.measure: (("subject", "session", "after"), np.moveaxis(reactions[e.measure].curve, -1, 0), {"units": e.unit, "long_name": e.title})
        for e in table.endpoints
    }  # fmt: skip
    after = ("after", table.after, {"units": "h", "long_name": "time since the start of the session"})
    tree["safety"] = xr.DataTree(xr.Dataset(curves, coords={"subject": ids, "session": start, "after": after}))
    _add_tables(tree, table, control, visit)


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
    rows = table.incidences()
    shares = {k: ("definition", [row[k] for row in rows], {"units": "1"}) for k in ("first", "per_session", "ever")}
    names = {k: ("definition", [row[k] for row in rows]) for k in ("measure", "title")}
    tree["incidence"] = xr.DataTree(xr.Dataset({**names, **shares}, coords={"definition": [row["definition"] for row in rows]}))
    notes = [*entry.notes, *(f"{e.title}: {note}" for e in table.endpoints for note in e.notes)]
    tree.attrs |= {
        "disorder": entry.cite, "disorder_title": entry.title, "scale": entry.scale.id, "scale_title": entry.scale.title,
        "control": control.id, "control_title": control.title, "grade": entry.grade, "from_priors": list(entry.from_priors),
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


def add_care_draws(tree: xr.DataTree, drawn: Sequence[CareTable]) -> None:
    """Add groups draws_visit and draws_incidence: what plausible numbers and trials make of the tables."""
    first = drawn[0]
    each = [table.visit_statistics() for table in drawn]
    draw = np.arange(len(drawn))
    statistics = {k: (("draw", "visit"), np.stack([one[k] for one in each])) for k in VISIT_STATISTICS}
    tree["draws_visit"] = xr.DataTree(xr.Dataset(statistics, coords={"draw": draw, "visit": first.visits}))
    rows = [table.incidences() for table in drawn]
    names = [row["definition"] for row in rows[0]]
    shares = {
        k: (("draw", "definition"), np.array([[row[k] for row in one] for one in rows])) for k in ("first", "per_session", "ever")
    }
    tree["draws_incidence"] = xr.DataTree(xr.Dataset(shares, coords={"draw": draw, "definition": names}))
    tree.attrs |= {"care_draws": len(drawn)}


def _per_session(values: Sequence[Floats], n: int) -> Floats:
    return np.stack(values, axis=1) if len(values) else np.zeros((n, 0))


def visit_rows(result: xr.DataTree) -> list[dict[str, Any]]:
    """Symptoms by visit: mean, 5-95 % of people, change, response and remission; with draws also 5-95 % over them."""
    visit, scale = result["visit"].to_dataset(), str(result.attrs["scale"])
    low, high = _ends(result["score"].to_dataset()[scale])
    drawn = result["draws_visit"].to_dataset() if "draws_visit" in result.children else None
    rows: list[dict[str, Any]] = []
    for k, time in enumerate(visit["visit"].to_numpy()):
        row = {
            "time_h": float(time),
            **{name: float(visit[name][k]) for name in VISIT_STATISTICS},
            "low": float(low[k]),
            "high": float(high[k]),
        }
        if drawn is not None:
            for name in ("change", "response", "remission"):
                row[f"{name}_low"], row[f"{name}_high"] = map(float, np.quantile(drawn[name][:, k].to_numpy(), [0.05, 0.95]))
        rows.append(row)
    return rows


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
