"""Structures of published models of one parent drug: mammillary dispositions, with or without norketamine.

Equations only; numbers stand in the entries. Amounts in umol. More structures: ``structures_first_pass``, ``structures_chain``,
``structures_addon``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.errors import InvalidEntry
from ketasim.model import Entrance, Param, Port, State, Structure

Values = Mapping[str, Any]

POSITIVE = (1e-9, float("inf"))


def suffix_of(analyte: str) -> str:
    """Suffix that tells R-enantiomer names from those of the S-enantiomer or the racemate."""
    return "_r" if analyte.startswith("r_") else ""


def one_analyte(analytes: tuple[str, ...], who: str, n: int = 1) -> tuple[str, ...]:
    """The analytes, when there are as many as the structure describes."""
    if len(analytes) != n:
        raise InvalidEntry(
            f"{who} describes {n} analyte{'s' if n > 1 else ''}; the entry names {len(analytes)}: {', '.join(analytes)}."
        )
    return analytes


def whole_number(value: int, low: int, high: int, option: str) -> int:
    """An option that counts compartments."""
    if not (isinstance(value, int) and low <= value <= high):
        raise InvalidEntry(f"option {option} is {value!r}; it must be a whole number from {low} to {high}.")
    return value


def concentration(analyte: str, site: str) -> Port:
    """Port of a measured concentration."""
    return Port("umol/L", f"{analyte.replace('_', ' ')}, {site} plasma", (0.0, float("inf")), analyte=analyte, site=site)


def socket(analyte: str) -> dict[str, Port]:
    """Where further absorption routes feed in: written as zero by the disposition, added to by absorption add-ons."""
    return {f"absorbed_{analyte}": Port("umol/h", f"{analyte.replace('_', ' ')} absorbed from added routes", combine="sum")}


def disposition_params(compartments: int, suffix: str) -> dict[str, Param]:
    """Clearance, volumes and intercompartmental clearances of a mammillary model."""
    params = {f"CL{suffix}": Param("L/h", "clearance"), f"Vc{suffix}": Param("L", "central volume", POSITIVE)}
    for i in range(1, compartments):
        params[f"Vp{i}{suffix}"] = Param("L", f"peripheral volume {i}", POSITIVE)
        params[f"Q{i}{suffix}"] = Param("L/h", f"intercompartmental clearance to peripheral {i}")
    return params


def disposition_states(compartments: int, suffix: str) -> dict[str, State]:
    """Central and peripheral amounts."""
    states = {f"central{suffix}": State("umol", "central compartment")}
    return states | {f"peripheral{i}{suffix}": State("umol", f"peripheral compartment {i}") for i in range(1, compartments)}


def spread(x: Values, p: Values, compartments: int, suffix: str) -> dict[str, Any]:
    """Net flow from the central into each peripheral compartment, umol/h."""
    c = x[f"central{suffix}"] / p[f"Vc{suffix}"]
    return {
        f"peripheral{i}{suffix}": p[f"Q{i}{suffix}"] * (c - x[f"peripheral{i}{suffix}"] / p[f"Vp{i}{suffix}"])
        for i in range(1, compartments)
    }


class Mammillary(Structure):
    """One to three compartments with clearances; one analyte, given into the central compartment.

    Parameters
    ----------
    analytes : the one analyte. sampling : site of the measured concentration. compartments : 1, 2 or 3.
    """

    def __init__(self, analytes: tuple[str, ...], sampling: str, compartments: int) -> None:
        (self.analyte,) = one_analyte(analytes, "Mammillary")
        self.site, self.suffix = sampling, suffix_of(self.analyte)
        self.compartments = whole_number(compartments, 1, 3, "compartments")
        self.params = disposition_params(compartments, self.suffix)
        self.states = disposition_states(compartments, self.suffix)
        self.reads = socket(self.analyte)
        self.writes = {f"C_{self.site}_{self.analyte}": concentration(self.analyte, self.site), **socket(self.analyte)}
        self.routes = {"iv": {self.analyte: (Entrance(f"central{self.suffix}"),)}}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance."""
        central, s = f"central{self.suffix}", self.suffix
        flows = spread(x, p, self.compartments, s)
        eliminated = p[f"CL{s}"] * x[central] / p[f"Vc{s}"]
        return {central: u[f"absorbed_{self.analyte}"] - eliminated - sum(flows.values()), **flows}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Concentration; nothing is absorbed unless an add-on says so."""
        c = x[f"central{self.suffix}"] / p[f"Vc{self.suffix}"]
        return {f"C_{self.site}_{self.analyte}": c, f"absorbed_{self.analyte}": 0.0}


class MammillaryRates(Structure):
    """Two or three compartments as target-controlled infusion pumps state them: a central volume and rate constants.

    Parameters
    ----------
    analytes, sampling, compartments : as in `Mammillary`.
    """

    def __init__(self, analytes: tuple[str, ...], sampling: str, compartments: int) -> None:
        (self.analyte,) = one_analyte(analytes, "MammillaryRates")
        self.site, self.compartments = sampling, whole_number(compartments, 2, 3, "compartments")
        self.params = {"Vc": Param("L", "central volume", POSITIVE), "k10": Param("1/h", "elimination rate constant")}
        for i in range(2, compartments + 1):
            self.params[f"k1{i}"] = Param("1/h", f"rate constant from central to peripheral {i - 1}")
            self.params[f"k{i}1"] = Param("1/h", f"rate constant from peripheral {i - 1} to central")
        self.states = disposition_states(compartments, "")
        self.reads = socket(self.analyte)
        self.writes = {f"C_{self.site}_{self.analyte}": concentration(self.analyte, self.site), **socket(self.analyte)}
        self.routes = {"iv": {self.analyte: (Entrance("central"),)}}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance."""
        flows = {
            f"peripheral{i - 1}": p[f"k1{i}"] * x["central"] - p[f"k{i}1"] * x[f"peripheral{i - 1}"]
            for i in range(2, self.compartments + 1)
        }
        return {"central": u[f"absorbed_{self.analyte}"] - p["k10"] * x["central"] - sum(flows.values()), **flows}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Concentration; nothing is absorbed unless an add-on says so."""
        return {f"C_{self.site}_{self.analyte}": x["central"] / p["Vc"], f"absorbed_{self.analyte}": 0.0}


class MammillaryNorketamine(Structure):
    """A mammillary parent whose whole clearance forms norketamine, itself of one or two compartments.

    The sources carried the flow to norketamine as a mass without correction for molar mass; `mass_per_mole_nk`, the ratio of
    the molar masses, turns that into moles, so that concentrations in ng/mL come out as published. Norketamine volumes and
    clearances are apparent: they contain the fraction that truly becomes norketamine.

    Parameters
    ----------
    analytes : parent and norketamine. sampling : site. compartments, compartments_nk : of parent and metabolite.
    has_slope_nk : clearance of norketamine rises linearly with time since the first dose (flint2017), i.e. with model time.
    """

    def __init__(
        self, analytes: tuple[str, ...], sampling: str, compartments: int, compartments_nk: int, has_slope_nk: bool = False
    ) -> None:
        self.analyte, self.metabolite = one_analyte(analytes, "MammillaryNorketamine", 2)
        self.site, self.compartments = sampling, whole_number(compartments, 1, 3, "compartments")
        self.compartments_nk, self.has_slope_nk = whole_number(compartments_nk, 1, 3, "compartments_nk"), has_slope_nk
        self.params = {
            **disposition_params(compartments, ""),
            **disposition_params(compartments_nk, "_nk"),
            "mass_per_mole_nk": Param("1", "molar mass of ketamine over that of norketamine", POSITIVE),
        }
        if has_slope_nk:
            self.params["slope_CL_nk"] = Param("1/h", "relative rise of norketamine clearance per time since the first dose")
        self.states = disposition_states(compartments, "") | disposition_states(compartments_nk, "_nk")
        self.reads = socket(self.analyte)
        self.writes = {
            f"C_{self.site}_{self.analyte}": concentration(self.analyte, self.site),
            f"C_{self.site}_{self.metabolite}": concentration(self.metabolite, self.site),
            f"cleared_{self.metabolite}": Port("umol/h", "norketamine eliminated, for add-ons that follow its products"),
            **socket(self.analyte),
        }
        self.routes = {"iv": {self.analyte: (Entrance("central"),)}}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance of parent and norketamine."""
        flows, flows_nk = spread(x, p, self.compartments, ""), spread(x, p, self.compartments_nk, "_nk")
        eliminated = p["CL"] * x["central"] / p["Vc"]
        return {
            "central": u[f"absorbed_{self.analyte}"] - eliminated - sum(flows.values()),
            "central_nk": p["mass_per_mole_nk"] * eliminated - self._cleared_nk(t, x, p) - sum(flows_nk.values()),
            **flows,
            **flows_nk,
        }

    def _cleared_nk(self, t: Any, x: Values, p: Values) -> Any:
        rise = 1.0 + p["slope_CL_nk"] * t if self.has_slope_nk else 1.0
        return rise * p["CL_nk"] * x["central_nk"] / p["Vc_nk"]

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Concentrations and the flow of norketamine that add-ons may follow."""
        return {
            f"C_{self.site}_{self.analyte}": x["central"] / p["Vc"],
            f"C_{self.site}_{self.metabolite}": x["central_nk"] / p["Vc_nk"],
            f"cleared_{self.metabolite}": self._cleared_nk(t, x, p),
            f"absorbed_{self.analyte}": 0.0,
        }


class TwoCompartmentEnantiomers(Structure):
    """S- and R-ketamine that share two compartments and differ in clearance by a fixed ratio (indand21)."""

    params = {
        "CL": Param("L/h", "clearance of S-ketamine"),
        "ratio_CL_s": Param("1", "clearance of S- over R-ketamine", POSITIVE),
        "Vc": Param("L", "central volume", POSITIVE),
        "Vp1": Param("L", "peripheral volume", POSITIVE),
        "Q1": Param("L/h", "intercompartmental clearance"),
    }
    states = {
        f"{name}_{e}": State("umol", f"{name} compartment, {e.upper()}-ketamine")
        for e in "sr"
        for name in ("central", "peripheral1")
    }
    writes = {f"C_arterial_{e}_ketamine": concentration(f"{e}_ketamine", "arterial") for e in "sr"}
    routes = {"iv": {f"{e}_ketamine": (Entrance(f"central_{e}"),) for e in "sr"}}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance of both enantiomers."""
        out = {}
        for e in "sr":
            c = x[f"central_{e}"] / p["Vc"]
            clearance = p["CL"] if e == "s" else p["CL"] / p["ratio_CL_s"]
            out[f"peripheral1_{e}"] = p["Q1"] * (c - x[f"peripheral1_{e}"] / p["Vp1"])
            out[f"central_{e}"] = -clearance * c - out[f"peripheral1_{e}"]
        return out

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Concentrations."""
        return {f"C_arterial_{e}_ketamine": x[f"central_{e}"] / p["Vc"] for e in "sr"}
