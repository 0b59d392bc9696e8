"""Library populations reproduce the sources they name, and every number of theirs says where it comes from."""

from __future__ import annotations

import csv
import tomllib
import warnings
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from ketasim.errors import Extrapolation, InvalidEntry, UnknownEntry
from ketasim.population import COVARIATES, Cohort, population, population_from_file, population_sources, populations

FOLDER = files("ketasim") / "library" / "population"
CENTILES = {"p5": 0.05, "p10": 0.10, "p15": 0.15, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p85": 0.85, "p90": 0.90, "p95": 0.95}
# Range of the mean weight (kg) expected of each population, and of single values of weight and height.
SANE = {
    "adolescents": (48, 62, 20, 140, 125, 205),
    "adults": (66, 78, 35, 135, 130, 215),
    "adults_depression": (72, 84, 28, 210, 130, 215),
    "children": (20, 30, 8, 95, 75, 185),
    "chinese": (60, 68, 25, 170, 125, 205),
    "elderly": (75, 88, 28, 210, 125, 210),
    "hepatic_mild": (80, 90, 28, 260, 125, 215),
    "hepatic_moderate": (80, 90, 28, 260, 125, 215),
    "hepatic_severe": (80, 90, 28, 260, 125, 215),
    "japanese": (56, 66, 28, 130, 125, 205),
    "postpartum": (74, 84, 28, 220, 130, 200),
    "renal_mild": (80, 90, 28, 260, 125, 215),
    "renal_moderate": (80, 90, 28, 260, 125, 215),
    "renal_severe": (80, 90, 28, 260, 125, 215),
}


def sample(name: str, n: int = 20_000, seed: int = 1) -> Cohort:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Extrapolation)
        return population(name).sample(n, seed)


