"""The command line answers at once: what a start imports, verbs loaded when they are called, answers kept between starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run
from typer.main import get_command
from typer.testing import CliRunner

from ketasim.cli._app import VERBS, app
from ketasim.cli._lazy import Unloaded

HEAVY = (
    "duckdb",
    "jax",
    "matplotlib",
    "numba",
    "numpy",
    "numpyro",
    "pandas",
    "pint",
    "pyarrow",
    "scipy",
    "sympy",
    "xarray",
    "zarr",
)
SIMULATOR = (*(name for name in HEAVY if name not in ("numpy", "pint")), "ketasim.simulation", "ketasim.solve")
CALL = "import sys\nfrom ketasim.cli import main\nsys.argv = ['ketasim', *{words!r}]\ntry:\n    main()\nexcept SystemExit:\n    pass\n"


def imported(code: str, **environment: str) -> set[str]:
    """Modules of a fresh process after `code`."""
    told = "\nimport json, sys\nsys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + told], capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder in which units were looked up once."""
    folder = tmp_path_factory.mktemp("kept")
    assert "pint" in imported(CALL.format(words=["list", "pk"]), KETASIM_CACHE=str(folder)), "the first look-up needs Pint"
    return folder


@pytest.mark.parametrize(
    "code", ["import ketasim", *(CALL.format(words=w) for w in (["--help"], ["--version"], ["version"], ["nonsense"]))]
)
def test_a_start_imports_nothing_heavy(code: str) -> None:
    assert not {name.partition(".")[0] for name in imported(code)} & {*HEAVY, "rich"}


