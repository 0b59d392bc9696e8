"""What a user asks for is done, or refused by name: who is simulated, in which words a dosing comes, what is given beside."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ketasim
from ketasim.dose import Dose, parse, parse_arms, read_events
from ketasim.errors import (
    Extrapolation,
    InvalidData,
    InvalidModel,
    InvalidOption,
    InvalidParameter,
    InvalidRegimen,
    OutputError,
    UnequalArms,
    UnusedColumn,
)
from ketasim.population import Cohort, cohort_from_table
from ketasim.results import save
from ketasim.simulation import as_model

TEXT = "esketamine nasal 56 mg"
INFUSION = "esketamine iv 10 mg over 30 min"
BRIEF = {"times": [0.0, 1.0, 2.0]}


def venous(**options: object) -> np.ndarray:
    return ketasim.simulate(**{"dosing": TEXT, **BRIEF, **options})["plasma"]["venous"].values  # type: ignore[arg-type]


def test_the_typical_patient_has_a_weight() -> None:
    heavy = ketasim.simulate("otto2021", "1 mg/kg esketamine iv bolus", weight=90, times=[0.0, 1.0])
    assert heavy["subject"]["WT"].values.tolist() == [90.0] and heavy.attrs["population"] == "typical 90 kg adult"
    for options in ({"population": "adults"}, {"n": 3}):
        with pytest.raises(InvalidOption, match="weights of their own"):
            venous(weight=90, **options)
    with pytest.raises(InvalidOption, match=r"from 0\.5 to 500 kg"):
        venous(weight="90")


def test_one_patient_of_a_population_is_its_typical_one() -> None:
    """One person is typical, several differ at random, and either can be switched."""
    typical = ketasim.simulate(dosing=TEXT, population="elderly", **BRIEF)
    many = ketasim.simulate(dosing=TEXT, population="elderly", n=3, **BRIEF)
    assert typical.attrs["population"] == "typical elderly" and typical["subject"]["AGE"].values[0] > 60
    assert (typical.attrs["variability"], many.attrs["variability"]) == (0, 1)
    one = ketasim.simulate(dosing=TEXT, population="elderly", variability=True, **BRIEF)
    np.testing.assert_array_equal(one["plasma"]["venous"].values[0], many["plasma"]["venous"].values[0])
    assert ketasim.simulate(dosing=TEXT, **BRIEF).attrs["population"] == "typical 70 kg adult"
    with pytest.raises(KeyError, match="no population 'x'"):
        ketasim.simulate(dosing=TEXT, population="x")


def test_people_who_are_described_differ_by_what_is_said_of_them(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text("ID,WT,AGE\n1,60,30\n2,60,30\n")
    plain = ketasim.simulate(dosing=TEXT, population=str(table), **BRIEF)["plasma"]["venous"].values
    assert np.array_equal(plain[0], plain[1], equal_nan=True), "a second row switches nothing on"
    random = ketasim.simulate(dosing=TEXT, population=str(table), variability=True, replicates=2, **BRIEF)
    values = random["plasma"]["venous"].sel(analyte="s_ketamine").values
    assert len({tuple(row) for row in values}) == 4
    assert list(random["subject"]["subject"].values) == ["1", "2", "1/2", "2/2"]
    alone = ketasim.simulate(dosing=TEXT, population=str(table), variability=True, **BRIEF)
    np.testing.assert_array_equal(values[:2], alone["plasma"]["venous"].sel(analyte="s_ketamine").values)
    with pytest.raises(InvalidOption, match="replicates"):
        ketasim.simulate(dosing=TEXT, population="adults", n=2, replicates=2)


def test_replicates_of_neighbouring_seeds_are_other_people() -> None:
    table = pd.DataFrame({"ID": [1, 1], "TIME": [0.0, 1.0], "EVID": [1, 0], "AMT": [10.0, 0.0], "CMT": [1, 1]})
    first, second = (
        ketasim.simulate("pk/otto2021", table, variability=True, replicates=3, seed=seed)["output"]["central"].values
        for seed in (1, 2)
    )
    assert len({*first, *second}) == 6
    alone = ketasim.simulate("pk/otto2021", table, variability=True, seed=1)["output"]["central"].values
    assert first[0] == alone[0], "the first replicate is the run without replicates"
    with pytest.raises(InvalidOption, match="two_cmt@1 has no random effects"):
        ketasim.simulate("generic/two_cmt", table, variability=True, replicates=2)


def test_readings_have_the_error_of_the_model() -> None:
    options = {"n": 40, "seed": 4, "times": np.arange(0.5, 6.0, 0.5)}
    dosing = "esketamine iv 20 mg over 40 min"
    plain, read = (
        ketasim.simulate("pk/otto2021", dosing, residual=on, **options)["plasma"]["venous"].sel(analyte="s_ketamine")
        for on in (False, True)
    )
    error = next(e for e in ketasim.simulation.as_model("pk/otto2021").residual if e.port == "C_venous_s_ketamine")
    # 440 readings: the SD of their relative error has a standard error of 3.4 %.
    relative = float((read / plain - 1.0).std())
    assert 0.8 < relative / (error.proportional or error.exponential) < 1.25
    again = ketasim.simulate("pk/otto2021", dosing, residual=True, chunk=7, **options)["plasma"]["venous"].sel(
        analyte="s_ketamine"
    )
    assert np.array_equal(read, again), "chunks change no reading"
    with pytest.raises(InvalidOption, match="residual"):
        ketasim.simulate(
            "generic/one_cmt",
            pd.DataFrame({"ID": [1, 1], "TIME": [0, 1], "EVID": [1, 0], "AMT": [1, 0], "CMT": [1, 1]}),
            residual=True,
        )


def test_a_comedication_given_twice_counts_once() -> None:
    np.testing.assert_array_equal(venous(comedication=["ticlopidine"] * 2), venous(comedication=["ticlopidine"]))
    with pytest.raises(InvalidOption, match="give a list"):
        venous(comedication="ticlopidine")


def test_dosing_comes_as_text_dose_or_file(tmp_path: Path) -> None:
    dose = Dose("56 mg", drug="s-ketamine", route="intranasal", form="base")
    file = tmp_path / "r.yaml"
    dose.every("24 h", 1).to_file(file)
    words = tmp_path / "r.txt"
    words.write_text(f"{TEXT} as base\n")
    for given in (dose, str(file), file, words):
        np.testing.assert_array_equal(venous(dosing=given), venous(dosing=f"{TEXT} as base"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"times": None, "until": "2d"}, "until = '2d': give a number of hours"),
        ({"times": None, "until": -1.0}, "until = -1.0: give a number of hours"),
        ({"until": 24.0}, "times and until are given"),
        ({"times": "1,2"}, "times = '1,2': give hours as numbers"),
        ({"times": [1.0, np.nan]}, "must be a finite number of hours"),
    ],
)
def test_output_times_are_hours(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        venous(**options)


def test_an_event_table_has_its_own_end() -> None:
    table = pd.DataFrame({"ID": [1, 1], "TIME": [0.0, 4.0], "EVID": [1, 0], "AMT": [10.0, 0.0], "CMT": [2, 2]})
    with pytest.raises(InvalidOption, match="until has no meaning for an event table"):
        ketasim.simulate("generic/two_cmt", table, until=2.0)


def test_an_event_table_has_its_own_patients() -> None:
    table = pd.DataFrame({"ID": [1, 1], "TIME": [0.0, 1.0], "AMT": [100.0, 0.0], "EVID": [1, 0], "CMT": [2, 2]})
    for options in ({"n": 5}, {"population": "adults"}):
        with pytest.raises(InvalidOption, match="event table"):
            ketasim.simulate("generic/one_cmt", table, **options)
    with pytest.raises(InvalidOption, match="interpolation = 'NOCB'"):
        ketasim.simulate("generic/one_cmt", table, interpolation="NOCB")


@pytest.mark.parametrize("n", [0, 2.5, "5", True])
def test_patients_are_counted_whole(n: object) -> None:
    with pytest.raises(InvalidOption, match="whole number of patients"):
        venous(n=n)


def test_columns_without_effect_and_children_are_named() -> None:
    with pytest.warns(UnusedColumn, match="CHILDPUGH.*Close: 'CHILD_PUGH'"):
        venous(cohort=cohort_from_table(pd.DataFrame({"WT": [70.0], "AGE": [40.0], "CHILDPUGH": ["C"]})))
    children = Cohort(
        ids=np.array([1, 2]), covariates={"WT": np.array([20.0, 70.0]), "AGE": np.array([6.0, 40.0])}, seed=1, name="own"
    )
    with pytest.warns(Extrapolation, match="1 of 2 patients are younger"):
        venous(cohort=children)
    with pytest.raises(InvalidOption, match="the cohort given has 2"):
        venous(cohort=children, n=5)


@pytest.mark.parametrize(
    ("interpolation", "expected"), [("nocb", (15, 15)), ("locf", (5, 5)), ("linear", (10, 15))], ids=lambda v: str(v)
)
def test_empty_cells_of_a_parameter_follow_the_interpolation(interpolation: str, expected: tuple[float, float]) -> None:
    def table(at_four: float) -> pd.DataFrame:
        return pd.DataFrame({"ID": 1, "TIME": [0.0, 4.0, 8.0, 12.0], "AMT": [100.0, 0, 0, 0], "EVID": [1, 0, 0, 0], "CMT": 2,
                             "CL": [5.0, at_four, 15.0, 15.0]})  # fmt: skip

    def run(frame: pd.DataFrame) -> np.ndarray:
        return ketasim.simulate("generic/one_cmt", frame, interpolation=interpolation)["output"]["CENT"].values

    np.testing.assert_array_equal(run(table(np.nan)), run(table(expected[0])))


def test_a_covariate_no_human_has_is_refused() -> None:
    rows = {"ID": [1, 1], "TIME": [0.0, 1.0], "AMT": [100.0, 0.0], "EVID": [1, 0], "CMT": [1, 1]}
    with pytest.raises(InvalidData, match=r"subject 1 at TIME 0, column WT: '-20' is not allowed. Allowed: 0.3 to 400 kg"):
        ketasim.simulate("pk/herd2007", pd.DataFrame({**rows, "WT": [-20.0, 70.0]}))
    with pytest.raises(InvalidData, match="missing on every record"):
        ketasim.simulate("pk/herd2007", pd.DataFrame({**rows, "WT": [np.nan, np.nan]}))


def test_additional_doses_beyond_the_end_cost_nothing() -> None:
    rows = {"ID": 1, "TIME": [0.0, 30.0], "AMT": [100.0, 0.0], "EVID": [1, 0], "CMT": 2, "II": [12.0, 0.0]}
    many, few = (ketasim.simulate("generic/one_cmt", pd.DataFrame({**rows, "ADDL": [a, 0]})) for a in (10**15, 2))
    np.testing.assert_array_equal(many["output"]["CENT"].values, few["output"]["CENT"].values)


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    result = ketasim.simulate(dosing=TEXT, **BRIEF)
    folder = tmp_path / "o.zarr"
    folder.mkdir()
    (folder / "precious.txt").write_text("keep")
    with pytest.raises(OutputError, match="would be lost"):
        save(result, folder)
    (folder / "precious.txt").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Zarr, about its own format
        save(result, folder)
        save(result, folder)  # its own store it may replace
    save(result, tmp_path / "O.CSV")
    (tmp_path / "f.zarr").write_text("a file")
    with pytest.raises(OutputError, match="is a file"):
        save(result, tmp_path / "f.zarr")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"times": "0:2:1"}, "times = '0:2:1': give hours as numbers"),
        ({"times": ["0", "1h"]}, "give hours as numbers"),
        ({"times": pd.to_timedelta([0, 1], unit="h")}, "give hours as numbers"),
        ({"times": [0.0, np.inf]}, "finite number of hours"),
        ({"times": [0.0, np.nan]}, "finite number of hours"),
        ({"times": [0.0, 1e12]}, r"1e\+12 h is longer than a life"),
        ({"times": None, "until": 1e9}, "until = 1000000000.0: give a number of hours from 0 to 1e"),
        ({"times": None, "until": "24h"}, "until = '24h': give a number of hours"),
        ({"times": None, "until": -1}, "until = -1"),
        ({"times": None, "until": np.inf}, "until = inf"),
        ({"dosing": [TEXT]}, "dosing is of type list"),
        ({"dosing": {"ID": [1]}}, "dosing is of type dict"),
        ({"dosing": 5}, "dosing is of type int"),
        ({"cohort": pd.DataFrame({"WT": [60.0]})}, "cohort is of type DataFrame: give a Cohort"),
        ({"cohort": Cohort([1], {"WT": [60.0]}), "population": "adults"}, "cohort and population = 'adults'"),
        ({"population": Path("patients.csv")}, "give the name of a library population"),
        ({"threads": 0}, "threads = 0: give a whole number, at least 1"),
        ({"threads": "2"}, "threads = '2'"),
        ({"chunk": 0}, "chunk = 0"),
        ({"chunk": 2.5}, r"chunk = 2\.5"),
        ({"rtol": "1e-6"}, "rtol = '1e-6': give a number"),
        ({"draws": 2.0}, r"draws = 2\.0"),
        ({"stream": True, "quantiles": [5]}, r"quantiles = \[5\]: give levels from 0 to 1"),
        ({"stream": True, "quantiles": 0.5}, r"quantiles = 0\.5"),
        ({"stream": True, "quantiles": []}, r"quantiles = \[\]"),
        ({"stream": True, "states": True}, "a streamed cohort keeps quantiles"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        ketasim.simulate(**{"dosing": TEXT, **BRIEF, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"CL": "50"}, "CL = '50' is no number; give one in L/h"), ({"CL": None}, "CL = None"), ({"CL": [1, 2]}, "is no number"),
     ({"CL": True}, "CL = True"), (["CL"], "parameters are of type list")],
)  # fmt: skip
def test_parameters_are_numbers_by_name(parameters: object, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        ketasim.simulate("pk/otto2021", INFUSION, parameters=parameters, **BRIEF)  # type: ignore[arg-type]


def test_parameters_come_as_any_mapping() -> None:
    want = ketasim.simulate("pk/otto2021", INFUSION, parameters={"CL": 50.0}, **BRIEF)
    for given in (pd.Series({"CL": 50.0}), {"CL": np.float32(50.0)}, {"CL": np.array(50.0)}):
        found = ketasim.simulate("pk/otto2021", INFUSION, parameters=given, **BRIEF)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found["plasma"]["venous"].values, want["plasma"]["venous"].values)
    assert as_model("pk/otto2021").with_values(pd.Series({"CL": 50.0})).replaced.keys() == {"CL"}  # type: ignore[arg-type]


@pytest.mark.parametrize("model", [None, 3, Path("pk/otto2021"), ["pk/otto2021"]])
def test_a_model_of_another_type_is_refused(model: object) -> None:
    with pytest.raises(InvalidModel, match=r"is no part and no mechanism\. Load an entry first"):
        ketasim.simulate(model, INFUSION, **BRIEF)  # type: ignore[arg-type]


@pytest.mark.parametrize("arms", [{}, [TEXT], TEXT])
def test_arms_have_labels(arms: object) -> None:
    with pytest.raises(InvalidOption, match="give labels and regimens"):
        ketasim.compare(arms)  # type: ignore[arg-type]


def test_the_population_of_the_package_is_called_whatever_was_imported_before() -> None:
    code = (
        "import ketasim; assert ketasim.population('adults').id == 'adults'; import ketasim.population as p; "
        "assert p.Cohort and p('adults').id == 'adults'"
    )
    for first in ("", "import ketasim.population; "):
        subprocess.run([sys.executable, "-c", first + code], check=True)


def test_events_and_arms_of_another_type_are_refused() -> None:
    with pytest.raises(InvalidData, match="an event table is a DataFrame or the path"):
        read_events({"ID": [1]}, as_model("pk/otto2021"))  # type: ignore[arg-type]
    for read in (parse, parse_arms):
        with pytest.raises(InvalidRegimen, match="dose text: it is of type list"):
            read([TEXT])  # type: ignore[arg-type]


def test_arms_of_unequal_numbers_of_doses_are_named() -> None:
    arms = {"once": INFUSION, "thrice": f"{INFUSION}, 1/day x 3 day"}
    with pytest.warns(UnequalArms, match="arm once has 1 dose, arm thrice has 3 doses") as caught:
        results = ketasim.compare(arms, model="pk/otto2021", **BRIEF)
    assert caught[0].filename == __file__
    for result in results.values():
        assert "arm thrice has 3 doses" in result.attrs["warnings"][-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnequalArms)
        ketasim.compare({"a": INFUSION, "b": "esketamine iv 20 mg over 30 min"}, model="pk/otto2021", **BRIEF)
