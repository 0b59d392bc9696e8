"""Queries of the evidence end in time, in bounds, and as a table."""

from __future__ import annotations

import threading

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


class Deaf:
    """A connection that hears no interrupt for a while, as DuckDB while it makes one huge value."""

    def __init__(self) -> None:
        self.freed = threading.Event()

    def execute(self, _: str) -> None:
        self.freed.wait(30.0)
        raise InvalidData("freed")

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


def test_a_query_that_hears_nothing_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_database, "LONGEST_QUERY", 0.1)
    monkeypatch.setattr(_database, "_GRACE", 0.1)
    deaf = Deaf()
    with pytest.raises(InvalidData, match=r"no answer within 0\.1 s"):
        _database._answer(deaf, "select range(0, 2000000000)")
    deaf.freed.set()


def test_an_answer_without_end_is_refused(base) -> None:
    with pytest.raises(InvalidData, match="more than"):
        _database.run(base, "select * from range(5000000)")


@pytest.mark.parametrize(("query", "value"), [("select [1, 2] as x", "[1 2]"), ("select {'a': 1} as x", "{'a': 1}")])
def test_lists_and_records_become_text(base, query: str, value: str) -> None:
    assert _database.run(base, query)["x"].tolist() == [value]
