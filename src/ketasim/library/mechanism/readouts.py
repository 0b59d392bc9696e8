"""What laboratories measure of the cascade: transmitters, markers, and behaviour of animals. Nothing reads these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.library.mechanism.interventions import factor_ports
from ketasim.model import Mechanism, Param, Port
from ketasim.model.functions import maximum, minimum, where_positive

Values = Mapping[str, Any]
_POSITIVE = (1e-9, float("inf"))
_LARGE = float("inf")


def _number(meaning: str, bounds: tuple[float, float] = (0.0, float("inf"))) -> Param:
    return Param("1", meaning, bounds)


def _relative(meaning: str) -> Port:
    return Port("1", f"{meaning}, 1 at rest", (-_LARGE, _LARGE))


class Monoamines(Mechanism):
    """Dopamine with the surge of AMPA throughput, and serotonin with potentiation."""

    params = {
        "rise_dopamine_pfc": _number("rise of prefrontal dopamine at the largest surge"),
        "rise_dopamine_nac": _number("the same in the nucleus accumbens"),
        "rise_dopamine_striatum": _number("the same in the striatum"),
        "rise_vta": _number("the same of active dopamine cells"),
        "surge_full": _number("surge at which these are full", _POSITIVE),
        "surge_most_monoamine": _number("how far beyond full they go"),
        "rise_serotonin": _number("rise of prefrontal serotonin with potentiation"),
        "potentiation_full": _number("potentiation at which it is full", _POSITIVE),
        "potentiation_most": _number("how far beyond full it goes"),
        "potentiation_least": _number("potentiation below which serotonin does not rise"),
    }
    reads = {"ampa_surge": Port("1"), "potentiation": Port("1")}
    writes = {
        "dopamine_pfc": _relative("prefrontal dopamine"),
        "dopamine_nac": _relative("dopamine in the nucleus accumbens"),
        "dopamine_striatum": _relative("dopamine in the striatum"),
        "vta_active": _relative("active dopamine cells"),
        "serotonin": _relative("prefrontal serotonin"),
    }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Each in proportion to its drive, up to a limit."""
        surge = minimum(u["ampa_surge"] / p["surge_full"], p["surge_most_monoamine"])
        lasting = minimum(u["potentiation"] / p["potentiation_full"], p["potentiation_most"])
        raised = where_positive(u["potentiation"] - p["potentiation_least"], p["rise_serotonin"] * lasting, 0)
        places = ("dopamine_pfc", "dopamine_nac", "dopamine_striatum")
        return {
            **{place: 1 + p[f"rise_{place}"] * surge for place in places},
            "vta_active": 1 + p["rise_vta"] * surge,
            "serotonin": 1 + raised,
        }


