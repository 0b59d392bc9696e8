"""An 18-state model of the design study's kind: two enantiomers, effect sites, fast and slow dynamics. Values are invented."""

from __future__ import annotations

from ketasim.model import Entrance, Mechanism, Model, Number, Param, Part, Port, State, Structure, assemble
from ketasim.model.functions import hill

VALUES = {
    "CL_s": 95, "CL_r": 86, "V": 60, "Q1": 100, "V1": 120, "Q2": 40, "V2": 200, "CL_nk": 57, "V_nk": 150, "ke0": 5, "IC_s": 0.5, "IC_r": 1.5,
    "kg": 6, "kb": 3, "kt": 0.5, "kp": 0.01, "ksyn": 0.06, "kdeg": 0.06, "kout": 0.2, "g": 2, "kl": 4, "km": 0.3,
}  # fmt: skip


class Kinetics(Structure):
    """Three compartments, one metabolite and one effect site per enantiomer."""

    params = {
        name: Param("1/h" if name == "ke0" else "L/h" if name[0] in "CQ" else "L")
        for name in ("CL_s", "CL_r", "V", "Q1", "V1", "Q2", "V2", "CL_nk", "V_nk", "ke0")
    }
    states = {f"{s}_{e}": State("umol") for e in "sr" for s in ("central", "p1", "p2", "nk")} | {
        f"Ce_{e}": State("umol/L") for e in "sr"
    }
    writes = {f"Ceff_{e}": Port("umol/L") for e in "sr"}
    routes = {"iv": {"s_ketamine": (Entrance("central_s"),), "r_ketamine": (Entrance("central_r"),)}}

    def rates(self, t, x, u, p):
        out = {}
        for e in "sr":
            C = x[f"central_{e}"] / p["V"]
            out[f"p1_{e}"] = p["Q1"] * (C - x[f"p1_{e}"] / p["V1"])
            out[f"p2_{e}"] = p["Q2"] * (C - x[f"p2_{e}"] / p["V2"])
            out[f"central_{e}"] = -p[f"CL_{e}"] * C - out[f"p1_{e}"] - out[f"p2_{e}"]
            out[f"nk_{e}"] = p[f"CL_{e}"] * C - p["CL_nk"] * x[f"nk_{e}"] / p["V_nk"]
            out[f"Ce_{e}"] = p["ke0"] * (C - x[f"Ce_{e}"])
        return out

    def outputs(self, t, x, u, p):
        return {f"Ceff_{e}": x[f"Ce_{e}"] for e in "sr"}


class Dynamics(Mechanism):
    """Receptor block, transmitters in minutes to hours, plasticity and mood in days."""

    params = {k: Param("1") for k in ("IC_s", "IC_r", "kg", "kb", "kt", "kp", "ksyn", "kdeg", "kout", "g", "kl", "km")}
    states = {k: State("1", initial=1.0) for k in ("glu", "ampa", "bdnf", "mtor", "syn", "lhb", "mood", "slow")}
    reads = {"Ceff_s": Port("umol/L"), "Ceff_r": Port("umol/L")}

    def rates(self, t, x, u, p):
        bound = u["Ceff_s"] / p["IC_s"] + u["Ceff_r"] / p["IC_r"]
        block = bound / (1 + bound)
        return {
            "glu": p["kg"] * (1 + p["g"] * hill(block, 0.3, 2) * (1 - block) - x["glu"]),
            "ampa": p["kb"] * (x["glu"] - x["ampa"]),
            "bdnf": p["kt"] * (x["ampa"] ** 2 / (0.5 + 0.5 * x["ampa"] ** 2) - x["bdnf"]),
            "mtor": p["km"] * (x["bdnf"] - x["mtor"]),
            "syn": p["ksyn"] * x["mtor"] - p["kdeg"] * x["syn"],
            "lhb": p["kl"] * (1 - 0.8 * block - x["lhb"]),
            "mood": p["kout"] * (1 + 0.5 * (x["lhb"] - 1) - 0.3 * (x["syn"] - 1) - x["mood"]),
            "slow": p["kp"] * (x["syn"] * x["mood"] - x["slow"]),
        }


def study_model() -> Model:
    """The assembled model."""

    def part(mechanism: Mechanism) -> Part:
        return Part(mechanism, {k: Number(float(VALUES[k]), q.unit) for k, q in mechanism.params.items()}, id=mechanism.name())

    return assemble(part(Kinetics()), part(Dynamics()), id="study_18_states")