def table(name: str) -> list[dict[str, str]]:
    with (FOLDER / "tables" / f"{name}.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def lms(row: dict[str, str], z: float) -> float:
    power, median, spread = float(row["L"]), float(row["M"]), float(row["S"])
    return median * np.exp(spread * z) if power == 0 else median * (1 + power * spread * z) ** (1 / power)


def test_every_population_of_the_list_is_there() -> None:
    assert set(populations()) == set(SANE)


@pytest.mark.parametrize("name", sorted(SANE))
def test_values_are_sane(name: str) -> None:
    cohort = sample(name)
    mean_low, mean_high, wt_low, wt_high, ht_low, ht_high = SANE[name]
    assert mean_low < cohort["WT"].mean() < mean_high
    assert wt_low < cohort["WT"].min() and cohort["WT"].max() < wt_high
    assert ht_low < cohort["HT"].min() and cohort["HT"].max() < ht_high
    for covariate, values in cohort.covariates.items():
        known = COVARIATES[covariate]
        if known.is_category:
            assert set(values) <= set(known.levels)
        else:
            assert np.all((values >= known.low) & (values <= known.high)), covariate
    np.testing.assert_allclose(cohort["WT"], cohort["BMI"] * (cohort["HT"] / 100) ** 2, rtol=1e-13)


@pytest.mark.parametrize("name", sorted(SANE))
def test_means_sds_and_shares_are_those_of_the_entry(name: str) -> None:
    # Limits at 5 standard errors (SD of a variance for kurtosis up to 9): false-alarm rate below 1e-5 per population.
    cohort = sample(name)
    raw = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["covariate"]
    for covariate, block in raw.items():
        parts = block["levels"] if "by" in block and "levels" in block else {"": block}
        for level, part in parts.items():
            here = cohort[block["by"]] == level if level else np.ones(len(cohort), bool)
            values, n = cohort[covariate][here], here.sum()
            if "sd" in part:
                assert abs(values.mean() - part["mean"]) < 5 * part["sd"] / np.sqrt(n) + 1e-3
                assert abs(values.std() / part["sd"] - 1) < 5 * np.sqrt(2 / n)
            if block["distribution"] == "categorical" and "by" not in block:
                for word, share in part["levels"].items():
                    assert abs(np.mean(values == word) - share) <= 5 * np.sqrt(share * (1 - share) / n) + 1e-12


def test_united_states_curves_reproduce_the_printed_percentiles() -> None:
    # Height 1.3 %, BMI 5.5 %: percentiles of 128 to 816 people scatter around a curve; the worst is the median of women of 20-29.
    for row in table("us_nhanes_2021_2023"):
        limit = 0.013 if row["covariate"] == "HT" else 0.055
        for column, share in CENTILES.items():
            if row[column]:
                assert abs(lms(row, float(ndtri(share))) / float(row[column]) - 1) < limit, (row, column)


def test_growth_curves_reproduce_the_published_percentiles() -> None:
    for row in table("us_cdc_2000"):
        for column, share in {"p3": 0.03, "p50": 0.5, "p97": 0.97}.items():
            assert abs(lms(row, float(ndtri(share))) / float(row[column]) - 1) < 3e-4, row


@pytest.mark.parametrize(
    ("sex", "age", "printed"),
    [
        ("male", 45, 95.3),
        ("male", 65, 89.2),
        ("male", 75, 87.7),
        ("female", 45, 80.4),
        ("female", 65, 77.5),
        ("female", 75, 73.8),
    ],
)
def test_weight_from_bmi_and_height_reproduces_measured_mean_weight(sex: str, age: int, printed: float) -> None:
    # Mean weights of fryar2025 table 3, which are not used in the entry; limit: 2 %, the largest misfit
    # of all ages being 1.8 % (men of 80 and over).
    rows = {(r["covariate"], r["sex"], int(float(r["age"]))): r for r in table("us_nhanes_2021_2023")}
    height, bmi = rows["HT", sex, age], rows["BMI", sex, age]
    z = ndtri((np.arange(2000) + 0.5) / 2000)
    square = float(height["M"]) ** 2 * (1 + float(height["S"]) ** 2) / 1e4
    assert abs(np.mean([lms(bmi, x) for x in z]) * square / printed - 1) < 0.02


def test_japanese_weight_quartiles_come_back() -> None:
    # Men of 30-49: quartiles 63, 70, 78 kg (mhlw2024). 1.5 %: curves are interpolated over the ages of the band.
    cohort = sample("japanese", 60_000)
    men = (cohort["SEX"] == "male") & (np.abs(cohort["AGE"] - 40) < 1)
    assert men.sum() > 1000
    np.testing.assert_allclose(np.quantile(cohort["WT"][men], [0.25, 0.5, 0.75]), [63, 70, 78], rtol=0.025)


def test_genotypes_follow_the_allele_frequency() -> None:
    # 5 standard errors: false-alarm rate below 1e-6 per genotype.
    cohort = sample("japanese")
    q = 0.18
    for genotype, share in {"*1/*1": (1 - q) ** 2, "*1/*6": 2 * q * (1 - q), "*6/*6": q * q}.items():
        assert abs(np.mean(cohort["CYP2B6"] == genotype) - share) < 5 * np.sqrt(share * (1 - share) / len(cohort))
    assert set(cohort["CYP2B6_PHENOTYPE"][cohort["CYP2B6"] == "*6/*6"]) == {"poor"}


def test_impairment_is_what_the_name_says() -> None:
    assert set(sample("hepatic_moderate")["CHILD_PUGH"]) == {"B"}
    egfr = sample("renal_severe")["EGFR"]
    assert egfr.min() >= 15 and egfr.max() <= 30


@pytest.mark.parametrize("name", ["postpartum", "children", "adolescents", "hepatic_severe"])
def test_extrapolated_populations_warn_and_say_so(name: str) -> None:
    with pytest.warns(Extrapolation, match=name):
        cohort = population(name).sample(5, seed=1)
    assert population(name).extrapolation in cohort.notes


@pytest.mark.parametrize("name", sorted(SANE))
def test_every_source_is_in_the_bibliography(name: str) -> None:
    for source in population(name).sources:
        entry = population_sources()[source]
        assert entry["title"] and entry["how_read"] and (entry["doi"] or entry["url"])
    text = population(name).describe()
    assert "assumed; assumed" not in text and " :" not in text


def test_describe_gives_every_number_and_why_it_is_assumed() -> None:
    chinese, adults, elderly = (population(name).describe() for name in ("chinese", "adults", "elderly"))
    assert "HT cm: by SEX: male normal, mean 169.7, SD 6.9; female normal, mean 158, SD 6.2 [nhc2020; ge_cns82, mean" in chinese
    assert "frequency of *6: white 0.256, black 0.328" in adults
    assert "SEX: female 50 %, male 50 % [assumed] equal shares" in adults
    assert "EGFR mL/min/1.73m^2: Box-Cox normal by age, only 60 to 180 [" in adults
    assert "BMI kg/m^2: Box-Cox normal by age and sex, centiles 0.5 to 99.5 [" in elderly


def test_unknown_population_names_what_is_close() -> None:
    with pytest.raises(UnknownEntry, match="Close: 'japanese'"):
        population("japanse")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ('distribution = "gamma"', "distribution = 'gamma'"),
        ('distribution = "uniform"\nunit = "year"\nkind = "assumed"\nlow = 1\nhigh = 2', "needs a note"),
        ('distribution = "uniform"\nunit = "month"\nkind = "assumed"\nnote = "x"\nlow = 1\nhigh = 2', "AGE is in 'year'"),
        ('distribution = "uniform"\nunit = "year"\nkind = "estimated"\nlow = 1\nhigh = 2', "needs source and at"),
        ('distribution = "uniform"\nunit = "year"\nkind = "assumed"\nnote = "x"\nlow = 1', "uniform needs 'high'"),
        (
            'distribution = "uniform"\nunit = "year"\nkind = "assumed"\nnote = "x"\nlow = 1\nhigh = 2\nmean = 3',
            "'mean' means nothing",
        ),
        (
            'distribution = "normal"\nunit = "year"\nkind = "assumed"\nnote = "x"\nmean = 90\nsd = 9\nrange = [18, 64]',
            "no normal between",
        ),
        ('distribution = "lms"\nunit = "year"\ntable = "x"', "depends on AGE"),
    ],
)
def test_entries_that_break_the_rules_are_refused(tmp_path: Path, block: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'id = "mine"\nrevision = 1\ntitle = "t"\ndescription = "d"\n[covariate.AGE]\n{block}\n', encoding="utf-8")
    with pytest.raises(InvalidEntry, match=message):
        population_from_file(path)


