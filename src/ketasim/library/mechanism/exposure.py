"""Unbound exposure of mice and rats: absorption and one elimination, set by the peak per dose. No body composition is modelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.model import Entrance, Param, Port, State, Structure
from ketasim.model.functions import exp, log

_POSITIVE = (1e-9, float("inf"))
_INFINITE = float("inf")
_E = ("s", "r")


def _states() -> dict[str, State]:
    out: dict[str, State] = {}
    for e in _E:
        out[f"depot_{e}"] = State("umol", f"{e.upper()}-ketamine where it was injected")
        out[f"central_{e}"] = State("umol", f"{e.upper()}-ketamine in the body")
        out[f"brain_nk_{e}"] = State("umol/L", f"unbound {e.upper()}-norketamine in brain")
    return out | {
        "depot_hnk": State("umol", "(2R,6R)-hydroxynorketamine where it was injected"),
        "brain_hnk": State("umol/L", "unbound (2R,6R)-hydroxynorketamine in brain"),
    }


class RodentExposure(Structure):
    """Unbound ketamine in brain after an injection into peritoneum or skin, or into a vein; both enantiomers alike.

    Unbound brain and unbound plasma are taken as equal. The volume is not a place: it is what makes a dose reach its peak.
    Slices and cultures are given as concentrations in the bath, as inputs.
    """

    params = {
        "half_life": Param("h", "half-life of ketamine", _POSITIVE),
        "ka": Param("1/h", "absorption rate; above ln 2 / half_life", _POSITIVE),
        "V_peak": Param("L", "dose over the unbound peak concentration after an injection that is absorbed", _POSITIVE),
        "fu": Param("1", "unbound fraction in plasma", (1e-9, 1.0)),
        "ratio_form_nk": Param("1", "formation of norketamine over elimination of ketamine"),
        "ratio_k_nk": Param("1", "elimination rate of norketamine over that of ketamine"),
        "k_form_hnk": Param("1/h", "(2R,6R)-hydroxynorketamine formed in brain per unbound R-ketamine"),
        "k_hnk": Param("1/h", "elimination rate of hydroxynorketamine from brain"),
        "ka_hnk": Param("1/h", "absorption of injected hydroxynorketamine"),
        "V_hnk": Param("L", "injected hydroxynorketamine over what it makes unbound in brain", _POSITIVE),
    }
    states = _states()
    reads = {
        "f_hnk_form": Port("1", "formation of hydroxynorketamine, 1 usual, 0 blocked", (0.0, 10.0), default=1.0),
        "bath_s_ketamine": Port("umol/L", "S-ketamine in the bath of a slice or culture", (0.0, _INFINITE), default=0.0),
        "bath_r_ketamine": Port("umol/L", "R-ketamine in the bath of a slice or culture", (0.0, _INFINITE), default=0.0),
        "bath_r_hnk": Port("umol/L", "(2R,6R)-hydroxynorketamine in the bath", (0.0, _INFINITE), default=0.0),
    }
    writes = {
        **{
            f"C_{site}_{e}_ketamine": Port("umol/L", meaning, (0.0, _INFINITE), analyte=f"{e}_ketamine", site=site)
            for site, meaning in (("venous", "plasma"), ("brain_unbound", "unbound in brain"))
            for e in _E
        },
        **{
            f"C_brain_unbound_{a}": Port("umol/L", "unbound in brain", (0.0, _INFINITE), analyte=a, site="brain_unbound")
            for a in ("s_norketamine", "r_norketamine", "r_hnk")
        },
    }
    routes = {
        **{way: {f"{e}_ketamine": (Entrance(f"depot_{e}"),) for e in _E} for way in ("ip", "sc", "im")},
        "iv": {f"{e}_ketamine": (Entrance(f"central_{e}"),) for e in _E},
    }

    def rates(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Absorption and elimination."""
        k = log(2) / p["half_life"]
        out: dict[str, Any] = {}
        for e in _E:
            absorbed = p["ka"] * x[f"depot_{e}"]
            out[f"depot_{e}"] = -absorbed
            out[f"central_{e}"] = absorbed - k * x[f"central_{e}"]
            formed = p["ratio_form_nk"] * k * x[f"central_{e}"] / _volume(p)
            out[f"brain_nk_{e}"] = formed - p["ratio_k_nk"] * k * x[f"brain_nk_{e}"]
        released = p["ka_hnk"] * x["depot_hnk"]
        made = p["k_form_hnk"] * u["f_hnk_form"] * x["central_r"] / _volume(p)
        out["depot_hnk"] = -released
        out["brain_hnk"] = released / p["V_hnk"] + made - p["k_hnk"] * x["brain_hnk"]
        return out

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Concentrations; plasma is the total that unbound drug of the animal makes, without the bath."""
        out: dict[str, Any] = {}
        for e in _E:
            unbound = x[f"central_{e}"] / _volume(p)
            out[f"C_venous_{e}_ketamine"] = unbound / p["fu"]
            out[f"C_brain_unbound_{e}_ketamine"] = unbound + u[f"bath_{e}_ketamine"]
            out[f"C_brain_unbound_{e}_norketamine"] = x[f"brain_nk_{e}"]
        return {**out, "C_brain_unbound_r_hnk": x["brain_hnk"] + u["bath_r_hnk"]}


def _volume(p: Mapping[str, Any]) -> Any:
    """Volume that makes the peak after absorption what `V_peak` says: the largest value of (exp(-k t) - exp(-ka t)) ka / (ka - k)."""
    k = log(2) / p["half_life"]
    return p["V_peak"] * exp(-k / (p["ka"] - k) * log(p["ka"] / k))
