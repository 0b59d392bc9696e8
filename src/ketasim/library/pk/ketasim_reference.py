"""Structure of the ketasim reference model: both enantiomers, three analytes in amounts, every route, artery and vein.

Equations only; the numbers and where they come from stand in ``ketasim_reference.toml``. The reasons for this structure stand in
``docs/explanation/reference-model.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.model import Entrance, Inlet, Param, Port, State, Structure

_ENANTIOMERS = ("s", "r")

_DEPOTS = {
    "oral": "stomach and gut lumen, oral solution or immediate-release tablet",
    "oral_pr": "gut lumen, prolonged-release tablet",
    "nasal": "nasal mucosa",
    "nasal_swallowed": "gut lumen, swallowed part of a nasal dose",
    "mucosa": "oral mucosa (sublingual and buccal)",
    "mucosa_swallowed": "gut lumen, swallowed part of a sublingual or buccal dose",
    "im": "muscle depot",
    "sc": "subcutaneous depot",
    "rectal": "rectum",
    "inhaled": "airway and alveolar surface",
}

_SHARED_PARAMS = {
    "CLint": Param("L/h", "hepatic intrinsic clearance of S-ketamine, referred to plasma concentration"),
    "Qh": Param("L/h", "hepatic flow, plasma-equivalent", (1e-6, float("inf"))),
    "V_liver": Param("L", "distribution volume of the liver, apparent", (1e-6, float("inf"))),
    "f_2B6": Param("1", "share of CLint by CYP2B6, forms norketamine", (0.0, 1.0)),
    "ratio_3A4_other": Param("1", "CLint by CYP3A4 (forms norketamine) over that by other pathways; together 1 - f_2B6"),
    "A_2B6_liver": Param("1", "activity of CYP2B6 in the liver relative to normal"),
    "A_3A4_liver": Param("1", "activity of CYP3A4 in the liver relative to normal"),
    "A_3A4_gut": Param("1", "activity of CYP3A4 in the gut wall relative to normal"),
    "A_other_liver": Param("1", "activity of the remaining hepatic pathways relative to normal"),
    "A_liver": Param("1", "activity of the whole liver relative to normal (cirrhosis)"),
    "A_genotype": Param("1", "intrinsic clearance of this CYP2B6 genotype relative to *1/*1, felt in the share CYP2B6_effect"),
    "CYP2B6_effect": Param("1", "switch of the genotype effect: 0 none (default), 1 as in chronic pain", (0.0, 1.0)),
    "E_gut": Param("1", "intrinsic clearance of the gut wall over villous flow; gut availability is 1 / (1 + E_gut)"),
    "Vc": Param("L", "arterial central volume of S-ketamine", (1e-6, float("inf"))),
    "Vp1": Param("L", "first peripheral volume of S-ketamine", (1e-6, float("inf"))),
    "Q1": Param("L/h", "intercompartmental clearance to Vp1"),
    "Vp2": Param("L", "second peripheral volume of S-ketamine", (1e-6, float("inf"))),
    "Q2": Param("L/h", "intercompartmental clearance to Vp2"),
    "k_mix": Param("1/h", "mixing in right heart and lung before the artery"),
    "f_fast": Param("1", "share of forearm venous blood from skin and arteriovenous shunts", (0.0, 1.0)),
    "k_fast": Param("1/h", "turnover of that fast part of the forearm"),
    "k_slow": Param("1/h", "turnover of the slow part (muscle) of the forearm, ketamine"),
    "k_slow_nk": Param("1/h", "turnover of the slow part (muscle) of the forearm, norketamine"),
    "CL_nk": Param("L/h", "clearance of S-norketamine"),
    "Vc_nk": Param("L", "central volume of norketamine", (1e-6, float("inf"))),
    "Q1_nk": Param("L/h", "intercompartmental clearance of norketamine"),
    "Vp1_nk": Param("L", "peripheral volume of norketamine", (1e-6, float("inf"))),
    "fm_hnk": Param("1", "share of S-norketamine clearance that forms (2S,6S)-hydroxynorketamine", (0.0, 1.0)),
    "fm_hnk_r": Param("1", "share of R-norketamine clearance that forms (2R,6R)-hydroxynorketamine", (0.0, 1.0)),
    "CL_hnk": Param("L/h", "clearance of hydroxynorketamine"),
    "Vc_hnk": Param("L", "central volume of hydroxynorketamine", (1e-6, float("inf"))),
    "Q1_hnk": Param("L/h", "intercompartmental clearance of hydroxynorketamine"),
    "Vp1_hnk": Param("L", "peripheral volume of hydroxynorketamine", (1e-6, float("inf"))),
    "ratio_CLint_r": Param("1", "CLint of R- over S-ketamine"),
    "ratio_V_r": Param("1", "volumes of R- over S-ketamine", (1e-6, float("inf"))),
    "ratio_CL_nk_r": Param("1", "clearance of R- over S-norketamine"),
    "ratio_dhnk_s": Param("1", "concentration of S-dehydronorketamine over S-norketamine, near equilibrium"),
    "ratio_dhnk_r": Param("1", "concentration of R-dehydronorketamine over R-norketamine, near equilibrium"),
    "fu_s": Param("1", "unbound fraction of S-ketamine in plasma", (0.0, 1.0)),
    "fu_r": Param("1", "unbound fraction of R-ketamine in plasma", (0.0, 1.0)),
    "fu_nk": Param("1", "unbound fraction of norketamine in plasma", (0.0, 1.0)),
    "fu_hnk": Param("1", "unbound fraction of hydroxynorketamine in plasma", (0.0, 1.0)),
    "Kpuu": Param("1", "unbound brain over unbound arterial plasma at equilibrium, ketamine"),
    "Kpuu_nk": Param("1", "the same for norketamine"),
    "Kpuu_hnk": Param("1", "the same for hydroxynorketamine"),
    "k_brain": Param("1/h", "equilibration of unbound brain with arterial plasma"),
}

_ABSORPTION_PARAMS = {
    "F_nasal": Param("1", "fraction of one nasal device (28 mg) absorbed through the mucosa", (0.0, 1.0)),
    "sat_nasal": Param("1", "that fraction for the second and later device of a session, relative to the first", (0.0, 1.0)),
    "n_devices": Param("1", "nasal devices (28 mg) in one session", (1.0, float("inf"))),
    "ka_nasal": Param("1/h", "absorption through the nasal mucosa"),
    "f_swallowed_nasal": Param(
        "1", "share of what the nasal mucosa does not take that is swallowed; the rest is lost", (0.0, 1.0)
    ),
    "D_nasal_swallowed": Param("h", "zero-order duration of the swallowed part of a nasal dose"),
    "ka_nasal_swallowed": Param("1/h", "absorption of the swallowed part of a nasal dose"),
    "D_oral": Param("h", "zero-order duration of an oral dose"),
    "ka_oral": Param("1/h", "absorption of an oral dose"),
    "D_oral_pr": Param("h", "zero-order release of a prolonged-release tablet"),
    "ka_oral_pr": Param("1/h", "absorption from a prolonged-release tablet"),
    "F_mucosa": Param("1", "fraction of a sublingual or buccal dose absorbed through the mucosa", (0.0, 1.0)),
    "D_mucosa": Param("h", "zero-order duration of mucosal uptake"),
    "ka_mucosa": Param("1/h", "absorption through the oral mucosa"),
    "D_mucosa_swallowed": Param("h", "zero-order duration of the swallowed part of a sublingual or buccal dose"),
    "ka_mucosa_swallowed": Param("1/h", "absorption of the swallowed part of a sublingual or buccal dose"),
    "F_im": Param("1", "bioavailability after injection into muscle", (0.0, 1.0)),
    "ka_im": Param("1/h", "absorption from muscle"),
    "F_sc": Param("1", "bioavailability after subcutaneous injection", (0.0, 1.0)),
    "ka_sc": Param("1/h", "absorption from subcutaneous tissue"),
    "f_rectal": Param("1", "share of rectal absorption that bypasses the liver", (0.0, 1.0)),
    "ka_rectal": Param("1/h", "absorption from the rectum"),
    "F_inhaled": Param("1", "fraction of a nebulised dose that reaches blood", (0.0, 1.0)),
    "ka_inhaled": Param("1/h", "absorption through the lung"),
}

_KINETIC_STATES = {
    "mix": State("umol", "ketamine in venous blood and lung, before the artery"),
    "central": State("umol", "ketamine, arterial central compartment"),
    "peripheral1": State("umol", "ketamine, first peripheral compartment"),
    "peripheral2": State("umol", "ketamine, second peripheral compartment"),
    "liver": State("umol", "ketamine in the liver"),
    "forearm_fast": State("umol/L", "ketamine leaving skin and shunts of the forearm"),
    "forearm_slow": State("umol/L", "ketamine leaving muscle of the forearm"),
    "central_nk": State("umol", "norketamine, central compartment"),
    "peripheral1_nk": State("umol", "norketamine, peripheral compartment"),
    "forearm_slow_nk": State("umol/L", "norketamine leaving muscle of the forearm"),
    "central_hnk": State("umol", "hydroxynorketamine, central compartment"),
    "peripheral1_hnk": State("umol", "hydroxynorketamine, peripheral compartment"),
    "brain": State("umol/L", "unbound ketamine in brain"),
    "brain_nk": State("umol/L", "unbound norketamine in brain"),
    "brain_hnk": State("umol/L", "unbound hydroxynorketamine in brain"),
}

_ANALYTES = {"": "ketamine", "_nk": "norketamine", "_hnk": "hnk", "_dhnk": "dhnk"}


def _states() -> dict[str, State]:
    """Depots and kinetic states of both enantiomers, e.g. ``central_s``, ``central_nk_r``."""
    out: dict[str, State] = {}
    for e in _ENANTIOMERS:
        for depot, meaning in _DEPOTS.items():
            out[f"{depot}_{e}"] = State("umol", f"{e.upper()}-ketamine: {meaning}")
        for name, state in _KINETIC_STATES.items():
            out[f"{name}_{e}"] = State(state.unit, f"{e.upper()}: {state.meaning}")
    return out


def _ports() -> dict[str, Port]:
    """Concentrations by site and analyte, e.g. ``C_venous_s_ketamine``."""
    out: dict[str, Port] = {}
    for e in _ENANTIOMERS:
        for site in ("venous", "arterial"):
            for analyte in _ANALYTES.values():
                name = f"{e}_{analyte}"
                out[f"C_{site}_{name}"] = Port("umol/L", f"{site} plasma", (0.0, float("inf")), analyte=name, site=site)
        for analyte in ("ketamine", "norketamine", "hnk"):
            name = f"{e}_{analyte}"
            meaning = "unbound in brain"
            out[f"C_brain_unbound_{name}"] = Port("umol/L", meaning, (0.0, float("inf")), analyte=name, site="brain_unbound")
    return out


def _routes() -> dict[str, dict[str, tuple[Entrance, ...]]]:
    """Where a dose of each enantiomer goes."""
    by_route = {
        "iv": (("mix", False),),
        "im": (("im", False),),
        "sc": (("sc", False),),
        "nasal": (("nasal", False), ("nasal_swallowed", True)),
        "oral": (("oral", True),),
        "oral_prolonged_release": (("oral_pr", True),),
        "sublingual": (("mucosa", True), ("mucosa_swallowed", True)),
        "buccal": (("mucosa", True), ("mucosa_swallowed", True)),
        "rectal": (("rectal", False),),
        "inhaled": (("inhaled", False),),
    }
    return {
        route: {f"{e}_ketamine": tuple(Entrance(f"{c}_{e}", zero_order) for c, zero_order in ways) for e in _ENANTIOMERS}
        for route, ways in by_route.items()
    }


class KetasimReference(Structure):
    """Semi-physiological model of S- and R-ketamine, norketamine and hydroxynorketamine for all routes.

    Absorbed drug passes lung mixing (or gut wall and liver first) into an arterial central compartment with two peripheral ones.
    A well-stirred liver, fed by the artery and by the gut, clears ketamine and forms norketamine; norketamine forms
    hydroxynorketamine. Veins are sampled downstream of the forearm: a fast and a slow part. The enantiomers do not interact.
    """

    params = {**_SHARED_PARAMS, **_ABSORPTION_PARAMS}
    states = _states()
    writes = _ports()
    routes = _routes()

    def inlets(self, p: Mapping[str, Any]) -> Mapping[str, Inlet]:
        """Bioavailability and zero-order duration of each depot; the swallowed part is what the mucosa does not take, or a share of it."""
        mucosal = p["F_nasal"] * (1.0 + (p["n_devices"] - 1.0) * p["sat_nasal"]) / p["n_devices"]
        one_way = {
            "nasal": Inlet(F=mucosal),
            "nasal_swallowed": Inlet(F=(1.0 - mucosal) * p["f_swallowed_nasal"], duration=p["D_nasal_swallowed"]),
            "oral": Inlet(duration=p["D_oral"]),
            "oral_pr": Inlet(duration=p["D_oral_pr"]),
            "mucosa": Inlet(F=p["F_mucosa"], duration=p["D_mucosa"]),
            "mucosa_swallowed": Inlet(F=1.0 - p["F_mucosa"], duration=p["D_mucosa_swallowed"]),
            "im": Inlet(F=p["F_im"]),
            "sc": Inlet(F=p["F_sc"]),
            "inhaled": Inlet(F=p["F_inhaled"]),
        }
        return {f"{depot}_{e}": inlet for depot, inlet in one_way.items() for e in _ENANTIOMERS}

    def rates(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Mass balance of both enantiomers."""
        out: dict[str, Any] = {}
        for e in _ENANTIOMERS:
            out.update(_enantiomer_rates(x, p, e))
        return out

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """Concentrations by site."""
        out: dict[str, Any] = {}
        for e in _ENANTIOMERS:
            out.update(_enantiomer_outputs(x, p, e))
        return out


