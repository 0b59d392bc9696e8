"""The cascade behind a dose: disinhibition, glutamate, AMPA, and what follows within hours and days.

Every quantity is relative to rest (1) or a share (0 to 1). All are read-outs: nothing here acts on a symptom score. Numbers, and which
of them are assumed, stand in the entries of the same folder; where the model is known to be wrong: ``docs/explanation/mechanisms.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim.library.mechanism.interventions import factor_ports
from ketasim.model import Mechanism, Param, Port, State
from ketasim.model.functions import hill, maximum, minimum, where_positive

_POSITIVE = (1e-9, float("inf"))
_SHARE = (0.0, 1.0)
Values = Mapping[str, Any]


def _relative(meaning: str) -> Port:
    return Port("1", f"{meaning}, 1 at rest", (0.0, float("inf")))


def _share(meaning: str) -> Port:
    return Port("1", meaning, _SHARE)


def _tau(meaning: str) -> Param:
    return Param("h", f"time constant of {meaning}", _POSITIVE)


def _number(meaning: str, bounds: tuple[float, float] = (0.0, float("inf"))) -> Param:
    return Param("1", meaning, bounds)


class SpeciesWeights(Mechanism):
    """What differs between species beyond exposure: how much of a pathway counts. 0 switches it off."""

    params = {
        "w_hnk": _number("weight of (2R,6R)-hydroxynorketamine", _SHARE),
        "w_opioid": _number("share of the lasting effect that needs opioid tone", _SHARE),
        "w_microglia": _number("weight of R-ketamine's microglial pathway", _SHARE),
        "w_mtor": _number("share of the effect of mTOR that rapamycin takes away", _SHARE),
    }
    writes = {
        "weight_hnk": _share("weight of hydroxynorketamine"),
        "weight_opioid": _share("weight of opioid tone"),
        "weight_microglia": _share("weight of the microglial pathway"),
        "weight_mtor": _share("weight of rapamycin-sensitive mTOR"),
    }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The weights as they are."""
        return {f"weight_{name}": p[f"w_{name}"] for name in ("hnk", "opioid", "microglia", "mtor")}


class Glutamate(Mechanism):
    """Glutamate surge, an inverted U over dose: block of interneurons releases it, block of pyramidal cells silences and lowers it.

    After anaesthesia it does not come back on the way down before the brain has recovered.
    """

    params = {
        "surge_most": _number("largest rise of glutamate"),
        "o_surge": _number("block of interneurons at half of the rise", (1e-9, 1.0)),
        "n_surge": _number("steepness of the rise", (1.0, 100.0)),
        "o_silent": _number("block of pyramidal cells that halves the rise", (1e-9, 1.0)),
        "n_silent": _number("steepness of that loss", (1.0, 100.0)),
        "fall_most": _number("largest fall of glutamate under anaesthesia", _SHARE),
        "o_fall": _number("block of pyramidal cells at half of the fall", (1e-9, 1.0)),
        "n_fall": _number("steepness of the fall", (1.0, 100.0)),
        "n_recovery": _number("steepness of what recovery from anaesthesia allows", (1.0, 100.0)),
        "loss_lamotrigine": _number("share of the surge that lamotrigine takes away", _SHARE),
        "tau_glutamate": _tau("glutamate"),
        "tau_anaesthesia_on": _tau("the onset of anaesthesia"),
        "tau_anaesthesia_off": _tau("recovery from anaesthesia"),
    }
    states = {
        "glutamate_state": State("1", "prefrontal glutamate release", 1.0),
        "anaesthesia_state": State("1", "anaesthesia and recovery from it"),
    }
    reads = {
        "interneuron.occupancy": Port("1"),
        "pyramidal.occupancy": Port("1"),
        **factor_ports("f_glu", "lamotrigine"),
    }
    writes = {"glutamate": _relative("prefrontal glutamate release"), "anaesthesia": _share("depth of anaesthesia")}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Relaxation to what the blocks ask for."""
        inner, outer = u["interneuron.occupancy"], u["pyramidal.occupancy"]
        depth = hill(outer, p["o_silent"], p["n_silent"])
        awake = maximum(1 - x["anaesthesia_state"], 0) ** p["n_recovery"]
        rise = p["surge_most"] * hill(inner, p["o_surge"], p["n_surge"]) * (1 - depth) * awake
        fall = p["fall_most"] * hill(outer, p["o_fall"], p["n_fall"])
        target = 1 + u["f_glu"] * (1 - p["loss_lamotrigine"] * u["lamotrigine"]) * (rise - fall)
        gap = depth - x["anaesthesia_state"]
        return {
            "glutamate_state": (target - x["glutamate_state"]) / p["tau_glutamate"],
            "anaesthesia_state": where_positive(gap, gap / p["tau_anaesthesia_on"], gap / p["tau_anaesthesia_off"]),
        }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The states."""
        return {"glutamate": x["glutamate_state"], "anaesthesia": x["anaesthesia_state"]}


