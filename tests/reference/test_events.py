"""NONMEM event semantics against another simulator: mrgsolve 2.0.2's solutions of 20 event tables (data/events/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.results import wide_table
from ketasim.simulation import simulate

DATA = Path(__file__).parent / "data" / "events"
CASES = sorted(path.stem for path in DATA.glob("*.json"))
COLUMNS = ["DEPOT", "CENT", "PERI", "CP"]


def table_of(case: str) -> tuple[dict[str, float], pd.DataFrame, pd.DataFrame]:
    """Parameters, event table with observation records after the doses of the same time, and the other tool's solution."""
    parameters = json.loads((DATA / f"{case}.json").read_text())["parameters"]
    events, expected = pd.read_csv(DATA / f"{case}.events.csv"), pd.read_csv(DATA / f"{case}.expected.csv")
    observations = expected[["ID", "time"]].assign(evid=0)
    table = pd.concat([events, observations]).sort_values(["ID", "time"], kind="stable")
    table = table.fillna({"amt": 0, "cmt": 0, "rate": 0, "ii": 0, "addl": 0, "ss": 0})
    for column in ("CL", "V"):
        if column in table:
            table[column] = table.groupby("ID")[column].transform(lambda c: c.bfill().ffill())
    return parameters, table, expected


def test_all_cases_are_there() -> None:
    assert len(CASES) == 20


@pytest.mark.parametrize("case", CASES)
def test_reference_case(case: str) -> None:
    parameters, table, expected = table_of(case)
    got = wide_table(simulate("generic/two_cmt", table, parameters=parameters, rtol=1e-9))
    # The other tool iterates to steady state to about 1e-8; both tools lose relative accuracy far below the peak.
    rtol = 1e-6 if case.startswith("ss") else 1e-7
    assert got["ID"].tolist() == expected["ID"].tolist()
    for column in COLUMNS:
        want = expected[column].to_numpy()
        np.testing.assert_allclose(got[column], want, rtol=rtol, atol=1e-9 * max(np.abs(want).max(), 1e-30), err_msg=column)
