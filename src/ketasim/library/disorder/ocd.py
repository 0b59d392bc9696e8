"""Obsessive-compulsive disorder: a plastic part on the Y-BOCS, and an acute part that only the visual analogue scale sees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical import Disorder, Floats, Values, View
from ketasim.model import Param

_ANY = (-float("inf"), float("inf"))


class OCD(Disorder):
    """Serotonin reuptake inhibitors lessen the plastic part; the acute part follows the session and is gone within a day."""

    params = {
        "a1": Param("1", "improvement of the Y-BOCS within hours under saline", _ANY),
        "a_vas": Param("1", "improvement of the visual analogue scale within hours under saline", _ANY),
        "sri_factor": Param("1", "plastic part on a serotonin reuptake inhibitor over that without", (0.0, 1.0)),
        "gA": Param("1", "acute improvement of the visual analogue scale after one reference session", _ANY),
        "tA": Param("h", "time constant of its fading", (1e-9, float("inf"))),
    }
    switches = {"sri": "a serotonin reuptake inhibitor is taken throughout"}
    records = {"acute": ("1", "acute part, relative to one reference session")}

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Latent improvement of the Y-BOCS without drug."""
        return p["a1"] * (1.0 - np.exp(-t / p["t_fast"]))

    def begin(self, view: View, p: Values) -> dict[str, Floats]:
        """No session yet."""
        return {"acute": np.zeros_like(view.store)}

    def advance(self, own: Mapping[str, Floats], view: View, dt: float, p: Values) -> dict[str, Floats]:
        """The acute part fades."""
        return {"acute": own["acute"] * np.exp(-dt / p["tA"])}

    def treated(
        self, own: Mapping[str, Floats], s_ketamine: Floats, r_ketamine: Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """A session sets the acute part by S-ketamine alone, as dissociation."""
        return {"acute": np.maximum(own["acute"], s_ketamine / p["S_ref"])}

    def latents(self, control: Floats, drug: Floats, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Y-BOCS: control and plastic part; visual analogue scale: the acute part too."""
        plastic = self.combined(control, drug * np.where(view.arm["sri"] > 0, p["sri_factor"], 1.0), p)
        placebo = (p["a_vas"] - p["a1"]) * (1.0 - np.exp(-view.time / p["t_fast"]))
        return {self.scale: plastic, "ocd_vas": plastic + placebo + p["gA"] * own["acute"]}

    def readings(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """The acute part."""
        return {"acute": own["acute"]}