def _of(e: str, p: Mapping[str, Any], ratio: str) -> Any:
    """Ratio R over S for R, 1 for S."""
    return p[ratio] if e == "r" else 1.0


def _enantiomer_rates(x: Mapping[str, Any], p: Mapping[str, Any], e: str) -> dict[str, Any]:
    """Rates of all states of one enantiomer."""
    out, to_mix, to_portal = _depot_rates(x, p, e)
    v = _of(e, p, "ratio_V_r")
    c_art = x[f"central_{e}"] / (p["Vc"] * v)
    c_p1 = x[f"peripheral1_{e}"] / (p["Vp1"] * v)
    c_p2 = x[f"peripheral2_{e}"] / (p["Vp2"] * v)
    c_liver = x[f"liver_{e}"] / p["V_liver"]
    mixed = p["k_mix"] * x[f"mix_{e}"]
    through_liver = p["Qh"] * (c_art - c_liver)
    to_nk, to_other = _hepatic_clearances(p, e)
    gut = 1.0 / (1.0 + p["E_gut"] * p["A_3A4_gut"])
    out[f"mix_{e}"] = to_mix - mixed
    out[f"central_{e}"] = mixed - through_liver - p["Q1"] * (c_art - c_p1) - p["Q2"] * (c_art - c_p2)
    out[f"peripheral1_{e}"] = p["Q1"] * (c_art - c_p1)
    out[f"peripheral2_{e}"] = p["Q2"] * (c_art - c_p2)
    out[f"liver_{e}"] = gut * to_portal + through_liver - (to_nk + to_other) * c_liver
    out[f"forearm_fast_{e}"] = p["k_fast"] * (c_art - x[f"forearm_fast_{e}"])
    out[f"forearm_slow_{e}"] = p["k_slow"] * (c_art - x[f"forearm_slow_{e}"])
    out[f"brain_{e}"] = p["k_brain"] * (p[f"fu_{e}"] * p["Kpuu"] * c_art - x[f"brain_{e}"])
    out.update(_metabolite_rates(x, p, e, to_nk * c_liver + (1.0 - gut) * to_portal))
    return out


