"""A result restricted to some analytes and one site: tables, files, figures and reports then hold no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import xarray as xr

from ketasim.arguments import checked
from ketasim.errors import InvalidOption, close_names
from ketasim.results._result import Result
from ketasim.results._tree import concentration_ports, reported_concentrations

if TYPE_CHECKING:
    from ketasim.model import Model

#: Groups whose concentrations stand as one variable per site, with a dimension of analytes.
_GROUPS = ("plasma", "exposure", "draws", "draws_exposure")
#: What a site is also called, where the model has none of that name.
_ALSO = {"plasma": "venous", "blood": "venous", "brain": "brain_unbound"}


@checked
def chosen(model: Model, analytes: Sequence[str], site: str = "") -> tuple[tuple[str, ...], str]:
    """Names as the model has them; `plasma` and `brain` may be said of venous plasma and of what is unbound in brain.

    Parameters
    ----------
    analytes : empty for all. site : empty for all.

    Raises
    ------
    InvalidOption: no site or analyte of that name, with those that are there.
    """
    there = {name: reported.analytes for name, reported in reported_concentrations(model).items()}
    if (analytes or site) and not there:
        raise InvalidOption(f"{model.id} has no concentrations, of which an analyte or a site could be chosen.")
    place = site.strip().lower().replace("-", "_").replace(" ", "_")
    place = place if place in there else _ALSO.get(place, place)
    if site and place not in there:
        raise InvalidOption(f"no site '{site}' in {model.id}.{close_names(site, there)} There is: {', '.join(there)}.")
    known = dict.fromkeys(a for name, own in there.items() if not site or name == place for a in own)
    asked = tuple(dict.fromkeys(a.strip().lower().replace("-", "_") for a in analytes))
    where = f"at the site {place} of {model.id}" if site else f"in {model.id}"
    for name in asked:
        if name not in known:
            raise InvalidOption(f"no analyte '{name}' {where}.{close_names(name, known)} There is: {', '.join(known)}.")
    return asked, place


@checked
def asked_analytes(results: Mapping[str, xr.DataTree]) -> set[str]:
    """Analytes somebody asked for by name, in any of the results."""
    return {str(name) for result in results.values() for name in result.attrs.get("analytes", ())}


@checked
def narrowed(result: xr.DataTree, model: Model, analytes: Sequence[str] = (), site: str = "") -> Result:
    """The result with these analytes and this site only, as `chosen` says them; all where none are given.

    Of an event table columns of other concentrations are left out.
    """
    analytes, site = chosen(model, analytes, site)
    groups = {path: node.to_dataset() for path, node in result.subtree_with_keys}
    for name in _GROUPS:
        if name in groups and (analytes or site):
            groups[name] = _of_group(groups[name], analytes, site)
    root = groups["."] = groups["."].copy()
    root.attrs |= {"analytes": list(analytes)} if analytes else {}
    if "output" in groups and (analytes or site):
        columns = _columns(model)
        out = {c for c, (place, analyte) in columns.items() if (site and place != site) or (analytes and analyte not in analytes)}
        groups |= {
            name: groups[name].drop_vars([c for c in groups[name] if c in out]) for name in ("output", "draws") if name in groups
        }
    return Result.of(xr.DataTree.from_dict({f"/{path}" if path != "." else "/": data for path, data in groups.items()}))


def _of_group(data: xr.Dataset, analytes: Sequence[str], site: str) -> xr.Dataset:
    if "analyte" not in data.dims:
        return data
    others = [name for name, values in data.data_vars.items() if "analyte" in values.dims and site and name != site]
    data = data.drop_vars(others)
    return data.sel(analyte=list(analytes)) if analytes and "analyte" in data.dims else data


def _columns(model: Model) -> Mapping[str, tuple[str, str]]:
    """Columns an event table may have for a concentration -> site, analyte."""
    ports = {port: (site, analyte) for site, own in concentration_ports(model).items() for analyte, port in own.items()}
    mass = {f"{site}_{a}": (site, a) for site, reported in reported_concentrations(model).items() for a in reported.analytes}
    return ports | mass
