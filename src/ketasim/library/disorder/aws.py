"""Alcohol withdrawal: adaptation that ethanol had hidden, read on the CIWA-Ar; benzodiazepines and NMDA block relieve it while there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical import Disorder, Floats, Values, View
from ketasim.library.disorder.withdrawal import faded, personal
from ketasim.model import Param

_TIME = (1e-9, float("inf"))
_STRENGTH = 10.0
#: Of a person, drawn once: parameter -> parameter with its spread.
_OWN = {"tau_N": "spread_time", "tau_R": "spread_time", "E0": "spread_E0", "beta": "spread_beta", "Z50": "spread_Z50", "tau_Z": "spread_time"}  # fmt: skip


class AlcoholWithdrawal(Disorder):
    """People come some time after the last drink, in withdrawal. The score follows from states: there is no store and no placebo response."""

    params = {
        "N0": Param("1", "adaptation at the last drink, where people are followed from there", _TIME),
        "spread_N0": Param("1", "SD of its logarithm"),
        "tau_N": Param("h", "time constant with which adaptation fades without ethanol", _TIME),
        "tau_R": Param("h", "time constant with which withdrawal follows what is uncovered", _TIME),
        "spread_time": Param("1", "SD of people of the logarithm of a time constant"),
        "E0": Param("g/L", "ethanol in blood at the last drink", _TIME),
        "spread_E0": Param("1", "SD of its logarithm"),
        "beta": Param("g/L/h", "loss of ethanol", _TIME),
        "spread_beta": Param("1", "SD of its logarithm"),
        "slope": Param("1", "steepness of the score over withdrawal", _TIME),
        "since": Param("h", "time since the last drink when care begins", _TIME),
        "Z50": Param("mg", "diazepam in the body that halves withdrawal", _TIME),
        "spread_Z50": Param("1", "SD of its logarithm"),
        "tau_Z": Param("h", "time constant of loss of diazepam", _TIME),
        "kappa": Param("1", "share of withdrawal that full NMDA block takes away", (0.0, 1.0)),
    }
    switches = {"from_last_drink": "care begins at the last drink, before any withdrawal"}
    activities = {"benzodiazepine": "10 mg of diazepam"}
    records = {
        "diazepam": ("mg", "diazepam given so far"),
        "occupancy": ("1", "share of NMDA receptors blocked now"),
        "hours_since_drink": ("h", "time since the last drink"),
    }
    sees_occupancy = True
    has_store = False

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Nothing on a latent scale: the score follows from states."""
        return np.zeros_like(t)

    def begin(self, view: View, p: Values) -> dict[str, Floats]:
        """Adaptation and rebound that give the score people come with; at the last drink, adaptation as it is spread there."""
        own = {name: personal(view, name, p[name], p[spread]) for name, spread in _OWN.items()}
        zero = np.zeros_like(view.store)
        own |= {"since": zero, "diazepam": zero, "given": zero}
        if view.arm["from_last_drink"] > 0:
            return own | {"adapted": personal(view, "N0", p["N0"], p["spread_N0"]), "rebound": zero}
        since = float(p["since"])
        adapted, rebound = _uncovered(own | {"adapted": zero + 1.0, "rebound": zero}, since)
        shown = -np.log1p(-view.baseline / 67.0) / p["slope"]
        return own | {"since": zero + since, "adapted": adapted / rebound * shown, "rebound": shown}

    def advance(self, own: Mapping[str, Floats], view: View, dt: float, p: Values) -> dict[str, Floats]:
        """Ethanol leaves, adaptation fades, withdrawal follows; diazepam leaves."""
        adapted, rebound = _uncovered(own, dt)
        drug = own["diazepam"] * np.exp(-dt / own["tau_Z"])
        return {**own, "adapted": adapted, "rebound": rebound, "since": own["since"] + dt, "diazepam": drug}

    def attended(
        self, own: Mapping[str, Floats], kind: str, strength: float | Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """A dose of diazepam, at once in the body."""
        dose = _STRENGTH * strength
        return {**own, "diazepam": own["diazepam"] + dose, "given": own["given"] + dose}

    def latents(self, control: Floats, drug: Floats, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """No score follows from a latent improvement."""
        return {}

    def shown(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """CIWA-Ar of what withdrawal diazepam and NMDA block leave."""
        eased = own["Z50"] / (own["Z50"] + own["diazepam"])
        blocked = 1.0 - p["kappa"] * p["rho"] * view.occupancy
        return {self.scale: 67.0 * -np.expm1(-p["slope"] * own["rebound"] * eased * blocked)}

    def readings(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Diazepam given, receptors blocked, and the time since the last drink."""
        return {
            "diazepam": own["given"],
            "occupancy": view.occupancy + np.zeros_like(own["given"]),
            "hours_since_drink": own["since"],
        }


def _uncovered(own: Mapping[str, Floats], dt: float) -> tuple[Floats, Floats]:
    """Adaptation and rebound later; ethanol falls at a constant rate from the last drink on."""

    def gone(after: float) -> Floats:
        return np.minimum(own["beta"] * (own["since"] + after) / own["E0"], 1.0)

    return faded(own["adapted"], own["rebound"], gone, dt, own["tau_N"], own["tau_R"])