class AMPA(Mechanism):
    """Throughput of AMPA receptors, raised by the surge and by hydroxynorketamine; the drive is what plasticity answers to."""

    params = {
        "tau_ampa": _tau("AMPA throughput"),
        "EC50_hnk": Param("umol/L", "hydroxynorketamine at half of its effect", _POSITIVE),
        "tau_hnk": _tau("the effect of hydroxynorketamine on AMPA throughput"),
        "gain_hnk": _number("rise of AMPA throughput by hydroxynorketamine"),
        "surge_half": _number("rise of AMPA throughput at half of the drive", _POSITIVE),
        "ampa_least": _number("AMPA transmission below which nothing follows", _SHARE),
    }
    states = {
        "ampa_state": State("1", "AMPA throughput", "steady"),
        "hnk_state": State("1", "effect of hydroxynorketamine on AMPA throughput"),
    }
    reads = {
        "glutamate": Port("1"),
        "C_brain_unbound_r_hnk": Port("umol/L"),
        "weight_hnk": Port("1"),
        **factor_ports("f_ampa", "f_gaba"),
    }
    writes = {
        "ampa": _relative("AMPA throughput"),
        "ampa_passes": Port("1", "whether enough AMPA transmission is left for anything to follow, 0 or 1", _SHARE),
        "ampa_surge": Port("1", "rise of AMPA throughput that can drive anything", (0.0, float("inf"))),
        "ampa_drive": _share("drive of AMPA-dependent plasticity"),
        "hnk_drive": _share("effect of hydroxynorketamine"),
        "hnk_slow": _share("effect of hydroxynorketamine on AMPA, delayed"),
    }

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Relaxation to what glutamate and hydroxynorketamine ask for."""
        target = u["f_ampa"] * (1 + (u["glutamate"] - 1) * u["f_gaba"] + p["gain_hnk"] * x["hnk_state"])
        return {
            "ampa_state": (target - x["ampa_state"]) / p["tau_ampa"],
            "hnk_state": (self._hnk(u, p) - x["hnk_state"]) / p["tau_hnk"],
        }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Throughput, and what of it drives."""
        passes = where_positive(u["f_ampa"] - p["ampa_least"], 1, 0)
        surge = passes * maximum(x["ampa_state"] - u["f_ampa"], 0)
        return {
            "ampa": x["ampa_state"],
            "ampa_passes": passes,
            "ampa_surge": surge,
            "ampa_drive": surge / (surge + p["surge_half"]),
            "hnk_drive": self._hnk(u, p),
            "hnk_slow": x["hnk_state"],
        }

    def _hnk(self, u: Values, p: Values) -> Any:
        return u["weight_hnk"] * hill(u["C_brain_unbound_r_hnk"], p["EC50_hnk"])


class Potentiation(Mechanism):
    """Potentiation of synapses within an hour; without mTOR-dependent synthesis it is gone in hours."""

    params = {
        "tau_potentiation_on": _tau("potentiation, rise"),
        "tau_potentiation_off": _tau("potentiation, decay"),
        "tau_potentiation_short": _tau("potentiation without mTOR-dependent synthesis"),
        "drive_hold": _number("drive above which decay is slowed", _SHARE),
        "slowed": _number("decay under drive over that without", _SHARE),
    }
    states = {"potentiation_state": State("1", "potentiation of synapses")}
    reads = {"ampa_drive": Port("1"), "weight_mtor": Port("1"), **factor_ports("f_mtor", "f_synth")}
    writes = {"potentiation": _share("potentiation of synapses")}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Rise with the drive, decay by synthesis."""
        kept = (1 - u["weight_mtor"] * (1 - u["f_mtor"])) * u["f_synth"]
        decay = kept / p["tau_potentiation_off"] + (1 - kept) / p["tau_potentiation_short"]
        held = where_positive(u["ampa_drive"] - p["drive_hold"], p["slowed"], 1)
        f = x["potentiation_state"]
        return {"potentiation_state": u["ampa_drive"] * (1 - f) / p["tau_potentiation_on"] - f * decay * held}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The state."""
        return {"potentiation": x["potentiation_state"]}


