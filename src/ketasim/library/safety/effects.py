"""Dissociation and blood pressure: how they follow S-ketamine at the effect site, and how people differ."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from ketasim.clinical import Floats, SideEffect, Values
from ketasim.model import Param

_POSITIVE = (1e-9, float("inf"))


class Dissociation(SideEffect):
    """A rating that saturates with concentration and spreads log-normally over people and sessions; its mean is `size`."""

    params = {
        "scale": Param("1", "mean rating at saturation, points"),
        "EC50": Param("ng/mL", "effect-site concentration of half of it", _POSITIVE),
        "hill": Param("1", "steepness", _POSITIVE),
        "cv": Param("1", "coefficient of variation over people and sessions"),
        "r_person": Param("1", "share of the log variance that belongs to the person", (0.0, 1.0)),
    }

    def size(self, effect_site: Floats, p: Values) -> Floats:
        """Sigmoid of the effect-site concentration."""
        drug = np.maximum(effect_site, 0.0) ** p["hill"]
        return p["scale"] * drug / (p["EC50"] ** p["hill"] + drug)

    def own(self, size: Floats, person: Floats, session: Floats, p: Values) -> Floats:
        """Log-normal around the mean."""
        variance = np.log1p(p["cv"] ** 2)
        step = np.sqrt(p["r_person"]) * person + np.sqrt(1.0 - p["r_person"]) * session
        centred = np.any(person != 0.0) or np.any(session != 0.0)
        return size * np.exp(np.sqrt(variance) * step - (0.5 * variance if centred else 0.0))


class Rise(SideEffect):
    """A rise in proportion to concentration, log-normal over people, with errors of session and of reading."""

    params = {
        "slope": Param("mL/ng", "mean rise per effect-site concentration, in the unit of the endpoint"),
        "cv": Param("1", "coefficient of variation of the rise over people"),
        "sd_session": Param("1", "SD between sessions of one person, in the unit of the endpoint"),
        "sd_reading": Param("1", "SD between readings of one session, in the unit of the endpoint"),
        "level": Param("1", "mean before the drug, in the unit of the endpoint"),
        "sd_level": Param("1", "SD over people before the drug, in the unit of the endpoint"),
    }

    def size(self, effect_site: Floats, p: Values) -> Floats:
        """In proportion to the effect-site concentration."""
        return p["slope"] * effect_site

    def own(self, size: Floats, person: Floats, session: Floats, p: Values) -> Floats:
        """Log-normal in the person, plus what the day brings."""
        variance = np.log1p(p["cv"] ** 2)
        shift = 0.5 * variance if np.any(person != 0.0) else 0.0
        return size * np.exp(np.sqrt(variance) * person - shift) + p["sd_session"] * session

    def start(self, person: Floats, p: Values) -> Floats:
        """Normal over people."""
        return p["level"] + p["sd_level"] * person

    def read(self, level: Floats, reading: Floats, p: Values) -> Floats:
        """With the error of one reading."""
        return level + p["sd_reading"] * reading


class Susceptibility(SideEffect):
    """A reaction that a person has in a session (1) or has not (0): when the effect site exceeds a threshold of the person's own.

    Thresholds are log-normal over people and sessions. A background share has it without the drug.
    """

    params = {
        "C50": Param("ng/mL", "effect-site concentration at which half of people have it in a session", _POSITIVE),
        "spread": Param("1", "SD of the logarithm of thresholds"),
        "r_person": Param("1", "share of its variance that belongs to the person", (0.0, 1.0)),
        "background": Param("1", "share of people who have it in a course without the drug", (0.0, 1.0)),
        "tau_background": Param("1", "SD between studies of the logit of that share"),
    }

    def of_study(self, p: Values, study: float) -> Values:
        """The share without the drug is a study's own."""
        share = p["background"]
        return {**p, "background": share / (share + (1.0 - share) * np.exp(-p["tau_background"] * study))}

    def size(self, effect_site: Floats, p: Values) -> Floats:
        """Concentration over the middle threshold."""
        return np.maximum(effect_site, 0.0) / p["C50"]

    def own(self, size: Floats, person: Floats, session: Floats, p: Values) -> Floats:
        """1 while the concentration exceeds the person's threshold of this session."""
        step = np.sqrt(p["r_person"]) * person + np.sqrt(1.0 - p["r_person"]) * session
        return (size * np.exp(p["spread"] * step) > 1.0).astype(float)

    def start(self, person: Floats, p: Values) -> Floats:
        """1 for the share that has it anyway."""
        return (ndtr(person) < p["background"]).astype(float)
