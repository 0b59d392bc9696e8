"""What is seen of a port: samples and densities against SciPy's distributions, event times against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

import ketasim
from ketasim import library
from ketasim.errors import InvalidData, InvalidModel
from ketasim.model import (
    Binomial,
    Count,
    Hazard,
    LogitNormal,
    LogNormal,
    Mechanism,
    Normal,
    Observation,
    Ordinal,
    Part,
    Port,
    TimeToEvent,
    assemble,
    event_times,
)
from ketasim.population import sample_observation, uniform

Z = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
U = (np.arange(2000) + 0.5) / 2000


def test_continuous_families_agree_with_scipy() -> None:
    normal, lognormal = Normal("C", additive=2.0, proportional=0.1), LogNormal("C", 0.3)
    values, y = np.array([5.0, 20.0, 80.0]), np.array([4.0, 30.0, 79.0])
    sd = np.sqrt(4.0 + (0.1 * values) ** 2)
    np.testing.assert_allclose(normal.log_density(y, values), stats.norm.logpdf(y, values, sd), rtol=1e-13)
    np.testing.assert_allclose(lognormal.log_density(y, values), stats.lognorm.logpdf(y, 0.3, scale=values), rtol=1e-12)
    assert lognormal.log_density([-1.0], [5.0])[0] == -np.inf
    for seen, frozen in ((normal, stats.norm(20.0, np.sqrt(8.0))), (lognormal, stats.lognorm(0.3, scale=20.0))):
        np.testing.assert_allclose(frozen.cdf(seen.sample(np.full(2000, 20.0), Z)), U, rtol=1e-9)


def test_a_bounded_scale_stays_inside_and_its_density_sums_to_one() -> None:
    scale = LogitNormal("MADRS", low=0.0, high=60.0, sd=1.5)
    sampled = scale.sample(np.full(2000, 50.0), Z)
    assert sampled.min() > 0.0 and sampled.max() < 60.0
    # The density is the derivative of the distribution that the samples have.
    density = np.exp(scale.log_density(sampled, np.full(2000, 50.0)))
    np.testing.assert_allclose(
        integrate.quad(lambda y: float(np.exp(scale.log_density(y, 50.0))), 0, 60, limit=200)[0], 1.0, rtol=1e-7
    )
    slope = np.gradient(U, sampled)
    np.testing.assert_allclose(density[200:-200], slope[200:-200], rtol=1e-3)
    np.testing.assert_array_equal(scale.sample([0.0, 60.0], [1.0, -1.0]), [0.0, 60.0])
    with pytest.raises(InvalidData, match=r"'MADRS' is 61, outside \[0, 60\]"):
        scale.sample([61.0], [0.0])


@pytest.mark.parametrize(
    ("seen", "value", "frozen"),
    [
        (Binomial("p", 12), 0.3, stats.binom(12, 0.3)),
        (Count("n", 0.5), 4.0, stats.nbinom(2.0, 1 / 3.0)),
        (Count("n"), 4.0, stats.poisson(4.0)),
    ],
    ids=["binomial", "negative binomial", "Poisson"],
)
def test_counted_families_agree_with_scipy(seen: Any, value: float, frozen: Any) -> None:
    y = np.arange(13.0)
    np.testing.assert_allclose(seen.log_density(y, np.full(13, value)), frozen.logpmf(y), rtol=1e-11)
    np.testing.assert_array_equal(seen.log_density([-1.0, 0.5], [value, value]), [-np.inf, -np.inf])
    sampled = seen.sample(np.full(2000, value), U)
    assert np.all((frozen.cdf(sampled - 1) < U) & (frozen.cdf(sampled) >= U))
    assert np.isnan(seen.sample([np.nan], [0.5])[0]) and np.isnan(seen.log_density([1.0], [np.nan])[0])


def test_ordered_grades_follow_cumulative_logits() -> None:
    grades = Ordinal("sedation", cuts=(-1.0, 0.5, 2.0))
    below = stats.logistic.cdf(np.array([-1.0, 0.5, 2.0]) - 0.7)
    p = np.diff([0.0, *below, 1.0])
    np.testing.assert_allclose(grades.log_density(np.arange(4), np.full(4, 0.7)), np.log(p), rtol=1e-12)
    np.testing.assert_allclose(np.bincount(grades.sample(np.full(2000, 0.7), U).astype(int)) / 2000, p, atol=5e-4)
    # Far from the cuts a grade keeps the digits that 1 - (1 - p) would lose.
    np.testing.assert_allclose(grades.log_density([3.0], [-60.0]), [-62.0], rtol=1e-12)
    with pytest.raises(InvalidModel, match="Ordinal of 'x': give cuts ascending"):
        Ordinal("x", (1.0, 0.0))


def test_event_times_invert_the_cumulative_hazard() -> None:
    times, rates = np.linspace(0.0, 50.0, 501), np.array([0.02, 0.1, 0.5])
    exponential = times[:, None] * rates
    u = np.array([0.5, 0.01, 0.3])
    np.testing.assert_allclose(
        event_times(times, exponential, u), [-np.log(0.5) / 0.02, -np.log(0.01) / 0.1, -np.log(0.3) / 0.5], rtol=1e-12
    )
    assert np.isnan(event_times(times, exponential, [0.2, 0.001, 0.5])[:2]).all()
    weibull = (times[:, None] / 20.0) ** 2 * np.ones(2000)
    got = event_times(times, weibull, U)
    late = -np.log(U) > (50 / 20) ** 2
    assert np.array_equal(np.isnan(got), late)
    np.testing.assert_allclose(got[~late], 20.0 * np.sqrt(-np.log(U[~late])), atol=0.05)
    seen = TimeToEvent("h")
    when = np.array([12.3, 7.0, 3.0])
    np.testing.assert_allclose(
        seen.log_density(when, True, times, exponential), stats.expon.logpdf(when, scale=1 / rates), rtol=1e-11
    )
    np.testing.assert_allclose(
        seen.log_density(when, False, times, exponential), stats.expon.logsf(when, scale=1 / rates), rtol=1e-11
    )
    with pytest.raises(InvalidData, match="of person 2 falls between 0 and 1 h"):
        event_times([0.0, 1.0], [[0.0, 1.0], [1.0, 0.5]], [0.5, 0.5])


class Rate(Mechanism):
    """A hazard that grows with the clock."""

    writes = {"relapse_hazard": Port("1/day", "hazard of relapse")}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"relapse_hazard": 0.02 * t}


def test_a_hazard_in_a_model_gives_everybody_an_event_time() -> None:
    relapse = Part(Hazard(), {}, id="relapse").scoped("relapse", bind={"hazard": "relapse_hazard"})
    model = assemble(library.load("generic/one_cmt"), Rate(), relapse, id="relapse")
    times = np.linspace(0.0, 240.0, 241)
    result = ketasim.simulate(model, "esketamine iv 20 mg", n=4, variability=False, times=times, states=True)
    H = result["port"]["relapse.cumulative_hazard"].transpose("time", "subject").values
    np.testing.assert_allclose(H[:, 0], 0.02 / 24 * times**2 / 2, rtol=1e-6, atol=1e-12)
    u = uniform(1, result["subject"]["subject"].values, "event/relapse")
    got = TimeToEvent("relapse.cumulative_hazard").sample(times, H, u)
    np.testing.assert_allclose(got, np.sqrt(-2 * 24 / 0.02 * np.log(u)), rtol=1e-3)


def test_observations_stand_in_parts_and_are_sampled_by_the_counter_based_generator() -> None:
    seen = (Normal("relapse_hazard", additive=0.5), Count("elsewhere"))
    part = Part(Rate(), {}, id="rate", observations=seen[:1])
    model = assemble(part)
    assert model.observations == seen[:1] and "Normal: additive 0.5, proportional 0" in model.describe()
    assert assemble(part.scoped("a")).observations == (Normal("a.relapse_hazard", additive=0.5),)
    with pytest.raises(InvalidModel, match="observes 'elsewhere', which is no port of Rate"):
        Part(Rate(), {}, id="rate", observations=seen)
    assert all(isinstance(family, Observation) for family in (*seen, LogNormal("x", 1.0)))
    with pytest.raises(InvalidModel, match="Normal of 'x': give additive or proportional above 0"):
        Normal("x")
    values = np.ones((3, 4))
    whole = sample_observation(values, seen[0], seed=1, ids=[5, 6, 7])
    np.testing.assert_array_equal(sample_observation(values[1:2, 2:], seen[0], seed=1, ids=[6], times=[2, 3]), whole[1:2, 2:])
    counts = sample_observation(values, Count("relapse_hazard"), seed=1, ids=[5, 6, 7])
    assert np.array_equal(counts, np.floor(counts)) and not np.array_equal(
        whole, sample_observation(values, seen[0], 2, [5, 6, 7])
    )
