"""Generic one, two and three compartment models for any drug, in NONMEM's names; amounts in mg, concentrations in mg/L.

Per compartment n: bioavailability Fn, lag ALAGn, modelled duration Dn (RATE -2), modelled rate Rn (RATE -1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.library.pk.structures import POSITIVE, Values, whole_number
from ketasim.model import Entrance, Inlet, Param, Port, State, Structure


class Compartments(Structure):
    """Depot and one to three compartments, with linear and saturable elimination from the central one.

    Parameters
    ----------
    compartments : 1, 2 or 3, the depot not counted. Peripheral ones have Q and V2, Q3 and V3.

    Notes
    -----
    dDEPOT/dt = -KA DEPOT; dCENT/dt = KA DEPOT - CL CP - VMAX CP / (KM + CP) - exchange; CP = CENT / V.
    """

    def __init__(self, compartments: int) -> None:
        self.compartments = whole_number(compartments, 1, 3, "compartments")
        peripheral = (("PERI", ("Q", "V2")), ("PERI2", ("Q3", "V3")))
        self.exchange = dict(peripheral[: compartments - 1])
        self.params = {
            "CL": Param("L/h", "clearance"),
            "V": Param("L", "central volume", POSITIVE),
            "KA": Param("1/h", "absorption rate"),
        }
        for name, (flow, volume) in self.exchange.items():
            self.params |= {
                flow: Param("L/h", f"intercompartmental clearance to {name}"),
                volume: Param("L", f"volume of {name}", POSITIVE),
            }
        self.params |= {
            "VMAX": Param("mg/h", "largest rate of saturable elimination"),
            "KM": Param("mg/L", "concentration at half of VMAX", POSITIVE),
        }
        self.states = {
            "DEPOT": State("mg", "depot"),
            "CENT": State("mg", "central"),
            **{n: State("mg", "peripheral") for n in self.exchange},
        }
        for number, name in enumerate(self.states, start=1):
            self.params |= {
                f"F{number}": Param("1", f"bioavailability of {name}"),
                f"ALAG{number}": Param("h", f"lag of {name}"),
                f"D{number}": Param("h", f"modelled duration of input into {name}"),
                f"R{number}": Param("mg/h", f"modelled rate of input into {name}"),
            }
        self.writes = {
            "CP": Port("mg/L", "concentration in the central compartment", (0.0, float("inf")), analyte="drug", site="venous")
        }
        self.routes = {"oral": {"": (Entrance("DEPOT"),)}, "iv": {"": (Entrance("CENT"),)}}

    def inlets(self, p: Values) -> Mapping[str, Inlet]:
        """NONMEM's additional dose parameters."""
        return {name: Inlet(p[f"F{n}"], p[f"ALAG{n}"], p[f"D{n}"], p[f"R{n}"]) for n, name in enumerate(self.states, start=1)}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance."""
        c = x["CENT"] / p["V"]
        absorbed = p["KA"] * x["DEPOT"]
        flows = {name: p[flow] * (c - x[name] / p[volume]) for name, (flow, volume) in self.exchange.items()}
        eliminated = p["CL"] * c + p["VMAX"] * c / (p["KM"] + c)
        return {"DEPOT": -absorbed, "CENT": absorbed - eliminated - sum(flows.values()), **flows}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Concentration."""
        return {"CP": x["CENT"] / p["V"]}
