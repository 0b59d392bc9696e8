"""Export, and the tables coming back; the database over them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import duckdb
import pytest
from tests.unit.evidence.conftest import GOOD, put

from ketasim import evidence
from ketasim.errors import InvalidData, InvalidOption, OutputError
from ketasim.evidence import TABLES


def test_a_folder_comes_back_as_it_went(tmp_path: Path) -> None:
    """Every row returns, none is taken as a user's, and an edit is."""
    base = evidence.load()
    written = base.export(tmp_path / "out")
    assert {path.name for path in written} == {f"{name}.csv" for name in TABLES}
    back = evidence.load(tmp_path / "out")
    for name in TABLES:
        assert back.rows(name) == base.rows(name), name
        assert set(back.table(name)["origin"]) == {"package"}, name
    assert evidence.check(tmp_path / "out") == {}
    rows = base.rows("monitoring_rules")
    put(tmp_path / "out", "monitoring_rules", *rows, rows[0] | {"rule_id": "MINE-1"})
    assert evidence.check(tmp_path / "out") == {"monitoring_rules": 1}


def test_a_changed_row_beside_the_packages_own_is_refused(tmp_path: Path) -> None:
    row = evidence.load().rows("monitoring_rules")[0]
    put(tmp_path / "out", "monitoring_rules", row | {"action": "something else"})
    with pytest.raises(InvalidData, match=r"the same fact stands in safety/monitoring_rules\.csv, line 2"):
        evidence.load(tmp_path / "out")


def test_own_rows_are_in_every_form(folder: Path, tmp_path: Path) -> None:
    own = evidence.load(folder)
    own.export(tmp_path / "out")
    assert evidence.check(tmp_path / "out") == dict.fromkeys([name for name in TABLES if name in GOOD], 1)
    (path,) = own.export(tmp_path / "deep" / "all.json")
    tables = json.loads(path.read_text())
    assert {name: len(rows) for name, rows in tables.items()} == {name: len(own.rows(name)) for name in TABLES}
    assert tables["outcomes"][-1]["source"] == "mine2026"
    (path,) = own.export(tmp_path / "all.duckdb")
    with duckdb.connect(str(path), read_only=True) as connection:
        counts = connection.execute("select count(*), count(*) filter (origin = 'user') from trials").fetchone()
    assert counts == (len(own.rows("trials")), 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    base = evidence.load()
    with pytest.raises(InvalidOption, match=r"unknown ending '\.xlsx'"):
        base.export(tmp_path / "all.xlsx")
    (tmp_path / "file").write_text("x")
    for name in ("file/out", "file/all.json"):
        with pytest.raises(OutputError, match="cannot be written"):
            base.export(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["file"]


# -- the database --------------------------------------------------------------------------------------------------------
def test_the_database_is_built_once_and_anew_for_other_rows(folder: Path, cache: Path) -> None:
    def built() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in cache.rglob("evidence_*.duckdb")}

    evidence.load().sql("select 1")
    first = built()
    assert len(first) == 1
    evidence.load().sql("select 1")
    assert built() == first
    count = evidence.load(folder).sql("select count(*) as n from trials where origin = 'user'")["n"][0]
    assert count == 1
    assert len(built()) == 2


def test_a_damaged_database_is_built_again(cache: Path) -> None:
    evidence.load().sql("select 1")
    (path,) = cache.rglob("evidence_*.duckdb")
    path.write_bytes(b"not a database")
    assert evidence.load().sql("select count(*) as n from trials")["n"].tolist()[0] == len(evidence.load().rows("trials"))


def test_tables_aliases_and_kinds_of_columns() -> None:
    base = evidence.load()
    assert set(evidence.ALIASES) <= set(base.sql("show tables")["name"])
    row = base.sql("select typeof(n) as n, typeof(holdout) as h from outcomes limit 1").iloc[0]
    assert (row["n"], row["h"]) == ("DOUBLE", "BOOLEAN")
    assert base.sql("select count(*) as n from trials where route = ''")["n"].tolist()[0] == 0, "empty is null"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("drop table trials", "this asks for drop"),
        ("select 1; select 2", "this asks for select and select"),
        ("", "asks for nothing"),
        ("selec 1", "Parser Error"),
        ("select * from trails", 'Did you mean "trials"'),
        ("select colour from trials", "not found"),
        ("copy trials to 'x.csv'", "asks for copy"),
        ("select * from read_csv('/etc/passwd')", "Permission|disabled"),
        ("select cast('x' as int)", "Conversion"),
    ],
)
def test_only_queries_that_read_these_tables(query: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said) as refused:
        evidence.load().sql(query)
    assert str(refused.value).startswith("sql: ")
