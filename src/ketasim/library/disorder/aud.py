"""Alcohol use disorder: a chain of abstinent and drinking days, with therapy and the store acting on both ways."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical import Disorder, Floats, Values, View
from ketasim.library.disorder.chain import turned
from ketasim.model import Param

_ANY = (-float("inf"), float("inf"))
_DAY = 24.0
#: Time constant with which what therapy gave fades, h.
_THERAPY_FADES = 120.0 * _DAY


class AlcoholUseDisorder(Disorder):
    """People begin abstinent. Each day an abstinent person may lapse and a drinking one may return; mood follows as in depression."""

    params = {
        "l0": Param("1", "lapse per day at the start, without treatment", (0.0, 1.0)),
        "theta": Param("h", "time in which the hazard of a lapse halves", (1e-9, float("inf"))),
        "r0": Param("1", "return to abstinence per day, without treatment", (0.0, 1.0)),
        "b_th": Param("1", "effect of therapy on the logarithm of both hazards", _ANY),
        "eta": Param("1", "by how much a full store raises the effect of a therapy session", _ANY),
        "kK": Param("1", "effect of a full store on the logarithm of both hazards", _ANY),
        "b_nal": Param("1", "effect of naltrexone on the logarithm of both hazards", _ANY),
        "heavy": Param("1", "share of drinking days that are heavy", (0.0, 1.0)),
        "a1": Param("1", "improvement of mood within hours under saline", _ANY),
        "a_abstinent": Param("1", "improvement of mood while abstinent", _ANY),
    }
    switches = {"naltrexone": "naltrexone throughout", "education": "alcohol education instead of therapy"}
    activities = {"therapy": "one session of relapse prevention or motivational therapy", "education": "one session of education"}
    records = {
        "drinking": ("1", "drinking on this day (1) or not (0)"),
        "days_abstinent": ("1", "share of days so far without a drink"),
        "heavy_days": ("1", "heavy drinking days so far"),
        "lapsed": ("1", "any drinking day so far"),
    }

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Mood: latent improvement within hours."""
        return p["a1"] * (1.0 - np.exp(-t / p["t_fast"]))

    def begin(self, view: View, p: Values) -> dict[str, Floats]:
        """Everybody is abstinent, without therapy."""
        zero = np.zeros_like(view.store)
        return {"drinking": zero, "days": zero, "dry": zero, "heavy_days": zero, "therapy": zero, "lapsed": zero}

    def attended(
        self, own: Mapping[str, Floats], kind: str, strength: float | Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """A session of therapy counts 1, of education 0.3, towards a full course of seven; more with a full store."""
        worth = strength * (1.0 if kind == "therapy" else 0.3) / 7.0
        return {**own, "therapy": np.minimum(own["therapy"] + worth * (1.0 + p["eta"] * view.store), 2.0)}

    def _push(self, own: Mapping[str, Floats], view: View, p: Values) -> Floats:
        """Effect on the logarithm of both hazards."""
        return p["b_th"] * own["therapy"] + p["kK"] * p["rho"] * view.store + p["b_nal"] * view.arm["naltrexone"]

    def _lapse(self, own: Mapping[str, Floats], view: View, p: Values) -> Floats:
        """Hazard of a lapse, per day."""
        return p["l0"] / (1.0 + view.time / p["theta"]) * np.exp(-self._push(own, view, p))

    def advance(self, own: Mapping[str, Floats], view: View, dt: float, p: Values) -> dict[str, Floats]:
        """One step of the chain, a day at most; luck is drawn once per day of the course."""
        share, back = dt / _DAY, p["r0"] * np.exp(self._push(own, view, p))
        drinking = turned(own["drinking"], self._lapse(own, view, p), back, view)
        return {
            "drinking": drinking, "days": own["days"] + share, "dry": own["dry"] + share * (1.0 - drinking),
            "heavy_days": own["heavy_days"] + share * drinking * p["heavy"],
            "therapy": own["therapy"] * np.exp(-dt / _THERAPY_FADES), "lapsed": np.maximum(own["lapsed"], drinking),
        }  # fmt: skip

    def latents(self, control: Floats, drug: Floats, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Mood improves with the drug, and while abstinent."""
        return {self.scale: self.combined(control, drug, p) + p["a_abstinent"] * (1.0 - own["drinking"]) * (view.time > 0)}

    def readings(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Drinking now, and days so far."""
        dry = np.divide(own["dry"], own["days"], out=np.ones_like(own["dry"]), where=own["days"] > 0)
        return {"drinking": own["drinking"], "days_abstinent": dry, "heavy_days": own["heavy_days"], "lapsed": own["lapsed"]}
