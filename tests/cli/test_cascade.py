"""Wholes of the library on the command line: listed, described, cited, simulated with their read-outs."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import Run

DOSE = "10 mg/kg racemic ketamine ip"


def test_a_whole_is_described_with_what_it_rests_on(run: Run) -> None:
    text = run("describe", "cascade/mouse").stdout
    assert "nothing here acts on a symptom score" in text
    assert "assumed" in text.splitlines()[2]
    assert "d glutamate_state/dt" in text, "equations of the parts"
    assert json.loads(run("--json", "describe", "cascade/mouse").stdout)["parts"][0] == "exposure_mouse@1"
    core = run("describe", "cascade/core").stdout
    assert "not dosed alone" in core and "glutamate@1" in core


def test_an_addon_says_why_its_numbers_were_assumed_and_what_it_joins(run: Run) -> None:
    text = run("describe", "mechanism/glutamate").stdout
    assert "a steep edge is what the two doses ask for" in text
    assert "Reads: interneuron.occupancy" in text and "Writes: glutamate" in text


def test_a_whole_is_cited_by_the_sources_of_its_parts(run: Run) -> None:
    assert "Khalili-Mahani" in run("cite", "cascade/human").stdout


def test_animals_are_simulated_one_at_a_time_and_shown_with_read_outs(run: Run) -> None:
    ran = run("simulate", DOSE, "--pk", "cascade/mouse", "-n", "1")
    assert ran.exit_code == 0, ran.stderr
    assert "typical mouse" in ran.stdout and "AMPA throughput" in ran.stdout
    assert "norketamine" not in ran.stdout.split("read-out")[0], "no level in plasma is modelled"
    assert "no symptom score follows from them" in ran.stderr and "ketasim cite cascade/mouse" in ran.stderr
    many = run("simulate", DOSE, "--pk", "cascade/mouse", "-n", "10")
    assert many.exit_code != 0 and "no population of people fits" in many.stderr


def test_an_intervention_joins_a_whole(run: Run) -> None:
    def rows(model: str) -> dict[str, dict[str, float]]:
        return {row["name"]: row for row in json.loads(run("--json", "simulate", DOSE, "--pk", model).stdout)["readouts"]}

    alone, blocked = rows("cascade/rat"), rows("cascade/rat+mechanism/nbqx")
    assert alone["glutamate"]["extreme"] == pytest.approx(blocked["glutamate"]["extreme"], rel=1e-5), "upstream of AMPA"
    assert alone["dopamine_pfc"]["extreme"] > 1.5 and "dopamine_pfc" not in blocked


def test_arms_are_shown_side_by_side(run: Run) -> None:
    ran = run("compare", "S: 10 mg/kg esketamine ip", "R: 10 mg/kg arketamine ip", "--pk", "cascade/mouse", "-n", "1")
    assert ran.exit_code == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines() if "interneuron.occupancy" in line]
    assert [line[0] for line in lines] == ["S", "R"]


def test_validate_mechanism_shows_what_does_not_come_out(run: Run) -> None:
    ran = run("validate", "mechanism")
    assert ran.exit_code == 0, ran.stderr
    assert "consistency, not prediction" in ran.stderr and "What does not come out" in ran.stdout
    data = json.loads(run("--json", "validate", "mechanism").stdout)
    assert data["misfits"] and data["conflicts"] and data["notice"]