class EEF2(Mechanism):
    """Phosphorylated eEF2, lowered where block at rest silences the kinase."""

    params = {
        "fall_eef2": _number("largest fall of phosphorylated eEF2", _SHARE),
        "o_eef2": _number("block of pyramidal cells at rest at half of the fall", (1e-9, 1.0)),
        "fall_eef2_hnk": _number("fall by hydroxynorketamine", _SHARE),
        "tau_eef2": _tau("phosphorylated eEF2"),
    }
    states = {"eef2_state": State("1", "phosphorylated eEF2", 1.0)}
    reads = {"pyramidal.occupancy": Port("1"), "hnk_drive": Port("1"), **factor_ports("f_rest", "f_eef2k")}
    writes = {"p_eef2": _relative("phosphorylated eEF2")}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Relaxation to what block at rest leaves."""
        rest = u["pyramidal.occupancy"] * u["f_rest"]
        target = 1 - p["fall_eef2"] * hill(rest, p["o_eef2"]) * u["f_eef2k"] - p["fall_eef2_hnk"] * u["hnk_drive"]
        return {"eef2_state": (target - x["eef2_state"]) / p["tau_eef2"]}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The state."""
        return {"p_eef2": x["eef2_state"]}


class BDNF(Mechanism):
    """Release of BDNF by AMPA drive, by eEF2 and by microglia, and activation of TrkB."""

    params = {
        "gain_bdnf": _number("BDNF released by full drive"),
        "gain_bdnf_eef2": _number("BDNF translated per fall of phosphorylated eEF2"),
        "gain_bdnf_microglia": _number("BDNF released by microglia"),
        "tau_bdnf": _tau("BDNF"),
        "gain_trkb": _number("TrkB activation per rise of BDNF"),
        "tau_trkb": _tau("TrkB activation"),
    }
    states = {"bdnf_state": State("1", "BDNF", 1.0), "trkb_state": State("1", "TrkB activation above rest")}
    reads = {
        "ampa_drive": Port("1"), "p_eef2": Port("1"), "microglia": Port("1"), **factor_ports("f_trkb", "f_microglia"),
    }  # fmt: skip
    writes = {"bdnf": _relative("BDNF"), "trkb": Port("1", "TrkB activation above rest", (0.0, float("inf")))}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Release and decay."""
        target = (
            1
            + p["gain_bdnf"] * u["ampa_drive"]
            + p["gain_bdnf_eef2"] * (1 - u["p_eef2"])
            + p["gain_bdnf_microglia"] * u["microglia"] * u["f_microglia"]
        )
        active = p["gain_trkb"] * maximum(x["bdnf_state"] - 1, 0) * u["f_trkb"]
        return {
            "bdnf_state": (target - x["bdnf_state"]) / p["tau_bdnf"],
            "trkb_state": (active - x["trkb_state"]) / p["tau_trkb"],
        }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The states."""
        return {"bdnf": x["bdnf_state"], "trkb": x["trkb_state"]}


class MTOR(Mechanism):
    """mTOR: block of extrasynaptic GluN2B or hydroxynorketamine raise it while AMPA drives; deletion of GluN2B does so for good."""

    params = {
        "gain_mtor": _number("steepness of mTOR's answer"),
        "drive_mtor": _number("AMPA drive at half of what mTOR needs", _POSITIVE),
        "rise_deletion": _number("rise of mTOR without GluN2B"),
        "tau_mtor": _tau("mTOR"),
    }
    states = {"mtor_state": State("1", "mTOR activity", "steady")}
    reads = {
        "extrasynaptic.occupancy": Port("1"), "hnk_drive": Port("1"), "ampa_drive": Port("1"), "weight_mtor": Port("1"),
        **factor_ports("f_mtor", "f_2B"),
    }  # fmt: skip
    writes = {
        "mtor": _relative("mTOR activity"),
        "mtor_rise": Port("1", "mTOR activity above what a deletion of GluN2B makes of rest"),
    }

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Relaxation to what block and drive ask for."""
        gate = hill(u["ampa_drive"], p["drive_mtor"])
        asked = p["gain_mtor"] * (u["extrasynaptic.occupancy"] + u["hnk_drive"]) * gate
        target = self._rest(u, p) + self._left(u) * asked / (1 + asked)
        return {"mtor_state": (target - x["mtor_state"]) / p["tau_mtor"]}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Activity, and what of it is new."""
        return {"mtor": x["mtor_state"], "mtor_rise": x["mtor_state"] - self._rest(u, p)}

    def _left(self, u: Values) -> Any:
        """Share of mTOR that an inhibitor leaves."""
        return 1 - u["weight_mtor"] * (1 - u["f_mtor"])

    def _rest(self, u: Values, p: Values) -> Any:
        return 1 + self._left(u) * p["rise_deletion"] * (1 - u["f_2B"])