class Markers(Mechanism):
    """Phosphorylated GSK-3beta, currents, spines, synaptic density and a cytokine marker: functions of the states above."""

    params = {
        "gain_gsk": _number("phosphorylation of GSK-3beta per TrkB activation"),
        "gain_gsk_lithium": _number("phosphorylation of GSK-3beta under lithium"),
        "gain_epsc": _number("excitatory currents per potentiation"),
        "gain_spines": _number("spine density per new synapses"),
        "gain_density": _number("synaptic density (SV2A) per new synapses"),
        "gain_glutamate_pool": _number("labelled glutamate per surge of release"),
        "fall_cytokine": _number("fall of the cytokine marker per new synapses"),
    }
    reads = {
        "trkb": Port("1"), "potentiation": Port("1"), "synaptic_strength": Port("1"), "glutamate": Port("1"),
        **factor_ports("f_akt", "lithium"),
    }  # fmt: skip
    writes = {
        "p_gsk3": _relative("phosphorylated GSK-3beta"),
        "epsc": _relative("excitatory currents"),
        "spines": _relative("spine density"),
        "density": _relative("synaptic density"),
        "glutamate_pool": _relative("labelled glutamate"),
        "cytokine": _relative("cytokine marker"),
    }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Functions of the states."""
        strength = u["synaptic_strength"]
        return {
            "p_gsk3": 1 + p["gain_gsk"] * minimum(u["trkb"], 1) * u["f_akt"] + p["gain_gsk_lithium"] * u["lithium"],
            "epsc": 1 + p["gain_epsc"] * u["potentiation"] + strength,
            "spines": 1 + p["gain_spines"] * strength,
            "density": 1 + p["gain_density"] * strength,
            "glutamate_pool": 1 + p["gain_glutamate_pool"] * (u["glutamate"] - 1),
            "cytokine": 1 - p["fall_cytokine"] * strength,
        }


class Behaviour(Mechanism):
    """Indices of animal behaviour at a test, without drugs at the test other than those of the run.

    `antidepressant_like` is 0 without effect. The others are 1 without drug; less compulsion, drinking and withdrawal is below 1.
    """

    params = {
        "w_potentiation": _number("potentiation in the antidepressant-like index"),
        "w_habenula": _number("trapped block of the habenula in it"),
        "w_microglia_effect": _number("microglial effect in it"),
        "o_locomotion": _number("block of pyramidal cells above which locomotion rises", (0.0, 1.0)),
        "gain_locomotion": _number("locomotion per block above that"),
        "loss_locomotion_lithium": _number("share of it that lithium takes away", (0.0, 1.0)),
        "gain_extinction": _number("speed of extinction per new synapses over that per potentiation"),
        "gain_compulsion": _number("compulsion per block above the same threshold"),
        "relief_compulsion": _number("relief of compulsion per antidepressant-like index"),
        "relief_drinking": _number("relief of drinking per occupancy", (0.0, 1.0)),
        "relief_withdrawal": _number("relief of withdrawal per occupancy and per potentiation"),
        "w_strength_withdrawal": _number("new synapses in that relief"),
        "w_hnk_withdrawal": _number("hydroxynorketamine in that relief"),
    }
    reads = {
        "potentiation": Port("1"), "lhb_trapped": Port("1"), "synaptic_strength": Port("1"), "microglia_effect": Port("1"),
        "weight_microglia": Port("1"), "opioid_permission": Port("1"), "pyramidal.occupancy": Port("1"), "occupancy_nmda": Port("1"),
        "hnk_slow": Port("1"), "ampa_passes": Port("1"),
        **factor_ports("f_gsk", "f_trkb", "f_synth", "f_erk", "f_microglia", "f_mtor", "lithium"),
    }  # fmt: skip
    writes = {
        "antidepressant_like": Port("1", "antidepressant-like index, 0 without effect", (0.0, _LARGE)),
        "locomotion": _relative("locomotion, index of rodents"),
        "extinction": _relative("speed of fear extinction, index of rodents"),
        "compulsion": _relative("compulsive behaviour, index of rodents"),
        "drinking": _relative("alcohol drinking, index of rodents"),
        "withdrawal": _relative("signs of opioid withdrawal, index of rodents"),
    }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Indices from states and blocks."""
        passes = u["ampa_passes"]
        quick = p["w_potentiation"] * u["potentiation"] + p["w_habenula"] * u["lhb_trapped"]
        microglia = p["w_microglia_effect"] * u["weight_microglia"] * u["microglia_effect"] * u["f_erk"] * u["f_microglia"]
        whole = quick * u["f_trkb"] * u["f_synth"] + u["synaptic_strength"] + microglia
        index = passes * u["f_gsk"] * u["opioid_permission"] * whole
        outer = u["pyramidal.occupancy"]
        moved = where_positive(outer - p["o_locomotion"], p["gain_locomotion"] * outer, 0)
        learned = u["potentiation"] + p["gain_extinction"] * u["synaptic_strength"]
        relief = u["occupancy_nmda"] + u["potentiation"] + p["w_strength_withdrawal"] * u["synaptic_strength"]
        return {
            "antidepressant_like": index,
            "locomotion": 1 + moved * (1 - p["loss_locomotion_lithium"] * u["lithium"]),
            "extinction": 1 + learned * u["f_mtor"] * passes,
            "compulsion": 1 + p["gain_compulsion"] * maximum(outer - p["o_locomotion"], 0) - p["relief_compulsion"] * index,
            "drinking": 1 - p["relief_drinking"] * u["occupancy_nmda"],
            "withdrawal": 1 - p["relief_withdrawal"] * (relief + p["w_hnk_withdrawal"] * u["hnk_slow"]),
        }
