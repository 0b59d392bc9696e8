"""Verbs that show what there is: list, describe, cite, events, population, export, version, help."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.cli.conftest import Run


def test_list_says_what_there_is(run: Run) -> None:
    done = run("list", "--json")
    kinds = {row["kind"]: row["entries"] for row in json.loads(done.stdout)}
    assert kinds["pk"] >= 15
    assert kinds["population"] >= 10


@pytest.mark.parametrize("kind", ["pk", "generic", "mechanism", "population", "comedication", "drug", "route", "source", "gap"])
def test_list_kind(run: Run, kind: str) -> None:
    done = run("list", kind)
    assert done.exit_code == 0, done.output


def test_every_listed_name_can_be_described(run: Run) -> None:
    for kind in ("pk", "generic", "population", "comedication"):
        for row in json.loads(run("list", kind, "--json").stdout):
            name = row["name"] if "/" in row["name"] else f"{kind}/{row['name']}"
            done = run("describe", name, "--json")
            assert done.exit_code == 0, f"{name}: {done.stderr}"


def test_describe_names_the_source_of_each_number(run: Run) -> None:
    data = json.loads(run("describe", "pk/otto2021", "--json").stdout)
    assert data["cite"].startswith("otto2021@") and "does not advise on treatment" in data["notice"]
    assert all(number["source"] and number["at"] for number in data["parameters"].values())


def test_cite(run: Run) -> None:
    assert "Otto ME" in run("cite", "pk/otto2021").stdout
    assert "@article" in run("cite", "otto2021", "--bibtex").stdout
    assert "ketasim" in run("cite").stdout


def test_cite_reads_results_of_one_kind(run: Run) -> None:
    done = run("cite", "curves.csv")
    Path("folder.zarr").mkdir()
    assert "folder.zarr: is no result; ketasim simulate" in run("cite", "folder.zarr").stderr
    assert done.exit_code == 2 and "'curves.csv' is not read for sources. Give a .zarr result" in done.stderr


def test_events_as_csv_can_be_simulated(run: Run) -> None:
    regimen = "0.5 mg/kg esketamine iv over 40 min, 2/week x 2 week"
    done = run("events", regimen, "--pk", "otto2021", "--weight", "80", "--csv")
    table = pd.read_csv(StringIO(done.stdout))
    assert table["ADDL"].tolist() == [1, 1]
    # 0.5 mg/kg x 80 kg of base, 237.73 g/mol: the printed table gives the amount in umol.
    assert table["AMT"].tolist() == pytest.approx([40 / 237.73 * 1000] * 2, rel=1e-4)
    assert run("events", regimen, "--pk", "otto2021", "-o", "doses.csv").exit_code == 0
    checked = run("events", "--data", "doses.csv", "--model", "otto2021")
    assert checked.exit_code == 0 and "2 records of 1 subject in 1 dosing pattern;" in checked.stdout


def test_population_can_be_kept_and_used(run: Run) -> None:
    assert run("population", "japanese", "-n", "5", "--seed", "2", "-o", "people.csv").exit_code == 0
    people = pd.read_csv("people.csv")
    assert len(people) == 5
    done = run("population", "people.csv", "--json")
    assert json.loads(done.stdout)["n"] == 5


def test_export_to_file(run: Run) -> None:
    for kind, mark in (("sbml", "<sbml"), ("mrgsolve", "$ODE"), ("nonmem", "$DES")):
        done = run("export", kind, "generic/two_cmt", "--param", "CL=5", "-o", f"model.{kind}")
        assert done.exit_code == 0, done.output
        assert mark in Path(f"model.{kind}").read_text()


def test_version(run: Run) -> None:
    import ketasim

    assert run("version").stdout.strip() == f"ketasim {ketasim.__version__}" == run("--version").stdout.strip()


def test_every_command_has_help(run: Run) -> None:
    for name in ("simulate", "compare", "events", "population", "nca", "list", "describe", "export", "cite", "doctor", "version"):
        done = run(name, "--help")
        assert done.exit_code == 0
        assert "--json" in done.stdout


def test_help_imports_nothing_heavy(shell: Callable[..., Any]) -> None:
    """Time depends on the machine, imports do not: none of the slow packages may be loaded to show the help."""
    import subprocess
    import sys

    code = (
        "import sys\nfrom ketasim.cli._app import app\n"
        "try:\n    app(['--help'], prog_name='ketasim')\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'sympy', 'jax', 'numba', 'xarray', 'pint', 'pydantic', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    begin = time.perf_counter()
    shell("--help")
    # 0.15 s alone on an idle core; ten times that only when something heavy has crept in or the machine is very busy.
    assert time.perf_counter() - begin < 2.0


def test_pipe_closed_early_is_quiet(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "from ketasim.cli import main; main()"
    command = f'"{sys.executable}" -c "{code}" list source | head -n 1'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
