"""``ketasim review`` from the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from ketasim.review import review

Run = Callable[..., Result]


def test_one_claim_in_full(run: Run) -> None:
    out = run("review", "E4", "--verbose")
    assert out.exit_code == 0
    assert "without NMDA block" in out.stdout
    assert "select" in out.stdout
    assert "does not advise on treatment" in out.stderr


def test_json_holds_number_verdict_and_sources(run: Run) -> None:
    out = run("review", "D0", "B7", "--json")
    answers = {a["id"]: a for a in json.loads(out.stdout)["answers"]}
    assert answers["D0"]["numbers"]["measure"] == "or"
    assert answers["B7"]["sources"]


def test_unknown_claims_verdicts_and_sections_are_refused(run: Run) -> None:
    for arguments, word in ((["ZZ"], "no claim 'ZZ'"), (["--verdict", "true"], "reproduced"), (["--section", "9"], "3.1.1")):
        out = run("review", *arguments)
        assert out.exit_code != 0
        assert word in out.stderr
        assert "Traceback" not in out.stderr


def test_a_number_of_the_model_has_an_interval_and_a_figure(run: Run, tmp_path: Path) -> None:
    out = run("review", "P7", "--verbose", "--figure", str(tmp_path / "p7.svg"))
    assert out.exit_code == 0, out.stderr
    assert re.search(r"Found: 19\.\d mL/min/kg \(1\d\.\d to 2\d(\.\d)?\)", out.stdout)
    assert (tmp_path / "p7.svg").stat().st_size > 5_000
    figure = review(["P7"])[0].figure()
    assert figure is not None
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "claimed, 12 to 20" in said
    assert any(re.fullmatch(r"found, 19\.\d \(1\d\.\d to 2\d(\.\d)?\)", text) for text in said), said


def test_a_claim_without_a_figure_says_so(run: Run, tmp_path: Path) -> None:
    out = run("review", "H1", "--figure", str(tmp_path / "h1.png"))
    assert out.exit_code != 0
    assert "exactly one claim with a figure" in out.stderr
    assert not (tmp_path / "h1.png").exists()


def test_league_of_the_evidence_base(run: Run, tmp_path: Path) -> None:
    out = run("synthesize", "question", "rapid-response-network", "--league", str(tmp_path / "league.svg"))
    assert out.exit_code == 0, out.stderr
    assert (tmp_path / "league.svg").stat().st_size > 5_000
    out = run("synthesize", "question", "ocd", "--league", str(tmp_path / "none.svg"))
    assert out.exit_code != 0
    assert "is no network" in out.stderr
