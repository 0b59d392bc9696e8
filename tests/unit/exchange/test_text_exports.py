"""The mrgsolve and NONMEM texts, run by an interpreter of our own, give ketasim's parameters, rates and outputs."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from arithmetic import Values, annotated, blocks, joined, run_cpp, run_nmtran
from invented import NUMBERS, invented_model

from ketasim import library
from ketasim.errors import InvalidOption
from ketasim.exchange import export_mrgsolve, export_nonmem
from ketasim.exchange._names import MRGSOLVE, NONMEM
from ketasim.exchange._nonmem import _theta
from ketasim.exchange._people import columns
from ketasim.model import Model, Param, assemble
from ketasim.population import Cohort, individual_parameters, population
from ketasim.population._variability import draw_between, draw_occasion

ENTRIES = ("ketasim_reference", "otto2021", "perezruixo2021", "simons2022", "flint2017", "generic/three_cmt", "invented")
EVERY = tuple(sorted(e.name for e in library.entries() if e.name.startswith(("pk/", "generic/")) and not e.is_addon))
PEOPLE = 6
SEED = 11


def model_of(entry: str) -> Model:
    return invented_model() if entry == "invented" else assemble(library.load(entry))


def people(model: Model) -> Cohort:
    """A mixed cohort: levels and numbers on both sides of every reference."""
    some = population("adults").sample(PEOPLE, SEED)
    more = {"AGE": np.linspace(20.0, 85.0, PEOPLE), "RACE": np.array(["white", "black", "asian", "japanese", "chinese", "other"]),
            "CHILD_PUGH": np.array(["none", "A", "B", "C", "none", "A"]), "EGFR": np.linspace(20.0, 130.0, PEOPLE),
            "CYP2B6": np.array(["*1/*1", "*1/*6", "*6/*6"] * 2), "POSTPARTUM": np.array(["no", "yes"] * 3),
            "COMEDICATION": np.array(["none", "duloxetine", "escitalopram", "sertraline", "venlafaxine", "none"]),
            "ARM": np.array([0.0, 1.0, 2.0, 1.0, 2.0, 7.0])}  # fmt: skip
    return Cohort(some.ids, {**some.covariates, **more}, seed=SEED)


def column_values(model: Model, cohort: Cohort, who: int) -> Values:
    """Covariates of one person as the data set would hold them."""
    have = {k.upper(): v for k, v in cohort.covariates.items()}
    return {name: float(c.numbers(have[name])[who]) for name, c in columns(model).items()}


def twin(model: Model, params: Values, states: Values, t: float) -> tuple[Values, Values, Values]:
    """Rates, ports and inlets by ketasim's own trace."""
    system = model.system
    names = [sympy.Symbol(n, real=True) for n in (*system.states, *system.params, "t")]
    numbers = [*(states[n] for n in system.states), *(params[n] for n in system.params), t]

    def numeric(expressions: dict[str, Any]) -> Values:
        return dict(zip(expressions, sympy.lambdify(names, list(expressions.values()), "math")(*numbers), strict=True))

    inlets = {(n, w): v for n, i in system.inlets.items()
              for w, v in (("F", i.F), ("ALAG", i.lag), ("D", i.duration), ("R", i.rate)) if v is not None}  # fmt: skip
    return numeric(system.explicit_rates()), numeric(system.explicit_ports()), numeric(inlets)  # type: ignore[arg-type]


def random_states(model: Model, seed: int) -> Values:
    rng = np.random.default_rng(seed)
    return {name: float(v) for name, v in zip(model.states, rng.lognormal(0.0, 1.5, len(model.states)), strict=True)}


def assert_same(got: Values, want: Values, what: str) -> None:
    """Equal to rounding; sums that cancel are compared on the scale of the largest."""
    scale = max((abs(v) for v in want.values()), default=0.0)
    for name, value in want.items():
        assert got[name] == pytest.approx(value, rel=1e-12, abs=1e-12 * scale), f"{what}: {name}"