def _depot_rates(x: Mapping[str, Any], p: Mapping[str, Any], e: str) -> tuple[dict[str, Any], Any, Any]:
    """Rates of the depots, and what they send to the circulation and to the gut wall, umol/h."""
    leaving = {depot: p[f"ka_{depot}"] * x[f"{depot}_{e}"] for depot in _DEPOTS}
    out = {f"{depot}_{e}": -flow for depot, flow in leaving.items()}
    to_mix = leaving["nasal"] + leaving["mucosa"] + leaving["im"] + leaving["sc"] + leaving["inhaled"]
    to_portal = leaving["oral"] + leaving["oral_pr"] + leaving["nasal_swallowed"] + leaving["mucosa_swallowed"]
    direct = p["f_rectal"] * leaving["rectal"]
    return out, to_mix + direct, to_portal + leaving["rectal"] - direct


def _hepatic_clearances(p: Mapping[str, Any], e: str) -> tuple[Any, Any]:
    """Intrinsic clearance to norketamine and to other products, L/h."""
    genotype = 1.0 + p["CYP2B6_effect"] * (p["A_genotype"] - 1.0)
    whole = p["CLint"] * _of(e, p, "ratio_CLint_r") * p["A_liver"] * genotype
    f_other = (1.0 - p["f_2B6"]) / (1.0 + p["ratio_3A4_other"])
    f_3A4 = p["ratio_3A4_other"] * f_other
    to_nk = p["f_2B6"] * p["A_2B6_liver"] + f_3A4 * p["A_3A4_liver"]
    return whole * to_nk, whole * f_other * p["A_other_liver"]


