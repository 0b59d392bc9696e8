"""The verb simulate: labels, provenance, streaming, resuming, saving."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ketasim
from ketasim.errors import InvalidData, InvalidOption, OutputError, UnusedColumn
from ketasim.population import Cohort, population, typical_values
from ketasim.results import QuantileSketch, save, summary, sureness, to_dataframe, wide_table

REGIMEN = "esketamine nasal 56 mg, 2/week x 1 week"
OPTIONS = {"model": "perezruixo2021", "population": "adults", "seed": 3, "times": np.arange(0.0, 97.0, 1.0)}


@pytest.fixture(scope="module")
def cohort() -> xr.DataTree:
    return ketasim.simulate(dosing=REGIMEN, n=60, **OPTIONS)


def test_labels_units_and_provenance(cohort: xr.DataTree) -> None:
    venous = cohort["plasma"]["venous"]
    assert venous.dims == ("subject", "time", "analyte") and venous.attrs["units"] == "ng/mL"
    assert cohort.attrs["regimen"] == REGIMEN and cohort.attrs["seed"] == 3 and cohort.attrs["models"] == ["perezruixo2021@1"]
    assert "advise" in cohort.attrs["notice"]
    assert {"WT", "CL_nk", "status", "solver_error"} <= set(cohort["subject"].data_vars)
    assert not cohort["subject"]["status"].any()


def test_chunks_and_threads_change_no_bit(cohort: xr.DataTree) -> None:
    other = ketasim.simulate(dosing=REGIMEN, n=60, chunk=13, threads=1, **OPTIONS)
    assert np.array_equal(other["plasma"]["venous"].values, cohort["plasma"]["venous"].values)


def test_single_precision_is_half_the_size_and_differs_by_rounding(cohort: xr.DataTree) -> None:
    single = ketasim.simulate(dosing=REGIMEN, n=60, precision="single", **OPTIONS)
    got, want = single["plasma"]["venous"].values, cohort["plasma"]["venous"].values
    assert got.dtype == np.float32 and got.nbytes * 2 == want.nbytes
    np.testing.assert_allclose(got, want, rtol=5e-6, atol=1e-6 * float(want.max()))
    assert single.attrs["solver"].endswith("in single precision") and single.attrs["rtol"] == 1e-5
    exposure = [to_dataframe(tree, "plasma") for tree in (single, cohort)]
    assert list(exposure[0].columns) == list(exposure[1].columns)


def test_streams_count_single_precision(cohort: xr.DataTree) -> None:
    double, single = (
        ketasim.simulate(dosing=REGIMEN, n=60, stream=True, chunk=16, precision=p, **OPTIONS)["plasma"]["venous"]
        for p in ("double", "single")
    )
    np.testing.assert_allclose(single, double, rtol=0.02, atol=1e-6 * float(double.max()))


def test_event_tables_in_single_precision() -> None:
    table = pd.DataFrame({"ID": 1, "TIME": [0.0, 1.0, 8.0], "EVID": [1, 0, 0], "AMT": [100.0, 0, 0], "CMT": [1, 0, 0]})
    single, double = (wide_table(ketasim.simulate("otto2021", table, precision=p)) for p in ("single", "double"))
    np.testing.assert_allclose(single.to_numpy(float), double.to_numpy(float), rtol=5e-6, atol=1e-6)


def test_first_patients_of_a_larger_cohort_are_the_same(cohort: xr.DataTree) -> None:
    fewer = ketasim.simulate(dosing=REGIMEN, n=7, **OPTIONS)
    assert np.array_equal(fewer["plasma"]["venous"].values, cohort["plasma"]["venous"].values[:7])


def test_stream_gives_the_quantiles(cohort: xr.DataTree) -> None:
    streamed = ketasim.simulate(dosing=REGIMEN, n=60, stream=True, chunk=16, **OPTIONS)
    got = streamed["plasma"]["venous"].sel(quantile=0.5)
    want = cohort["plasma"]["venous"].median("subject")
    late = {"time": slice(1, 97)}
    np.testing.assert_allclose(got.isel(late), want.isel(late), rtol=0.1)
    assert int(streamed["subject"]["n"]) == 60 and int(streamed["subject"]["failed"]) == 0


def test_interrupted_stream_resumes_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.simulation._cohort._CHECKPOINT_EVERY", 1)
    path = tmp_path / "run.npz"
    run = {"dosing": REGIMEN, "n": 64, "stream": True, "chunk": 16, **OPTIONS}
    whole = ketasim.simulate(**run)

    def interrupt(done: int, total: int) -> None:
        if done >= 48:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ketasim.simulate(checkpoint=path, progress=interrupt, **run)
    assert path.is_file()
    seen: list[int] = []
    resumed = ketasim.simulate(checkpoint=path, progress=lambda done, total: seen.append(done), **run)
    assert seen[0] > 16
    assert np.array_equal(resumed["plasma"]["venous"].values, whole["plasma"]["venous"].values)
    assert not path.exists()


def test_checkpoint_of_another_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.simulation._cohort._CHECKPOINT_EVERY", 1)
    path = tmp_path / "run.npz"

    def interrupt(done: int, total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ketasim.simulate(dosing=REGIMEN, n=64, stream=True, chunk=16, checkpoint=path, progress=interrupt, **OPTIONS)
    with pytest.raises(InvalidOption, match="another run"):
        ketasim.simulate(dosing=REGIMEN, n=65, stream=True, chunk=16, checkpoint=path, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 8}, "only a streamed cohort can be resumed"),
        ({"n": 8, "stream": True, "checkpoint": 5}, "checkpoint is of type int: give the name of a file"),
        ({"stream": "yes"}, "stream = 'yes': give True or False"),
        ({"variability": 1}, "variability = 1: give True or False"),
        ({"progress": "bar", "checkpoint": None}, "progress is of type str: give a function"),
        ({"comedication": 5, "checkpoint": None}, "comedication = 5: give a list of names"),
        ({"dosing": pd.DataFrame({"ID": [1], "TIME": [0.0], "EVID": [0], "AMT": [0.0]})}, "no meaning for an event table"),
    ],
)
def test_options_of_another_kind_or_without_effect_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        ketasim.simulate(**({"dosing": REGIMEN, "times": [0.0, 1.0], "checkpoint": "run.npz"} | options))  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="one file cannot hold several arms"):
        ketasim.compare({"a": REGIMEN, "b": REGIMEN}, checkpoint="run.npz")
    with pytest.raises(InvalidOption, match=r"compare has no option 'popluation'\. Close: 'population'"):
        ketasim.compare({"a": REGIMEN, "b": REGIMEN}, popluation="adults")


def test_what_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine", encoding="utf-8")
    run = {"dosing": REGIMEN, "n": 4, "stream": True, "times": [0.0, 1.0]}
    with pytest.raises(InvalidData, match="is no checkpoint"):
        ketasim.simulate(checkpoint=path, **run)  # type: ignore[arg-type]
    assert path.read_text(encoding="utf-8") == "mine"
    for place in (tmp_path, tmp_path / "none" / "run.npz"):
        with pytest.raises(OutputError, match="checkpoint cannot be written"):
            ketasim.simulate(checkpoint=place, **run)  # type: ignore[arg-type]


@pytest.mark.parametrize("edit", [{"done": 8}, {"failed": -3}, {"done": "all"}, {}])
def test_an_edited_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: dict[str, object]) -> None:
    monkeypatch.setattr("ketasim.simulation._cohort._CHECKPOINT_EVERY", 1)
    path, run = tmp_path / "run.npz", {"dosing": REGIMEN, "n": 8, "stream": True, "chunk": 2, "times": [0.0, 1.0]}

    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ketasim.simulate(checkpoint=path, progress=interrupt, **run)  # type: ignore[arg-type]
    with np.load(path) as stored:
        held = dict(stored)
    held["facts"] = np.array(json.dumps(json.loads(str(held["facts"])) | edit if edit else []))
    with path.open("wb") as file:
        np.savez(file, **held)  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="damaged or edited"):
        ketasim.simulate(checkpoint=path, **run)  # type: ignore[arg-type]


def test_checkpoint_of_other_patients_of_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.simulation._cohort._CHECKPOINT_EVERY", 1)
    path = tmp_path / "run.npz"
    light, heavy = (Cohort([1, 2, 3], {"WT": [weight] * 3}, seed=1, name="clinic.csv") for weight in (50.0, 100.0))
    run = {
        "model": "otto2021",
        "dosing": "20 mg esketamine iv",
        "times": [0.0, 1.0],
        "stream": True,
        "chunk": 1,
        "checkpoint": path,
    }

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ketasim.simulate(cohort=light, progress=interrupt, **run)
    with pytest.raises(InvalidOption, match="cohort or settings differ"):
        ketasim.simulate(cohort=heavy, **run)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".zarr"])
@pytest.mark.filterwarnings("ignore")
def test_saving(cohort: xr.DataTree, tmp_path: Path, ending: str) -> None:
    path = save(cohort, tmp_path / f"out{ending}")
    assert path.exists() and not list(tmp_path.glob("*.part"))
    if ending == ".csv":
        assert len(pd.read_csv(path)) == len(to_dataframe(cohort))


def test_saving_refuses_unknown_endings_and_unwritable_places(cohort: xr.DataTree, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="ending"):
        save(cohort, tmp_path / "out.xyz")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save(cohort, tmp_path / "file" / "out.csv")


def test_summary_is_plain_data(cohort: xr.DataTree) -> None:
    plain = summary(cohort)
    assert set(plain["concentration"]) == {"venous"} and plain["concentration"]["venous"]["unit"] == "ng/mL"
    assert [row["analyte"] for row in plain["exposure"]] and all(row["cmax"] > 0 for row in plain["exposure"])


def test_sketch_is_exact_to_a_bin_and_knows_zeros() -> None:
    values = np.random.default_rng(1).lognormal(size=(2, 5000))
    values[1, :3000] = 0.0
    sketch = QuantileSketch(2, [[(0, 1.0)]])
    sketch.add(values[:, None, :1234])
    sketch.add(values[:, None, 1234:], threads=2)
    got = sketch.quantiles((0.05, 0.5, 0.95))[:, :, 0]
    np.testing.assert_allclose(got[:, 0], np.quantile(values[0], (0.05, 0.5, 0.95)), rtol=0.012)
    assert got[1, 1] == 0.0


def test_sketch_counts_sums_and_shows_what_lies_above_its_bins() -> None:
    values = np.random.default_rng(2).lognormal(size=(3, 2, 4000))
    values[1, 0], values[2, 1, 7] = 1e9, np.nan
    sketch = QuantileSketch(3, [[(1, 0.5)], [(0, 2.0), (1, 3.0)]])
    sketch.add(values, threads=3)
    got = sketch.quantiles((0.1, 0.9))
    expected = np.nanquantile(np.stack([0.5 * values[:, 1], 2 * values[:, 0] + 3 * values[:, 1]], axis=1), (0.1, 0.9), axis=-1)
    assert np.isinf(got[:, 1, 1]).all()  # never clipped to the last edge
    got[:, 1, 1] = expected[:, 1, 1]
    np.testing.assert_allclose(got, expected, rtol=0.012)


def test_missing_dosing_is_one_clear_message() -> None:
    with pytest.raises(InvalidOption, match="no dosing"):
        ketasim.simulate()


def test_a_regimen_alone_may_stand_first() -> None:
    alone = ketasim.simulate("esketamine nasal 56 mg", times=[0.0, 1.0])
    named = ketasim.simulate("ketasim_reference", "esketamine nasal 56 mg", times=[0.0, 1.0])
    assert alone["plasma"].equals(named["plasma"])


@pytest.mark.parametrize("new_study", [True, False])
def test_draws_repeat_the_same_patients_with_rows_of_the_posterior(new_study: bool) -> None:
    options = {"n": 8, "seed": 3, "times": np.arange(0.0, 25.0, 0.5)}
    one = ketasim.simulate(dosing="esketamine nasal 56 mg", draws=3, between_study=new_study, **options)
    model = ketasim.simulation.as_model("ketasim_reference")
    values = typical_values(model, 2, 3, between_study=new_study)
    assert (values["CLint"] == model.parts[0].info["posterior"]["CLint"][2]) is not new_study
    assert one.attrs["draws_of"] == ("new study" if new_study else "typical values")
    same = ketasim.simulate(model.with_values(values), "esketamine nasal 56 mg", **options)["plasma"]["venous"]
    drawn = one["draws"]["venous"].sel(draw=2)
    np.testing.assert_allclose(drawn.sel(quantile=0.95), same.quantile(0.95, "subject"), rtol=1e-9)
    exposure = one["draws_exposure"]["venous"].sel(draw=2, quantile=0.5, parameter="CMAX")
    # Exposure is of the solution, which peaks between output times half an hour apart.
    peaks = same.max("time").median("subject")
    assert ((exposure >= peaks * (1 - 1e-3)) & (exposure <= peaks * 1.05)).all()
    plain = ketasim.simulate(dosing="esketamine nasal 56 mg", **options)
    assert np.array_equal(one["plasma"]["venous"], plain["plasma"]["venous"])
    assert one.attrs["draws"] == 3 and one["draws"]["failed"].values.tolist() == [0, 0, 0]
    assert {row["unit"] for row in sureness({"": one})} == {"ng/mL"}


def test_more_draws_than_are_stored_are_refused() -> None:
    with pytest.raises(InvalidOption, match="the posterior of ketasim_reference@3 holds 1,000; more would repeat the first"):
        ketasim.simulate(dosing="esketamine nasal 56 mg", draws=1001, times=[0.0, 1.0])


@pytest.mark.filterwarnings("ignore::ketasim.errors.FailedPatients")
@pytest.mark.filterwarnings("ignore::ketasim.population.OutOfBounds")
def test_patients_that_fail_under_a_draw_are_counted() -> None:
    cohort = Cohort([1, 2], {"WT": [70.0, np.nan], "AGE": [40.0, 40.0]}, seed=1)
    result = ketasim.simulate("esketamine nasal 56 mg", cohort=cohort, draws=2, times=[0.0, 1.0])
    assert result["draws"]["failed"].values.tolist() == [1, 1]
    assert np.isfinite(result["draws"]["venous"].sel(analyte="s_ketamine").values).all()


def test_draws_share_the_model_between_arms_and_take_the_drug_with_them() -> None:
    arms = {"alone": "esketamine oral 0.2 mg/kg", "both": "esketamine oral 0.2 mg/kg"}
    results = ketasim.compare(arms, comedication={"both": ["ticlopidine"]}, n=6, draws=12)
    row = next(r for r in sureness(results) if r["arm"] == "both" and r["analyte"] == "s_ketamine")
    assert 1.0 < row["ratio_auc_low"] < row["ratio_auc_high"]
    alone = ketasim.compare(arms, comedication={"both": ["ticlopidine"]}, n=6, draws=12, between_study=False)
    sure = next(r for r in sureness(alone) if r["arm"] == "both" and r["analyte"] == "s_ketamine")
    assert sure["auc_high"] / sure["auc_low"] < row["auc_high"] / row["auc_low"], "a new study is less sure than typical values"
    # What both arms share cancels: the ratio is known better than either area.
    assert row["ratio_auc_high"] / row["ratio_auc_low"] < row["auc_high"] / row["auc_low"]


def test_draws_are_refused_where_they_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    regimen = "esketamine nasal 56 mg"
    with pytest.raises(InvalidOption, match="draws = -1"):
        ketasim.simulate(regimen, draws=-1)
    with pytest.raises(InvalidOption, match="a streamed cohort"):
        ketasim.simulate(regimen, n=4, stream=True, draws=2)
    table = pd.DataFrame({"ID": [1, 1], "TIME": [0.0, 1.0], "AMT": [10.0, 0.0], "EVID": [1, 0], "CMT": [1, 1]})
    with pytest.raises(InvalidOption, match="neither a posterior nor standard errors"):
        ketasim.simulate("generic/two_cmt", table, draws=2)
    monkeypatch.setattr("ketasim.simulation._table.MOST_DRAWN", 5)
    with pytest.raises(InvalidOption, match="1 output records with 4 outputs each would be 8 numbers"):
        ketasim.simulate("pk/otto2021", table, draws=2)


def test_an_event_table_is_repeated_with_draws() -> None:
    table = pd.DataFrame({"ID": [1, 1, 2, 2, 2], "TIME": [0.0, 1.0, 0.0, 2.0, 4.0], "AMT": [20.0, 0, 25, 0, 0], "EVID": [1, 0, 1, 0, 0],
                          "CMT": 1, "WT": [70.0, 70, 90, 90, 90]})  # fmt: skip
    steps: list[tuple[int, int]] = []
    result = ketasim.simulate("pk/otto2021", table, draws=12, seed=3, progress=lambda *at: steps.append(at))
    assert steps[-1] == (26, 26) and sorted(steps) == steps
    plain = ketasim.simulate("pk/otto2021", table, seed=3)
    assert result["output"].equals(plain["output"])
    values = typical_values(ketasim.simulation.as_model("pk/otto2021"), 5, 3)
    same = ketasim.simulate(ketasim.simulation.as_model("pk/otto2021").with_values(values), table)
    name = "C_venous_s_norketamine"
    np.testing.assert_allclose(result["draws"][name].sel(draw=5), same["output"][name], rtol=1e-9)
    wide = ketasim.results.wide_table(result)
    assert np.array_equal(wide[f"{name}_P95"], np.quantile(result["draws"][name], 0.95, axis=0))
    assert (wide[f"{name}_P05"] < wide[name]).all() and (wide[name] < wide[f"{name}_P95"]).all()
    assert result["draws"]["failed"].values.tolist() == [0] * 12
    # What no draw changes is said: the interval of the drug itself is empty.
    assert "6 of 11 parameters" in ketasim.results.held_sentence(result) and "CL" in result.attrs["draws_hold"]
    assert np.array_equal(wide["C_venous_s_ketamine_P05"], wide["C_venous_s_ketamine_P95"])


def test_columns_that_act_on_nothing_are_named() -> None:
    table = pd.DataFrame({"ID": 1, "TIME": [0.0, 1.0], "AMT": [20.0, 0], "EVID": [1, 0], "CMT": 1, "WT": 70.0, "CLNK": 50.0})
    with pytest.warns(UnusedColumn, match=r"table: column CLNK acts on nothing in otto2021@1\. Close: 'CL_nk'"):
        ketasim.simulate("pk/otto2021", table)
    with pytest.warns(UnusedColumn, match=r"columns WT, CLNK act on nothing in two_cmt@1"):
        ketasim.simulate("generic/two_cmt", table)


@pytest.mark.filterwarnings("ignore::ketasim.errors.FailedPatients")
@pytest.mark.filterwarnings("ignore::ketasim.population.OutOfBounds")
def test_a_subject_that_fails_has_no_interval() -> None:
    table = pd.DataFrame({"ID": [1, 1, 2, 2], "TIME": [0.0, 1.0] * 2, "AMT": [20.0, 0, 1.7e308, 0], "EVID": [1, 0] * 2, "CMT": 1,
                          "ADDL": [9, 0] * 2, "II": [0.01, 0] * 2})  # fmt: skip
    result = ketasim.simulate("pk/otto2021", table, draws=3)
    wide = ketasim.results.wide_table(result)
    assert result["draws"]["failed"].values.tolist() == [1, 1, 1]
    assert wide["C_venous_s_norketamine_P05"].isna().tolist() == [False, True]


def _restarted() -> pd.DataFrame:
    """One person seen four times: each time the body is empty and the clock starts anew; weight is written once."""
    dose = {"AMT": 50.0, "CMT": 1}
    seen = {"AMT": 0.0, "CMT": 0, "EVID": 0}
    rows = [{"TIME": 0, "EVID": 1, "II": 8, "ADDL": 3, **dose}, {"TIME": 1, **seen}, {"TIME": 9, "WT": 52, **seen},
            {"TIME": 0, "EVID": 4, **dose}, {"TIME": 1, **seen}, {"TIME": 9, **seen},
            {"TIME": 2, "EVID": 3, "AMT": 0.0, "CMT": 0}, {"TIME": 0, "EVID": 4, **dose}, {"TIME": 1, **seen},
            {"TIME": 0, "EVID": 4, **dose}, {"TIME": 1, **seen}]  # fmt: skip
    return pd.DataFrame(rows).assign(ID=7).fillna({"II": 0, "ADDL": 0})


@pytest.mark.filterwarnings("ignore::ketasim.errors.UnusedColumn")
def test_a_clock_that_starts_anew_at_a_reset_starts_an_empty_body() -> None:
    table = _restarted()
    whole = wide_table(ketasim.simulate("perezruixo2021", table, variability=True, seed=3))
    apart = [wide_table(ketasim.simulate("perezruixo2021", part.assign(WT=52), variability=True, seed=3))
             for part in (table[:3], table[3:6], table[7:9], table[9:])]  # fmt: skip
    pd.testing.assert_frame_equal(whole, pd.concat(apart, ignore_index=True))
    assert whole["ID"].tolist() == [7] * 6 and whole["TIME"].tolist() == [1, 9, 1, 9, 1, 1]


def test_output_times_need_one_clock() -> None:
    with pytest.raises(InvalidData, match="TIME of subject 7 starts anew at a reset"):
        ketasim.simulate("perezruixo2021", _restarted(), times=[1.0])


def test_a_subject_without_output_times_is_named() -> None:
    table = pd.DataFrame(
        {"ID": [1, 1, 2], "TIME": [0.0, 1.0, 0.0], "AMT": [10.0, 0.0, 10.0], "EVID": [1, 0, 1], "CMT": [1, 1, 1]}
    )
    with pytest.raises(InvalidData, match="subject 2 has no observation record"):
        ketasim.simulate("generic/two_cmt", table)


def test_replaced_values_are_named_beside_those_of_the_library() -> None:
    table = pd.DataFrame({"ID": [1, 1], "TIME": [0.0, 1.0], "AMT": [20.0, 0], "EVID": [1, 0], "CMT": 1})
    for dosing in ("20 mg esketamine iv over 40 min", table):
        twice = ketasim.simulation.as_model("pk/otto2021").with_values({"CL_nk": 40.0})
        attrs = ketasim.simulate(twice, dosing, parameters={"CL_nk": 50.0}).attrs
        library = ketasim.simulation.as_model("pk/otto2021").numbers["CL_nk"].value
        assert attrs["replaced"] == [{"name": "CL_nk", "value": 50.0, "library": library, "unit": "L/h"}]
        assert "user" not in attrs["sources"] and "CL_nk" not in attrs["assumed"]


def test_warnings_go_into_the_result_once_however_they_are_shown(tmp_path: Path) -> None:
    severe = population("hepatic_severe")
    expected = [f"population 'hepatic_severe': {severe.extrapolation}"]
    options = {"dosing": REGIMEN, "n": 6, "chunk": 2, **OPTIONS, "population": "hepatic_severe", "times": [0.0, 1.0, 2.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, streamed = (ketasim.simulate(**options, stream=stream) for stream in (False, True))
        cohort = severe.sample(5, 1)
    assert plain.attrs["warnings"] == streamed.attrs["warnings"] == summary(plain)["warnings"] == expected
    # The cohort was warned of before the run; its part still knows.
    own = ketasim.simulate(dosing=REGIMEN, cohort=cohort.take([0, 1]), model="perezruixo2021", times=[0.0, 1.0])
    assert own.attrs["warnings"] == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's own, about its format
        kept = xr.open_datatree(save(own, tmp_path / "own.zarr"), engine="zarr")
    assert kept.attrs["warnings"] == expected and kept.attrs["replaced"] == []


def test_a_run_that_warns_of_nothing_says_so(cohort: xr.DataTree) -> None:
    assert cohort.attrs["warnings"] == []
    table = pd.DataFrame({"ID": [1, 1], "TIME": [0.0, 1.0], "AMT": [20.0, 0], "EVID": [1, 0], "CMT": 1, "CLNK": 2.0})
    with pytest.warns(UnusedColumn, match="CLNK"):
        attrs = ketasim.simulate("pk/otto2021", table).attrs
    assert len(attrs["warnings"]) == 1 and "CLNK" in attrs["warnings"][0]


def test_tables_say_their_unit(cohort: xr.DataTree, tmp_path: Path) -> None:
    frame = to_dataframe(cohort)
    assert list(frame.columns) == ["subject", "time", "analyte", "venous", "unit"]
    assert set(frame["unit"]) == {"ng/mL"} and frame["unit"].memory_usage() < 2 * len(frame)
    save(cohort, tmp_path / "a.csv")
    save(cohort, tmp_path / "a.parquet")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1].endswith(",ng/mL")
    assert set(pd.read_parquet(tmp_path / "a.parquet")["unit"]) == {"ng/mL"}
