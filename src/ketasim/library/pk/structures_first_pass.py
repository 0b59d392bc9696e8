"""Structures with first-pass metabolism: hepato-portal compartment (perezruixo2021), gut wall and liver (ashraf2018).

Equations only; numbers stand in the entries. Amounts in umol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.library.pk.structures import POSITIVE, Values, concentration, disposition_params, disposition_states, spread
from ketasim.model import Entrance, Inlet, Param, Port, State, Structure

_FRACTION = (0.0, 1.0)

_LIVER_PARAMS = {
    "Qh": Param("L/h", "hepatic flow, plasma-equivalent"),
    "V_liver": Param("L", "hepato-portal volume", POSITIVE),
    "k_other": Param("1/h", "hepatic elimination to other products"),
    "k_nk": Param("1/h", "hepatic formation of norketamine"),
    "F_gut": Param("1", "fraction of swallowed drug that reaches the portal blood", _FRACTION),
    "D_oral": Param("h", "zero-order duration of the oral solution"),
    "ka_oral": Param("1/h", "absorption rate of the oral solution"),
    "mass_per_mole_nk": Param("1", "molar mass of ketamine over that of norketamine", POSITIVE),
}


def _body(x: Values, p: Values, e: str, absorbed_portal: Any, absorbed_central: Any) -> dict[str, Any]:
    """Rates of parent, liver and norketamine of one enantiomer (name suffix `e`); parameters are shared."""
    names = {name: x[f"{name}{e}"] for name in ("central", "peripheral1", "peripheral2", "liver", "central_nk", "peripheral1_nk")}
    flows, flows_nk = spread(names, p, 3, ""), spread(names, p, 2, "_nk")
    through = p["Qh"] * (names["central"] / p["Vc"] - names["liver"] / p["V_liver"])
    cleared_nk = p["CL_nk"] * names["central_nk"] / p["Vc_nk"]
    out = {
        "central": absorbed_central - through - sum(flows.values()),
        "liver": absorbed_portal + through - (p["k_other"] + p["k_nk"]) * names["liver"],
        "central_nk": p["mass_per_mole_nk"] * p["k_nk"] * names["liver"] - cleared_nk - sum(flows_nk.values()),
        **flows,
        **flows_nk,
    }
    return {f"{name}{e}": rate for name, rate in out.items()}


def _body_params() -> dict[str, Param]:
    disposition = disposition_params(3, "")
    del disposition["CL"]  # elimination is in the liver only
    return {**disposition, **_LIVER_PARAMS, **disposition_params(2, "_nk")}


class HepatoPortal(Structure):
    """Esketamine nasal, oral and intravenous: three compartments and a hepato-portal one that alone eliminates (perezruixo2021).

    Part of a nasal dose is absorbed through the mucosa, the rest is swallowed. Of `n_devices` sprayed in one session the first is
    absorbed to the fraction F_nasal, each further one to F_nasal * sat_nasal; their mean is applied to the whole dose.
    Norketamine is apparent (see `MammillaryNorketamine` for the molar mass).
    """

    params = {
        **_body_params(),
        "F_nasal": Param("1", "fraction of one nasal device (28 mg) absorbed through the mucosa", _FRACTION),
        "sat_nasal": Param("1", "that fraction for the second and later device of a session, relative to the first", _FRACTION),
        "n_devices": Param("1", "nasal devices (28 mg) in one session", (1.0, float("inf"))),
        "ka_nasal": Param("1/h", "absorption rate through the nasal mucosa"),
        "D_nasal_swallowed": Param("h", "zero-order duration of the swallowed part of a nasal dose"),
        "ka_nasal_swallowed": Param("1/h", "absorption rate of the swallowed part of a nasal dose"),
    }
    states = {
        "nasal": State("umol", "nasal mucosa"),
        "nasal_swallowed": State("umol", "gut lumen, swallowed part of a nasal dose"),
        "oral": State("umol", "gut lumen, oral dose"),
        **disposition_states(3, ""),
        "liver": State("umol", "hepato-portal compartment"),
        **disposition_states(2, "_nk"),
    }
    writes = {
        "C_venous_s_ketamine": concentration("s_ketamine", "venous"),
        "C_venous_s_norketamine": concentration("s_norketamine", "venous"),
        "cleared_s_norketamine": Port("umol/h", "norketamine eliminated, for add-ons that follow its products"),
    }
    routes = {
        "iv": {"s_ketamine": (Entrance("central"),)},
        "nasal": {"s_ketamine": (Entrance("nasal"), Entrance("nasal_swallowed", zero_order=True))},
        "oral": {"s_ketamine": (Entrance("oral", zero_order=True),)},
    }

    def inlets(self, p: Values) -> Mapping[str, Inlet]:
        """Mucosal and swallowed fraction; the gut wall takes its part of what is swallowed."""
        mucosal = p["F_nasal"] * (1.0 + (p["n_devices"] - 1.0) * p["sat_nasal"]) / p["n_devices"]
        return {
            "nasal": Inlet(F=mucosal),
            "nasal_swallowed": Inlet(F=(1.0 - mucosal) * p["F_gut"], duration=p["D_nasal_swallowed"]),
            "oral": Inlet(F=p["F_gut"], duration=p["D_oral"]),
        }

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance."""
        leaving = {depot: p[f"ka_{depot}"] * x[depot] for depot in ("nasal", "nasal_swallowed", "oral")}
        body = _body(x, p, "", leaving["nasal_swallowed"] + leaving["oral"], leaving["nasal"])
        return {**{depot: -flow for depot, flow in leaving.items()}, **body}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Venous concentrations and the flow of norketamine that add-ons may follow."""
        c_nk = x["central_nk"] / p["Vc_nk"]
        return {
            "C_venous_s_ketamine": x["central"] / p["Vc"],
            "C_venous_s_norketamine": c_nk,
            "cleared_s_norketamine": p["CL_nk"] * c_nk,
        }


class HepatoPortalOralRacemic(Structure):
    """Oral racemic ketamine: the oral branch of `HepatoPortal` for each enantiomer; R differs by a ratio of gut availability."""

    params = {**_body_params(), "ratio_F_r": Param("1", "oral bioavailability of R- over S-ketamine")}
    states = {
        f"{name}_{e}": State("umol", f"{state.meaning}, {e.upper()}")
        for e in "sr"
        for name, state in {
            "oral": State("umol", "gut lumen, oral dose"),
            **disposition_states(3, ""),
            "liver": State("umol", "hepato-portal compartment"),
            **disposition_states(2, "_nk"),
        }.items()
    }
    writes = {
        f"C_venous_{e}_{name}": concentration(f"{e}_{name}", "venous") for e in "sr" for name in ("ketamine", "norketamine")
    }
    routes = {"oral": {f"{e}_ketamine": (Entrance(f"oral_{e}", zero_order=True),) for e in "sr"}}

    def inlets(self, p: Values) -> Mapping[str, Inlet]:
        """Gut availability of each enantiomer."""
        return {
            "oral_s": Inlet(F=p["F_gut"], duration=p["D_oral"]),
            "oral_r": Inlet(F=p["F_gut"] * p["ratio_F_r"], duration=p["D_oral"]),
        }

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance of both enantiomers."""
        out: dict[str, Any] = {}
        for e in ("_s", "_r"):
            leaving = p["ka_oral"] * x[f"oral{e}"]
            out |= {f"oral{e}": -leaving, **_body(x, p, e, leaving, 0.0)}
        return out

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Venous concentrations."""
        parent = {f"C_venous_{e}_ketamine": x[f"central_{e}"] / p["Vc"] for e in "sr"}
        return parent | {f"C_venous_{e}_norketamine": x[f"central_nk_{e}"] / p["Vc_nk"] for e in "sr"}


class GutWallLiver(Structure):
    """Oral and intravenous S-ketamine through gut wall and liver in quasi-steady state (ashraf2018).

    Gut wall, portal vein and liver hold no drug: what flows in flows out or is extracted at once, so they are algebra, not
    states. The gut wall follows the Qgut model (villous flow limited by permeability); gut wall and liver are well stirred. All
    extracted S-ketamine becomes norketamine, whose parameters are therefore apparent; its flow was carried as a mass (see
    `MammillaryNorketamine` for the molar mass). Flows are blood flows multiplied with plasma concentrations, as in the source.
    Extraction in the liver refers to unbound drug in blood, fu / BP.
    """

    params = {
        "ka_oral": Param("1/h", "oral absorption rate"),
        **{name: param for name, param in disposition_params(3, "").items() if name != "CL"},
        **{name: param for name, param in disposition_params(2, "_nk").items() if name != "CL_nk"},
        "CLint": Param("L/h", "hepatic intrinsic clearance of S-ketamine"),
        "CLint_gut": Param("L/h", "gut wall intrinsic clearance of S-ketamine"),
        "CLint_nk": Param("L/h", "hepatic intrinsic clearance of norketamine"),
        "CLint_gut_nk": Param("L/h", "gut wall intrinsic clearance of norketamine"),
        "CL_perm": Param("L/h", "permeability clearance of the gut mucosa"),
        "fu": Param("1", "unbound fraction of S-ketamine in plasma", _FRACTION),
        "fu_nk": Param("1", "unbound fraction of norketamine in plasma", _FRACTION),
        "BP": Param("1", "blood over plasma concentration, S-ketamine", POSITIVE),
        "BP_nk": Param("1", "blood over plasma concentration, norketamine", POSITIVE),
        "Qh": Param("L/h", "hepatic blood flow", POSITIVE),
        "f_intestinal": Param("1", "intestinal share of the hepatic flow", _FRACTION),
        "f_mucosal": Param("1", "mucosal share of the intestinal flow", _FRACTION),
        "f_villous": Param("1", "villous share of the mucosal flow", _FRACTION),
        "f_2B6": Param("1", "share of hepatic S-ketamine metabolism by CYP2B6", _FRACTION),
        "A_2B6_liver": Param("1", "activity of CYP2B6 in the liver relative to normal"),
        "mass_per_mole_nk": Param("1", "molar mass of ketamine over that of norketamine", POSITIVE),
    }
    states = {"oral": State("umol", "gut lumen"), **disposition_states(3, ""), **disposition_states(2, "_nk")}
    writes = {
        "C_venous_s_ketamine": concentration("s_ketamine", "venous"),
        "C_venous_s_norketamine": concentration("s_norketamine", "venous"),
    }
    routes = {"iv": {"s_ketamine": (Entrance("central"),)}, "oral": {"s_ketamine": (Entrance("oral"),)}}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Mass balance with the flows through gut wall and liver."""
        flows, flows_nk = spread(x, p, 3, ""), spread(x, p, 2, "_nk")
        F_gut, F_gut_nk, F_liver, F_liver_nk = _availabilities(p)
        absorbed = p["ka_oral"] * x["oral"]
        leaving, leaving_nk = p["Qh"] * x["central"] / p["Vc"], p["Qh"] * x["central_nk"] / p["Vc_nk"]
        into_liver = F_gut * absorbed + leaving
        from_gut_nk = p["mass_per_mole_nk"] * (1.0 - F_gut) * absorbed
        from_liver_nk = p["mass_per_mole_nk"] * (1.0 - F_liver) * into_liver
        into_liver_nk = F_gut_nk * from_gut_nk + leaving_nk + from_liver_nk
        return {
            "oral": -absorbed,
            "central": F_liver * into_liver - leaving - sum(flows.values()),
            "central_nk": F_liver_nk * into_liver_nk - leaving_nk - sum(flows_nk.values()),
            **flows,
            **flows_nk,
        }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Venous concentrations."""
        return {"C_venous_s_ketamine": x["central"] / p["Vc"], "C_venous_s_norketamine": x["central_nk"] / p["Vc_nk"]}


def _availabilities(p: Values) -> tuple[Any, Any, Any, Any]:
    """Fractions that escape the gut wall (S-ketamine, norketamine) and the liver (the same)."""
    villous = p["f_villous"] * p["f_mucosal"] * p["f_intestinal"] * p["Qh"]
    q_gut = villous * p["CL_perm"] / (villous + p["CL_perm"])
    activity = p["f_2B6"] * p["A_2B6_liver"] + (1.0 - p["f_2B6"])
    hepatic = activity * p["CLint"] * p["fu"] / p["BP"]
    hepatic_nk = p["CLint_nk"] * p["fu_nk"] / p["BP_nk"]
    return (
        q_gut / (q_gut + p["CLint_gut"]),
        villous / (villous + p["CLint_gut_nk"]),
        p["Qh"] / (p["Qh"] + hepatic),
        p["Qh"] / (p["Qh"] + hepatic_nk),
    )