def _metabolite_rates(x: Mapping[str, Any], p: Mapping[str, Any], e: str, formed: Any) -> dict[str, Any]:
    """Norketamine and hydroxynorketamine, in circulation, forearm and brain."""
    c_nk = x[f"central_nk_{e}"] / p["Vc_nk"]
    c_hnk = x[f"central_hnk_{e}"] / p["Vc_hnk"]
    spread_nk = p["Q1_nk"] * (c_nk - x[f"peripheral1_nk_{e}"] / p["Vp1_nk"])
    spread_hnk = p["Q1_hnk"] * (c_hnk - x[f"peripheral1_hnk_{e}"] / p["Vp1_hnk"])
    cleared_nk = p["CL_nk"] * _of(e, p, "ratio_CL_nk_r") * c_nk
    formed_hnk = p["fm_hnk_r" if e == "r" else "fm_hnk"] * cleared_nk
    return {
        f"central_nk_{e}": formed - cleared_nk - spread_nk,
        f"peripheral1_nk_{e}": spread_nk,
        f"forearm_slow_nk_{e}": p["k_slow_nk"] * (c_nk - x[f"forearm_slow_nk_{e}"]),
        f"central_hnk_{e}": formed_hnk - p["CL_hnk"] * c_hnk - spread_hnk,
        f"peripheral1_hnk_{e}": spread_hnk,
        f"brain_nk_{e}": p["k_brain"] * (p["fu_nk"] * p["Kpuu_nk"] * c_nk - x[f"brain_nk_{e}"]),
        f"brain_hnk_{e}": p["k_brain"] * (p["fu_hnk"] * p["Kpuu_hnk"] * c_hnk - x[f"brain_hnk_{e}"]),
    }