def renamed(text: str) -> dict[str, str]:
    """Original name -> name in the mrgsolve file, from its own head."""
    row = next((line for line in text.splitlines() if line.startswith("Renamed")), "")
    return {old: new for new, old in re.findall(r"(\w+) is (\w+)", row)}


def legend(text: str) -> dict[str, str]:
    """Original name -> NONMEM name, from the head of the control stream."""
    return {old: new for new, old in re.findall(r"^; (\w+) is (\w+)", text, re.MULTILINE)}


@pytest.mark.parametrize("occasion", [1, 2])
@pytest.mark.parametrize("entry", ENTRIES)
def test_mrgsolve_text_computes_what_ketasim_does(entry: str, occasion: int) -> None:
    model = model_of(entry)
    text = export_mrgsolve(model, occasions=occasion)
    parts, names = blocks(text), renamed(text)
    cohort = people(model)
    want = individual_parameters(model, cohort, variability=True, occasion=occasion)
    labels = [line.split(" : ")[0] for line in parts.get("$OMEGA", []) if " : " in line]
    between = draw_between(model.numbers, model.correlations, SEED, cohort.ids)
    within = draw_occasion(model.numbers, SEED, cohort.ids, np.asarray(occasion))
    for who in range(PEOPLE):
        etas = {f"ETA_{n}": v[who] for n, v in between.items()}
        etas |= {f"IOV_{n}" if occasion == 1 else f"IOV_{n}_{occasion}": v[who] for n, v in within.items()}
        values = annotated(parts["$PARAM"]) | column_values(model, cohort, who) | {"OCC": float(occasion)}
        values |= {f"ETA({i})": float(etas.get(label, np.nan)) for i, label in enumerate(labels, 1)}
        states = random_states(model, who)
        values |= {names.get(n, n): v for n, v in states.items()} | {"TIME": 1.0 + who, "SOLVERTIME": 1.0 + who}
        got = run_cpp(parts.get("$MAIN", []), values)
        own = {n: float(want[n][who]) for n in model.params}
        assert_same({n: got[names.get(n, n)] for n in own}, own, "parameters")
        rates, ports, inlets = twin(model, own, states, 1.0 + who)
        for (state, word), value in inlets.items():  # type: ignore[misc]
            usual = {"F": 1.0, "ALAG": 0.0}.get(word)
            assert got.get(f"{word}_{names.get(state, state)}", usual) == pytest.approx(value, rel=1e-12), (state, word)
        for n, e in model.system.initial.items():
            assert got.get(f"{names.get(n, n)}_0", 0.0) == pytest.approx(
                float(e.subs({s: own[str(s)] for s in e.free_symbols})), rel=1e-12
            )
        got = run_cpp(parts["$ODE"], got)
        assert_same({n: got[f"dxdt_{names.get(n, n)}"] for n in rates}, rates, "rates")
        got = run_cpp(parts["$TABLE"], got | {f"EPS({i})": 0.0 for i in range(1, 20)})
        assert_same({n: got[names.get(n, n)] for n in ports}, ports, "outputs")


