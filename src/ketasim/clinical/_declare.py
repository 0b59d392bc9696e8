"""What a disorder is made of: equations of improvement, a scale, control arms and the numbers behind them.

Declarations only. The equations are pure functions of arrays; people stand on the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ketasim.model import Number, Param

Floats = NDArray[np.float64]
#: Parameter -> value, a number or an array that broadcasts against people.
Values = Mapping[str, Floats]


@dataclass(frozen=True)
class View:
    """What the equations of a disorder may look at.

    Attributes
    ----------
    time : h since the start. store : what has arrived of the drug, relative to one reference session, (person,).
    arm : switch -> value. luck : name, number -> uniform random numbers, (person,). baseline : of the first scale, (person,).
    occupancy : share of NMDA receptors that the drug blocks now, (person,); only where the disorder `sees_occupancy`.
    """

    time: float
    store: Floats
    arm: Mapping[str, float]
    luck: Callable[..., Floats]
    baseline: Floats
    occupancy: Floats | float = 0.0


class Disorder:
    """Equations of a disorder on a latent scale: what improves without the drug, what a session adds, how both combine.

    A concrete disorder declares its parameters and the switches of its control arms, and gives `control`. It may replace any
    other method. Concrete disorders are final: they are not subclassed.

    Attributes
    ----------
    params : parameter -> `Param`; the values live in the TOML entry. Those of `STORE` belong to every disorder.
    switches : what a control arm or a background treatment may switch on -> its meaning; each is a number, 0 when absent.
    events : name of an event -> its meaning; `hazards` gives its rate. activities : what may be done beside the drug -> its meaning.
    records : what records show beside scales -> (unit, meaning); `readings` gives them.
    sees_occupancy : whether the drug acts while it is there, so that `View.occupancy` is needed.
    has_store : whether what sessions leave behind acts; without it, how sure its numbers are tells nothing of this disorder.
    """

    #: The scale that response and remission are of; set from the entry.
    scale: str = ""

    params: ClassVar[Mapping[str, Param]] = {}
    switches: ClassVar[Mapping[str, str]] = {}
    events: ClassVar[Mapping[str, str]] = {}
    activities: ClassVar[Mapping[str, str]] = {}
    records: ClassVar[Mapping[str, tuple[str, str]]] = {}
    sees_occupancy: ClassVar[bool] = False
    has_store: ClassVar[bool] = True

    def control(self, t: Floats, arm: Mapping[str, float], p: Values) -> Floats:
        """Latent improvement at `t` hours after the start without any drug.

        Parameters
        ----------
        t : hours since the start. arm : switch -> value. p : parameter -> value.
        """
        raise NotImplementedError

    def drive(self, s_ketamine: Floats, r_ketamine: Floats, p: Values) -> Floats:
        """What a session does relative to the reference session, from the peaks of unbound drug in brain, ng/mL.

        A saturable function of S + wR R, 1 for 0.5 mg/kg of the racemate over 40 min.
        """
        drug = s_ketamine + p["wR"] * r_ketamine
        reference = p["S_ref"] + p["wR"] * p["R_ref"]
        return drug / (drug + p["E50"]) * (reference + p["E50"]) / reference

    def combined(self, control: Floats, drug: Floats, p: Values) -> Floats:
        """Whole improvement: the drug adds less where the control response is large, and never harms."""
        return control + drug * np.exp(-p["gamma"] * np.maximum(control, 0.0))

    def between_trials(self, t: Floats, arm: Mapping[str, float], early: float, late: float, p: Values) -> Floats:
        """What the luck of a trial adds to the control response; `early` and `late` are drawn once per trial."""
        return early * (1.0 - np.exp(-t / p["t_fast"]))

    def begin(self, view: View, p: Values) -> dict[str, Floats]:
        """Own states of people at the start, (person,) each; none by default."""
        return {}

    def advance(self, own: Mapping[str, Floats], view: View, dt: float, p: Values) -> dict[str, Floats]:
        """Own states `dt` hours later (a day at most); `view` is of the beginning of the step."""
        return dict(own)

    def treated(
        self, own: Mapping[str, Floats], s_ketamine: Floats, r_ketamine: Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """Own states after a session of the drug."""
        return dict(own)

    def attended(
        self, own: Mapping[str, Floats], kind: str, strength: float | Floats, view: View, p: Values
    ) -> dict[str, Floats]:
        """Own states after an activity (see `activities`); strength is one number, or one per person."""
        return dict(own)

    def latents(self, control: Floats, drug: Floats, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Latent improvement on every scale, by its name; by default one scale, named by ``scale``."""
        return {self.scale: self.combined(control, drug, p) + np.zeros_like(drug)}

    def shown(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Points of scales that the states give themselves, (person,) each, also at the start; the others follow from latents."""
        return {}

    def readings(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """What records show beside scales (see `records`), (person,) each."""
        return {}

    def hazards(self, own: Mapping[str, Floats], view: View, p: Values) -> dict[str, Floats]:
        """Rate of every event in `events`, per hour, (person,) each."""
        return {}


#: Parameters of the store that links drug to score, the same in every disorder.
STORE: Mapping[str, Param] = {
    "rho": Param("1", "gain of this disorder relative to depression", (-float("inf"), float("inf"))),
    "null": Param("1", "chance that the drug does nothing here", (0.0, 1.0)),
    "g": Param("1", "effect of one reference session on the latent scale, in depression", (-float("inf"), float("inf"))),
    "E50": Param("ng/mL", "peak of unbound drug in brain with half the largest drive", (1e-9, float("inf"))),
    "wR": Param("1", "potency of R- relative to S-ketamine"),
    "S_ref": Param("ng/mL", "peak of unbound S-ketamine in brain in the reference session", (1e-9, float("inf"))),
    "R_ref": Param("ng/mL", "peak of unbound R-ketamine in brain in the reference session"),
    "lam": Param("1", "how far one reference session fills the store: 1 - exp(-lam)", (1e-9, float("inf"))),
    "tau_on": Param("h", "time constant of onset after a session", (1e-9, float("inf"))),
    "tau_off": Param("h", "time constant of loss after a session", (1e-9, float("inf"))),
    "gamma": Param("1", "by how much the control response lessens the effect of the drug"),
}

#: Parameters of how people and trials differ, the same in every disorder.
SPREAD: Mapping[str, Param] = {
    "t_fast": Param("h", "time constant of the part of the control response that comes within hours", (1e-9, float("inf"))),
    "w0": Param("1", "SD of people on the latent scale"),
    "w1": Param("1", "how that SD grows with improvement"),
    "r_person": Param("1", "share of its variance that lasts", (0.0, 1.0)),
    "tau_day": Param("h", "time constant with which the rest fades", (1e-9, float("inf"))),
    "su": Param("1", "SD between trials of the early control response"),
    "su2": Param("1", "SD between trials of the late control response"),
    "sv": Param("1", "SD between trials of the effect of the drug"),
    "sa": Param("1", "SD between arms of a trial"),
}


@dataclass(frozen=True)
class Scale:
    """A symptom scale: its range, and what response and remission mean on it.

    Attributes
    ----------
    low, high : range, points. response : share of the baseline that has to be lost. remission : highest score of remission.
    """

    id: str
    title: str
    low: float
    high: float
    response: float
    remission: float
    source: str = ""
    note: str = ""

    def latent(self, score: Floats) -> Floats:
        """Logit of the score on its range."""
        share = (score - self.low) / (self.high - self.low)
        return np.log(share / (1.0 - share))

    def score(self, latent: Floats) -> Floats:
        """Score of a latent value, points."""
        with np.errstate(over="ignore"):  # far below the least score: the least score
            return self.low + (self.high - self.low) / (1.0 + np.exp(-latent))

    def responds(self, score: Floats, baseline: Floats) -> NDArray[np.bool_]:
        """Whether the score has lost the share of the baseline; scores are whole points, so half a step is allowed for."""
        return score <= self.low + (baseline - self.low) * (1.0 - self.response) + 0.25

    def remits(self, score: Floats) -> NDArray[np.bool_]:
        """Whether the score is at or below the cut-off; scores are whole points."""
        return score <= self.remission + 0.5


@dataclass(frozen=True)
class ControlArm:
    """What everybody in an arm gets beside or instead of the drug: switches of the disorder, each with its value."""

    id: str
    title: str
    switches: Mapping[str, float]
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Prior:
    """How sure a number is: its standard error and prior on the scale it was estimated on, and what informed it.

    Attributes
    ----------
    form : ``log`` (positive numbers), ``logit`` (shares) or ``normal``. se, prior_sd : on that scale. prior : median, as the number itself.
    learned : 1 - posterior variance / prior variance; 0 means that the number is its prior.
    """

    form: str
    se: float
    prior: float
    prior_sd: float
    learned: float
    informed_by: str = ""


@dataclass(frozen=True)
class Baseline:
    """Severity at the start: a normal distribution cut at the range of the scale and at `least`, points."""

    mean: float
    sd: float
    least: float
    at: str = ""
    source: str = ""
    note: str = ""


@dataclass(frozen=True, repr=False)
class DisorderEntry:
    """A disorder with its numbers: what ``library.disorder("trd")`` returns.

    Attributes
    ----------
    numbers : parameter -> `Number`. priors : parameter -> `Prior`, for those that were estimated.
    individual, trial : names of the numbers that spread people and trials; see `people` and `trial_effects`.
    controls : name -> `ControlArm`. grade : certainty of the evidence, in words. notes : what a reader of a result has to know.
    correlations : (parameter, parameter) -> correlation of their estimates. posterior : parameter -> joint draws, (draw,), where a
    calibration left them; they go before standard errors. others : further scales, each with its baseline.
    controlled : whether any trial compares the drug with a concurrent control here. shows_without : whether results show the same people
    without the drug too, as no trial tells what a control arm would do.
    """

    id: str
    title: str
    revision: int
    status: str
    equations: Disorder
    scale: Scale
    baseline: Baseline
    numbers: Mapping[str, Number]
    priors: Mapping[str, Prior]
    controls: Mapping[str, ControlArm]
    grade: str
    population: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    others: Mapping[str, tuple[Scale, Baseline]] = field(default_factory=dict[str, tuple[Scale, Baseline]])
    posterior: Mapping[str, Floats] = field(default_factory=dict[str, Floats])
    controlled: bool = True
    shows_without: bool = False

    @property
    def scales(self) -> dict[str, Scale]:
        """Every scale by name, the one of response and remission first."""
        return {self.scale.id: self.scale, **{name: scale for name, (scale, _) in self.others.items()}}

    @property
    def baselines(self) -> dict[str, Baseline]:
        """Severity at the start on every scale."""
        return {self.scale.id: self.baseline, **{name: start for name, (_, start) in self.others.items()}}

    @property
    def cite(self) -> str:
        """Identifier with revision, as results cite it: ``trd@1``."""
        return f"{self.id}@{self.revision}"

    def __repr__(self) -> str:
        """One line, without the numbers."""
        return f"<Disorder {self.cite}: {self.title}, {len(self.numbers)} numbers, controls {', '.join(self.controls)}>"

    def typical(self) -> dict[str, Floats]:
        """Value of every parameter as it stands in the entry."""
        return {name: np.float64(number.value) for name, number in self.numbers.items()}  # type: ignore[misc]

    @property
    def from_priors(self) -> tuple[str, ...]:
        """Estimated parameters of which the data told less than a tenth: "prior, not data"."""
        return tuple(name for name, prior in self.priors.items() if prior.learned < 0.1)
