"""Figures and the HTML report: complete, self-contained, escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import ketasim
from ketasim.errors import Extrapolation, InvalidOption, OutputError
from ketasim.nca import nca_table
from ketasim.report import concentration_figure, exposure_figure, html_report, save_figure
from ketasim.results import sureness
from ketasim.sources import cite


@pytest.fixture(scope="module")
def result() -> xr.DataTree:
    return ketasim.simulate("perezruixo2021", "esketamine nasal 56 mg", n=12, population="adults", times=np.arange(0, 25.0))


def test_report_is_whole_self_contained_and_escaped(result: xr.DataTree, tmp_path: Path) -> None:
    page = html_report({"<script>x</script>": result, "again": result}, tmp_path / "r.html").read_text()
    assert "does not advise on treatment" in page and "<script" not in page and "&lt;script&gt;" in page
    # Links are for readers; nothing is loaded from elsewhere.
    assert 'src="' not in page and "@import" not in page and "url(http" not in page and "<link" not in page
    assert set(re.findall(r'<(\w+) [^>]*href="http', page)) <= {"a"}
    for section in (
        "What was simulated",
        "Exposure",
        "Comparison",
        "Doses as given and as resolved",
        "Evidence",
        "Numerics",
        "To repeat this",
    ):
        assert section in page
    assert re.search(r"CMAX</td><td[^>]*>ng/mL</td>", page) and re.search(r"AUCLST</td><td[^>]*>h × ng/mL</td>", page)
    assert page.count("<svg") >= 2 and not list(tmp_path.glob(".*part*"))


def test_figure_shows_every_analyte_with_unit(result: xr.DataTree) -> None:
    figure = concentration_figure(result)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == ["S-ketamine", "S-norketamine"]
    assert all(axis.get_ylabel() == "ng/mL, venous" and axis.get_xlabel() for axis in shown)


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_figures_are_saved(result: xr.DataTree, tmp_path: Path, ending: str) -> None:
    assert save_figure(result, tmp_path / f"f{ending}").stat().st_size > 1000


def test_messages(result: xr.DataTree, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="unknown ending"):
        save_figure(result, tmp_path / "f.docx")
    with pytest.raises(InvalidOption, match="no result has the site"):
        concentration_figure(result, site="moon")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        html_report(result, tmp_path / "file" / "r.html")


def test_report_says_how_sure_the_medians_are_only_where_it_was_asked(tmp_path: Path) -> None:
    options = {"n": 4, "times": np.arange(0.0, 13.0)}
    plain, drawn = (ketasim.simulate("esketamine nasal 56 mg", draws=k, **options) for k in (0, 3))
    page = html_report(drawn, tmp_path / "drawn.html").read_text(encoding="utf-8")
    low = sureness({"": drawn})
    shown = next(row for row in low if row["analyte"] == "s_ketamine")
    assert "5 to 95 % of 3 draws" in page and f"{shown['cmax_low']:.3g} to {shown['cmax_high']:.3g}" in page
    assert "How sure" not in html_report(plain, tmp_path / "plain.html").read_text(encoding="utf-8")


def test_report_says_what_was_taken_beside_the_drug_and_what_was_replaced(tmp_path: Path) -> None:
    arms = {"a": "esketamine nasal 56 mg", "b": "esketamine nasal 56 mg"}
    options = {"n": 3, "times": np.arange(0.0, 5.0), "comedication": {"b": ["ticlopidine"]}, "parameters": {"k_mix": 30.0}}
    results = ketasim.compare(arms, **options)
    page = html_report(results, tmp_path / "r.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    assert any(">b<" in row and ">ticlopidine@3<" in row for row in rows) and any(
        ">a<" in row and ">none<" in row for row in rows
    )
    library = ketasim.simulation.as_model("ketasim_reference").numbers["k_mix"].value
    assert any(">k_mix<" in row and ">30<" in row and f">{library:g}<" in row for row in rows)
    # A value of the user's own is neither an assumption of the model nor a source; the other drug is one.
    assert not re.search(r"assumed, not estimated[^<]*<code>[^<]*k_mix", page) and "<li>user" not in page
    assert "Peltoniemi" in page


def test_report_says_nothing_of_drugs_and_values_where_there_are_none(result: xr.DataTree, tmp_path: Path) -> None:
    page = html_report(result, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "co-medication" not in page and "replaced" not in page


def test_report_shows_what_the_run_warned_of_near_the_top(result: xr.DataTree, tmp_path: Path) -> None:
    with pytest.warns(Extrapolation, match="hepatic_severe"):
        severe = ketasim.simulate("esketamine nasal 56 mg", population="hepatic_severe", n=3, times=np.arange(0.0, 5.0))
    alone = html_report(severe, tmp_path / "r.html").read_text(encoding="utf-8")
    assert alone.index("<h2>Warnings</h2>") < alone.index("What was simulated")
    assert "<li>population &#x27;hepatic_severe&#x27;: no ketamine" in alone
    both = html_report({"adults": result, "severe": severe}, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<li>severe: population &#x27;hepatic_severe&#x27;" in both
    assert "<h2>Warnings" not in html_report(result, tmp_path / "r.html").read_text(encoding="utf-8")


def exposure_rows(page: str) -> list[list[str]]:
    """Cells of the exposure tables: analyte, site, parameter, unit, geometric mean, CV, median, 5 %, 95 %."""
    section = page[page.index("<h2>Exposure") : page.index("<h2>", page.index("<h2>Exposure") + 4)]
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", section) if "<td" in row]


def test_time_of_the_peak_counts_from_the_dose_before_it(tmp_path: Path) -> None:
    # Peaks of one patient are all but alike: which of the eight is largest says nothing, when after its dose does.
    result = ketasim.simulate("esketamine nasal 56 mg, 2/week x 4 week", n=6)
    rows = exposure_rows(html_report(result, tmp_path / "r.html").read_text(encoding="utf-8"))
    times = [float(row[6]) for row in rows if row[2] == "TMAX"]
    assert times and all(0 < t < 12 for t in times)
    # Rounding noise of a difference of times is no variation: the peak of an infusion is its end.
    result = ketasim.simulate("0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 1 week", n=4)
    rows = exposure_rows(html_report(result, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert rows[0][:2] == ["ketamine", "venous"] and "e-" not in rows[1][5]


def test_analytes_that_are_not_there_have_no_rows_and_no_panels(tmp_path: Path) -> None:
    arms = {"esketamine": "esketamine nasal 56 mg", "racemic": "0.5 mg/kg racemic ketamine iv over 40 min"}
    results = ketasim.compare(arms, n=3, times=np.arange(0.0, 9.0))
    alone = {k: results[k] for k in ("esketamine",)}
    rows = exposure_rows(html_report(alone, tmp_path / "r.html").read_text(encoding="utf-8"))
    # Of pure esketamine the totals are the enantiomer, which is named.
    assert {row[0] for row in rows} == {"S-ketamine", "S-norketamine", "S-HNK", "S-DHNK"}
    assert [a.get_title() for a in concentration_figure(alone).axes if a.get_visible()] == [
        "S-ketamine",
        "S-norketamine",
        "S-HNK",
        "S-DHNK",
    ]
    # Beside a racemate, totals are what is compared.
    both = exposure_rows(html_report(results, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert {"ketamine", "S-ketamine", "R-ketamine"} <= {row[0] for row in both}
    assert not [row for row in both if row[2] == "CMAX" and float(row[6]) == 0]
    assert len([a for a in concentration_figure(results).axes if a.get_visible()]) == 12


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_output_time_is_drawn_as_a_point() -> None:
    for n in (1, 5):
        figure = concentration_figure(ketasim.simulate("esketamine nasal 56 mg", n=n, times=[3.0]))
        shown = [axis for axis in figure.axes if axis.get_visible()]
        assert shown and all([line.get_marker() for line in axis.lines] == ["o"] for axis in shown)
        assert all(len(axis.collections) == (2 if n > 1 else 0) for axis in shown)
    empty = concentration_figure(ketasim.simulate("esketamine nasal 56 mg", times=[0.0]))
    assert [text.get_text() for text in empty.texts] == ["no drug at these times"]


def test_arms_of_one_output_time_stand_side_by_side() -> None:
    regimens = {"nasal": "esketamine nasal 56 mg", "oral": "esketamine oral 0.2 mg/kg"}
    figure = concentration_figure(ketasim.compare(regimens, n=4, times=[3.0]), analytes=["s_ketamine"])
    axis = figure.axes[0]
    places = [float(np.ravel(line.get_xdata())[0]) for line in axis.lines]
    assert places[0] < 3.0 < places[1] and list(axis.get_xticks()) == [3.0]


def test_legend_stays_within_the_figure_and_reads_in_rows(result: xr.DataTree) -> None:
    names = [f"an arm with a name that is rather long {k}" for k in range(3)]
    figure = concentration_figure(dict.fromkeys(names, result), analytes=["s_ketamine"])
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert legend(figure)[:3] == names
    wide = concentration_figure(dict.fromkeys("abcdef", result))
    # Matplotlib fills columns, here two high.
    assert legend(wide)[:5] == ["a", "25-75 %", "b", "5-95 %", "c"]


def test_legend_names_bands_only_where_patients_differ(result: xr.DataTree) -> None:
    assert {"25-75 %", "5-95 %"} <= set(legend(concentration_figure(result)))
    one = ketasim.simulate("esketamine nasal 56 mg", times=np.arange(0.0, 5.0))
    assert legend(concentration_figure(one)) == ["esketamine nasal 56 mg"]


@pytest.mark.parametrize(("end", "unit", "last"), [(48.0, "hours", 48.0), (96.0, "days", 4.0)])
def test_short_runs_are_drawn_in_hours(end: float, unit: str, last: float) -> None:
    axis = concentration_figure(ketasim.simulate("esketamine nasal 56 mg", times=np.arange(0.0, end + 1))).axes[0]
    assert axis.get_xlabel() == unit and axis.lines[0].get_xdata()[-1] == last  # type: ignore[index]


def test_figures_have_a_text_and_references_a_link(result: xr.DataTree, tmp_path: Path) -> None:
    page = html_report(result, tmp_path / "r.html").read_text(encoding="utf-8")
    drawn = re.findall(r"<svg [^>]*>", page)
    assert drawn and all('role="img"' in tag and re.search(r'aria-label="[^"]{20,}"', tag) for tag in drawn)
    listed = [cite(key) for key in result.attrs["sources"] if cite(key).doi]
    assert listed
    for source in listed:
        assert f'<a href="https://doi.org/{source.doi}">doi:{source.doi}</a>' in page


def test_page_is_no_wider_than_a_telephone(result: xr.DataTree, tmp_path: Path) -> None:
    """Addresses break anywhere; what cannot break (tables, figures, commands) scrolls in a box of its own."""
    page = html_report(result, tmp_path / "r.html").read_text(encoding="utf-8")
    style = page[page.index("<style>") : page.index("</style>")]
    assert re.search(r"[^}]*\bli\b[^}]*\{overflow-wrap:anywhere\}", style) and ".scroll{overflow-x:auto}" in style
    for tag in ("<table", "<svg role"):
        assert page.count(tag) == page.count(f'<div class="scroll">{tag}') > 0
    long = html_report({"arm " * 20: result}, tmp_path / "r.html").read_text(encoding="utf-8")
    assert f'<td class="t w">{"arm " * 20}</td>' in long and "td.w{white-space:normal" in style


def test_exposure_figure_says_which_arm_is_which(result: xr.DataTree) -> None:
    table = nca_table(result)
    assert legend(exposure_figure({"one": table, "other": table}, "venous")) == ["one", "other"]
    assert not exposure_figure({"one": table}, "venous").legends


def test_exposures_are_read_in_plain_numbers(result: xr.DataTree) -> None:
    figure = exposure_figure({"one": nca_table(result)}, "venous")
    figure.draw_without_rendering()
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert {"20", "50", "100"} <= set(labels) and all(float(label) > 0 for label in labels)


@pytest.mark.parametrize("options", [{"times": [3.0]}, {"n": 4, "stream": True, "times": [0.0, 1.0, 2.0]}])
def test_exposures_need_neither_output_times_nor_patients(tmp_path: Path, options: dict[str, Any]) -> None:
    page = html_report(ketasim.simulate("esketamine nasal 56 mg", **options), tmp_path / "r.html").read_text(encoding="utf-8")
    assert {"CMAX", "TMAX", "AUCLST"} <= {row[2] for row in exposure_rows(page)} and "<svg" in page


def test_exposures_have_units_and_one_patient_has_values(result: xr.DataTree, tmp_path: Path) -> None:
    units = {row[2]: row[3] for row in exposure_rows(html_report(result, tmp_path / "r.html").read_text(encoding="utf-8"))}
    assert units == {"CMAX": "ng/mL", "TMAX": "h", "AUCLST": "h × ng/mL", "LAMZHL": "h"}
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "CMAX, venous (ng/mL)" in page
    one = html_report(ketasim.simulate("esketamine nasal 56 mg", until=24), tmp_path / "one.html").read_text(encoding="utf-8")
    assert "geometric mean" not in one and all(len(row) == 5 for row in exposure_rows(one))


def test_one_patient_in_two_arms_has_ratios_without_intervals(tmp_path: Path) -> None:
    arms = {"low": "esketamine nasal 28 mg", "high": "esketamine nasal 56 mg"}
    page = html_report(ketasim.compare(arms, n=1, until=24), tmp_path / "r.html").read_text(encoding="utf-8")
    section = page[page.index("<h2>Comparison") :]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", section)[:7]
    assert cells[0] == "high / low" and 1 < float(cells[4]) <= 2 and cells[5:] == ["–", "–"]
