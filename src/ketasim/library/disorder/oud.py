"""Opioid use disorder: withdrawal on the COWS by the half-life of the last opioid, and a chain of days with and without use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical import Disorder, Floats, Values, View
from ketasim.library.disorder.chain import turned
from ketasim.library.disorder.withdrawal import faded, personal
from ketasim.model import Param

_ANY, _TIME, _SHARE = (-float("inf"), float("inf")), (1e-9, float("inf")), (0.0, 1.0)
_DAY, _LN2 = 24.0, float(np.log(2.0))
_AGONISTS = ("heroin", "fentanyl", "methadone")


class OpioidUseDisorder(Disorder):
    """People come in withdrawal, hours after the last use. Opioids given cover it, antagonists uncover it, NMDA block eases it; then days of
    use and abstinence follow each other. The score follows from states; the store acts on the chain alone.
    """

    params = {
        "N0": Param("1", "adaptation at the last use, where people are followed from there", _TIME),
        "spread_N0": Param("1", "SD of its logarithm"),
        "tail": Param("1", "share of adaptation that is protracted", _SHARE),
        "tau_N": Param("h", "time constant with which the rest fades without opioid", _TIME),
        "tau_tail": Param("h", "time constant with which the protracted part fades", _TIME),
        "tau_R": Param("h", "time constant with which withdrawal follows what is uncovered", _TIME),
        "tau_R_methadone": Param("h", "the same after methadone", _TIME),
        "spread_time": Param("1", "SD of people of the logarithm of a time"),
        **{f"half_{name}": Param("h", f"half-life of the effect of {name}", _TIME) for name in _AGONISTS},
        **{f"since_{name}": Param("h", f"time since the last {name} when care begins", _TIME) for name in _AGONISTS},
        "kappa": Param("1", "share of withdrawal that full NMDA block takes away", _SHARE),
        "bup_50": Param("1", "buprenorphine, in daily doses of 16 mg, that occupies half of the receptors", _TIME),
        "bup_effect": Param("1", "effect of buprenorphine at full occupancy, relative to a full agonist", _SHARE),
        "bup_in": Param("h", "time constant of absorption of buprenorphine", _TIME),
        "bup_half": Param("h", "half-life of buprenorphine", _TIME),
        "met_50": Param("1", "methadone, in daily doses of 60 mg, that has half of the full effect", _TIME),
        "nal_50": Param("1", "naloxone, in doses of 0.4 mg, that occupies half of the receptors", _TIME),
        "nal_half": Param("h", "half-life of naloxone", _TIME),
        "nal_daily": Param("1", "share of receptors that daily naltrexone occupies", _SHARE),
        "discharge": Param("h", "time in hospital, without access to opioids"),
        "l0": Param("1", "first use per day after discharge, without treatment", _SHARE),
        "theta": Param("h", "time in which that hazard halves", _TIME),
        "r0": Param("1", "return to abstinence per day, without treatment", _SHARE),
        "kK": Param("1", "effect of a full store on the logarithm of both hazards", _ANY),
        "b_agonist": Param("1", "effect of full agonist treatment on the logarithm of both hazards", _ANY),
        "b_naltrexone": Param("1", "effect of daily naltrexone on the logarithm of both hazards", _ANY),
    }
    switches = {
        "after_fentanyl": "the last opioid was fentanyl (heroin otherwise)",
        "after_methadone": "the last opioid was methadone",
        "from_last_use": "care begins at the last use, before any withdrawal",
        "outpatient": "at home from the start",
        "naltrexone": "naltrexone every day from the start",
    }
    activities = {"buprenorphine": "16 mg of buprenorphine", "methadone": "60 mg of methadone", "naloxone": "0.4 mg of naloxone"}
    records = {
        "using": ("1", "opioid use on this day (1) or not (0)"),
        "days_free": ("1", "share of days since discharge without opioid use"),
        "used": ("1", "any use since discharge"),
        "protracted": ("1", "protracted part of adaptation that is left"),
        "buprenorphine": ("mg", "buprenorphine given so far"),
        "occupancy": ("1", "share of NMDA receptors blocked now"),
    }
    sees_occupancy = True

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Nothing on a latent scale: the score follows from states."""
        return np.zeros_like(t)

    def begin(self, view: View, p: Values) -> dict[str, Floats]:
        """Adaptation and rebound that give the score people come with; at the last use, adaptation as it is spread there."""
        agonist = _agonist(view)
        zero, spread = np.zeros_like(view.store), p["spread_time"]
        lag = p["tau_R_methadone"] if agonist == "methadone" else p["tau_R"]
        own = {
            "half": personal(view, "half", p[f"half_{agonist}"], spread), "tau_N": personal(view, "tau_N", p["tau_N"], spread),
            "tau_R": personal(view, "tau_R", lag, spread), "opioid": zero + 1.0,
        }  # fmt: skip
        own |= dict.fromkeys(("bup_waiting", "bup", "met", "nal", "using", "free", "days", "used", "given"), zero)
        own |= {"fast": zero + 1.0 - p["tail"], "slow": zero + p["tail"], "fast_rebound": zero, "slow_rebound": zero}
        if view.arm["from_last_use"] > 0:
            return _scaled(own, personal(view, "N0", p["N0"], p["spread_N0"]))
        since = float(p[f"since_{agonist}"])
        own = self._faded(own, view, since, p) | {"opioid": own["opioid"] * np.exp(-_LN2 * since / own["half"])}
        return _scaled(own, -np.log1p(-view.baseline / 48.0) / (own["fast_rebound"] + own["slow_rebound"]))

    def advance(self, own: Mapping[str, Floats], view: View, dt: float, p: Values) -> dict[str, Floats]:
        """The day's luck, then the step: opioids and antagonists leave, adaptation fades, withdrawal follows."""
        push = p["kK"] * p["rho"] * view.store + p["b_agonist"] * _treated(own, p) + p["b_naltrexone"] * view.arm["naltrexone"]
        home = view.time - p["discharge"] * (1.0 - view.arm["outpatient"])
        begins = p["l0"] / (1.0 + max(float(home), 0.0) / p["theta"]) * np.exp(-push) * (home >= 0)
        using = turned(own["using"], begins + np.zeros_like(push), p["r0"] * np.exp(push), view)
        own = dict(own) | {"using": using, "opioid": np.where(using > 0, 1.0, own["opioid"])}
        share = dt / _DAY * (home >= 0)
        counted = {
            "days": own["days"] + share,
            "free": own["free"] + share * (1.0 - using),
            "used": np.maximum(own["used"], using),
        }
        return self._faded(own, view, dt, p) | counted | _left(own, dt, p)

    def _faded(self, own: Mapping[str, Floats], view: View, dt: float, p: Values) -> dict[str, Floats]:
        """Both parts of adaptation later, and what each shows."""

        def gone(after: float) -> Floats:
            return 1.0 - _cover({**own, **_left(own, after, p)}, view, p)[1]

        both = np.stack([own["fast"], own["slow"]]), np.stack([own["fast_rebound"], own["slow_rebound"]])
        taus = np.stack([own["tau_N"], p["tau_tail"] + 0.0 * own["tau_N"]])
        (fast, slow), (shown, late) = faded(*both, gone, dt, taus, own["tau_R"])
        return {**own, "fast": fast, "fast_rebound": shown, "slow": slow, "slow_rebound": late}

    def attended(
        self, own: Mapping[str, Floats], kind: str, strength: float | Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """A dose of buprenorphine, methadone or naloxone."""
        if kind == "buprenorphine":
            return {**own, "bup_waiting": own["bup_waiting"] + strength, "given": own["given"] + 16.0 * strength}
        name = "met" if kind == "methadone" else "nal"
        return {**own, name: own[name] + strength}

    def latents(self, control: Floats, drug: Floats, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """No score follows from a latent improvement."""
        return {}

    def shown(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """COWS: rebound that treatment leaves, and at once what an antagonist or a partial agonist displaces; none on a day of use."""
        full, effect, relief = _cover(own, view, p)
        displaced = np.maximum(full - effect, 0.0) * (own["fast"] + own["slow"])
        left = (own["fast_rebound"] + own["slow_rebound"]) * (1.0 - relief) * (1.0 - own["using"]) + displaced
        return {self.scale: 48.0 * -np.expm1(-left * (1.0 - p["kappa"] * p["rho"] * view.occupancy))}

    def readings(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Use, days, what is protracted, and what was given."""
        free = np.divide(own["free"], own["days"], out=np.ones_like(own["free"]), where=own["days"] > 0)
        return {
            "using": own["using"], "days_free": free, "used": own["used"], "protracted": own["slow"],
            "buprenorphine": own["given"], "occupancy": view.occupancy + np.zeros_like(free),
        }  # fmt: skip


def _agonist(view: View) -> str:
    """Name of the last opioid."""
    return next((name for name in _AGONISTS[1:] if view.arm[f"after_{name}"] > 0), _AGONISTS[0])


def _scaled(own: Mapping[str, Floats], size: Floats) -> dict[str, Floats]:
    """States with adaptation, and what it shows, so many times as large."""
    return {k: v * size if k.startswith(("fast", "slow")) else v for k, v in own.items()}


def _left(own: Mapping[str, Floats], dt: float, p: Values) -> dict[str, Floats]:
    """What is left of opioids and antagonists `dt` hours later; a day of use keeps the opioid up."""
    gone = np.where(own["using"] > 0, 0.0, dt)
    out, into = _LN2 / p["bup_half"], 1.0 / p["bup_in"]
    arrived = own["bup_waiting"] * into / (into - out) * (np.exp(-out * dt) - np.exp(-into * dt))
    return {
        "opioid": own["opioid"] * np.exp(-_LN2 * gone / own["half"]),
        "bup_waiting": own["bup_waiting"] * np.exp(-into * dt), "bup": own["bup"] * np.exp(-out * dt) + arrived,
        "met": own["met"] * np.exp(-_LN2 * dt / p["half_methadone"]), "nal": own["nal"] * np.exp(-_LN2 * dt / p["nal_half"]),
    }  # fmt: skip


def _bound(own: Mapping[str, Floats], p: Values) -> tuple[Floats, Floats]:
    """Share of receptors that buprenorphine holds, and share of the full effect that methadone given has."""
    return own["bup"] / (own["bup"] + p["bup_50"]), own["met"] / (own["met"] + p["met_50"])


def _treated(own: Mapping[str, Floats], p: Values) -> Floats:
    """How far agonist treatment covers a person."""
    bup, met = _bound(own, p)
    return 1.0 - (1.0 - bup) * (1.0 - met)


def _cover(own: Mapping[str, Floats], view: View, p: Values) -> tuple[Floats, Floats, Floats]:
    """Effect of full agonists alone; effect of all, of which buprenorphine and antagonists displace some; relief by treatment at once."""
    bup, met = _bound(own, p)
    blocked = 1.0 - (1.0 - own["nal"] / (own["nal"] + p["nal_50"])) * (1.0 - p["nal_daily"] * view.arm["naltrexone"])
    full = 1.0 - (1.0 - own["opioid"]) * (1.0 - met)
    effect = (full * (1.0 - bup) + p["bup_effect"] * bup) * (1.0 - blocked)
    relief = (1.0 - (1.0 - met) * (1.0 - p["bup_effect"] * bup)) * (1.0 - blocked)
    return full, effect, relief
