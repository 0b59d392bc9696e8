"""Any table of records means what the slow interpreter says: doses, rates, lags, resets, steady states, changing values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.event_twin import CENT, interpret

from ketasim.results import wide_table
from ketasim.simulation import simulate

TYPICAL = {"CL": 5.0, "V": 30.0, "Q": 4.0, "V2": 60.0, "KA": 1.2}
INLETS = {"F1": 0.7, "F2": 0.9, "ALAG1": 0.4, "ALAG2": 0.0, "D1": 1.5, "D2": 2.5, "R1": 30.0, "R2": 45.0}
HOURS = st.integers(0, 96).map(lambda quarter: quarter / 4.0)
RATES = st.sampled_from([0.0, 0.0, 20.0, 7.5, -1.0, -2.0])


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, float]]:
    """Records of one subject, ascending, with observations among them."""
    records = []
    for _ in range(draw(st.integers(1, 4))):
        evid = draw(st.sampled_from([1, 1, 1, 1, 2, 3, 4]))
        row = {
            "TIME": draw(HOURS),
            "EVID": evid,
            "CMT": draw(st.sampled_from([1, 2])),
            "AMT": 0.0,
            "RATE": 0.0,
            "II": 0.0,
            "ADDL": 0,
            "SS": 0,
        }
        if evid not in (2, 3):
            row |= {"AMT": float(draw(st.integers(1, 200))), "RATE": draw(RATES)}
            if draw(st.booleans()):
                row |= {
                    "II": draw(st.sampled_from([2.0, 6.0, 7.5, 12.0])),
                    "ADDL": draw(st.integers(0, 4)),
                    "SS": draw(st.sampled_from([0, 0, 1, 2])),
                }
            if evid == 4:
                row["SS"] = 0
            elif draw(st.integers(0, 9)) == 0:
                row |= {"AMT": 0.0, "RATE": 12.0, "II": 0.0, "ADDL": 0, "SS": draw(st.sampled_from([1, 2]))}
        records.append(row)
    for _ in range(draw(st.integers(2, 8))):
        records.append({"TIME": draw(HOURS), "EVID": 0, "CMT": 0, "AMT": 0.0, "RATE": 0.0, "II": 0.0, "ADDL": 0, "SS": 0})
    records.append({"TIME": 30.0, "EVID": 0, "CMT": 0, "AMT": 0.0, "RATE": 0.0, "II": 0.0, "ADDL": 0, "SS": 0})
    order = draw(st.permutations(range(len(records))))
    records = sorted((records[i] for i in order), key=lambda row: row["TIME"])
    table = pd.DataFrame(records).assign(ID=1)
    if draw(st.booleans()):
        table["CL"] = [draw(st.sampled_from([3.0, 5.0, 9.0])) for _ in records]
        table["V"] = [draw(st.sampled_from([20.0, 30.0, 50.0])) for _ in records]
    inlets = {**INLETS, "ALAG1": draw(st.sampled_from([0.0, 0.4, 3.0, 13.0])), "ALAG2": draw(st.sampled_from([0.0, 0.0, 0.3]))}
    return table, inlets


@settings(max_examples=150, deadline=None)
@given(tables(), st.booleans())
def test_records_mean_what_the_slow_interpreter_says(drawn: tuple[pd.DataFrame, dict[str, float]], locf: bool) -> None:
    table, inlets = drawn
    got = wide_table(simulate("generic/two_cmt", table, parameters=inlets, rtol=1e-10, interpolation="locf" if locf else "nocb"))
    rows = table.to_dict("records")
    params = [{**TYPICAL, **inlets, **{name: float(row[name]) for name in ("CL", "V") if name in row}} for row in rows]
    want = interpret(rows, params, locf)
    np.testing.assert_allclose(got[["DEPOT", "CENT", "PERI"]], want, rtol=1e-7, atol=1e-7)
    volume = np.array([p["V"] for row, p in zip(rows, params, strict=True) if row["EVID"] == 0])
    np.testing.assert_allclose(got["CP"], want[:, CENT] / volume, rtol=1e-7, atol=1e-8)
