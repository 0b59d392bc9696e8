"""Bipolar depression: a small control response, episodes that are flat for weeks, ECT, and mania as an event."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical import Disorder, Floats, Values, View
from ketasim.model import Param

_ANY = (-float("inf"), float("inf"))
_WEEK = 168.0


class BipolarDepression(Disorder):
    """The depression's store with a gain of its own; mania comes at a hazard that a stabiliser lowers and the drug may raise."""

    params = {
        "a_sal": Param("1", "improvement within hours under saline", _ANY),
        "a_mdz": Param("1", "more of it under midazolam", _ANY),
        "a_open": Param("1", "more of it without blinding", _ANY),
        "drift": Param("1", "improvement over weeks in any arm", _ANY),
        "tau_drift": Param("h", "time constant of that", (1e-9, float("inf"))),
        "g_ect": Param("1", "improvement after many sessions of ECT", _ANY),
        "n_ect": Param("1", "sessions of ECT that give most of it", (1e-9, float("inf"))),
        "h0": Param("1", "hazard of manic symptoms per week on a stabiliser, without drug"),
        "k_ms": Param("1", "hazard on a stabiliser over that without"),
        "b_mania": Param("1", "how the store raises the logarithm of the hazard", _ANY),
    }
    switches = {
        "midazolam": "midazolam as active placebo",
        "open_label": "patients and raters know what is given",
        "stabiliser": "a mood stabiliser (lithium, valproate) throughout",
    }
    activities = {"ect": "one session of electroconvulsive therapy"}
    events = {"mania": "manic symptoms begin"}

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Latent improvement without drug or ECT."""
        early = p["a_sal"] + arm["midazolam"] * p["a_mdz"] + arm["open_label"] * p["a_open"]
        return early * (1.0 - np.exp(-t / p["t_fast"])) + p["drift"] * (1.0 - np.exp(-t / p["tau_drift"]))

    def begin(self, view: View, p: Values) -> dict[str, Floats]:
        """Nobody has had ECT."""
        return {"sessions_ect": np.zeros_like(view.store)}

    def attended(
        self, own: Mapping[str, Floats], kind: str, strength: float | Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """One more session of ECT."""
        return {"sessions_ect": own["sessions_ect"] + strength}

    def latents(self, control: Floats, drug: Floats, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Control, ECT and drug."""
        ect = p["g_ect"] * (1.0 - np.exp(-own["sessions_ect"] / p["n_ect"]))
        return {self.scale: self.combined(control, drug, p) + ect}

    def hazards(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Mania, per hour."""
        unstable = 1.0 - view.arm["stabiliser"]
        return {"mania": p["h0"] / _WEEK * p["k_ms"] ** (-unstable) * np.exp(p["b_mania"] * view.store)}