def test_a_list_imports_nothing_heavy(kept: Path) -> None:
    found = imported(CALL.format(words=["list", "pk"]), KETASIM_CACHE=str(kept))
    assert "ketasim.library" in found
    assert not {name.partition(".")[0] for name in found} & set(HEAVY)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["simulate", "esketamine nasl 56 mg"], "'nasl' is not understood"),
        (["simulate", "56 mg", "--modell", "x"], "No such option: --modell"),
        (["simulate", "56 mg", "--pk", "otto2012"], "no entry 'otto2012'"),
        (["simulate", "56 mg", "--population", "adult"], "no population 'adult'"),
        (["simulate", "56 mg", "--with", "tiklopidin"], "no co-medication 'tiklopidin'"),
        (["simulate", "5 mg into CENT", "--pk", "generic/two_cmt", "--param", "CLL=5"], "no parameter 'CLL'"),
        (["simulate", "--data", "nowhere.csv"], "nowhere.csv"),
        (["compare", "56 mg", "84 mg", "--pk", "otto2012"], "no entry 'otto2012'"),
        (["compare", "56 mg", "84 mg", "--population", "adult"], "no population 'adult'"),
        (["events", "56 mg", "--pk", "otto2012"], "no entry 'otto2012'"),
        (["population", "adult"], "no population 'adult'"),
        (["describe", "otto2012"], "no entry 'otto2012'"),
        (["export", "sbml", "otto2012"], "no entry 'otto2012'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_is_answered_before_anything_heavy_is_imported(words: list[str], said: str, kept: Path) -> None:
    """Half a second is what the light imports take; the simulator takes another whole one."""
    call = (
        CALL.format(words=words)
        + f"import sys\nassert not {{*sys.modules}} & {{*{SIMULATOR!r}}}, {{*sys.modules}} & {{*{SIMULATOR!r}}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", call], capture_output=True, text=True, timeout=120, env={**os.environ, "KETASIM_CACHE": str(kept)}
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stderr


def test_help_imports_no_verb_and_a_verb_no_other() -> None:
    modules = {target.partition(":")[0] for target, _ in VERBS.values()}
    assert not imported(CALL.format(words=["--help"])) & modules
    assert imported(CALL.format(words=["version"])) & modules == {"ketasim.cli.version"}


def test_completion_imports_only_the_verb_that_completes() -> None:
    modules = {target.partition(":")[0] for target, _ in VERBS.values()}
    asked = {"_KETASIM_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    assert imported(CALL.format(words=[]), COMP_WORDS="ketasim list p", **asked) & modules == {"ketasim.cli.listing"}


def test_completion_knows_verbs_and_their_words() -> None:
    def completed(words: str) -> list[str]:
        asked = {"_KETASIM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = CliRunner().invoke(app, [], prog_name="ketasim", env=asked)
        return done.stdout.split()

    assert completed("ketasim v") == ["version", "validate"]
    assert completed("ketasim evidence tr") == ["trials"]
    assert completed("ketasim list p") == ["pk", "policy", "population"]


def test_help_names_every_verb_with_its_line(run: Run) -> None:
    done = run("--help")
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    for name, (_, short) in VERBS.items():
        assert f"{name} {short}" in text


def _words() -> list[tuple[str, ...]]:
    group: Any = get_command(app)
    return list(group.every())


@pytest.mark.parametrize("words", _words(), ids=" ".join)
def test_every_verb_has_help(words: tuple[str, ...], run: Run) -> None:
    for option in ("--help", "-h"):
        done = run(*words, option)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith(f"Usage: ketasim {' '.join(words)} ")
        assert "--json" in done.stdout


def test_every_verb_of_the_table_is_there() -> None:
    assert {words[0] for words in _words()} == set(VERBS)


def test_a_group_of_verbs_without_a_verb_shows_its_help(run: Run) -> None:
    done = run("validate")
    assert "pk" in done.stdout + done.stderr
    assert run("validate", "nonsense").exit_code == 2


@pytest.mark.parametrize(("word", "meant"), [("simulat", "simulate"), ("lst", "list"), ("synthesise", "synthesize")])
def test_an_unknown_verb_is_refused_with_the_one_meant(word: str, meant: str, run: Run) -> None:
    done = run(word, "--data", "x.csv")
    assert done.exit_code == 2
    assert f"No such command '{word}'. Did you mean '{meant}'?" in done.stderr
    assert "ketasim -h" in done.stderr
    assert done.stdout == ""


def test_a_loaded_verb_takes_the_place_of_its_announcement() -> None:
    group: Any = get_command(app)
    assert isinstance(group.commands["version"], Unloaded)
    loaded = group.loaded("version")
    assert not isinstance(loaded, Unloaded)
    assert group.commands["version"] is loaded
    assert group.loaded("version") is loaded
    assert loaded.short_help == VERBS["version"][1]


def test_cyclic_garbage_is_still_collected() -> None:
    """The command searches less often for cycles, never not at all."""
    code = CALL.format(words=["version"]) + "import gc\nassert gc.isenabled() and 0 < gc.get_threshold()[0] <= 100_000"
    imported(code)


@pytest.mark.parametrize("words", _words(), ids=" ".join)
def test_what_holds_one_value_is_given_once(words: tuple[str, ...], run: Run) -> None:
    """Whatever is given twice would silently be the last."""
    command: Any = get_command(app)
    for word in words:
        command = command.loaded(word) if hasattr(command, "loaded") else command.commands[word]
    options = [param for param in command.params if param.param_type_name == "option" and not param.multiple]
    valued = [
        [param.opts[0], "1"] if not param.is_flag else [param.opts[0]]
        for param in options
        if not param.is_flag or param.secondary_opts
    ]
    for once in valued:
        done = run(*words, *once, *once)
        assert done.exit_code == 2 and f"{once[0]}" in done.stderr and "is given 2 times, but holds one value" in done.stderr


def test_a_list_or_a_plain_switch_may_stand_twice(run: Run) -> None:
    assert (
        run(
            "simulate", "100 mg into CENT", "-q", "--quiet", "--model", "generic/two_cmt", "--param", "CL=5", "--param", "V=20"
        ).exit_code
        == 0
    )