@pytest.mark.parametrize("occasion", [1, 2])
@pytest.mark.parametrize("entry", ENTRIES)
def test_nonmem_text_computes_what_ketasim_does(entry: str, occasion: int) -> None:
    model = model_of(entry)
    text = export_nonmem(model, occasions=occasion)
    parts, names = blocks(text), legend(text)
    thetas = [float(re.sub(r"[()]", "", x).split(",")[min(1, x.count(","))].replace("FIX", "")) for x in joined(parts["$THETA"])]
    omegas = re.findall(r"; (\d+) (\w+?)(,| between)", "\n".join(parts.get("$OMEGA", [])))
    cohort = people(model)
    want = individual_parameters(model, cohort, variability=True, occasion=occasion)
    between = draw_between(model.numbers, model.correlations, SEED, cohort.ids)
    within = draw_occasion(model.numbers, SEED, cohort.ids, np.asarray(occasion))
    for who in range(PEOPLE):
        values = column_values(model, cohort, who) | {
            "OCC": float(occasion),
            "TIME": 1.0 + who,
            "T": 1.0 + who,
            "NDEVICES": 1.0,
            "TINF": 0.0,
        }
        values |= {f"THETA({i})": v for i, v in enumerate(thetas, 1)}
        values |= {f"ETA({i})": np.nan for i in range(1, 100)}
        for n in model.params:
            for number, label, kind in omegas:
                if label == names.get(n, n.upper()):
                    drawn, at = (between, int(number)) if kind == "," else (within, int(number) + occasion - 1)
                    values[f"ETA({at})"] = float(drawn[n][who])
        states = random_states(model, who)
        values |= {f"A({i})": v for i, v in enumerate(states.values(), 1)}
        got = run_nmtran(parts["$PK"], values)
        own = {n: float(want[n][who]) for n in model.params}
        assert_same({n: got[names.get(n, n.upper())] for n in own}, own, "parameters")
        rates, ports, inlets = twin(model, own, states, 1.0 + who)
        order = list(model.states)
        for (state, word), value in inlets.items():  # type: ignore[misc]
            usual = {"F": 1.0, "ALAG": 0.0}.get(word)
            assert got.get(f"{word}{order.index(state) + 1}", usual) == pytest.approx(value, rel=1e-12), (state, word)
        got = run_nmtran(parts["$DES"], got)
        assert_same({n: got[f"DADT({i})"] for i, n in enumerate(rates, 1)}, rates, "rates")
        got = run_nmtran(parts["$ERROR"], got | {f"EPS({i})": 0.0 for i in range(1, 20)} | {"DVID": 1.0})
        assert_same({n: got[names.get(n, n.upper())] for n in ports}, ports, "outputs")


def matrix(rows: list[list[float]], size: int, at: int, out: np.ndarray) -> None:
    """Puts a lower triangle into the whole matrix."""
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            out[at + i, at + j] = out[at + j, at + i] = value


@pytest.mark.parametrize("entry", ENTRIES)
def test_variances_and_covariances_are_those_of_the_model(entry: str) -> None:
    model = model_of(entry)
    varied = [n for n, v in model.numbers.items() if v.iiv is not None]
    for text, pattern in ((export_mrgsolve(model), r"^ETA_(\w+) : ([\d. e+-]+) :"), (export_nonmem(model), r"^  ([\d.E +-]+) ; (\d+) \w+, ")):  # fmt: skip
        found: list[tuple[str, list[float]]] = []
        groups: list[int] = []
        for line in text[text.index("$OMEGA") :].splitlines() if "$OMEGA" in text else []:
            if line.startswith("$OMEGA"):
                groups.append(0)
            match = re.match(pattern, line)
            if match and groups:
                name, row = match.groups() if "ETA_" in pattern else (match[2], match[1])
                found.append((name, [float(v) for v in row.replace("E", "e").split()]))
                groups[-1] += 1
        whole, at = np.zeros((len(found), len(found))), 0
        for size in groups:
            rows = [row for _, row in found[at : at + size]]
            if all(len(row) == 1 for row in rows):
                whole[range(at, at + size), range(at, at + size)] = [row[0] for row in rows]
            else:
                matrix(rows, size, at, whole)
            at += size
        order = [n for n, _ in found] if "ETA_" in pattern else _order_of(model)
        assert sorted(order) == sorted(varied)
        for i, a in enumerate(order):
            for j, b in enumerate(order):
                pair = model.correlations.get((a, b), model.correlations.get((b, a), 0.0))
                number = model.numbers[a].iiv
                assert whole[i, j] == (number.omega2 if i == j and number is not None else pair), (a, b)


def _order_of(model: Model) -> list[str]:
    """Parameters in the order of their ETAs, as the mrgsolve text says it; NONMEM's must be the same."""
    return re.findall(r"^ETA_(\w+) : ", export_mrgsolve(model), re.MULTILINE)


