"""What the drug reaches in the brain: block of receptors, and the effect site that side effects follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.errors import InvalidEntry
from ketasim.model import Mechanism, Param, Port, State

_POSITIVE = (1e-9, float("inf"))
#: Analyte -> suffix of its IC50.
_LIGANDS = {
    "s_ketamine": "s", "r_ketamine": "r", "s_norketamine": "nk_s", "r_norketamine": "nk_r",
}  # fmt: skip
_WORDS = {"s": "S-ketamine", "r": "R-ketamine", "nk_s": "S-norketamine", "nk_r": "R-norketamine"}


def _load(ligands: tuple[str, ...], u: Mapping[str, Any], p: Mapping[str, Any]) -> Any:
    """Unbound concentrations over their IC50s, summed: ligands that compete for one site."""
    return sum(u[f"C_brain_unbound_{analyte}"] / p[f"IC50_{_LIGANDS[analyte]}"] for analyte in ligands)


class NMDABlock(Mechanism):
    """Block of NMDA receptors at equilibrium: ketamine and norketamine compete for one site in the channel.

    Occupancy is x / (1 + x), where x adds up each unbound concentration in brain over its IC50.
    """

    params = {
        "IC50_s": Param("umol/L", "unbound S-ketamine that blocks half", _POSITIVE),
        "IC50_r": Param("umol/L", "unbound R-ketamine that blocks half", _POSITIVE),
        "IC50_nk_s": Param("umol/L", "unbound S-norketamine that blocks half", _POSITIVE),
        "IC50_nk_r": Param("umol/L", "unbound R-norketamine that blocks half", _POSITIVE),
    }
    reads = {f"C_brain_unbound_{a}": Port("umol/L") for a in _LIGANDS}
    writes = {"occupancy_nmda": Port("1", "share of NMDA receptors blocked", (0.0, 1.0))}

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Occupancy from the competing ligands."""
        load = _load(tuple(_LIGANDS), u, p)
        return {"occupancy_nmda": load / (1 + load)}


class Occupancy(Mechanism):
    """Share of one receptor, or of one pool of receptors, that is occupied at equilibrium.

    Parameters
    ----------
    ligands : analytes that compete, each with an IC50 of its own.
    factor : port that scales the binding, 1 by default: 0 where the pool's subunit is deleted. Empty for none.
    other_block : whether other drugs' block of NMDA receptors (alcohol) comes on top, independently.
    """

    def __init__(self, ligands: tuple[str, ...], factor: str = "", other_block: bool = False) -> None:
        if unknown := [name for name in ligands if name not in _LIGANDS]:
            raise InvalidEntry(f"ligands names '{unknown[0]}'. Known: {', '.join(_LIGANDS)}.")
        self.ligands, self.factor, self.other_block = ligands, factor, other_block
        suffixes = [_LIGANDS[name] for name in ligands]
        self.params = {f"IC50_{s}": Param("umol/L", f"unbound {_WORDS[s]} that occupies half", _POSITIVE) for s in suffixes}
        self.reads = {f"C_brain_unbound_{name}": Port("umol/L") for name in ligands}
        if factor:
            self.reads[factor] = Port("1", "receptors of this kind that are there, 1 all", (0.0, 1.0), default=1.0)
        if other_block:
            self.reads["block_other"] = Port("1", "NMDA receptors blocked by other drugs", (0.0, 1.0), default=0.0)
        self.writes = {"occupancy": Port("1", "share of receptors occupied", (0.0, 1.0))}

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Occupancy from the competing ligands, and what other drugs leave of the rest."""
        load = _load(self.ligands, u, p) * (u[self.factor] if self.factor else 1.0)
        free = 1 / (1 + load)
        return {"occupancy": 1 - free * (1 - u["block_other"]) if self.other_block else load * free}


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
