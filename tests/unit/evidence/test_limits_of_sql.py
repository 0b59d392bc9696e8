"""Queries of the evidence end in time, in bounds, and as a table."""

from __future__ import annotations

import pytest

from ketasim import evidence
from ketasim.errors import InvalidData
from ketasim.evidence import _database


@pytest.fixture(scope="module")
def base():
    return evidence.load()


def test_a_query_that_would_never_end_is_stopped(base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_database, "LONGEST_QUERY", 0.5)
    with pytest.raises(InvalidData, match="stopped"):
        _database.run(base, "select count(*) from range(1000000000000)")


def test_an_answer_without_end_is_refused(base) -> None:
    with pytest.raises(InvalidData, match="more than"):
        _database.run(base, "select * from range(5000000)")


@pytest.mark.parametrize(("query", "value"), [("select [1, 2] as x", "[1 2]"), ("select {'a': 1} as x", "{'a': 1}")])
def test_lists_and_records_become_text(base, query: str, value: str) -> None:
    assert _database.run(base, query)["x"].tolist() == [value]