def _enantiomer_outputs(x: Mapping[str, Any], p: Mapping[str, Any], e: str) -> dict[str, Any]:
    """Concentrations of one enantiomer and its metabolites, umol/L."""
    slow = 1.0 - p["f_fast"]
    c_nk = x[f"central_nk_{e}"] / p["Vc_nk"]
    c_hnk = x[f"central_hnk_{e}"] / p["Vc_hnk"]
    v_nk = p["f_fast"] * c_nk + slow * x[f"forearm_slow_nk_{e}"]
    return {
        f"C_venous_{e}_ketamine": p["f_fast"] * x[f"forearm_fast_{e}"] + slow * x[f"forearm_slow_{e}"],
        f"C_venous_{e}_norketamine": v_nk,
        f"C_venous_{e}_hnk": c_hnk,
        f"C_venous_{e}_dhnk": p[f"ratio_dhnk_{e}"] * v_nk,
        f"C_arterial_{e}_ketamine": x[f"central_{e}"] / (p["Vc"] * _of(e, p, "ratio_V_r")),
        f"C_arterial_{e}_norketamine": c_nk,
        f"C_arterial_{e}_hnk": c_hnk,
        f"C_arterial_{e}_dhnk": p[f"ratio_dhnk_{e}"] * c_nk,
        f"C_brain_unbound_{e}_ketamine": x[f"brain_{e}"],
        f"C_brain_unbound_{e}_norketamine": x[f"brain_nk_{e}"],
        f"C_brain_unbound_{e}_hnk": x[f"brain_hnk_{e}"],
    }
