"""What the drug reaches in the brain: block of receptors, and the effect site that side effects follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.model import Mechanism, Param, Port, State


class NMDABlock(Mechanism):
    """Block of NMDA receptors at equilibrium: ketamine and norketamine compete for one site in the channel.

    Occupancy is x / (1 + x), where x adds up each unbound concentration in brain over its IC50.
    """

    params = {
        "IC50_s": Param("umol/L", "unbound S-ketamine that blocks half", (1e-9, float("inf"))),
        "IC50_r": Param("umol/L", "unbound R-ketamine that blocks half", (1e-9, float("inf"))),
        "IC50_nk_s": Param("umol/L", "unbound S-norketamine that blocks half", (1e-9, float("inf"))),
        "IC50_nk_r": Param("umol/L", "unbound R-norketamine that blocks half", (1e-9, float("inf"))),
    }
    reads = {f"C_brain_unbound_{a}": Port("umol/L") for a in ("s_ketamine", "r_ketamine", "s_norketamine", "r_norketamine")}
    writes = {"occupancy_nmda": Port("1", "share of NMDA receptors blocked", (0.0, 1.0))}

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Occupancy from the competing ligands."""
        ligands = {"s_ketamine": "IC50_s", "r_ketamine": "IC50_r", "s_norketamine": "IC50_nk_s", "r_norketamine": "IC50_nk_r"}
        load = sum(u[f"C_brain_unbound_{analyte}"] / p[ic50] for analyte, ic50 in ligands.items())
        return {"occupancy_nmda": load / (1 + load)}


class EffectSite(Mechanism):
    """Effect site of S-ketamine: follows arterial plasma with one rate constant (dissociation, blood pressure)."""

    params = {"ke0": Param("1/h", "equilibration of the effect site with arterial plasma")}
    states = {"effect": State("umol/L", "S-ketamine at the effect site")}
    reads = {"C_arterial_s_ketamine": Port("umol/L")}
    writes = {
        "C_effect_s_ketamine": Port("umol/L", "effect site", (0.0, float("inf")), analyte="s_ketamine", site="effect"),
    }

    def rates(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Equilibration with arterial plasma."""
        return {"effect": p["ke0"] * (u["C_arterial_s_ketamine"] - x["effect"])}

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """The effect-site concentration itself."""
        return {"C_effect_s_ketamine": x["effect"]}
