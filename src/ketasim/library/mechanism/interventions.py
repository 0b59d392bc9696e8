"""What experiments do to the cascade: factors on its ports (inhibitors, deletions) and levels of other drugs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.errors import InvalidEntry
from ketasim.model import Mechanism, Param, Port

#: Factor -> what it scales. Every one is 1 where nothing intervenes; several interventions multiply.
FACTORS: Mapping[str, str] = {
    "f_ampa": "transmission by AMPA receptors (NBQX)",
    "f_glu": "glutamate surge (mGlu2/3 agonist)",
    "f_gaba": "what the surge makes of AMPA transmission (benzodiazepine, alcohol)",
    "f_mtor": "mTOR (rapamycin)",
    "f_op": "permissive opioid tone (naltrexone)",
    "f_2B": "GluN2B (deletion)",
    "f_2D": "GluN2D on interneurons (deletion)",
    "f_rest": "share of the block that holds at rest, with magnesium (memantine 0)",
    "f_eef2k": "eEF2 kinase",
    "f_synth": "protein synthesis (anisomycin)",
    "f_trkb": "TrkB (knockout, antagonist)",
    "f_igf": "IGF-1 (antibody)",
    "f_gsk": "what GSK-3 lets pass (knock-in 0)",
    "f_akt": "Akt",
    "f_erk": "ERK",
    "f_microglia": "microglia (depletion)",
    "f_mecp2": "MeCP2 phosphorylation at serine 421 (S421A 0)",
    "f_hnk_form": "formation of hydroxynorketamine (deuteration 0)",
}
#: Level -> what it is. Every one is 0 where the drug is not given; several add up.
LEVELS: Mapping[str, str] = {
    "lithium": "inhibition of GSK-3 by lithium or valproate, 1 the strongest used",
    "lamotrigine": "lamotrigine, 1 at 300 mg",
}


def factor_ports(*names: str) -> dict[str, Port]:
    """Ports as readers of the cascade declare them, with what counts where nothing intervenes."""
    return {
        name: Port("1", FACTORS.get(name) or LEVELS[name], (0.0, 10.0), default=1.0 if name in FACTORS else 0.0) for name in names
    }


class Intervention(Mechanism):
    """One intervention: the factor or level it puts on one port of the cascade, over the whole time.

    Parameters
    ----------
    on : port, one of `FACTORS` or `LEVELS`. For an intervention that begins later, leave it out and give the port as an input.
    """

    def __init__(self, on: str) -> None:
        known = {**FACTORS, **LEVELS}
        if on not in known:
            raise InvalidEntry(f"on = '{on}' is no port of the cascade. Known: {', '.join(known)}.")
        self.on = on
        self.params = {"strength": Param("1", "value of the port it acts on", (0.0, 10.0))}
        self.writes = {on: Port("1", known[on], (0.0, 10.0), combine="product" if on in FACTORS else "sum")}

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """The factor."""
        return {self.on: p["strength"]}


class Alcohol(Mechanism):
    """Ethanol blocks NMDA receptors and strengthens GABA; its level in blood is given from outside."""

    params = {
        "slope_block": Param("1", "NMDA receptors blocked per g/L", (0.0, 0.25)),
        "factor_gaba": Param("1", "factor on what the surge makes of AMPA transmission, per g/L", (1e-9, 1.0)),
    }
    reads = {"ethanol": Port("1", "ethanol in blood over 1 g/L", (0.0, 4.0), default=0.0)}
    writes = {
        "block_other": Port("1", "NMDA receptors blocked by other drugs", (0.0, 1.0), combine="sum"),
        "f_gaba": Port("1", FACTORS["f_gaba"], (0.0, 10.0), combine="product"),
    }

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Block and factor at this level."""
        return {"block_other": p["slope_block"] * u["ethanol"], "f_gaba": p["factor_gaba"] ** u["ethanol"]}
