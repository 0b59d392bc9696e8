"""Structures that follow ketamine to norketamine and hydroxynorketamine through delay chains (simons2022 and its kin).

Equations only; numbers stand in the entries. Amounts in umol; fractions formed are molar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.library.pk.structures import POSITIVE, Values, concentration, disposition_params, disposition_states, spread
from ketasim.model import Entrance, Inlet, Param, State, Structure

_FRACTION = (0.0, 1.0)
#: Compartments of one delay chain; each is left at the rate of this number over the mean transit time.
_CHAIN_LENGTH = 2.0

_CHAIN_PARAMS = {
    "MTT_nk": Param("h", "mean transit time of the chain from ketamine to norketamine", POSITIVE),
    "fm_nk": Param("1", "fraction of metabolised ketamine that becomes norketamine", _FRACTION),
    "MTT_hnk": Param("h", "mean transit time of the chain from norketamine to hydroxynorketamine", POSITIVE),
    "fm_hnk": Param("1", "fraction of metabolised norketamine that becomes hydroxynorketamine", _FRACTION),
}


def _nk_params() -> dict[str, Param]:
    """Norketamine: clearance and one peripheral; its central volume is that of ketamine."""
    return {name: param for name, param in disposition_params(2, "_nk").items() if name != "Vc_nk"}


def _chain_states(metabolite: str, suffix: str) -> dict[str, State]:
    return {f"transit{i}_{metabolite}{suffix}": State("umol", f"delay {i} on the way to {metabolite.upper()}") for i in (1, 2)}


def _delay(x: Values, p: Values, metabolite: str, suffix: str, into: Any) -> tuple[dict[str, Any], Any]:
    """Rates of the two delay compartments, and what leaves the second, umol/h."""
    first, second = f"transit1_{metabolite}{suffix}", f"transit2_{metabolite}{suffix}"
    k = _CHAIN_LENGTH / p[f"MTT_{metabolite}"]
    return {first: into - k * x[first], second: k * (x[first] - x[second])}, k * x[second]


class DelayChain(Structure):
    """S-ketamine, S-norketamine and S-hydroxynorketamine in arterial blood; oral film and intravenous (simons2022).

    A film has two ways in: through the oral mucosa into blood, and swallowed. The swallowed part passes a gut-to-liver delay
    straight into metabolism: it adds metabolite but no ketamine. The central volume of norketamine is that of ketamine.
    """

    params = {
        **disposition_params(3, ""),
        **_nk_params(),
        **disposition_params(2, "_hnk"),
        **_CHAIN_PARAMS,
        "F_mucosa": Param("1", "fraction of the film dose absorbed through the oral mucosa", _FRACTION),
        "D_mucosa": Param("h", "zero-order duration of mucosal input"),
        "ka_mucosa": Param("1/h", "absorption rate through the oral mucosa"),
        "F_mucosa_swallowed": Param(
            "1", "film dose that enters hepatic metabolism by swallowing, as a fraction of the whole dose"
        ),
        "D_mucosa_swallowed": Param("h", "zero-order duration of the swallowed part"),
        "ka_mucosa_swallowed": Param("1/h", "absorption rate of the swallowed part"),
        "MTT_gut": Param("h", "mean transit time from gut to liver", POSITIVE),
    }
    states = {
        "mucosa": State("umol", "oral mucosa"),
        "mucosa_swallowed": State("umol", "gut lumen, swallowed part"),
        "transit_gut": State("umol", "delay from gut to liver"),
        **disposition_states(3, ""),
        **_chain_states("nk", ""),
        **disposition_states(2, "_nk"),
        **_chain_states("hnk", ""),
        **disposition_states(2, "_hnk"),
    }
    writes = {f"C_arterial_{a}": concentration(a, "arterial") for a in ("s_ketamine", "s_norketamine", "s_hnk")}
    routes = {
        "iv": {"s_ketamine": (Entrance("central"),)},
        **{
            route: {"s_ketamine": (Entrance("mucosa", zero_order=True), Entrance("mucosa_swallowed", zero_order=True))}
            for route in ("sublingual", "buccal")
        },
    }

    def inlets(self, p: Values) -> Mapping[str, Inlet]:
        """Fractions and zero-order durations of the two ways into the body."""
        return {
            "mucosa": Inlet(F=p["F_mucosa"], duration=p["D_mucosa"]),
            "mucosa_swallowed": Inlet(F=p["F_mucosa_swallowed"], duration=p["D_mucosa_swallowed"]),
        }

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance along the chain."""
        absorbed, swallowed = p["ka_mucosa"] * x["mucosa"], p["ka_mucosa_swallowed"] * x["mucosa_swallowed"]
        to_liver = x["transit_gut"] / p["MTT_gut"]
        parent, metabolised = _parent(x, p, "", p["CL"])
        chain, nk = _norketamine(x, p, "", metabolised + to_liver, p["CL_nk"])
        hnk = _hydroxynorketamine(x, p, "", p["CL_nk"] * x["central_nk"] / p["Vc"])
        parent["central"] = parent["central"] + absorbed
        depots = {"mucosa": -absorbed, "mucosa_swallowed": -swallowed, "transit_gut": swallowed - to_liver}
        return {**depots, **parent, **chain, **nk, **hnk}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Arterial concentrations."""
        return {
            "C_arterial_s_ketamine": x["central"] / p["Vc"],
            "C_arterial_s_norketamine": x["central_nk"] / p["Vc"],
            "C_arterial_s_hnk": x["central_hnk"] / p["Vc_hnk"],
        }


class DelayChainRacemic(Structure):
    """Both enantiomers through the chain of `DelayChain`, after intravenous racemate.

    They differ in the clearances of ketamine and norketamine only, and feed one pool of total hydroxynorketamine, which is what
    was measured.
    """

    params = {
        **disposition_params(3, ""),
        "CL_r": Param("L/h", "clearance of R-ketamine"),
        **_nk_params(),
        "CL_nk_r": Param("L/h", "clearance of R-norketamine"),
        **disposition_params(2, "_hnk"),
        **_CHAIN_PARAMS,
    }
    states = {
        **{f"{name}{e}": state for e in ("_s", "_r") for name, state in disposition_states(3, "").items()},
        **{name: state for e in ("_s", "_r") for name, state in _chain_states("nk", e).items()},
        **{f"{name}{e}": state for e in ("_s", "_r") for name, state in disposition_states(2, "_nk").items()},
        **_chain_states("hnk", ""),
        **disposition_states(2, "_hnk"),
    }
    writes = {
        f"C_arterial_{a}": concentration(a, "arterial")
        for a in ("s_ketamine", "r_ketamine", "s_norketamine", "r_norketamine", "hnk")
    }
    routes = {"iv": {f"{e}_ketamine": (Entrance(f"central_{e}"),) for e in "sr"}}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance of both enantiomers and of total hydroxynorketamine."""
        out: dict[str, Any] = {}
        cleared_nk = 0.0
        for e, r in (("_s", ""), ("_r", "_r")):
            parent, metabolised = _parent(x, p, e, p[f"CL{r}"])
            chain, nk = _norketamine(x, p, e, metabolised, p[f"CL_nk{r}"])
            cleared_nk = cleared_nk + p[f"CL_nk{r}"] * x[f"central_nk{e}"] / p["Vc"]
            out |= {**parent, **chain, **nk}
        return out | _hydroxynorketamine(x, p, "", cleared_nk)

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Arterial concentrations."""
        parent = {f"C_arterial_{e}_ketamine": x[f"central_{e}"] / p["Vc"] for e in "sr"}
        nk = {f"C_arterial_{e}_norketamine": x[f"central_nk_{e}"] / p["Vc"] for e in "sr"}
        return {**parent, **nk, "C_arterial_hnk": x["central_hnk"] / p["Vc_hnk"]}


def _parent(x: Values, p: Values, e: str, clearance: Any) -> tuple[dict[str, Any], Any]:
    """Rates of ketamine of one enantiomer, and what is metabolised, umol/h."""
    own = {name: x[f"{name}{e}"] for name in disposition_states(3, "")}
    flows = spread(own, p, 3, "")
    metabolised = clearance * own["central"] / p["Vc"]
    return {f"central{e}": -metabolised - sum(flows.values()), **{f"{n}{e}": flow for n, flow in flows.items()}}, metabolised


def _norketamine(x: Values, p: Values, e: str, metabolised: Any, clearance: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rates of the delay before norketamine, and of norketamine, of one enantiomer."""
    chain, arriving = _delay(x, p, "nk", e, metabolised)
    c = x[f"central_nk{e}"] / p["Vc"]
    flow = p["Q1_nk"] * (c - x[f"peripheral1_nk{e}"] / p["Vp1_nk"])
    return chain, {f"central_nk{e}": p["fm_nk"] * arriving - clearance * c - flow, f"peripheral1_nk{e}": flow}


def _hydroxynorketamine(x: Values, p: Values, e: str, cleared_nk: Any) -> dict[str, Any]:
    """Rates of the delay before hydroxynorketamine, and of hydroxynorketamine."""
    chain, arriving = _delay(x, p, "hnk", e, cleared_nk)
    flows = spread(x, p, 2, "_hnk")
    eliminated = p["CL_hnk"] * x["central_hnk"] / p["Vc_hnk"]
    return {**chain, "central_hnk": p["fm_hnk"] * arriving - eliminated - sum(flows.values()), **flows}
