"""``ketasim nca`` against published values of the theophylline data, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

DATA = Path(__file__).parents[1] / "reference" / "data" / "nca"


def test_theophylline(run: Run) -> None:
    expected = json.loads((DATA / "theoph.expected.json").read_text())
    done = run("nca", DATA / "theoph.csv", "--dose", "Dose", "--json")
    assert done.exit_code == 0, done.output
    rows = {str(row["subject"]): row for row in json.loads(done.stdout)}
    # The reference gives five decimals.
    assert {k: rows[k]["AUCLST"] for k in expected["auclast_linear"]} == pytest.approx(
        expected["auclast_linear"], abs=1e-5, rel=0
    )
    assert rows["1"]["CLFO"] == pytest.approx(4.02 / rows["1"]["AUCIFO"], rel=1e-12, abs=0)


def test_summary_and_file(run: Run) -> None:
    assert "geometric_mean" in run("nca", DATA / "theoph.csv", "--summary").stdout
    assert run("nca", DATA / "theoph.csv", "-o", "out.csv").exit_code == 0
    assert Path("out.csv").read_text().startswith("subject,")


@pytest.mark.parametrize(
    ("written", "read"), [("007", "007"), ("P-1", "P-1"), ("7", 7), ("7.0", 7.0), ("1234567890123456789", "1234567890123456789")]
)
def test_subjects_come_back_as_written(run: Run, written: str, read: str | float) -> None:
    Path("in.csv").write_text(f"Subject,TIME,DV\n{written},0,4\n{written},1,2\n{written},2,1\n")
    assert json.loads(run("nca", "in.csv", "--json").stdout)[0]["subject"] == read


def test_of_a_simulation(run: Run) -> None:
    run("simulate", "20 mg esketamine iv over 40 min", "--pk", "otto2021", "--until", "24h", "-n", "3", "-o", "a.zarr")
    done = run("nca", "a.zarr", "--route", "infusion", "--duration", "0.6667", "--json")
    assert done.exit_code == 0, done.output
    assert {row["analyte"] for row in json.loads(done.stdout)} >= {"s_ketamine", "s_norketamine"}
    assert "Concentrations in ng/mL, times in h." in done.stderr and "clearance" not in done.stderr
    # otto2021: 95.2 L/h; a dose in ug over h ng/mL is L/h.
    run("simulate", "20 mg esketamine iv", "--pk", "otto2021", "--times", "0:24:0.05", "-o", "one.zarr")
    done = run("nca", "one.zarr", "--route", "bolus", "--dose", "20000", "--method", "lin-up/log-down", "--json")
    clearance = next(row["CLO"] for row in json.loads(done.stdout) if row["analyte"] == "s_ketamine")
    assert clearance == pytest.approx(95.2, rel=1e-3, abs=0) and "clearance is in L/h" in done.stderr


def test_of_a_comparison(run: Run) -> None:
    done = run("compare", "low: 20 mg esketamine iv over 40 min", "high: 30 mg esketamine iv over 40 min", "--pk", "otto2021",
               "--until", "24h", "-n", "2", "-o", "cmp.zarr", "-o", "cmp.csv", "-o", "cmp.parquet")  # fmt: skip
    assert done.exit_code == 0, done.output
    found = {}
    for file in ("cmp.zarr", "cmp.csv", "cmp.parquet"):
        done = run("nca", file, "--json")
        assert done.exit_code == 0, done.output
        rows = json.loads(done.stdout)
        assert ("column 'venous'" in done.stderr) == (file != "cmp.zarr")
        found[file] = {(r["arm"], r["subject"], r["analyte"]): r["AUCLST"] for r in rows if r.get("site", "venous") == "venous"}
    assert {arm for arm, _, _ in found["cmp.csv"]} == {"low", "high"} and found["cmp.csv"] == found["cmp.parquet"]
    # Values of the table have fewer digits than those of the result.
    assert found["cmp.csv"] == pytest.approx(found["cmp.zarr"], rel=1e-6, abs=0)
    assert {r["arm"] for r in json.loads(run("nca", "cmp.zarr", "--summary", "--json").stdout)} == {"low", "high"}


def test_a_file_of_another_kind_is_named_in_one_line(run: Run) -> None:
    Path("result.json").write_text('{\n "a": [1, 2],\n "b": [1, 2, 3]\n}\n')
    assert run("nca", "result.json").stderr.count("\n") == 1


def test_notes_are_shown(run: Run) -> None:
    Path("late.csv").write_text("ID,TIME,DV\n1,4,3\n1,1,6\n1,2,5\n1,8,1\n")
    done = run("nca", "late.csv", "--json")
    assert done.exit_code == 0, done.output
    assert "no value at the dose time: 0 (a single dose) is taken there (1 of 1 curves)" in done.stderr
    assert json.loads(done.stdout)[0]["AUCLST"] == pytest.approx(3 + 5.5 + 8 + 8, rel=1e-12, abs=0)


def test_an_interval_that_cannot_be_completed_is_null(run: Run) -> None:
    Path("short.csv").write_text("ID,TIME,DV\n1,0,0\n1,1,2\n1,2,4\n1,4,6\n")
    done = run("nca", "short.csv", "--tau", "12", "--json")
    assert json.loads(done.stdout)[0]["AUCTAU"] is None and "AUCTAU is missing" in done.stderr


def test_points_of_the_regression_are_whole(run: Run) -> None:
    rows = json.loads(run("nca", DATA / "theoph.csv", "--json").stdout)
    assert all(isinstance(row["LAMZNPT"], int) for row in rows)


@pytest.mark.parametrize(
    ("content", "words", "code", "said"),
    [
        ("ID,TIME,DV\n", [], 1, "in.csv: has no rows of observations"),
        ("ID,TIME,DV\n1,0,0\n1,1,-1\n1,2,1\n", [], 1, "in.csv: subject 1: concentration -1 is negative (at 1 h)"),
        ("ID,TIME,DV\n1,0,0\n1,1,1\n1,1,2\n", [], 1, "in.csv: subject 1: two concentrations at 1 h"),
        ("ID,TIME,DV\n1,0,0\n1,1,1\n1,2,2\n", ["--start", "5", "--end", "3"], 2, "the window must end after it begins"),
        ("ID,TIME,DV\n1,0,0\n1,1,1\n1,2,2\n", ["--route", "infusion"], 2, "needs the duration"),
    ],
)
def test_messages(run: Run, content: str, words: list[str], code: int, said: str) -> None:
    Path("in.csv").write_text(content)
    done = run("nca", "in.csv", *words)
    assert done.exit_code == code and said in done.stderr, done.output


def test_what_is_no_table(run: Run) -> None:
    for name in ("folder", "folder.zarr"):
        Path(name).mkdir()
    Path("text.parquet").write_text("ID,TIME,DV\n")
    for name, said in (("folder", "is a folder"), ("folder.zarr", "is no result"), ("text.parquet", "is no Parquet table")):
        done = run("nca", name)
        assert done.exit_code in (1, 2) and f"{name}: {said}" in done.stderr, done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--conc", "konc"], "Close: 'conc'"),
        (["--dose", "many"], "neither a number nor a column"),
        (["--method", "cubic"], "lin-up/log-down"),
        (["--blq", "half", "--lloq", "1"], "zero"),
    ],
)
def test_refusals(run: Run, words: list[str], said: str) -> None:
    done = run("nca", DATA / "theoph.csv", *words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_text_in_a_number(run: Run) -> None:
    Path("bad.csv").write_text("ID,TIME,DV\n1,0,0\n1,1,five\n")
    done = run("nca", "bad.csv")
    assert done.exit_code == 1
    assert "bad.csv, line 3, column DV: 'five'" in done.stderr and "--blq" in done.stderr
    Path("excel.csv").write_text("ID;TIME;DV\n1;0;<0,5\n1;1;8,5\n1;2;4\n1;4;<0,5\n", encoding="utf-8")
    done = run("nca", "excel.csv", "--start", "0", "--end", "1.5", "--json")
    assert json.loads(done.stdout)[0]["AUCINT"] == pytest.approx(4.25 + (8.5 + 6.25) / 4, rel=1e-12, abs=0), done.output
    assert "AUCINT is the area from 0 to 1.5 h" in done.stderr and "blq = zero" in done.stderr


def test_semicolons_and_decimal_commas_are_read(run: Run) -> None:
    Path("usual.csv").write_text("ID,TIME,DV\n1,0,0\n1,0.5,8.5\n1,2,4.25\n1,4,1\n", encoding="utf-8")
    Path("excel.csv").write_bytes("ID;TIME;DV\n1;0;0\n1;0,5;8,5\n1;2;4,25\n1;4;1\n".encode("utf-16"))
    usual, excel = run("nca", "usual.csv", "--json"), run("nca", "excel.csv", "--json")
    assert usual.exit_code == 0 and excel.stdout == usual.stdout
    assert "excel.csv: read with ';' between fields" in excel.stderr


def test_a_folder_is_called_one(run: Run) -> None:
    Path("f.csv").mkdir()
    for words in (["nca", "f.csv"], ["simulate", "--data", "f.csv"], ["events", "--data", "f.csv"], ["validate", "pk", "--observations", "f.csv"],
                  ["population", "f.csv"], ["synthesize", "network", "--data", "f.csv", "--measure", "or"]):  # fmt: skip
        done = run(*words)
        assert done.exit_code == 2 and "f.csv: is a folder; give a" in done.stderr, words


def test_files_without_a_table_are_named_once(run: Run) -> None:
    Path("empty.csv").write_text("", encoding="utf-8")
    Path("bin.csv").write_bytes(b"ID,TIME\n\xcc\xff")
    assert (
        run("nca", "empty.csv").stderr
        == "Error: empty.csv: the file is empty; needed are a header line and one row per subject and time.\n"
    )
    assert run("nca", "bin.csv").stderr == "Error: bin.csv, line 2: not UTF-8 text; save the table as CSV in UTF-8.\n"


def test_folders_of_tables_are_made(run: Run) -> None:
    assert run("population", "adults", "-n", "2", "-o", "new/deep/people.csv").exit_code == 0
    assert Path("new/deep/people.csv").is_file()


@pytest.mark.parametrize("n", ["9223372036854775808", "1" + 23 * "0"])
def test_more_patients_than_can_be_are_refused(run: Run, n: str) -> None:
    done = run("population", "adults", "-n", n)
    assert done.exit_code == 2 and f"n = {n}: the number of patients is a whole number from 1 to 1,000,000,000" in done.stderr
