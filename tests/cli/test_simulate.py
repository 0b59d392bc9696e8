"""``ketasim simulate`` and ``compare``: files, tables, JSON, repeatability."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from tests.cli.conftest import Run

import ketasim

NOTICE = "Research software: explores pharmacology, does not advise on treatment."
REGIMEN = "20 mg esketamine iv over 40 min"
SMALL = ("--pk", "otto2021", "--until", "12h")


def test_event_table_gives_every_state_and_output(run: Run, events_file: Path) -> None:
    Path("more.json").write_text('{"V": 30, "Q": 0, "V2": 60}')
    done = run(
        "simulate",
        "--data",
        events_file,
        "--model",
        "generic/two_cmt",
        "--param",
        "CL=5",
        "--params",
        "more.json",
        "-o",
        "out.csv",
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv("out.csv")
    assert list(table.columns) == ["ID", "TIME", "DEPOT", "CENT", "PERI", "CP"]
    assert table["ID"].tolist() == [1, 1, 1, 2, 2, 2]
    expected = [100 * i / 30 * math.exp(-5 / 30 * t) for i in (1, 2) for t in (1, 4, 12)]
    # Default rtol 1e-6; one exponential is far easier than what the tolerance is set for.
    assert table["CP"].tolist() == pytest.approx(expected, rel=1e-6, abs=0)
    assert NOTICE in done.stderr


def test_param_wins_over_file(run: Run, events_file: Path) -> None:
    Path("more.json").write_text('{"CL": 50}')
    one = run("simulate", "--data", events_file, "--model", "generic/two_cmt", "--params", "more.json", "--param", "CL=5")
    two = run("simulate", "--data", events_file, "--model", "generic/two_cmt", "--param", "CL=5")
    assert one.stdout == two.stdout


def test_a_factor_is_of_the_value_a_file_or_the_model_gives(run: Run, events_file: Path) -> None:
    Path("more.json").write_text('{"CL": 4}')
    words = ("simulate", "--data", events_file, "--model", "generic/two_cmt")
    assert run(*words, "--params", "more.json", "--param", "CL*1.25").stdout == run(*words, "--param", "CL=5").stdout
    own = ketasim.simulation.as_model("generic/two_cmt").numbers["V"].value
    assert run(*words, "--param", "V*2").stdout == run(*words, "--param", f"V={2 * own}").stdout


def test_a_factor_on_what_stands_between_plasma_and_effects(run: Run) -> None:
    done = run("simulate", "84 mg", "--disorder", "trd", "--param", "IC50_s * 2", "--json", "--times", "0,1")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["replaced"] == [{"name": "IC50_s", "value": 1.72, "library": 0.86, "unit": "umol/L"}]


def test_event_table_to_standard_output_is_csv(run: Run, events_file: Path) -> None:
    done = run("simulate", "--data", events_file, "--model", "generic/two_cmt", "--param", "CL=5")
    assert done.stdout.splitlines()[0] == "ID,TIME,DEPOT,CENT,PERI,CP"
    assert len(done.stdout.splitlines()) == 7


def test_bad_row_leaves_nothing(run: Run, events_file: Path) -> None:
    events_file.write_text(events_file.read_text().replace("1,0,1,100,2", "1,0,1,-100,2"))
    done = run("simulate", "--data", events_file, "--model", "generic/two_cmt", "-o", "out.csv")
    assert done.exit_code == 1
    assert "events.csv" in done.stderr
    assert "AMT" in done.stderr
    assert not Path("out.csv").exists()


def test_table_of_exposures(run: Run) -> None:
    done = run("simulate", REGIMEN, *SMALL)
    assert done.exit_code == 0, done.output
    assert "s_norketamine" in done.stdout
    assert "typical 70 kg adult" in done.stdout
    assert NOTICE in done.stderr


def test_sources_of_a_pack_are_found_as_said(shell: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """In processes of their own, as a pack stays."""
    pack = Path(__file__).parents[1] / "fixtures" / "stranger_pack"
    done = shell("simulate", "esketamine iv 20 mg over 30 min", "--pk", "doe2031_two_cmt", "--pack", str(pack), "--until", "4h")
    assert done.returncode == 0, done.stderr
    hint = next(line for line in done.stderr.splitlines() if line.startswith("Sources: ketasim "))
    cited = shell(*shlex.split(hint)[2:])
    assert cited.returncode == 0 and "Doe" in cited.stdout


def test_one_patient_has_no_median(run: Run) -> None:
    assert "medians over patients" not in run("simulate", REGIMEN, *SMALL).stdout
    assert "medians over patients" in run("simulate", REGIMEN, *SMALL, "-n", "3").stdout


def test_output_times_change_no_exposure(run: Run) -> None:
    shown = {}
    for times in ("24", "0:24:1", "0,24"):
        done = run("simulate", REGIMEN, "--pk", "otto2021", "--times", times, "-n", "3")
        assert done.exit_code == 0, done.output
        shown[times] = done.stdout[done.stdout.index("venous") :] if "venous" in done.stdout else done.stdout.split("\n", 2)[2]
    assert shown["24"] == shown["0:24:1"] == shown["0,24"]


def test_no_drug_is_said(run: Run) -> None:
    assert "No drug at these times." in run("simulate", "0 mg esketamine iv over 40 min", *SMALL).stdout


def test_words_among_numbers_are_set_left(run: Run) -> None:
    lines = run("events", REGIMEN, "--pk", "otto2021").stdout.splitlines()
    head = next(line for line in lines if "LABEL" in line)
    row = next(line for line in lines if "into central" in line)
    assert head.index("LABEL") == row.index("20 mg esketamine")
    assert head.index("RATE") + len("RATE") == row.index("126.2") + len("126.2")


def test_quiet_says_only_the_result(run: Run) -> None:
    done = run("simulate", REGIMEN, *SMALL, "--quiet")
    assert done.stderr == ""


def test_files_by_ending(run: Run) -> None:
    done = run("simulate", REGIMEN, *SMALL, "-n", "5", "-o", "a.csv", "-o", "a.parquet", "-o", "a.zarr", "-o", "a.json")
    assert done.exit_code == 0, done.output
    csv, parquet = pd.read_csv("a.csv"), pd.read_parquet("a.parquet")
    assert len(csv) == len(parquet) > 0
    assert csv["subject"].nunique() == 5
    assert json.loads(Path("a.json").read_text())["n"] == 5
    cited = run("cite", "a.zarr")
    assert "Otto" in cited.stdout


@pytest.mark.parametrize("place", ["before", "after"])
def test_json_before_or_after_the_verb(run: Run, place: str) -> None:
    words = ["simulate", REGIMEN, *SMALL]
    done = run("--json", *words) if place == "before" else run(*words, "--json")
    data = json.loads(done.stdout)
    assert data["notice"] == NOTICE
    assert {row["analyte"] for row in data["exposure"]} == {"s_ketamine", "s_norketamine"}


def test_same_seed_same_numbers_whatever_the_chunk(run: Run) -> None:
    run("simulate", REGIMEN, *SMALL, "-n", "7", "--seed", "3", "-o", "a.csv")
    run("simulate", REGIMEN, *SMALL, "-n", "7", "--seed", "3", "--chunk", "2", "--threads", "1", "-o", "b.csv")
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_single_precision(run: Run) -> None:
    for precision in ("double", "single"):
        done = run(
            "simulate",
            REGIMEN,
            *SMALL,
            "-n",
            "3",
            "--precision",
            precision,
            "-o",
            f"{precision}.csv",
            "-o",
            f"{precision}.parquet",
        )
        assert done.exit_code == 0, done.output
    double, single = (pd.read_csv(f"{p}.csv") for p in ("double", "single"))
    pd.testing.assert_frame_equal(double, single, rtol=1e-5, atol=1e-4)
    assert Path("single.parquet").stat().st_size < Path("double.parquet").stat().st_size


def test_weight_of_the_typical_patient(run: Run) -> None:
    done = run(
        "simulate", "0.5 mg/kg esketamine iv over 40 min", "--pk", "otto2021", "--times", "0,1", "--weight", "82", "-o", "a.csv"
    )
    assert done.exit_code == 0 and "typical 82 kg adult" in done.stdout
    run("simulate", "41 mg esketamine iv over 40 min", "--pk", "otto2021", "--times", "0,1", "--weight", "82", "-o", "b.csv")
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    assert "weights of their own" in run("simulate", REGIMEN, *SMALL, "-n", "5", "--weight", "82").stderr
    assert "0.5 to 500 kg" in run("simulate", REGIMEN, *SMALL, "--weight", "0.1").stderr


def test_times(run: Run) -> None:
    run("simulate", REGIMEN, "--pk", "otto2021", "--times", "0,30min,1:3:1,1d", "-o", "a.csv")
    assert sorted(pd.read_csv("a.csv")["time"].unique()) == [0, 0.5, 1, 2, 3, 24]


def test_own_patients(run: Run) -> None:
    Path("people.csv").write_text("ID,AGE,SEX,WT\n11,30,female,60\n12,50,male,90\n")
    done = run("simulate", "0.5 mg/kg esketamine iv over 40 min", *SMALL, "--population", "people.csv", "-o", "a.csv")
    assert done.exit_code == 0, done.output
    assert sorted(pd.read_csv("a.csv")["subject"].unique()) == [11, 12]


def test_what_patients_lack_is_named(run: Run) -> None:
    Path("people.csv").write_text("ID,AGE,WT\n1,30,60\n2,50,90\n")
    done = run("simulate", "esketamine nasal 56 mg", "--times", "0,1", "--population", "people.csv", "-o", "a.html")
    said = "Not given of the patients, and taken as: RACE other, CHILD_PUGH none, EGFR reference, CYP2B6 *1/*1."
    assert said in done.stderr and said in Path("a.html").read_text()
    assert "taken as" not in run("simulate", REGIMEN, *SMALL, "--population", "people.csv").stderr  # all that otto2021 needs
    assert "taken as" not in run("simulate", "esketamine nasal 56 mg", "--times", "0,1").stderr
    Path("ev.csv").write_text("ID,TIME,AMT,EVID,CMT\n1,0,50,1,central_s\n1,1,0,0,.\n")
    assert "taken as: WT 70, AGE 40, RACE other" in run("simulate", "--data", "ev.csv", "-o", "out.csv").stderr


def test_named_patients_come_back_in_every_kind_of_file(run: Run) -> None:
    names = ["P-007", "anna", "P, 9"]
    Path("people.csv").write_text('ID,AGE,SEX,WT\nP-007,30,female,60\nanna,50,male,90\n"P, 9",60,male,80\n', encoding="utf-8")
    files = [word for ending in ("csv", "parquet", "zarr", "html") for word in ("-o", f"a.{ending}")]
    done = run("simulate", REGIMEN, *SMALL, "--population", "people.csv", *files)
    assert done.exit_code == 0, done.output
    assert pd.read_csv("a.csv")["subject"].unique().tolist() == names
    assert pd.read_parquet("a.parquet")["subject"].unique().tolist() == names
    assert xr.open_datatree("a.zarr", engine="zarr")["subject"]["subject"].values.tolist() == names
    assert {row["subject"] for row in json.loads(run("nca", "a.zarr", "--json").stdout)} == set(names)
    done = run("events", REGIMEN, "--pk", "otto2021", "--population", "people.csv", "-o", "events.csv")
    assert pd.read_csv("events.csv")["ID"].tolist() == [1, 2, 3] and "ID 1 to 3 are the patients in the order" in done.stderr


def test_regimens_of_a_text_file(run: Run) -> None:
    Path("arms.txt").write_text("# invented\nlow: 20 mg esketamine iv over 40 min\nhigh: 40 mg esketamine iv over 40 min\n")
    done = run("compare", "arms.txt", *SMALL, "-n", "2", "--json")
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["arms"]) == ["low", "high"]


def test_streamed_run_gives_bands(run: Run) -> None:
    done = run("simulate", REGIMEN, *SMALL, "-n", "64", "--stream", "--chunk", "32", "-o", "bands.csv")
    assert done.exit_code == 0, done.output
    assert "medians over patients; AUC in h x unit" in done.stdout
    assert sorted(pd.read_csv("bands.csv")["quantile"].unique()) == [0.05, 0.25, 0.5, 0.75, 0.95]
    assert not Path("bands.csv.resume").exists()


def test_compare_has_the_same_patients_in_both_arms(run: Run) -> None:
    done = run("compare", f"low: {REGIMEN}", "high: 40 mg esketamine iv over 40 min", *SMALL, "-n", "6", "--json")
    assert done.exit_code == 0, done.output
    arms = json.loads(done.stdout)["arms"]
    assert list(arms) == ["low", "high"]
    # The model is linear, so twice the dose in the same patients is exactly twice the exposure (solver error 1e-6 aside).
    for row in arms["high"]["exposure"]:
        assert row["ratio_auc"] == pytest.approx(2.0, rel=1e-5, abs=0)


def test_compare_takes_co_medication_of_one_arm(run: Run) -> None:
    oral = "esketamine oral 0.2 mg/kg"
    words = (f"alone: {oral}", f"both: {oral}", "--until", "12h", "-n", "3", "--json", "--with")

    def ratio(drug: str) -> float:
        done = run("compare", *words, drug)
        assert done.exit_code == 0, done.output
        return next(
            row["ratio_auc"] for row in json.loads(done.stdout)["arms"]["both"]["exposure"] if row["analyte"] == "s_ketamine"
        )

    assert ratio("both:ticlopidine") > 1.3
    assert ratio("ticlopidine") == 1.0
    wrong = run("compare", *words, "nobody:ticlopidine")
    assert wrong.exit_code == 2 and "there is no arm 'nobody'. Arms: alone, both" in wrong.stderr
    unknown = run("compare", *words, "both:ticlopidin")
    assert unknown.exit_code == 2 and "Close: 'ticlopidine'" in unknown.stderr


def test_compare_table_has_an_arm_column(run: Run) -> None:
    done = run("compare", REGIMEN, "40 mg esketamine iv over 40 min", *SMALL, "-n", "3", "-o", "arms.csv")
    assert done.exit_code == 0, done.output
    assert set(pd.read_csv("arms.csv")["arm"]) == {"A", "B"}
    assert "Cmax / A" in done.stdout


def test_interrupted_run_can_be_resumed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from collections.abc import Iterator
    from contextlib import contextmanager

    import ketasim.cli._progress as progress

    words = ["simulate", REGIMEN, *SMALL, "-n", "80", "--stream", "--chunk", "4"]
    run(*words, "-o", "whole.csv")

    seen: list[int] = []

    @contextmanager
    def impatient(n: int, what: str = "") -> Iterator[Callable[[int, int], None]]:
        def stop(done: int, total: int) -> None:
            seen.append(done)
            if len(seen) == 12:
                raise KeyboardInterrupt

        yield stop

    with monkeypatch.context() as patched:
        patched.setattr(progress, "progress", impatient)
        stopped = run(*words, "-o", "parts.csv")
    assert stopped.exit_code == 130
    assert "--resume" in stopped.stderr
    assert not Path("parts.csv").exists()
    assert Path("parts.csv.resume").exists()

    done = run(*words, "-o", "parts.csv", "--resume")
    assert done.exit_code == 0, done.output
    assert Path("parts.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert not Path("parts.csv.resume").exists()


def test_resume_refuses_another_run(run: Run) -> None:
    Path("a.csv.resume").write_bytes(b"")
    done = run("simulate", REGIMEN, *SMALL, "-n", "8", "--stream", "-o", "a.csv", "--resume")
    assert done.exit_code == 1
    assert "a.csv.resume: is no checkpoint, or a damaged" in done.stderr


def test_resume_of_what_was_not_streamed_is_refused(run: Run) -> None:
    done = run("simulate", REGIMEN, *SMALL, "-n", "8", "-o", "a.csv", "--resume")
    assert done.exit_code == 2
    assert "--resume: only a streamed run without a disorder can go on" in done.stderr


def test_arms_that_differ_in_co_medication_alone_are_told_apart(run: Run) -> None:
    words = ("compare", f"a: {REGIMEN}", f"b: {REGIMEN}", "--until", "2h", "-n", "2", "--with", "b:ticlopidine")
    assert f"a: {REGIMEN}\nb: {REGIMEN} with ticlopidine@3\n" in run(*words).stdout
    arms = json.loads(run(*words, "--json").stdout)["arms"]
    assert {label: arm["comedication"] for label, arm in arms.items()} == {"a": [], "b": ["ticlopidine@3"]}


def test_warnings_are_shown_however_quiet_and_stand_in_the_json(run: Run) -> None:
    words = (REGIMEN, "--pk", "otto2021", "--times", "0,1", "--population", "hepatic_severe", "-n", "2", "--json", "-q")
    text = "population 'hepatic_severe': no ketamine or esketamine study in severe hepatic impairment"
    one = run("simulate", *words)
    assert one.stderr.startswith(f"Warning: {text}") and one.stderr.count("\n") == 1
    assert [w.startswith(text) for w in json.loads(one.stdout)["warnings"]] == [True]
    two = run("compare", "40 mg esketamine iv over 40 min", *words)
    assert [w.startswith(text) for w in json.loads(two.stdout)["warnings"]] == [True]


def test_a_table_in_the_drugs_own_terms(run: Run) -> None:
    Path("t.csv").write_text("ID,TIME,AMT,SITE\n1,0,20,a\n1,0:30,.,b\n")
    terms = ("--drug", "racemic_ketamine", "--route", "im")
    done = run("simulate", "--data", "t.csv", *terms, "--keep", "site", "-o", "o.csv")
    assert done.exit_code == 0 and "AMT of racemic ketamine is read in mg of base. Concentrations are in ng/mL" in done.stderr
    assert list(pd.read_csv("o.csv").columns[:4]) == ["ID", "TIME", "SITE", "venous_s_ketamine"]
    assert "3 records of 1 subject" in run("events", "--data", "t.csv", *terms).stdout
    for command in ("simulate", "events"):
        refused = run(command, "20 mg ketamine im", *terms)
        assert refused.exit_code == 2 and "--drug" in refused.stderr and "without --data" in refused.stderr


@pytest.mark.parametrize("option", ["--report=r.html", "--figure=f.png"])
def test_event_tables_have_no_report(run: Run, events_file: Path, option: str) -> None:
    done = run("simulate", "--data", events_file, "--model", "generic/two_cmt", option)
    assert done.exit_code == 2 and "an event table gives no report or figure. Use one of .csv, .parquet" in done.stderr


def test_models_may_be_joined(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mechanism").mkdir()
    (tmp_path / "mechanism" / "effect.py").write_text(
        "from ketasim.model import Mechanism, Param, Port, State\n\n\nclass Effect(Mechanism):\n    '''Effect site.'''\n\n"
        "    params = {'ke0': Param('1/h')}\n    states = {'Ce': State('umol/L')}\n"
        "    reads = {'C_venous_s_ketamine': Port('umol/L')}\n    writes = {'effect_site': Port('umol/L')}\n\n"
        "    def rates(self, t, x, u, p):\n        return {'Ce': p['ke0'] * (u['C_venous_s_ketamine'] - x['Ce'])}\n\n"
        "    def outputs(self, t, x, u, p):\n        return {'effect_site': x['Ce']}\n"
    )
    (tmp_path / "mechanism" / "effect.toml").write_text(
        'id = "effect"\nrevision = 1\nstatus = "provisional"\ntitle = "Effect site"\nstructure = "effect:Effect"\nsource = "assumption"\n\n'
        '[param.ke0]\nvalue = 5\nunit = "1/h"\nkind = "assumed"\nnote = "invented"\nat = "-"\n'
    )
    (tmp_path / "ev.csv").write_text("ID,TIME,AMT,EVID,CMT\n1,0,50,1,1\n1,1,0,0,1\n")
    done = run("simulate", "--data", str(tmp_path / "ev.csv"), "--pack", str(tmp_path), "--pk", "otto2021+mechanism/effect")
    assert done.exit_code == 0, done.output
    assert "effect_site" in done.stdout and "AMT is read in the unit of its compartment (umol" in done.stderr
    assert "outputs are in umol/L, umol/h." in done.stderr
    assert "a name is missing" in run("simulate", "84 mg", "--pk", "otto2021+").stderr


def test_a_run_in_which_everybody_fails_is_no_success(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "ev.csv"
    table.write_text("ID,TIME,AMT,EVID,CMT,II,ADDL\n1,0,1.7e308,1,2,0.01,9\n1,1,0,0,2,0,0\n")
    done = run("-q", "simulate", "--data", str(table), "--model", "generic/one_cmt")
    assert done.exit_code == 1
    assert (
        "1 of 1 patients failed to solve and are empty in the result (ID 1): the solution left the range of numbers"
        in done.stderr
    )


def test_the_end_is_given_once(run: Run) -> None:
    assert "--until: no meaning with --times" in run("simulate", "84 mg", "--times", "1,2", "--until", "2 h").stderr


def test_options_without_meaning_are_refused(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "ev.csv"
    table.write_text("ID,TIME,AMT,EVID,CMT\n1,0,10,1,2\n1,1,0,0,2\n")
    for words, said in (
        (["simulate", "--data", str(table), "--model", "generic/one_cmt", "-n", "5"], "-n: no meaning with --data"),
        (["events", "--data", str(table), "--model", "generic/one_cmt", "--expand"], "--expand: no meaning with --data"),
        (["events", "84 mg", "--population", "elderly", "--weight", "90"], "--weight: no meaning with --population"),
        (["compare", "a: 84 mg", "a: 56 mg"], "two arms are named 'a'"),
    ):
        done = run(*words)
        assert done.exit_code == 2 and said in done.stderr, done.output


def test_a_comparison_can_be_cited(run: Run, tmp_path: Path) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Zarr, about its own format
        run("compare", "84 mg", "56 mg", "-n", "2", "-o", str(tmp_path / "c.zarr"))
    assert "joint calibration" in run("cite", str(tmp_path / "c.zarr")).stdout.lower()
    assert "ketasim" in json.loads(run("cite", "--json").stdout)["citation"]


def test_outputs_by_name_in_every_file(run: Run) -> None:
    words = (
        "--show",
        "C_arterial_s_ketamine",
        "--show",
        "central_s",
        "--until",
        "2h",
        "-o",
        "x.csv",
        "-o",
        "x.svg",
        "-o",
        "x.html",
        "-o",
        "x.json",
    )
    done = run("simulate", "esketamine nasal 56 mg", *words, "--save-scenario", "s.toml")
    assert done.exit_code == 0, done.stderr
    assert "asked for by name" in done.stdout and "central_s" in done.stdout
    table = pd.read_csv("x.csv")
    assert list(table.name.unique()) == ["C_arterial_s_ketamine", "central_s"]
    assert "central_s" in Path("x.svg").read_text() and "Outputs asked for" in Path("x.html").read_text()
    assert json.loads(Path("x.json").read_text())["shown"][1]["name"] == "central_s"
    again = run("run", "s.toml", "-o", "y.csv")
    assert again.exit_code == 0 and Path("y.csv").read_text() == Path("x.csv").read_text()
    both = run(
        "compare", "esketamine nasal 56 mg", "esketamine nasal 28 mg", "-n", "3", *words[:6], "-o", "both.csv", "-o", "both.png"
    )
    assert both.exit_code == 0, both.stderr
    assert set(pd.read_csv("both.csv").arm) == {"A", "B"}


def test_analytes_and_a_site_alone(run: Run) -> None:
    only = ("--analyte", "norketamine", "--analyte", "s_norketamine", "--site", "brain", "--until", "2h")
    done = run("simulate", "esketamine nasal 56 mg", *only, "-o", "x.csv", "-o", "x.html", "-o", "x.svg", "-o", "x.json")
    assert done.exit_code == 0 and "brain unbound" in done.stdout
    table = pd.read_csv("x.csv")
    # A total that equals its one enantiomer is left out, but not where somebody asks for it.
    assert set(table.analyte) == {"norketamine", "s_norketamine"} and " norketamine " in done.stdout
    assert list(table.columns) == ["subject", "time", "analyte", "brain_unbound", "unit"]
    assert "HNK" not in Path("x.html").read_text() and list(json.loads(Path("x.json").read_text())["concentration"]) == [
        "brain_unbound"
    ]
    both = run("compare", "esketamine nasal 56 mg", "esketamine nasal 28 mg", "-n", "2", *only, "--json", "-o", "c.csv")
    assert {row["analyte"] for row in json.loads(both.stdout)["arms"]["B"]["exposure"]} == {"norketamine", "s_norketamine"}
    assert set(pd.read_csv("c.csv").analyte) == {"norketamine", "s_norketamine"}
    Path("t.csv").write_text("ID,TIME,AMT,DRUG,ROUTE\n1,0,20,esketamine,iv\n1,1,.,.,.\n")
    assert run("simulate", "--data", "t.csv", *only[:6]).stdout.startswith(
        "ID,TIME,brain_unbound_s_norketamine,brain_unbound_norketamine\n"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--site", "cortex"), "no site 'cortex' in ketasim_reference@3. There is: venous, arterial, brain_unbound."),
        (("--analyte", "norketamin"), "no analyte 'norketamin' in ketasim_reference@3. Close: 'norketamine'"),
        (("--analyte", "dhnk", "--site", "brain"), "no analyte 'dhnk' at the site brain_unbound"),
    ],
)
def test_an_unknown_analyte_or_site_is_refused_before_the_run(run: Run, words: tuple[str, ...], text: str) -> None:
    for given in (("simulate", REGIMEN), ("compare", REGIMEN, "esketamine nasal 28 mg")):
        done = run(*given, *words, "-o", "none.csv")
        assert done.exit_code == 2 and text in done.stderr and not Path("none.csv").exists()


def test_the_seed_of_covariates_is_shown_without_random_effects(run: Run) -> None:
    said = run("simulate", "esketamine nasal 56 mg", "-n", "3", "--variability", "off", "--seed", "7", "--until", "1h").stdout
    assert "3 people, adults; no random effects; covariates drawn (seed 7)" in said
    assert "covariates" not in run("simulate", "esketamine nasal 56 mg", "--until", "1h").stdout


def test_arms_differ_in_people_parameters_and_model(run: Run) -> None:
    dose = "10 mg esketamine iv over 30 min"
    words = ("compare", f"a: {dose}", f"b: {dose}", "-n", "2", "--until", "1h", "--analyte", "s_ketamine")
    own = ("--param", "k_fast=2", "--set", "AGE=60", "--arm", "b: WT=50, with=ticlopidine", "--arm", "b: CLint*0.5")
    done = run(*words, *own, "--save-scenario", "s.toml", "-o", "r.html")
    assert f"a: {dose}; people: adults@1; AGE set to 60; values replaced: k_fast 2 1/h\n" in done.stdout
    said = f"b: {dose} with ticlopidine@3; people: adults@1; AGE set to 60; WT set to 50; values replaced: k_fast 2 1/h, CLint 174.8 L/h"
    assert said in done.stdout and Path("r.html").read_text().count(said.removeprefix("b: ")) == 2  # answers, comparison
    assert run("run", "s.toml").stdout.splitlines()[:2] == done.stdout.splitlines()[:2]
    other = run(*words, "--arm", "b: model=pk/otto2021, CL=100")
    assert "b: 10 mg esketamine iv over 30 min; model otto2021@1; values replaced: CL 100 L/h" in other.stdout
    assert "ketasim cite ketasim_reference otto2021" in other.stderr
    refused = run(*words, "--arm", "b: CLintt=3")
    assert refused.exit_code == 2 and "'CLintt' is no option of simulate, no covariate and no parameter" in refused.stderr
    assert "Close: 'CLint'" in refused.stderr
