"""Engine against compiled solvers on the same equations, one core: ms per patient at the measured true error.

28 days, 8 infusions, hourly output of all states, patients differ by 30 % CV in every parameter. Ratios in one run count;
machines are noisy. Run: python benchmarks/engine.py [--patients N] [--model study|ketasim_reference]
Peers: LSODA and a Dormand-Prince pair in compiled code (`compiled_peers`), libRoadRunner, SciPy's LSODA with a Python right-hand side.
The same models for mrgsolve lie in benchmarks/mrgsolve.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from functools import partial

import numpy as np
import sympy
from compiled_peers import compiled_peers
from scipy.integrate import odeint
from study_model import study_model

from ketasim import library
from ketasim.dose import EventTemplate, parse, resolve
from ketasim.model import Model, assemble
from ketasim.solve import Reference, solve

HOURS = np.arange(0.0, 673.0)
#: Patients whose true error is looked at: the same ones for everybody who is fast enough.
ERROR_PATIENTS = 32
#: Our runs whose median counts. Peers: the mean over their patients of the median of as many runs of each.
REPEATS = 5
REGIMEN = "0.5 mg/kg ketamine iv over 40 min, 2/week x 4 week"


def setting(name: str, n: int) -> tuple[Model, EventTemplate, dict[str, np.ndarray], Reference]:
    """Model, records, patients, and the eight patients who plan the grid (not among the timed ones)."""
    model = study_model() if name == "study" else assemble(library.load(name))
    rng = np.random.default_rng(1)

    def people(count: int) -> tuple[EventTemplate, dict[str, np.ndarray]]:
        template = resolve(parse(REGIMEN), model, {"WT": np.full(count, 70.0)})
        return template, {k: v * np.exp(0.3 * rng.standard_normal(count)) for k, v in model.typical().items()}

    template, params = people(n)
    return model, template, params, Reference(*people(8))


def lsoda(
    model: Model, template: EventTemplate, params: dict[str, np.ndarray], who: int, rtol: float
) -> tuple[np.ndarray, float]:
    """SciPy's LSODA on one patient, segment by segment; returns states and seconds."""
    system = model.system
    symbols = [[sympy.Symbol(s, real=True) for s in names] for names in (system.states, system.params)]
    function = sympy.lambdify(symbols, list(system.explicit_rates().values()), "math", cse=True)
    p = [float(params[k][who]) for k in system.params]
    x = np.array([float(e.subs({s: params[str(s)][who] for s in e.free_symbols})) for e in system.initial.values()])
    doses = template.expanded()
    stops = doses.time + doses.amt[:, who] / doses.rate[:, who]
    knots = np.unique(np.concatenate([[0.0, HOURS[-1]], doses.time, stops]))
    out = np.empty((len(HOURS), len(x)))
    begin = time.perf_counter()
    for a, b in itertools.pairwise(knots):
        rate = np.zeros(len(x))
        for k in np.flatnonzero((doses.time <= a) & (a < stops - 1e-12)):
            rate[doses.cmt[k]] += doses.rate[k, who]
        wanted = HOURS[(a <= HOURS) & (b >= HOURS)]
        grid = np.unique(np.concatenate([[a], wanted, [b]]))
        path = odeint(lambda y, t, rate=rate: np.add(function(y, p), rate), x, grid, rtol=rtol, atol=rtol * 1e-4, mxstep=100_000)
        out[np.isin(HOURS, grid)] = path[np.isin(grid, HOURS)]
        x = path[-1]
    return out, time.perf_counter() - begin


def lsoda_runs(
    model: Model, template: EventTemplate, params: dict[str, np.ndarray], people: int, rtol: float
) -> list[tuple[np.ndarray, float]]:
    """States and seconds of the first patients by LSODA."""
    return [lsoda(model, template, params, who, rtol) for who in range(people)]


def roadrunner_runs(
    model: Model, template: EventTemplate, params: dict[str, np.ndarray], people: int, rtol: float
) -> list[tuple[np.ndarray, float]]:
    """libRoadRunner (CVODE, compiled by LLVM) on the SBML export with its doses: states and seconds per patient, loading not counted."""
    os.environ.setdefault("SUNLOGGER_WARNING_FILENAME", os.devnull)  # CVODE says at every dose that its first step is small
    import roadrunner

    from ketasim.exchange import export_sbml

    runner = roadrunner.RoadRunner(export_sbml(model, template.take(slice(0, 1))))
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = rtol, rtol * 1e-4
    runner.integrator.setValue("maximum_num_steps", 100_000)
    runner.timeCourseSelections = ["time", *model.compartments]
    known = set(runner.model.getGlobalParameterIds())
    names = {k: f"TV_{k}" if f"TV_{k}" in known else k for k in params}
    out = []
    for who in range(people + 1):  # the first run warms up and is left out
        begin = time.perf_counter()
        runner.resetToOrigin()
        for name, values in params.items():
            runner[names[name]] = float(values[max(who - 1, 0)])
        for state, start in model.system.initial.items():
            if start.free_symbols:
                runner[state] = float(start.subs({s: params[str(s)][max(who - 1, 0)] for s in start.free_symbols}))
        path = np.array(runner.simulate(0.0, HOURS[-1], len(HOURS)))[:, 1:]
        out.append((path, time.perf_counter() - begin))
    return out[1:]