@pytest.mark.parametrize("entry", [*EVERY, "invented"])
def test_names_are_legal_and_used_once(entry: str) -> None:
    model = model_of(entry)
    cpp = blocks(export_mrgsolve(model))
    compartments = list(_first_words(cpp["$CMT"]))
    kept = {f"{w}_{c}" for c in compartments for w in ("F", "ALAG", "D", "R", "N")}
    declared = [
        line.split()[1] for block in ("$MAIN", "$ODE", "$TABLE") for line in cpp.get(block, []) if line.startswith("double")
    ]
    mine = [*_first_words(cpp["$PARAM"]), *compartments, *declared]
    assert len(set(mine)) == len(mine)
    assert not set(mine) & (MRGSOLVE | kept)
    assert all(re.fullmatch(r"[A-Za-z]\w*", n) for n in mine)
    text = export_nonmem(model)
    nm = blocks(text)
    given = {m[1] for line in (*nm["$PK"], *nm["$DES"], *nm["$ERROR"]) for m in re.finditer(r"(?:^|\) )([A-Z]\w*) = ", line)}
    own = {n for n in given if not re.fullmatch(r"(F|D|R|ALAG)\d+|IPRED|Y", n)}
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{0,19}", n) for n in own)
    assert not own & NONMEM
    names = re.findall(r"COMP=\((\w+)\)", text)
    assert len(set(names)) == len(names) == len(model.states)
    assert max(len(line) for line in text.splitlines()) <= 120


def _first_words(lines: list[str]) -> list[str]:
    return [line.split(" : ")[0] for line in lines if " : " in line]


def test_two_long_names_stay_two() -> None:
    names = legend(export_nonmem(invented_model()))
    early, late = (names[f"time_to_half_of_the_largest_effect_{when}"] for when in ("early", "late"))
    assert early != late and max(len(early), len(late)) <= 20


def test_residual_error_has_its_form() -> None:
    model = invented_model()
    cpp = blocks(export_mrgsolve(model))
    values = {"class": 1.0, **{f"ETA({i})": 0.0 for i in range(1, 9)}}
    sigma = annotated(cpp["$SIGMA"])
    assert list(sigma.values()) == pytest.approx([0.04, 0.0001, 0.09], rel=1e-12)
    last = [line for line in cpp["$TABLE"] if line.startswith("double DV_")]
    got = run_cpp(last, values | {"C": 2.0, "flow": 5.0, "EPS(1)": 0.1, "EPS(2)": -0.3, "EPS(3)": 0.2})
    assert got["DV_C"] == pytest.approx(2.0 * 1.1 - 0.3, rel=1e-14)
    assert got["DV_flow"] == pytest.approx(5.0 * np.exp(0.2), rel=1e-14)
    otto = blocks(export_nonmem(model_of("otto2021")))
    end = otto["$ERROR"][otto["$ERROR"].index(next(line for line in otto["$ERROR"] if line.startswith("IPRED"))) :]
    seen = legend(export_nonmem(model_of("otto2021")))
    for dvid, eps, port in ((1.0, 1, "C_venous_s_ketamine"), (2.0, 2, "C_venous_s_norketamine")):
        start = {seen.get(p, p.upper()): v for p, v in (("C_venous_s_ketamine", 3.0), ("C_venous_s_norketamine", 4.0))}
        got = run_nmtran(end, start | {"DVID": dvid, "EPS(1)": 0.0, "EPS(2)": 0.0, f"EPS({eps})": 0.1})
        assert got["Y"] == pytest.approx(1.1 * start[seen.get(port, port.upper())], rel=1e-14)


def test_numbers_from_sources_stay_fixed_in_nonmem() -> None:
    text = export_nonmem(model_of("ketasim_reference"))
    clint = re.escape(str(model_of("ketasim_reference").numbers["CLint"].value))
    assert re.search(r"^  1\.0 FIX ; \d+ A_3A4_LIVER", text, re.MULTILINE)
    assert re.search(rf"^  \(0\.0, {clint}\) ; 1 CLINT", text, re.MULTILINE)


