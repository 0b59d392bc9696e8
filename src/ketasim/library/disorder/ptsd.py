"""Post-traumatic stress disorder: exposure therapy as learning, which the store may speed up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical import Disorder, Floats, Values, View
from ketasim.model import Param

_ANY = (-float("inf"), float("inf"))


class PTSD(Disorder):
    """Control response within a day and over weeks; each exposure session learns a share of what is left to learn."""

    params = {
        "a1": Param("1", "improvement within a day under midazolam", _ANY),
        "a_open": Param("1", "more of it without blinding", _ANY),
        "a2": Param("1", "improvement over weeks in any arm", _ANY),
        "tau_weeks": Param("h", "time constant of that", (1e-9, float("inf"))),
        "h_E": Param("1", "improvement when all is learned in exposure", _ANY),
        "alpha": Param("1", "share of what is left that one exposure session learns", (0.0, 1.0)),
        "kappa": Param("1", "by how much a full store speeds that learning", _ANY),
    }
    switches = {"open_label": "patients and raters know what is given"}
    activities = {"exposure": "one session of exposure therapy"}
    records = {"learned": ("1", "share of extinction that was learned in exposure")}

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Latent improvement without drug or exposure."""
        early = p["a1"] + arm["open_label"] * p["a_open"]
        return early * (1.0 - np.exp(-t / p["t_fast"])) + p["a2"] * (1.0 - np.exp(-t / p["tau_weeks"]))

    def begin(self, view: View, p: Values) -> dict[str, Floats]:
        """Nothing is learned yet."""
        return {"learned": np.zeros_like(view.store)}

    def attended(
        self, own: Mapping[str, Floats], kind: str, strength: float | Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """A session learns a share of what is left, more with a full store."""
        share = np.clip(p["alpha"] * strength * (1.0 + p["kappa"] * view.store), 0.0, 1.0)
        return {"learned": own["learned"] + share * (1.0 - own["learned"])}

    def latents(self, control: Floats, drug: Floats, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Control and exposure together lessen what the drug adds, as control alone does."""
        return {self.scale: self.combined(control + p["h_E"] * own["learned"], drug, p)}

    def readings(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """What was learned."""
        return {"learned": own["learned"]}
