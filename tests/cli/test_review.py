"""``ketasim review`` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

from typer.testing import Result

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