OWN = "distribution = '{}'\nkind = 'assumed'\nnote = 'own clinic'\n"
SEX = f"[covariate.SEX]\n{OWN.format('categorical')}levels = {{ female = 0.5, male = 0.5 }}\n"
WT = f"[covariate.WT]\nunit = 'kg'\n{OWN.format('normal')}"


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (SEX.replace("female", "femal"), "levels of SEX expected .*Close: 'female'"),
        (SEX.replace("0.5, male", "0.6, male"), r"the shares of the levels sum to 1\.1; needed is 1"),
        (SEX.replace("male = 0.5 }", "male = -0.5 }"), r"the share of a level is -0\.5"),
        (SEX.replace("categorical", "uniform"), "SEX is a category; uniform cannot draw it"),
        (
            f"{SEX}{WT}by = 'SEX'\nlevels.male = {{ mean = 80, sd = 10 }}\n",
            "no numbers for SEX = female, which this population draws",
        ),
        (f"{WT}mean = 70\nsd = 30\n", r"reaches from -110 to 250; WT is 0\.3 to 400 kg\. .*range = \[low, high\]"),
        (f"{WT}mean = 30\nsd = 3\nrange = [60, 20]\n", "needed is two numbers, the second larger"),
        (WT.replace("normal", "uniform") + "low = 80\nhigh = 60\n", "from 80 to 60: the second number must be the larger one"),
    ],
)
def test_own_populations_that_would_draw_impossible_people_are_refused(tmp_path: Path, blocks: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"id = 'mine'\nrevision = 1\ntitle = 't'\ndescription = 'd'\n{blocks}", encoding="utf-8")
    with pytest.raises(InvalidEntry, match=message):
        population_from_file(path)


def test_a_size_given_three_times_and_a_revision_of_words_are_refused(tmp_path: Path) -> None:
    text = (FOLDER / "adults.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(f"{text}\n{WT}mean = 70\nsd = 10\n", encoding="utf-8")
    with pytest.raises(InvalidEntry, match="WT, HT and BMI are drawn, and would disagree"):
        population_from_file(path)
    path.write_text(text.replace("revision = 1", "revision = 'first'"), encoding="utf-8")
    with pytest.raises(InvalidEntry, match="revision = 'first' is no whole number"):
        population_from_file(path)


def test_own_population_needs_no_change_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    age = '[covariate.AGE]\ndistribution = "normal"\nmean = 40\nsd = 5\nunit = "year"\nkind = "assumed"\nnote = "own clinic"\n'
    path.write_text(f'id = "mine"\nrevision = 2\ntitle = "t"\ndescription = "d"\n{age}', encoding="utf-8")
    assert population_from_file(path).sample(3, seed=1).name == "mine@2"


@pytest.mark.parametrize("name", sorted(SANE))
def test_reference_model_runs_in_every_population(name: str) -> None:
    from ketasim.library import load
    from ketasim.model import assemble
    from ketasim.population import individual_parameters

    drawn = individual_parameters(assemble(load("pk/ketasim_reference")), sample(name, 500))
    assert all(np.all(np.isfinite(values)) and values.shape == (500,) for values in drawn.values())