class Microglia(Mechanism):
    """R-ketamine's way by ERK in microglia (rodent), slow to act and long to last."""

    params = {
        "EC50_microglia": Param("umol/L", "unbound R-ketamine at half of the effect", _POSITIVE),
        "k_microglia": Param("1/h", "rate of activation"),
        "tau_microglia": _tau("microglial activation"),
        "tau_microglia_effect": _tau("its effect on behaviour"),
    }
    states = {
        "microglia_state": State("1", "microglial activation"),
        "microglia_effect_state": State("1", "microglial activation, as behaviour follows it"),
    }
    reads = {"C_brain_unbound_r_ketamine": Port("umol/L"), "weight_microglia": Port("1"), **factor_ports("f_erk")}
    writes = {"microglia": _share("microglial activation"), "microglia_effect": _share("microglial activation, delayed")}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Activation by R-ketamine, and decay over days."""
        w = x["microglia_state"]
        drive = u["weight_microglia"] * u["f_erk"] * hill(u["C_brain_unbound_r_ketamine"], p["EC50_microglia"])
        return {
            "microglia_state": p["k_microglia"] * drive * (1 - w) - w / p["tau_microglia"],
            "microglia_effect_state": (w - x["microglia_effect_state"]) / p["tau_microglia_effect"],
        }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The states."""
        return {"microglia": x["microglia_state"], "microglia_effect": x["microglia_effect_state"]}


class SynapticStrength(Mechanism):
    """Synaptic proteins, new synapses, and what keeps them: IGF-1 while they form, the epigenetic store (MeCP2) to last."""

    params = {
        "tau_synthesis": _tau("synthesis"),
        "tau_proteins_on": _tau("synaptic proteins, rise"),
        "tau_proteins_off": _tau("synaptic proteins, decay"),
        "gain_lithium": _number("gain of synthesis under lithium"),
        "gain_microglia_proteins": _number("synthesis by microglia"),
        "k_strength": Param("1/h", "new synapses per synaptic proteins"),
        "tau_strength": _tau("new synapses, decay"),
        "tau_strength_short": _tau("new synapses without MeCP2"),
        "stretch_lithium": _number("decay time under lithium over that without"),
        "k_epigenetic": Param("1/h", "rate of the epigenetic store per TrkB activation"),
        "tau_epigenetic": _tau("the epigenetic store"),
        "epigenetic_enough": _number("epigenetic store that keeps synapses fully", _POSITIVE),
    }
    states = {
        "synthesis_state": State("1", "synthesis of synaptic proteins"),
        "proteins_state": State("1", "synaptic proteins"),
        "strength_state": State("1", "new synapses"),
        "epigenetic_state": State("1", "epigenetic store"),
    }
    reads = {
        "mtor_rise": Port("1"), "trkb": Port("1"), "microglia": Port("1"), "weight_microglia": Port("1"), "weight_opioid": Port("1"),
        **factor_ports("f_trkb", "f_synth", "f_eef2k", "f_op", "f_gsk", "f_erk", "f_microglia", "f_igf", "f_mecp2", "lithium"),
    }  # fmt: skip
    writes = {
        "proteins": _share("synaptic proteins above rest"),
        "synaptic_strength": _share("new synapses (P)"),
        "epigenetic": _share("epigenetic store"),
        "opioid_permission": _share("what opioid tone lets pass"),
    }

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Synthesis, proteins, synapses, store."""
        q, strength, store = x["proteins_state"], x["strength_state"], x["epigenetic_state"]
        by_mtor = maximum(u["mtor_rise"] * u["f_trkb"] * u["f_synth"] * u["f_eef2k"], 0)
        by_microglia = p["gain_microglia_proteins"] * u["weight_microglia"] * u["f_erk"] * u["f_microglia"] * u["microglia"]
        asked = self._permitted(u) * (by_mtor + by_microglia) * (1 + p["gain_lithium"] * u["lithium"]) * u["f_gsk"]
        kept = u["f_mecp2"] * minimum(store / p["epigenetic_enough"], 1)
        longest = p["tau_strength"] * (1 + (p["stretch_lithium"] - 1) * u["lithium"])
        lasts = p["tau_strength_short"] + (longest - p["tau_strength_short"]) * kept
        return {
            "synthesis_state": (asked - x["synthesis_state"]) / p["tau_synthesis"],
            "proteins_state": x["synthesis_state"] * (1 - q) / p["tau_proteins_on"] - q / p["tau_proteins_off"],
            "strength_state": p["k_strength"] * q * u["f_igf"] * (1 - strength) - strength / lasts,
            "epigenetic_state": p["k_epigenetic"] * minimum(u["trkb"], 1) * (1 - store) - store / p["tau_epigenetic"],
        }

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The states."""
        return {
            "proteins": x["proteins_state"],
            "synaptic_strength": x["strength_state"],
            "epigenetic": x["epigenetic_state"],
            "opioid_permission": self._permitted(u),
        }

    def _permitted(self, u: Values) -> Any:
        return 1 - u["weight_opioid"] * (1 - u["f_op"])


