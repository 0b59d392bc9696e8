"""Non-compartmental analysis against another tool's results on theophylline (data/nca/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from ketasim.nca import nca

DATA = Path(__file__).parent / "data" / "nca"
EXPECTED = json.loads((DATA / "theoph.expected.json").read_text())
RTOL = EXPECTED["tolerance_relative"]


def curve(subject: int) -> pd.DataFrame:
    frame = pd.read_csv(DATA / "theoph.csv")
    return frame[frame["Subject"] == subject]


@pytest.mark.parametrize("subject", [int(s) for s in EXPECTED["auclast_linear"]])
def test_area_and_peak(subject: int) -> None:
    part = curve(subject)
    result = nca(part["Time"], part["conc"])
    assert result["AUCLST"] == pytest.approx(EXPECTED["auclast_linear"][str(subject)], rel=RTOL)
    assert result["CMAX"] == pytest.approx(EXPECTED["cmax"][str(subject)], rel=RTOL)


def test_subject_1_in_full() -> None:
    part, want = curve(1), EXPECTED["subject_1"]
    linear = nca(part["Time"], part["conc"])
    mixed = nca(part["Time"], part["conc"], method="lin-up/log-down")
    assert linear["LAMZ"] == pytest.approx(want["lambda_z"], rel=RTOL)
    assert linear["LAMZNPT"] == want["lambda_z_points"]
    assert linear["LAMZHL"] == pytest.approx(want["half_life"], rel=RTOL)
    assert linear["AUCIFO"] == pytest.approx(want["aucinf_linear"], rel=RTOL)
    assert mixed["AUCLST"] == pytest.approx(want["auclast_linup_logdown"], rel=RTOL)
    assert mixed["AUCIFO"] == pytest.approx(want["aucinf_linup_logdown"], rel=RTOL)
