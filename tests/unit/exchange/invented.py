"""An invented model with everything an export may meet: every form of covariate effect and variability, bad names, choices, time."""

from __future__ import annotations

from ketasim.model import (
    CovariateEffect,
    Entrance,
    Inlet,
    Mechanism,
    Model,
    Number,
    Param,
    Part,
    Port,
    ResidualError,
    State,
    Structure,
    Variability,
    assemble,
)
from ketasim.model.functions import exp, hill, log, maximum, minimum, sqrt, tanh, where_positive

_E = CovariateEffect
NUMBERS = {
    "CL": Number(80.0, "L/h", iiv=Variability(0.09), covariates=(_E("WT", "power", 70.0, 0.75), _E("AGE", "linear_above", 60.0, -0.0145),
                 _E("CYP2B6", "factor", levels={"*1/*6": 0.6, "*6/*6": 0.3}))),
    "class": Number(120.0, "L", iiv=Variability(0.04), covariates=(_E("WT", "power", 70.0, 1.0), _E("SEX", "factor", levels={"female": 0.9}))),
    "F_depot": Number(0.4, "1", iiv=Variability(0.5, "logit"), iov=Variability(0.2, "logit"), covariates=(_E("RACE", "factor", levels={"asian": 1.3, "black": 0.8}),)),
    "R1": Number(50.0, "umol/h"),
    "T": Number(0.25, "h", iiv=Variability(0.0004, "normal"), covariates=(_E("HT", "linear", 170.0, -0.002), _E("EGFR", "power_below", 90.0, 0.3))),
    "ETA": Number(1.5, "h", covariates=(_E("AGE", "exponential", 40.0, 0.004),)),
    "E0": Number(20.0, "1", iiv=Variability(4.0, "normal"), covariates=(_E("BMI", "additive", 25.0, 0.3), _E("EGFR", "additive_above", 100.0, -0.01))),
    "time_to_half_of_the_largest_effect_early": Number(2.0, "h"),
    "time_to_half_of_the_largest_effect_late": Number(3.0, "h"),
    "ka": Number(1.2, "1/h", iov=Variability(0.1), covariates=(_E("arm", "factor", levels={"1": 1.1, "2": 0.7}),)),
    "gamma": Number(1.7, "1"),
}  # fmt: skip


class Awkward(Structure):
    """Equations without a meaning."""

    params = {name: Param(number.unit, f"meaning of {name}: none; at all") for name, number in NUMBERS.items() if name != "gamma"}
    states = {"depot": State("umol"), "time": State("umol", "colon: in it"), "level": State("1", initial="E0")}
    writes = {"C": Port("umol/L", analyte="s_ketamine", site="venous"), "flow": Port("umol/h"), "D1": Port("1")}
    routes = {"oral": {"s_ketamine": (Entrance("depot", zero_order=True),)}, "iv": {"s_ketamine": (Entrance("time"),)}}

    def inlets(self, p):
        return {
            "depot": Inlet(F=p["F_depot"], lag=p["T"], duration=p["ETA"], rate=p["R1"]),
            "time": Inlet(F=1.0 - 0.1 * p["F_depot"]),
        }

    def rates(self, t, x, u, p):
        c = x["time"] / p["class"]
        early, late = p["time_to_half_of_the_largest_effect_early"], p["time_to_half_of_the_largest_effect_late"]
        switched = where_positive(t - early, exp(-t / late), where_positive(c - 0.1, sqrt(c + 1.0), tanh(c)))
        return {
            "depot": -p["ka"] * x["depot"],
            "time": p["ka"] * x["depot"] - p["CL"] * c - minimum(x["depot"], 2.0 * maximum(x["time"], tanh(c))) / 3 + u["back"],
            "level": maximum(c, maximum(0.2 * c**2, 0.05)) * switched - x["level"] / late + log(1.0 + t) / 7,
        }

    reads = {"back": Port("umol/h")}

    def outputs(self, t, x, u, p):
        return {"C": x["time"] / p["class"], "flow": p["CL"] * x["time"] / p["class"], "D1": 1.0 + t / 24.0}


class Return(Mechanism):
    """Reads what the other writes, in other units, and feeds it back."""

    params = {"gamma": Param("1")}
    reads = {"C": Port("nmol/L")}
    writes = {"back": Port("umol/h")}

    def outputs(self, t, x, u, p):
        return {"back": -0.01 * hill(u["C"] + 1.0, 300.0, p["gamma"])}


def invented_model() -> Model:
    """The assembled model."""
    own = {name: number for name, number in NUMBERS.items() if name != "gamma"}
    first = Part(
        Awkward(), own, id="awkward", correlations={("CL", "class"): 0.03, ("E0", "CL"): 0.12},
        residual=(ResidualError("C", proportional=0.2, additive=0.01), ResidualError("flow", exponential=0.3)),
    )  # fmt: skip
    return assemble(first, Part(Return(), {"gamma": NUMBERS["gamma"]}, id="return"))