def error_of(states: np.ndarray, exact: np.ndarray) -> float:
    """Largest relative error of any output; below 1e-6 of a state's peak, relative to that floor.

    A state that is all but empty at every output (a depot nobody uses) counts as one that peaks at 1e-3 of the largest.
    """
    peaks = np.abs(exact).max(axis=0)
    return float(np.max(np.abs(states - exact) / (np.abs(exact) + 1e-6 * np.maximum(peaks, 1e-3 * peaks.max()))))


def worst_error(results: list[tuple[np.ndarray, float]], exact: np.ndarray) -> float:
    """Largest error of the patients of a peer."""
    return max(error_of(states, exact[:, :, who]) for who, (states, _) in enumerate(results))


def race_peers(
    model: Model,
    template: EventTemplate,
    params: dict[str, np.ndarray],
    exact: np.ndarray,
    own: dict[str, list[tuple[float, float]]],
) -> None:
    """Print what peers take, and how many times longer that is than ours at the same error or less.

    own : precision -> (error, ms).
    """
    few = {
        name: (partial(run, model, template), 4) for name, run in (("LSODA (SciPy)", lsoda_runs), ("roadrunner", roadrunner_runs))
    }
    peers = {name: (run, ERROR_PATIENTS) for name, run in compiled_peers(model, template, HOURS).items()} | few
    for name, (run_peer, people) in peers.items():
        for rtol in (1e-6, 1e-7, 1e-8, 6e-9, 1e-9) if people > 4 else (1e-6, 1e-8):
            try:
                runs = [run_peer(params, people, rtol) for _ in range(REPEATS if people > 4 else 1)]
            except RuntimeError as error:
                print(f"{name:14s} {rtol:8.0e} gave up: {str(error).splitlines()[0]}")
                continue
            error = worst_error(runs[0], exact)
            spent = 1e3 * float(np.mean(np.median([[seconds for _, seconds in run] for run in runs], axis=0)))
            better = {p: [ms for e, ms in found if e <= error] for p, found in own.items()}
            ratios = ", ".join(f"{spent / min(ms):.0f} times ({p})" for p, ms in better.items() if ms)
            print(
                f"{name:14s} {rtol:8.0e} {error:11.1e} {spent:11.4f}"
                + (f"   ketasim at this error or less: {ratios}" if ratios else "")
            )


def main() -> None:
    """Race and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, default=1024)
    options.add_argument("--model", default="study")
    chosen = options.parse_args()
    model, template, params, reference = setting(chosen.model, chosen.patients)
    few = {k: v[:ERROR_PATIENTS] for k, v in params.items()}
    some = template.take(slice(0, ERROR_PATIENTS))
    exact = solve(model, some, few, HOURS, rtol=1e-11, ports=(), reference=reference).states
    print(f"{model.id}: {len(model.states)} states, {chosen.patients} patients, one thread")
    print(f"{'engine':14s} {'rtol':>8s} {'true error':>11s} {'ms/patient':>11s}")
    own: dict[str, list[tuple[float, float]]] = {"double": [], "single": []}
    for precision, rtols in (("single", (1e-3, 6e-4, 3e-4, 1e-4)), ("double", (1e-3, 6e-4, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7))):
        for rtol in rtols:
            run = {"rtol": rtol, "ports": (), "reference": reference, "threads": 1, "precision": precision}
            solve(model, template, params, HOURS, **run)  # compiles and plans
            spent = []
            for _ in range(REPEATS):
                begin = time.perf_counter()
                states = solve(model, template, params, HOURS, **run).states
                spent.append((time.perf_counter() - begin) / chosen.patients * 1e3)
            own[precision].append((error_of(states[:, :, :ERROR_PATIENTS].astype(float), exact), float(np.median(spent))))
            print(f"{'ketasim ' + precision:14s} {rtol:8.0e} {own[precision][-1][0]:11.1e} {own[precision][-1][1]:11.4f}")
    race_peers(model, template, params, exact, own)
    print(
        "SciPy's LSODA calls Python for every rate; mrgsolve and rxode2 took 1.0-1.8 ms per patient in the design study, on another machine."
    )


if __name__ == "__main__":
    main()
