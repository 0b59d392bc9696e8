"""Depression: what improves without the drug, by kind of control arm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical import Disorder, Floats, Values
from ketasim.model import Param

_ANY = (-float("inf"), float("inf"))
_TIME = (1e-9, float("inf"))


class Depression(Disorder):
    """Control response in three parts: one that comes within hours, a bump that fades within the day, one that grows over weeks.

    They are told apart by what arms without drug show: inert placebo, midazolam, suicidal inpatients under standard care, treatment
    that is not blinded, an antidepressant started with it.
    """

    params = {
        "a_inert": Param("1", "improvement within hours under any control"),
        "a_mdz": Param("1", "more of it under midazolam", _ANY),
        "a_soc": Param("1", "more of it in suicidal inpatients under standard care", _ANY),
        "a_ol": Param("1", "more of it without blinding", _ANY),
        "a_bump": Param("1", "early improvement that fades", _ANY),
        "a_ad": Param("1", "improvement over weeks under a newly started antidepressant"),
        "a_ols": Param("1", "improvement over weeks without blinding", _ANY),
        "t_fast": Param("h", "time constant of the part that comes within hours", _TIME),
        "t_bump": Param("h", "time constant of the fading of the early bump", _TIME),
        "tau_ad": Param("h", "time constant of the part that grows over weeks", _TIME),
    }
    switches = {
        "midazolam": "midazolam as active placebo",
        "inpatient": "suicidal inpatients under comprehensive standard care",
        "open_label": "patients and raters know what is given",
        "new_antidepressant": "an antidepressant is started on the same day",
    }

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Latent improvement without drug."""
        early = p["a_inert"] + arm["midazolam"] * p["a_mdz"] + arm["inpatient"] * p["a_soc"] + arm["open_label"] * p["a_ol"]
        late = arm["new_antidepressant"] * p["a_ad"] + arm["open_label"] * p["a_ols"]
        bump = p["a_bump"] * np.exp(-t / p["t_bump"])
        return early * _risen(t, p["t_fast"]) + late * _risen(t, p["tau_ad"]) + bump

    def between_trials(self, t: Floats, arm: Mapping[str, float], early: float, late: float, p: Values) -> Floats:
        """Trials differ within hours, and over weeks, there more where an antidepressant is started."""
        return early * _risen(t, p["t_fast"]) + late * _risen(t, p["tau_ad"]) * (0.5 + 0.5 * arm["new_antidepressant"])


def _risen(t: Floats, tau: Floats) -> Floats:
    return 1.0 - np.exp(-t / tau)
