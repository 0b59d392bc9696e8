"""``ketasim evidence`` as a user calls it: every verb, filters, forms of output, own tables, import, export, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.conftest import Run

from ketasim.cli._evidence_views import _wrapped
from ketasim.cli.evidence import LISTS
from ketasim.evidence import TABLES

RECORD = Path(__file__).parents[1] / "unit" / "evidence" / "data" / "NCT00000000.json"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETASIM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def own(run: Run, tmp_path: Path) -> Path:
    """A folder with the invented record in it."""
    assert run("evidence", "import", RECORD, "--into", tmp_path / "own").exit_code == 0
    return tmp_path / "own"


def rows(run: Run, *words: object) -> list[dict[str, Any]]:
    done = run("evidence", *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["rows"]


# -- every verb that lists -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LISTS)
def test_every_row_has_its_citation(run: Run, name: str) -> None:
    found = rows(run, name)
    assert found
    assert all(len(row["citation"]) > 8 for row in found)
    table = TABLES[LISTS[name][0]]
    assert set(table.columns) < set(found[0]), "every column of the table, and what ketasim adds"


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", LISTS)
def test_tables_fit_the_window_and_lose_nothing(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run("evidence", name)
    assert done.exit_code == 0, done.output
    body = done.stdout.split("\n [1] ")[0]
    assert max(len(line) for line in body.splitlines()[1:]) <= columns, "the first line may be what all rows share"
    assert "..." not in body.splitlines()[2]
    if name != "sources":
        keys = {row["source"] for row in rows(run, name)}
        assert {line.split("] ")[1].split(":")[0] for line in done.stdout.splitlines() if line.startswith(" [")} == keys


@given(st.text("ab1 _-/,.;()[]", max_size=60), st.integers(5, 30))
def test_wrapping_loses_nothing_and_fits(content: str, width: int) -> None:
    lines = _wrapped(content, width)
    assert all(len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == content.replace(" ", "")


def test_numbers_keep_their_sign_and_their_interval() -> None:
    assert _wrapped("-12.7 [-22.8, -2.5]", 8) == ["-12.7", "[-22.8,", "-2.5]"]
    assert _wrapped("racemic_ketamine 0.5 mg/kg", 10) == ["racemic_", "ketamine", "0.5 mg/kg"]


FILTERS = [
    (("trials", "--disorder", "ocd"), lambda r: r["disorder"] == "ocd"),
    (("trials", "--disorder", "ocd,ptsd", "--control", "active"), lambda r: r["control_type"] == "active" and r["disorder"] in ("ocd", "ptsd")),
    (("trials", "--holdout"), lambda r: r["holdout"] is True),
    (("trials", "--masking", "open-label", "--no-holdout"), lambda r: r["masking"] == "open-label" and r["holdout"] is False),
    (("outcomes", "--trial", "Daly2018", "--scale", "madrs"), lambda r: "Daly2018" in r["trial"] and r["scale"] == "madrs"),
    (("affinity", "--target", "nmda"), lambda r: "nmda" in r["target"]),
    (("pk", "--route", "iv", "--metric", "cmax"), lambda r: "intravenous" in r["route"] and r["metric"] == "cmax"),
    (("trials", "--route", "intravenous"), lambda r: r["route"] == "iv"),
    (("safety", "--event", "dissociation"), lambda r: "dissociation" in r["event"]),
    (("interactions", "--with", "Clarithromycin"), lambda r: r["perpetrator"] == "clarithromycin"),
    (("rules", "--authority", "fda"), lambda r: "FDA" in r["authority"]),
    (("contrasts", "--kind", "meta_analysis"), lambda r: r["kind"] == "meta_analysis"),
    (("findings", "--system", "bdnf"), lambda r: "bdnf" in r["system"]),
    (("exposure", "--endpoint", "cardiac"), lambda r: "cardiac" in r["endpoint"]),
    (("sources", "--text", "zarate"), lambda r: "zarate" in r["citation"].lower()),
    (("trials", "--source", "rodriguez2013"), lambda r: r["source"] == "rodriguez2013"),
    (("trials", "--confidence", "derived"), lambda r: r["confidence"] == "derived"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "holds"), FILTERS, ids=lambda v: " ".join(v[:2]) if isinstance(v, tuple) else "")
def test_filters(run: Run, words: tuple[str, ...], holds: Any) -> None:
    kept, every = rows(run, *words), rows(run, words[0])
    assert 0 < len(kept) < len(every)
    assert kept == [row for row in every if holds(row)]


def test_a_spread_without_its_mean_is_shown(run: Run) -> None:
    """Rows of derived standard deviations stood there with nothing in them."""
    lines = run("evidence", "outcomes", "--trial", "Daly2018", "--scale", "madrs").stdout.splitlines()
    derived = [line for line in lines if line.endswith("derived")]
    assert derived and all(re.search(r"\(\d+\.?\d*\)", line) for line in derived)


def test_outcomes_are_filtered_by_what_their_trial_says(run: Run) -> None:
    trials = {row["trial"] for row in rows(run, "trials", "--disorder", "ocd")}
    found = {row["trial"] for row in rows(run, "outcomes", "--disorder", "ocd")}
    assert found
    assert found <= trials
    arms = {(row["trial"], row["arm"]) for row in rows(run, "trials", "--drug", "midazolam")}
    assert {(row["trial"], row["arm"]) for row in rows(run, "outcomes", "--drug", "midazolam")} <= arms


def test_the_table_says_what_is_common_and_marks_the_rest(run: Run) -> None:
    done = run("evidence", "trials", "--disorder", "ocd")
    assert "Every row: disorder ocd." in done.stdout
    assert " [1] rodriguez2013: Rodriguez CI et al. (2013)." in done.stdout
    assert "H: held out; scored and never fitted." in done.stderr
    assert "Research software" in done.stderr
    assert "Research software" not in run("evidence", "trials", "--disorder", "ocd", "-q").stderr


def test_an_empty_answer_is_no_error(run: Run) -> None:
    words = ("trials", "--trial", "Daly2018", "--disorder", "ocd")
    assert rows(run, *words) == []
    done = run("evidence", *words)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "0 rows: each word is known" in done.stderr
    assert rows(run, "trials", "--disorder", "healthy") == [], "a word of the schema that no row has"


def test_all_columns(run: Run) -> None:
    done = run("evidence", "trials", "--trial", "rodriguez2013", "--all-columns")
    assert "rob_overall            not assessed" in done.stdout
    assert "sponsor                New York State Psychiatric Institute" in done.stdout


def test_csv_holds_every_column_and_whole_numbers_stay_whole(run: Run) -> None:
    done = run("evidence", "outcomes", "--trial", "Daly2018", "--csv", "deep/out.csv")
    assert (done.exit_code, done.stdout) == (0, "")
    text = Path("deep/out.csv").read_text()
    found = list(csv.DictReader(io.StringIO(text)))
    assert len(found) == len(rows(run, "outcomes", "--trial", "Daly2018"))
    assert all(row["citation"] for row in found)
    assert {row["n"] for row in found} >= {"33", "11", "12"}
    done = run("evidence", "outcomes", "--trial", "Daly2018", "--csv", "b.csv", "--json")
    assert json.loads(done.stdout) == {"written": ["b.csv"], "rows": len(found)}


REFUSED = [
    (("trials", "--disorder", "depresion"), 2, "--disorder depresion: no such row. There is: aud, aws, bipolar"),
    (("trials", "--drug", "esketamine,foo"), 2, "--drug foo: no such row"),
    (("sources", "--source", "zarate206"), 2, "Close: 'zarate2012'"),
    (("trials", "--disorder", " "), 2, "--disorder: give a word"),
    (("outcome",), 2, "Did you mean 'outcomes'?"),
    (("trials", "--disorders", "ocd"), 2, "--disorder"),
    (("check", "nowhere"), 1, "nowhere: no such folder"),
    (("trials", "--evidence", "nowhere"), 1, "nowhere: no such folder"),
    (("sql", "delete from trials"), 1, "this asks for delete"),
    (("sql", "select * from trails"), 1, 'Did you mean "trials"'),
    (("export", "-o", "a.xlsx"), 2, "unknown ending '.xlsx'"),
    (("import", "gone.json", "--into", "own"), 1, "gone.json: cannot be read"),
    (("import", "a.json"), 2, "--into"),
    (("trials", "--csv", "."), 1, "is a folder; give the name of a file"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "said"), REFUSED, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_refusals(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    done = run("evidence", *words)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.output


# -- queries -------------------------------------------------------------------------------------------------------------
def test_sql(run: Run) -> None:
    done = run("evidence", "sql", "select trial, arm, source from trials where disorder = 'ocd' order by trial limit 2")
    assert done.stdout.splitlines()[0].split() == ["trial", "arm", "source"]
    assert done.stdout.count("doi:") + done.stdout.count("http") > 0, "citations of the column source stand below"
    given = json.loads(
        run("evidence", "sql", "select source, count(*) as n from trials group by source limit 3", "--json").stdout
    )
    assert set(given["sources"]) == {row["source"] for row in given["rows"]}
    assert run("evidence", "sql", "select source from trials", "--csv", "q.csv").exit_code == 0
    assert Path("q.csv").read_text().startswith("source,citation\n")
    assert rows(run, "sql", "select 1 as x where false") == []


# -- own tables, import, export ------------------------------------------------------------------------------------------
def test_import_check_list(run: Run, own: Path) -> None:
    assert f"{own}: in order. trials 2, outcomes 23, contrasts 3, safety 9" in run("evidence", "check", own).stdout
    assert json.loads(run("evidence", "check", own, "--json").stdout)["rows"]["outcomes"] == 23
    found = rows(run, "outcomes", "--trial", "nct00000000", "--evidence", own)
    assert len(found) == 23
    assert {row["origin"] for row in found} == {"user"}
    assert {row["citation"] for row in found} == {
        "Invented University (2031). Invented Trial of Ketamine Against Midazolam. ClinicalTrials.gov. NCT00000000."
    }
    done = run("evidence", "trials", "--trial", "nct00000000", "--evidence", own)
    assert "[1] U" in done.stdout
    assert "U: from your own tables." in done.stderr
    count = "select count(*) as n from outcomes where origin = 'user'"
    assert rows(run, "sql", count, "--evidence", own) == [{"n": 23}]
    assert rows(run, "sql", count) == [{"n": 0}]


def test_import_says_what_it_left_out(run: Run) -> None:
    done = run("evidence", "import", RECORD, "--into", "own")
    assert "Into own: sources 1, trials 2" in done.stdout
    assert "Left out: outcome 'Plasma Concentration of Ketamine': no scale that is known." in done.stderr
    given = json.loads(run("evidence", "import", RECORD, "--into", "own", "--json").stdout)
    assert given["rows"] == {}
    assert len(given["left_out"]) == 4


def test_an_export_takes_own_rows_along_and_comes_back(run: Run, own: Path) -> None:
    assert run("evidence", "export", "-o", "all", "--evidence", own).exit_code == 0
    assert json.loads(run("evidence", "check", "all", "--json").stdout)["rows"]["outcomes"] == 23
    assert len(rows(run, "outcomes", "--trial", "nct00000000", "--evidence", "all")) == 23
    assert "Written: all.duckdb." in run("evidence", "export", "-o", "all.duckdb").stdout
    assert json.loads(run("evidence", "export", "-o", "all.json", "--json").stdout) == {"written": ["all.json"]}
    assert set(json.loads(Path("all.json").read_text())) == set(TABLES)


FAULTY = {
    "trials.csv": ("trial,arm,disorder,source,confidence\nMINE,ketamine,depression,mine2031,sure\n",
                   ["trials.csv, line 2, column 'disorder': 'depression' is not one of mdd", "column 'source': no source 'mine2031'",
                    "column 'confidence': 'sure' is not one of read", "3 problems"]),
    "outcomes.csv": ("trial,arm,scale,time,source,confidence\n", ["outcomes.csv, line 1: column 'time' is not part", "Close: 'time_h'"]),
    "trial.csv": ("a\n1\n", ["trial.csv: not a table of the evidence base. Close: 'trials.csv'"]),
    "safety.csv": ("study;drug;event;metric;source;confidence\n", ["safety.csv, line 1: one column only, 'study;drug;event", "Separate columns with commas, not with ';'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_folders(run: Run, tmp_path: Path, name: str) -> None:
    text, said = FAULTY[name]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_text(text)
    for words in (("check", "own"), ("trials", "--evidence", "own"), ("sql", "select 1", "--evidence", "own")):
        done = run("evidence", *words)
        assert done.exit_code == 1, words
        assert done.stdout == ""
        for part in said:
            assert part in done.stderr, part


def test_a_shell_shows_one_message(shell: Any) -> None:
    done = shell("evidence", "trials", "--disorder", "depresion")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: --disorder depresion: no such row.")
    assert done.stderr.count("\n") == 1


def test_the_packages_own_tables_are_in_order(shell: Any) -> None:
    done = shell("evidence", "check")
    assert done.returncode == 0
    assert done.stdout.startswith("The evidence base: in order. trials ")
