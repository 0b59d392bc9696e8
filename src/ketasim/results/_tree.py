"""The one place where arrays become labelled, united, provenanced data."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.dose import has_molar_mass, molar_mass
from ketasim.errors import UnitMismatch
from ketasim.solve import STATUS
from ketasim.units import factor

if TYPE_CHECKING:
    from ketasim.model import Model

Floats = NDArray[np.float64]
NOTICE = "Research software: explores pharmacology, does not advise on treatment."
_MEANING = {"status": "; ".join(f"{code} {text}" for code, text in STATUS.items())}
#: Sums over enantiomers, made where both are there.
TOTALS = {total: (f"s_{total}", f"r_{total}") for total in ("ketamine", "norketamine", "hnk", "dhnk")}


@checked
def redundant_totals(present: Iterable[Collection[str]], asked: Collection[str] = ()) -> set[str]:
    """Totals that in every arm equal the one enantiomer that is there, unless somebody asked for them by name.

    present : analytes of each arm that rise above zero. asked : names of which nothing is left out.

    Examples
    --------
    >>> redundant_totals([["ketamine", "s_ketamine"]]) >= {"ketamine"}
    True
    >>> "ketamine" in redundant_totals([["ketamine", "s_ketamine"], ["ketamine", "s_ketamine", "r_ketamine"]])
    False
    """
    arms = list(present)
    found = {total for total, (s, r) in TOTALS.items() if all((s in arm) != (r in arm) for arm in arms if total in arm)}
    return found - set(asked)


@checked
def concentration_ports(model: Model) -> dict[str, dict[str, str]]:
    """site -> analyte -> port."""
    out: dict[str, dict[str, str]] = {}
    for name, port in model.ports.items():
        if port.analyte and port.site:
            out.setdefault(port.site, {})[port.analyte] = name
    return out


@checked
def other_ports(model: Model) -> tuple[str, ...]:
    """Outputs that are no concentrations of a site."""
    return tuple(name for name, port in model.ports.items() if not (port.analyte and port.site))


@dataclass(frozen=True)
class Concentrations:
    """What is reported of a site.

    Attributes
    ----------
    analytes : names, totals last. terms : per analyte the ports it is the sum of, each with its factor. unit : of all of them.
    """

    analytes: tuple[str, ...]
    terms: tuple[tuple[tuple[str, float], ...], ...]
    unit: str


@checked
def reported_concentrations(model: Model) -> dict[str, Concentrations]:
    """site -> what is reported of it.

    Concentrations in umol/L become ng/mL where the molar mass is known: umol/L times g/mol is ug/L, which is ng/mL. Others keep their
    port's unit. Where a site has several units, all that can be are in ng/mL, and each further unit stands under a name of its own, e.g.
    ``venous_umol_L``.
    """
    out: dict[str, Concentrations] = {}
    for site, by_analyte in concentration_ports(model).items():
        usual = {a: _usual(model.ports[port].unit, a) for a, port in by_analyte.items()}
        if len({unit for unit, _ in usual.values()}) > 1:
            usual = {a: _in_mass(model.ports[port].unit, a) or usual[a] for a, port in by_analyte.items()}
        units = dict.fromkeys(unit for unit, _ in usual.values())
        for unit in sorted(units, key="ng/mL".__ne__):
            terms = {a: ((by_analyte[a], by),) for a, (its, by) in usual.items() if its == unit}
            for total, parts in TOTALS.items():
                if total not in by_analyte and all(p in terms for p in parts):
                    terms[total] = terms[parts[0]] + terms[parts[1]]
            name = site if site not in out else f"{site}_{re.sub(r'[^A-Za-z0-9]+', '_', unit)}"
            out[name] = Concentrations(tuple(terms), tuple(terms.values()), unit)
    return out


def _usual(unit: str, analyte: str) -> tuple[str, float]:
    """Unit in which a concentration is reported, and the factor to it."""
    return ("ng/mL", molar_mass(analyte)) if unit == "umol/L" and has_molar_mass(analyte) else (unit, 1.0)


def _in_mass(unit: str, analyte: str) -> tuple[str, float] | None:
    """A concentration in ng/mL, or none where it cannot be."""
    try:
        return "ng/mL", factor(unit, "ng/mL")
    except UnitMismatch:
        pass
    try:
        return ("ng/mL", factor(unit, "umol/L") * molar_mass(analyte)) if has_molar_mass(analyte) else None
    except UnitMismatch:
        return None


@checked
def mass_concentrations(model: Model, ports: Mapping[str, Floats]) -> dict[str, tuple[tuple[str, ...], Floats, str]]:
    """Concentrations per site: analytes (with totals), values (time, analyte, subject), unit. ports : name -> (time, subject)."""
    out: dict[str, tuple[tuple[str, ...], Floats, str]] = {}
    for site, reported in reported_concentrations(model).items():
        first = ports[reported.terms[0][0][0]]
        times, *subjects = first.shape
        values = np.empty((times, len(reported.analytes), *subjects), first.dtype)
        for k, ((port, its_factor), *others) in enumerate(reported.terms):
            np.multiply(ports[port], its_factor, out=values[:, k])
            for other, more in others:
                values[:, k] += ports[other] * more
        out[site] = (reported.analytes, values, reported.unit)
    return out


@checked
def provenance(model: Model, *, drug_sources: Sequence[str] = (), **facts: Any) -> dict[str, Any]:
    """Root attributes of a result.

    A value the user replaced is neither an assumption of the model nor sourced: it stands under ``replaced``.
    drug_sources : source keys of co-medications.
    """
    import ketasim

    numbers = model.numbers.values()
    packages = {p: version(p) for p in ("numpy", "numba", "xarray")}
    own = [number.source for name, number in model.numbers.items() if name not in model.replaced]
    return {
        "model": model.id, "models": list(model.cites), "sources": list(dict.fromkeys(s for s in (*own, *drug_sources) if s)),
        "provisional": [p.cite for p in model.parts if p.status != "checked"],
        "assumed": [name for name, number in model.numbers.items() if number.kind == "assumed" and name not in model.replaced],
        "replaced": _replaced(model),
        "n_parameters": len(list(numbers)), "ketasim": ketasim.__version__, "python": platform.python_version(),
        "versions": [f"{k} {v}" for k, v in packages.items()], "notice": NOTICE,
        **{k: v for k, v in facts.items() if v is not None},
    }  # fmt: skip


def _replaced(model: Model) -> list[dict[str, Any]]:
    """Typical values the user replaced, each with what the library says."""
    return [
        {"name": name, "value": model.numbers[name].value, "library": was.value, "unit": model.params[name].unit}
        for name, was in model.replaced.items()
    ]


def _plasma_dataset(
    model: Model,
    concentrations: Mapping[str, tuple[tuple[str, ...], Floats, str]],
    times: Floats,
    lead: str,
    labels: NDArray[Any],
) -> xr.Dataset:
    data = {}
    analytes: dict[str, None] = {}
    for site, (names, values, unit) in concentrations.items():
        analytes |= dict.fromkeys(names)
        attrs = {"units": unit, "long_name": f"{site.replace('_', ' ')} concentration"}
        data[site] = xr.DataArray(np.moveaxis(values, -1, 0), dims=(lead, "time", "analyte"),
                                  coords={"analyte": list(names)}, attrs=attrs)  # fmt: skip
    dataset = xr.Dataset(data).assign_coords({lead: labels, "time": times})
    dataset["time"].attrs = {"units": "h", "long_name": "time since start"}
    if any(unit == "ng/mL" for _, _, unit in concentrations.values()) and any(map(has_molar_mass, analytes)):
        masses = [molar_mass(str(a)) if has_molar_mass(str(a)) else np.nan for a in dataset["analyte"].values]
        dataset = dataset.assign_coords(molar_mass=("analyte", masses, {"units": "g/mol", "long_name": "molar mass"}))
    return dataset


@checked
def build_tree(
    model: Model,
    times: Floats,
    ids: NDArray[Any],
    ports: Mapping[str, Floats],
    states: Mapping[str, Floats],
    subject: Mapping[str, tuple[NDArray[Any], str]],
    dose: xr.Dataset,
    attrs: Mapping[str, Any],
) -> xr.DataTree:
    """Result with every subject.

    Parameters
    ----------
    ports, states : name -> (time, subject). subject : name -> ((subject,), unit).
    """
    concentrations = mass_concentrations(model, ports)
    used = {p for by in concentration_ports(model).values() for p in by.values()}
    tree = {
        "/": xr.Dataset(attrs=dict(attrs)),
        "/dose": dose,
        "/subject": xr.Dataset(
            {k: ("subject", v, {"units": u, "long_name": _MEANING.get(k, k)}) for k, (v, u) in subject.items()},
            coords={"subject": ids},
        ),
    }
    if concentrations:
        tree["/plasma"] = _plasma_dataset(model, concentrations, times, "subject", ids)
    for group, values, said in (
        ("/port", {n: v for n, v in ports.items() if n not in used}, _ports_said(model)),
        ("/state", states, {n: {"units": s.unit, "long_name": s.meaning or n} for n, s in model.states.items()}),
    ):
        if values:
            arrays = {n: (("subject", "time"), v.T, said[n]) for n, v in values.items()}
            tree[group] = xr.Dataset(arrays, coords={"subject": ids, "time": times})
    return xr.DataTree.from_dict(tree)


def _ports_said(model: Model) -> dict[str, dict[str, str]]:
    """Unit and meaning of every output, and for those that no exposure model writes the mechanism that does."""
    from ketasim.model import Structure

    out = {}
    for name, port in model.ports.items():
        out[name] = {"units": port.unit, "long_name": port.meaning or name}
        writers = [model.parts[i].mechanism for i in model.writers[name]]
        if not any(isinstance(writer, Structure) for writer in writers):
            out[name]["mechanism"] = ", ".join(writer.name() for writer in writers)
    return out


@checked
def build_summary(
    model: Model,
    times: Floats,
    quantiles: Sequence[float],
    concentrations: Mapping[str, tuple[tuple[str, ...], Floats, str]],
    ports: Mapping[str, Floats],
    subject: Mapping[str, tuple[NDArray[Any], str]],
    dose: xr.Dataset,
    attrs: Mapping[str, Any],
) -> xr.DataTree:
    """Result of a streamed cohort: quantiles instead of subjects.

    concentrations : values (time, analyte, quantile). ports : other outputs, (time, quantile).
    """
    labels = np.asarray(quantiles)
    facts = xr.Dataset({k: ((), v, {"units": u}) for k, (v, u) in subject.items()})
    tree = {"/": xr.Dataset(attrs=dict(attrs)), "/dose": dose, "/subject": facts}
    if concentrations:
        tree["/plasma"] = _plasma_dataset(model, concentrations, times, "quantile", labels)
    if ports:
        said = _ports_said(model)
        arrays = {n: (("quantile", "time"), v.T, said[n]) for n, v in ports.items()}
        tree["/port"] = xr.Dataset(arrays, coords={"quantile": labels, "time": times})
    return xr.DataTree.from_dict(tree)


#: What a draw is: a plausible version of the typical values, or of these in one new study.
TYPICAL_VALUES, NEW_STUDY = "typical values", "new study"


@checked
def add_draws(
    result: xr.DataTree,
    times: Floats,
    levels: Sequence[float],
    sites: Mapping[str, tuple[tuple[str, ...], Floats, Floats, str]],
    ports: Mapping[str, tuple[Floats, str]],
    failed: NDArray[np.int64],
    held: Sequence[str],
    of: str = "",
) -> xr.DataTree:
    """The result with what draws of the model's typical values make of it.

    Parameters
    ----------
    levels : quantiles over patients. sites : site -> analytes, curves (draw, quantile, time, analyte), exposures (draw,
        quantile, CMAX or AUCLST, analyte), unit of concentration. ports : other outputs, (draw, quantile, time), and unit.
    failed : (draw,), patients without a result. held : parameters that no draw changes. of : what a draw is, ``new study`` or
        ``typical values``.

    Returns
    -------
    The tree with ``draws`` (draw, quantile, time, analyte) and ``draws_exposure`` (draw, quantile, parameter, analyte).
    """
    curves, exposures = {}, {}
    for site, (names, over_time, exposure, unit) in sites.items():
        label, own = site.replace("_", " "), {"analyte": list(names)}
        curves[site] = xr.DataArray(
            over_time, dims=("draw", "quantile", "time", "analyte"), coords=own,
            attrs={"units": unit, "long_name": f"{label} concentration, quantile over patients"},
        )  # fmt: skip
        exposures[site] = xr.DataArray(
            exposure, dims=("draw", "quantile", "parameter", "analyte"), coords=own,
            attrs={"units": f"CMAX {unit}, AUCLST h {unit}", "long_name": f"{label} exposure, quantile over patients"},
        )  # fmt: skip
    for name, (over_time, unit) in ports.items():
        attrs = {"units": unit, "long_name": f"{name}, quantile over patients"}
        curves[name] = xr.DataArray(over_time, dims=("draw", "quantile", "time"), attrs=attrs)
    shared = {"draw": np.arange(len(failed)), "quantile": np.asarray(levels)}
    time = ("time", times, {"units": "h", "long_name": "time since start"})
    count = xr.DataArray(failed, dims="draw", attrs={"units": "1", "long_name": "patients without a result"})
    result["draws"] = xr.DataTree(xr.Dataset(curves | {"failed": count}).assign_coords({**shared, "time": time}))
    if exposures:
        result["draws_exposure"] = xr.DataTree(xr.Dataset(exposures).assign_coords({**shared, "parameter": ["CMAX", "AUCLST"]}))
    result.attrs |= {"draws": len(failed), "draws_hold": list(held), "draws_of": of or TYPICAL_VALUES}
    return result


@checked
def add_record_draws(
    result: xr.DataTree, outputs: Mapping[str, Floats], failed: NDArray[np.int64], held: Sequence[str], of: str = ""
) -> xr.DataTree:
    """The result of an event table with group ``draws``: every output (draw, record), and how many subjects failed (draw,).

    held : parameters that no draw changes.
    """
    units = result["output"].to_dataset()
    drawn = {name: xr.DataArray(v, dims=("draw", "record"), attrs=dict(units[name].attrs)) for name, v in outputs.items()}
    count = xr.DataArray(failed, dims="draw", attrs={"units": "1", "long_name": "subjects without a result"})
    result["draws"] = xr.DataTree(xr.Dataset(drawn | {"failed": count}).assign_coords(draw=np.arange(len(failed))))
    result.attrs |= {"draws": len(failed), "draws_hold": list(held), "draws_of": of or TYPICAL_VALUES}
    return result
