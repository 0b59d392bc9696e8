"""Infusions that take no time for some subjects, and steady states whose doses arrive just at a record."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest

import ketasim
from ketasim.errors import InvalidData

#: CL 5 L/h, V 30 L: what 100 mg at once leave, by time since then.
K = 5.0 / 30.0


def states(text: str, **options: object) -> np.ndarray:
    """CENT of generic/one_cmt at the observation records, CL = 5, V = 30 for all."""
    rows = pd.read_csv(StringIO(text)).assign(CL=5.0, V=30.0)
    result = ketasim.simulate("generic/one_cmt", rows, **options)  # type: ignore[arg-type]
    return result["output"]["CENT"].values


def test_an_infusion_of_nothing_does_not_run_for_ever_beside_others() -> None:
    table = "ID,TIME,AMT,RATE,EVID,CMT,F2\n" + "".join(
        f"{i},0,100,10,1,2,{f}\n{i},5,0,0,0,2,{f}\n{i},20,0,0,0,2,{f}\n" for i, f in ((1, 1), (2, 0))
    )
    got = states(table)
    np.testing.assert_array_equal(got[2:], 0.0)
    np.testing.assert_allclose(got[0], 10 / K * (1 - np.exp(-5 * K)), rtol=2e-8)


def test_a_modelled_duration_of_zero_is_a_bolus_whoever_is_beside() -> None:
    head = "ID,TIME,AMT,RATE,EVID,CMT,D2\n"
    table = head + "1,0,100,-2,1,2,5\n1,5,0,0,0,2,5\n2,0,100,-2,1,2,0\n2,5,0,0,0,2,0\n"
    np.testing.assert_allclose(states(table)[1], 100 * np.exp(-5 * K), rtol=2e-8)
    alone = states(head + "2,0,100,-2,1,2,0\n2,5,0,0,0,2,0\n")
    assert states(table)[1] == alone[0]


def test_steady_state_of_mixed_durations() -> None:
    table = (
        "ID,TIME,AMT,RATE,EVID,CMT,II,SS,D2\n1,0,100,-2,1,2,6,1,3\n1,1,0,0,0,2,0,0,3\n2,0,100,-2,1,2,6,1,0\n2,1,0,0,0,2,0,0,0\n"
    )
    np.testing.assert_allclose(states(table)[1], 100 * np.exp(-K) / (1 - np.exp(-6 * K)), rtol=1e-8)


def test_an_infusion_too_short_for_the_clock_gives_its_amount() -> None:
    table = "ID,TIME,AMT,RATE,EVID,CMT\n1,0,0.00000001,1000,1,2\n1,1,0,0,0,2\n"
    np.testing.assert_allclose(states(table), 1e-8 * np.exp(-K), rtol=1e-9)


def test_a_constant_infusion_may_have_a_modelled_rate() -> None:
    table = "ID,TIME,AMT,RATE,EVID,CMT,II,SS,R2\n1,0,0,{},1,2,0,1,10\n1,0,0,0,0,2,0,0,10\n"
    np.testing.assert_allclose(states(table.format(-1)), 10 / K, rtol=1e-8)
    with pytest.raises(InvalidData, match="no duration"):
        states(table.format(-2))


def test_a_modelled_rate_of_zero_is_refused_with_the_subject() -> None:
    table = "ID,TIME,AMT,RATE,EVID,CMT,R2\n1,0,100,-1,1,2,10\n1,1,0,0,0,2,10\n2,0,100,-1,1,2,0\n2,1,0,0,0,2,0\n"
    with pytest.raises(InvalidData, match="ID 2"):
        states(table)


@pytest.mark.parametrize(("lag", "ii"), [(6.0, 6.0), (12.0, 6.0), (0.3, 0.1), (0.7, 0.1), (5.999999, 6.0), (6.000001, 6.0)])
def test_steady_state_where_the_lag_is_a_multiple_of_the_interval(lag: float, ii: float) -> None:
    table = f"ID,TIME,AMT,RATE,EVID,CMT,II,SS,ALAG2\n1,0,100,0,1,2,{ii},1,{lag}\n1,{ii / 2},0,0,0,2,0,0,{lag}\n"
    since = (ii / 2 - lag) % ii
    np.testing.assert_allclose(states(table), 100 * np.exp(-since * K) / (1 - np.exp(-ii * K)), rtol=1e-7)
