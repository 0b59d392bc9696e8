"""Add-ons to a disposition model of the library: further routes of absorption, and hydroxynorketamine from norketamine.

Equations only; numbers stand in the entries. Assemble them with a model: ``assemble(pk("otto2021"), pk("derived_hnk"))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.library.pk.structures import (
    POSITIVE,
    Values,
    concentration,
    disposition_params,
    disposition_states,
    one_analyte,
    spread,
)
from ketasim.model import Entrance, Inlet, Mechanism, Param, Port, State, Structure

_CHAIN_LENGTH = 2.0


class InjectionDepots(Structure):
    """First-order absorption after intramuscular and subcutaneous injection, into any model that reads ``absorbed_<analyte>``.

    Parameters
    ----------
    analytes : the one analyte of the model it extends.
    """

    def __init__(self, analytes: tuple[str, ...]) -> None:
        (self.analyte,) = one_analyte(analytes, "InjectionDepots")
        self.suffix = "_r" if self.analyte.startswith("r_") else ""
        self.params = {
            "F_im": Param("1", "bioavailability after injection into muscle, apparent"),
            "ka_im": Param("1/h", "absorption rate from muscle"),
            "F_sc": Param("1", "bioavailability after subcutaneous injection, apparent"),
            "ka_sc": Param("1/h", "absorption rate from subcutaneous tissue"),
        }
        self.states = {f"{r}{self.suffix}": State("umol", m) for r, m in (("im", "muscle depot"), ("sc", "subcutaneous depot"))}
        self.writes = {f"absorbed_{self.analyte}": Port("umol/h", "absorbed from injection depots", combine="sum")}
        self.routes = {route: {self.analyte: (Entrance(f"{route}{self.suffix}"),)} for route in ("im", "sc")}

    def inlets(self, p: Values) -> Mapping[str, Inlet]:
        """Bioavailability of each depot."""
        return {f"{route}{self.suffix}": Inlet(F=p[f"F_{route}"]) for route in ("im", "sc")}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Emptying of the depots."""
        return {f"{route}{self.suffix}": -p[f"ka_{route}"] * x[f"{route}{self.suffix}"] for route in ("im", "sc")}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """What the depots send to the circulation."""
        return {f"absorbed_{self.analyte}": sum(p[f"ka_{r}"] * x[f"{r}{self.suffix}"] for r in ("im", "sc"))}


class HydroxynorketamineFromNorketamine(Mechanism):
    """Hydroxynorketamine formed from cleared norketamine, after a short delay; two compartments.

    Parameters
    ----------
    analytes : ``s_hnk`` or ``r_hnk``. sampling : site at which the extended model gives concentrations.
    """

    def __init__(self, analytes: tuple[str, ...], sampling: str) -> None:
        (self.analyte,) = one_analyte(analytes, "HydroxynorketamineFromNorketamine")
        self.site, self.source = sampling, f"cleared_{self.analyte[0]}_norketamine"
        self.params = {
            **disposition_params(2, "_hnk"),
            "fm_hnk": Param("1", "fraction of cleared norketamine that becomes hydroxynorketamine", (0.0, 1.0)),
            "MTT_hnk": Param("h", "mean transit time of the chain from norketamine to hydroxynorketamine", POSITIVE),
        }
        self.states = {
            "transit1_hnk": State("umol", "delay 1 on the way to HNK"),
            "transit2_hnk": State("umol", "delay 2 on the way to HNK"),
            **disposition_states(2, "_hnk"),
        }
        self.reads = {self.source: Port("umol/h", "norketamine eliminated")}
        self.writes = {f"C_{self.site}_{self.analyte}": concentration(self.analyte, self.site)}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Delay and disposition."""
        k = _CHAIN_LENGTH / p["MTT_hnk"]
        flows = spread(x, p, 2, "_hnk")
        eliminated = p["CL_hnk"] * x["central_hnk"] / p["Vc_hnk"]
        return {
            "transit1_hnk": u[self.source] - k * x["transit1_hnk"],
            "transit2_hnk": k * (x["transit1_hnk"] - x["transit2_hnk"]),
            "central_hnk": p["fm_hnk"] * k * x["transit2_hnk"] - eliminated - sum(flows.values()),
            **flows,
        }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Concentration of hydroxynorketamine."""
        return {f"C_{self.site}_{self.analyte}": x["central_hnk"] / p["Vc_hnk"]}