@pytest.mark.parametrize("entry", ["otto2021", "ketasim_reference", "invented"])
def test_nonmem_tables_every_output(entry: str) -> None:
    model = model_of(entry)
    text = export_nonmem(model)
    names = legend(text)
    shown = " ".join(blocks(text)["$TABLE"]).split()
    assert {names.get(port, port.upper()) for port in model.ports} <= set(shown)


def test_nonmem_is_asked_for_room_where_it_has_too_little() -> None:
    text = export_nonmem(model_of("ketasim_reference"))
    given = {line.split(" = ")[0].split()[-1] for line in blocks(text)["$PK"] if " = " in line}
    assert text.startswith(f"$SIZES PC=51 PG={len(given)}\n")
    assert "$SIZES" not in export_nonmem(model_of("otto2021"))


def test_nonmem_does_not_start_an_estimate_from_zero() -> None:
    anything = Param("h", bounds=(-math.inf, math.inf))
    assert _theta(replace(NUMBERS["T"], value=0.0), anything) == "0.0 FIX"
    assert _theta(NUMBERS["T"], anything) == "(-INF, 0.25)"


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
@pytest.mark.parametrize("entry", ["ketasim_reference", "invented"])
def test_a_compiler_accepts_the_mrgsolve_code(entry: str, tmp_path: Path) -> None:
    """With names as mrgsolve gives them: parameters and compartments as macros, variables of the blocks shared by all blocks."""
    parts = blocks(export_mrgsolve(model_of(entry), occasions=2))
    code = {name: parts.get(name, []) for name in ("$MAIN", "$ODE", "$TABLE")}
    declared = [line.split()[1] for lines in code.values() for line in lines if line.startswith("double ")]
    compartments = _first_words(parts["$CMT"])
    head = ["#include <cmath>", "using namespace std;", "static double _P[999], _A[999], _D[999], ETA(int), EPS(int), TIME, SOLVERTIME;"]  # fmt: skip
    head = [h.replace("ETA(int), EPS(int), ", "") for h in head] + ["double ETA(int i); double EPS(int i);"]
    head += [f"#define {n} _P[{i}]" for i, n in enumerate(_first_words(parts["$PARAM"]))]
    for i, n in enumerate(compartments):
        head += [f"#define {n} _A[{i}]", f"#define dxdt_{n} _D[{i}]"]
        head += [f"static double _{w}_{i};\n#define {w}_{n} _{w}_{i}" for w in ("F", "ALAG", "D", "R")]
        head += [f"static double _I_{i};\n#define {n}_0 _I_{i}"]
    head.append("static double " + ", ".join(declared) + ";")
    bodies = [f"void {n[1:]}_() {{\n" + "\n".join(x.removeprefix("double ") for x in lines) + "\n}" for n, lines in code.items()]
    file = tmp_path / "model.cpp"
    file.write_text("\n".join([*head, *bodies]) + "\n")
    done = subprocess.run(
        ["g++", "-fsyntax-only", "-Wall", "-Wno-unused", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr[:2000]


def test_the_stored_study_model_is_what_the_export_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[3] / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    from study_model import study_model

    stored = (folder / "mrgsolve" / "study_18_states.cpp").read_text(encoding="utf-8")
    assert stored == export_mrgsolve(study_model()), "run: python benchmarks/mrgsolve/write.py"


@pytest.mark.parametrize("occasions", [0, -1, 1.5, "2", True])
def test_occasions_are_counted_whole(occasions: object) -> None:
    for export in (export_mrgsolve, export_nonmem):
        with pytest.raises(InvalidOption, match=r"occasions = .*: give a whole number"):
            export(model_of("simons2022"), occasions=occasions)  # type: ignore[arg-type]