class IGF1(Mechanism):
    """Extracellular IGF-1, raised for hours by the drive."""

    params = {"gain_igf": _number("rise of IGF-1 by full drive"), "tau_igf": _tau("IGF-1")}
    states = {"igf_state": State("1", "extracellular IGF-1", 1.0)}
    reads = {"ampa_drive": Port("1")}
    writes = {"igf1": _relative("extracellular IGF-1")}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Relaxation to what the drive asks for."""
        return {"igf_state": (1 + p["gain_igf"] * u["ampa_drive"] - x["igf_state"]) / p["tau_igf"]}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The state."""
        return {"igf1": x["igf_state"]}


class Habenula(Mechanism):
    """Burst firing of the lateral habenula: trapped drug keeps its NMDA receptors blocked long after plasma is empty."""

    params = {
        "k_trap": Param("1/h", "rate of trapping per occupancy"),
        "tau_trap": _tau("release of trapped drug"),
        "fall_bursting": _number("largest fall of bursting", _SHARE),
    }
    states = {"trapped_state": State("1", "receptors of the habenula with trapped drug")}
    reads = {"habenula.occupancy": Port("1")}
    writes = {
        "lhb_trapped": _share("receptors of the habenula with trapped drug"),
        "lhb_bursting": _relative("burst firing of the habenula"),
    }

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Trapping and release."""
        trapped = x["trapped_state"]
        return {"trapped_state": p["k_trap"] * u["habenula.occupancy"] * (1 - trapped) - trapped / p["tau_trap"]}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Trapped share, and bursting."""
        return {"lhb_trapped": x["trapped_state"], "lhb_bursting": 1 - p["fall_bursting"] * x["trapped_state"]}


class Cortisol(Mechanism):
    """Cortisol (corticosterone in rodents): production follows total plasma ketamine. No feedback, no clock."""

    params = {
        "C_double_cortisol": Param("umol/L", "total plasma ketamine that doubles production", _POSITIVE),
        "tau_cortisol": _tau("cortisol"),
    }
    states = {"cortisol_state": State("1", "cortisol", 1.0)}
    reads = {"C_venous_s_ketamine": Port("umol/L"), "C_venous_r_ketamine": Port("umol/L")}
    writes = {"cortisol": _relative("cortisol")}

    def rates(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """Production and loss."""
        target = 1 + (u["C_venous_s_ketamine"] + u["C_venous_r_ketamine"]) / p["C_double_cortisol"]
        return {"cortisol_state": (target - x["cortisol_state"]) / p["tau_cortisol"]}

    def outputs(self, t: Any, x: Values, u: Values, p: Values) -> Values:
        """The state."""
        return {"cortisol": x["cortisol_state"]}
