"""The package's own tables keep the schema: one test per file, and what the whole must promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from ketasim import evidence
from ketasim.errors import UnknownEntry
from ketasim.evidence import ALIASES, TABLES, Evidence
from ketasim.evidence._check import Rows, problems
from ketasim.evidence._files import whole_package

FOLDER = Path(evidence.__file__).parent
FILES = [(name, path) for name in TABLES for path in sorted(FOLDER.rglob(f"{name}.csv"))]


@pytest.fixture(scope="module")
def whole() -> dict[str, Rows]:
    return whole_package()


@pytest.fixture(scope="module")
def found(whole: dict[str, Rows]) -> list[str]:
    return problems(whole)


@pytest.fixture(scope="module")
def loaded() -> Evidence:
    return evidence.load()


@pytest.mark.parametrize(("table", "path"), FILES, ids=[f"{p.parent.name}/{p.name}" for _, p in FILES])
def test_every_row_keeps_the_schema(whole: dict[str, Rows], found: list[str], table: str, path: Path) -> None:
    assert any(place.file == path for place in whole[table].places), "a table without rows has no place in the package"
    assert [problem for problem in found if problem.startswith(f"{path.parent.name}/{path.name},")] == []


def test_nothing_else_is_wrong(found: list[str]) -> None:
    assert found == []


@pytest.mark.parametrize("name", [*TABLES, *ALIASES])
def test_every_table_says_where_its_rows_come_from(loaded: Evidence, name: str) -> None:
    table = loaded.table(name)
    assert set(table["origin"]) <= {"package"}
    if {"trial", "study", "source"} & set(table.columns):
        assert table["holdout"].dtype == bool


def test_tables_that_a_fit_could_use_hold_rows_that_it_must_not(loaded: Evidence) -> None:
    for name in ("trials", "outcomes", "contrasts", "safety", "pk_observations"):
        held = [bool(row) for row in loaded.table(name)["holdout"]]
        assert 0 < sum(held) < len(held) / 2, name


def test_every_held_out_name_is_known(loaded: Evidence) -> None:
    """A slip in holdout.csv would let a trial into a fit without anyone noticing."""
    known = set(loaded.sources) | set(loaded.table("trials")["trial"])
    for name in ("contrasts", "safety"):
        known |= set(loaded.table(name)["study"])
    # Pooled results that hold held-out trials; no row of them was read yet.
    without_rows = {"Papakostas2020"}
    assert set(loaded.table("holdout")["id"]) - known == without_rows


def test_nothing_rests_on_memory(loaded: Evidence) -> None:
    for name, spec in TABLES.items():
        if "confidence" in spec.columns:
            assert set(loaded.table(name)["confidence"]) <= {"read", "digitised", "derived"}, name


def test_one_paper_is_one_source_whatever_its_keys(loaded: Evidence) -> None:
    """Two keys of one paper count once: same identifier, or a quotation that names the paper."""
    of = loaded.families
    assert len({of["miller2014"], of["miller2014_tdc"]}) == len({of["daly2018"], of["daly2018_t2"], of["daly2018_abstract"]}) == 1
    assert of["autry2011_tdc"] == of["autry2011"] != of["gideons2014"] == of["gideons2014_mirror"]
    sources = loaded.table("sources")
    for name in ("doi", "pmid"):
        given = sources[sources[name] != ""]
        assert (given.groupby(given[name].str.lower())["family"].nunique() == 1).all(), name


def test_a_paper_is_held_out_under_all_its_keys(loaded: Evidence) -> None:
    held = loaded.table("interactions").set_index("source")["holdout"]
    assert held["peltoniemi2012_sjw"].all() and held["peltoniemi2012_gfj"].all() and not held["peltoniemi2012_rif"].any()


def test_a_table_is_a_copy(loaded: Evidence) -> None:
    mine = loaded.table("trials")
    mine["drug"] = "changed"
    assert "changed" not in set(loaded.table("trials")["drug"])


def test_an_unknown_table_is_refused_with_a_near_name(loaded: Evidence) -> None:
    with pytest.raises(UnknownEntry, match=r"no table 'trial' .*trials"):
        loaded.table("trial")


def test_every_source_has_a_citation_that_leads_somewhere(loaded: Evidence) -> None:
    for key in loaded.sources:
        assert len(loaded.citation(key).strip(". ")) > 8, key
    with pytest.raises(UnknownEntry, match="no source 'zarate206'"):
        loaded.citation("zarate206")


def test_paths_of_files_stay() -> None:
    for name in ("pk/pk_observations.csv", "pk/sources.csv", "pk/observation_use.csv", "pk/enantiomer_affinity.csv"):
        assert evidence.path(name).is_file()


def test_queries_run_where_nothing_can_be_kept(loaded: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, or a cache that cannot be written: the database is built in memory."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ketasim.evidence._database.built", full)
    assert loaded.sql("select count(*) as n from trials where disorder = 'ocd'")["n"].iloc[0] > 0
