"""Tables of many columns are read in a time that grows as their number."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ketasim import library
from ketasim.dose import read_events
from ketasim.errors import InvalidData
from ketasim.model import assemble
from ketasim.population import cohort_from_table


def test_a_table_of_20_000_columns(tmp_path: Path) -> None:
    extra = [f"X{k}" for k in range(20_000)]
    path = tmp_path / "wide.csv"
    path.write_text(",".join(["ID", "TIME", "AMT", *extra]) + "\n" + ",".join(["1", "0", "100", *["1"] * len(extra)]) + "\n")
    began = time.process_time()
    assert read_events(path, assemble(library.generic("two_cmt"))).n_records == 1
    assert time.process_time() - began < 15.0


def test_a_column_with_a_slash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slash.csv"
    path.write_text("ID,TIME,AMT,A/B\n1,0,100,1\n")
    with pytest.raises(InvalidData, match="column 'A/B': the name of a column cannot hold '/'"):
        read_events(path, assemble(library.generic("two_cmt")))
    with pytest.raises(InvalidData, match="column 'A/B': the name of a column cannot hold '/'"):
        cohort_from_table(path)
