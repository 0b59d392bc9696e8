"""Predictions of observed metrics by the exact solution, on NumPy for scoring and on JAX for calibration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ketasim.dose import molar_mass, parse, resolve
from ketasim.errors import InvalidData, KetasimError, close_names
from ketasim.fit._linear import Input, Response, grid, independent_blocks, matrices, respond
from ketasim.fit._observations import DRUGS, Observation
from ketasim.model import Model, Structure
from ketasim.population import COVARIATES

#: Parameters of one situation: (covariates, co-medication) -> parameter name -> value (may be JAX values).
Situation = tuple[tuple[tuple[str, Any], ...], str]
Parameters = Callable[[Situation], Mapping[str, Any]]
REFERENCE_WEIGHT = 70.0

_CONCENTRATION = {"ng/mL": None, "ug/L": None, "nmol/mL": 1.0, "umol/L": 1.0, "nmol/L": 1000.0}
_CLEARANCE = {"L/h": 1.0, "L/h/70kg": 1.0, "mL/min": 1000.0 / 60.0, "L/min": 1.0 / 60.0}
_TIME = {"h": 1.0, "min": 60.0}


@dataclass(frozen=True)
class Plan:
    """Which observations need which scenario under which parameters; made once, evaluated often."""

    model: Model
    observations: tuple[Observation, ...]
    problems: Mapping[int, str]
    scenarios: Mapping[Situation, tuple[str, ...]]
    doses: Mapping[tuple[str, float], tuple[tuple[int, float, float, float, float], ...]]
    amounts: Mapping[tuple[str, float], Mapping[str, float]]
    blocks: tuple[np.ndarray, ...]


def situation(observation: Observation) -> Situation:
    """Covariates and co-medication of an observation."""
    return tuple(sorted(observation.covariates.items())), observation.comedication


def weight(of: Situation) -> float:
    """Body weight of a situation, kg."""
    return float(dict(of[0]).get("WT", REFERENCE_WEIGHT))


def make_plan(model: Model, observations: Sequence[Observation]) -> Plan:
    """Resolve every regimen once; an observation the model cannot meet becomes a problem with its reason."""
    problems = {i: o.problem for i, o in enumerate(observations) if o.problem}
    scenarios: dict[Situation, list[str]] = {}
    doses: dict[tuple[str, float], Any] = {}
    amounts: dict[tuple[str, float], Any] = {}
    for i, o in enumerate(observations):
        if i in problems:
            continue
        try:
            for analyte in _analytes(o):
                _ports(model, o, analyte)
            _check_unit(o)
            _check_covariates(model, o)
            for of, text in _needed(o):
                kg = weight(of)
                if (text, kg) not in doses:
                    doses[text, kg], amounts[text, kg] = _resolved(model, text, kg)
                _check_span(o, doses[text, kg])
                names = scenarios.setdefault(of, [])
                if text not in names:
                    names.append(text)
        except KetasimError as error:
            problems[i] = str(error).splitlines()[0]
    blocks = independent_blocks(matrices(model, model.typical(), np)[0])
    by_situation = {of: tuple(texts) for of, texts in scenarios.items()}
    return Plan(model, tuple(observations), problems, by_situation, doses, amounts, blocks)


def _needed(o: Observation) -> list[tuple[Situation, str]]:
    """Scenarios of an observation: its own and what its ratio compares with."""
    own = situation(o)
    # The same people without what is studied: of their own weight, unless weight itself is studied.
    weight_alone = not o.comedication and set(o.covariates) == {"WT"}
    plain: Situation = (() if weight_alone else tuple(x for x in own[0] if x[0] == "WT"), "")
    iv = f"1 mg {DRUGS[o.drug]} iv"
    if o.metric == "covariate_ratio":
        return [(own, o.regimen), (own, o.reference)] if o.reference else [(own, o.regimen), (plain, o.regimen)]
    if o.metric == "f_percent":
        return [(own, o.regimen), (own, iv)]
    if o.metric in ("clearance", "vss", "clearance_ratio_r_s"):
        return [(own, iv if o.metric != "clearance_ratio_r_s" else "1 mg racemic ketamine iv")]
    return [(own, o.regimen)]


def _parent(analyte: str) -> str:
    """Ketamine of the same enantiomer, or the sum."""
    return analyte[:2] + "ketamine" if analyte[:2] in ("s_", "r_") else "ketamine"


def _analytes(o: Observation) -> tuple[str, ...]:
    """Analytes the metric of an observation needs."""
    if o.metric == "clearance_ratio_r_s":
        return ("s_ketamine", "r_ketamine")
    if o.metric == "ratio_auc_metabolite":
        return (o.analyte, _parent(o.analyte))
    if o.ratio_of == "auc_nk_over_k":
        return (o.analyte, o.analyte.replace("ketamine", "norketamine"))
    return (o.analyte,)


def _resolved(model: Model, text: str, kg: float) -> tuple[tuple[tuple[int, float, float, float, float], ...], dict[str, float]]:
    """Records (compartment, time, amount, rate, devices) and the amount given per analyte, umol."""
    template = resolve(parse(text), model, {"WT": np.array([kg])})
    devices = template.overrides.get("n_devices", np.ones_like(template.amt))[:, 0]
    records, given, seen = [], {}, set()
    for i, label in enumerate(template.labels):
        amount, analyte = float(template.amt[i, 0]), label.rsplit(": ", 1)[-1]
        for k in range(int(template.addl[i]) + 1):
            time = float(template.time[i]) + k * float(template.ii[i])
            records.append((int(template.cmt[i]), time, amount, float(template.rate[i, 0]), float(devices[i])))
            if (time, label) not in seen:  # a dose with two entrances appears twice, but was given once
                seen.add((time, label))
                given[analyte] = given.get(analyte, 0.0) + amount
    return tuple(records), given


def predict(plan: Plan, parameters: Parameters, xp: Any = np) -> list[Any]:
    """Predicted value of every observation without a problem, in the unit of the observation, in order."""
    responses: dict[Situation, tuple[Response, Mapping[str, Any]]] = {}
    for of, texts in plan.scenarios.items():
        p = parameters(of)
        inputs = [_inputs(plan.model, plan.doses[text, weight(of)], p) for text in texts]
        responses[of] = respond(plan.model, p, inputs, xp, plan.blocks), p
    return [_predicted(plan, responses, o, xp) for i, o in enumerate(plan.observations) if i not in plan.problems]


def solve_regimen(model: Model, regimen: str, p: Mapping[str, float]) -> Response:
    """Exact response of one person with parameters `p` to one regimen; scenario number 0 of the response."""
    records, _ = _resolved(model, regimen, REFERENCE_WEIGHT)
    return respond(model, p, [_inputs(model, records, p)], np)


def _inputs(model: Model, records: Sequence[tuple[int, float, float, float, float]], p: Mapping[str, Any]) -> list[Input]:
    """Inputs of one regimen: bioavailability, lag and modelled duration from the inlets of the structures."""
    structures = [part.mechanism for part in model.parts if isinstance(part.mechanism, Structure)]
    out: list[Input] = []
    for cmt, time, amount, rate, devices in records:
        inlets = {name: inlet for s in structures for name, inlet in s.inlets({**p, "n_devices": devices}).items()}
        inlet = inlets.get(model.compartments[cmt])
        share = 1.0 if inlet is None else inlet.F
        lag = 0.0 if inlet is None else inlet.lag
        if rate == -2.0 and inlet is not None and inlet.duration is not None:
            out.append(Input(cmt, time + lag, amount * share, inlet.duration, is_bolus=False))
        elif rate > 0.0:
            out.append(Input(cmt, time + lag, amount * share, amount / rate, is_bolus=False))
        else:
            out.append(Input(cmt, time + lag, amount * share))
    return out


def _ports(model: Model, o: Observation, analyte: str) -> tuple[str, ...]:
    """Ports whose sum is an analyte at the observation's site."""
    exact = f"C_{o.site}_{analyte}"
    if exact in model.ports:
        return (exact,)
    needed = {"racemic_ketamine": ("s_", "r_"), "esketamine": ("s_",), "arketamine": ("r_",)}[o.drug]
    parts = tuple(f"C_{o.site}_{e}{analyte}" for e in needed)
    if analyte[:2] not in ("s_", "r_") and all(name in model.ports for name in parts):
        return parts
    have = ", ".join(name for name in model.ports if name.startswith("C_"))
    raise InvalidData(f"{model.id} gives no {analyte} at site '{o.site}'; it gives {have}")


def _predicted(plan: Plan, responses: Mapping[Situation, tuple[Response, Mapping[str, Any]]], o: Observation, xp: Any) -> Any:
    """One metric in the unit of the observation."""
    needed = _needed(o)
    views = [_View(plan, responses[of], o, of, text, xp) for of, text in needed]
    first = views[0]
    if o.metric == "covariate_ratio":
        return _ratio_metric(first, o) / _ratio_metric(views[1], o)
    if o.metric == "f_percent":
        return 100.0 * first.auc() / first.given() * views[1].given() / views[1].auc()
    if o.metric == "protein_binding_percent":
        return 100.0 * (1.0 - first.p[f"fu_{o.analyte[0]}" if o.analyte.endswith("_ketamine") else "fu_nk"])
    if o.metric == "ratio_auc_metabolite":
        return first.auc() * molar_mass(o.analyte) / (first.auc(_parent(o.analyte)) * molar_mass("ketamine"))
    if o.metric == "clearance_ratio_r_s":
        return first.auc("s_ketamine") / first.auc("r_ketamine")
    return first.plain(o)


def _ratio_metric(view: _View, o: Observation) -> Any:
    if o.ratio_of == "auc_nk_over_k":
        return view.auc(o.analyte.replace("ketamine", "norketamine")) / view.auc()
    if o.ratio_of == "auc_inf":
        return view.auc()
    return view.peak() if o.ratio_of == "cmax" else view.half_life(o.window_h)


class _View:
    """One scenario of a response, read as one observation needs it."""

    def __init__(
        self, plan: Plan, solved: tuple[Response, Mapping[str, Any]], o: Observation, of: Situation, text: str, xp: Any
    ) -> None:
        self.response, self.p = solved
        self.plan, self.o, self.of, self.text, self.xp = plan, o, of, text, xp
        self.index = plan.scenarios[of].index(text)
        self.ports = _ports(plan.model, o, o.analyte)

    def peak(self) -> Any:
        """Largest concentration, umol/L."""
        return self.response.peak(self.ports, self.index, self.xp)[1]

    def at(self, *hours: float) -> Any:
        """Concentration at times, (len(hours),), umol/L."""
        return self.response.at(self.ports, self.index, hours)

    def auc(self, analyte: str = "") -> Any:
        """Area to infinity, umol h/L."""
        ports = _ports(self.plan.model, self.o, analyte) if analyte else self.ports
        return self.response.integral_to_infinity(ports, self.index, self.xp)

    def given(self) -> float:
        """Amount given of the analyte's parent, umol."""
        amounts = self.plan.amounts[self.text, weight(self.of)]
        same = {a: x for a, x in amounts.items() if a[:2] == self.o.analyte[:2]}
        return sum((same or amounts).values())

    def peak_time(self) -> Any:
        """Time of the largest concentration, h."""
        return self.response.peak(self.ports, self.index, self.xp)[0]

    def half_life(self, window: tuple[float, float]) -> Any:
        """Half-life from a log-linear regression through five times of a sampling window, h."""
        t = np.linspace(*window, 5)
        centred = t - t.mean()
        slope = self.xp.sum(self.xp.log(self.at(*t)) * centred) / np.sum(centred**2)
        return -math.log(2.0) / slope

    def plain(self, o: Observation) -> Any:
        """Metrics with a unit, converted to that of the observation."""
        kg, mass = weight(self.of), molar_mass(o.analyte)
        if o.metric in ("cmax", "conc_at_t"):
            return (self.peak() if o.metric == "cmax" else self.at(o.t_h)[0]) * _concentration_factor(o, mass)
        if o.metric in ("auc_inf", "auc_0_t"):
            area = self.auc() if o.metric == "auc_inf" else self.xp.interp(o.t_h, self.response.times, self._area())
            return area * _area_factor(o, mass)
        if o.metric in ("tmax", "half_life"):
            return (self.peak_time() if o.metric == "tmax" else self.half_life(o.window_h)) * _factor(o, _TIME)
        if o.metric == "clearance":
            return self.given() / self.auc() * _factor(o, _clearance_units(kg))
        return self._vss() * _factor(o, _volume_units(kg))

    def _area(self) -> Any:
        return self.response.integral(self.ports, self.index, self.xp)

    def _vss(self) -> Any:
        """Clearance times mean residence time after a bolus, L."""
        return self.given() * self.response.moment_to_infinity(self.ports, self.index, self.xp) / self.auc() ** 2


def _check_unit(o: Observation) -> None:
    """Refuse a unit that does not fit the metric before anything is solved."""
    if o.metric in ("cmax", "conc_at_t"):
        _concentration_factor(o, 1.0)
    elif o.metric in ("auc_inf", "auc_0_t"):
        _area_factor(o, 1.0)
    elif o.metric in ("tmax", "half_life", "clearance", "vss"):
        _factor(o, {"tmax": _TIME, "half_life": _TIME, "clearance": _clearance_units(1.0), "vss": _volume_units(1.0)}[o.metric])
    elif o.metric in ("f_percent", "protein_binding_percent"):
        _factor(o, {"percent": 1.0})
    elif o.unit != "ratio":
        _factor(o, {"ratio": 1.0})


def _check_covariates(model: Model, o: Observation) -> None:
    """Refuse a misspelt covariate: it would act on nothing, and the prediction would be that of the reference person."""
    used = {effect.by.upper() for number in model.numbers.values() for effect in number.covariates}
    for name in o.covariates:
        if name not in COVARIATES and name not in used:
            raise InvalidData(f"line {o.row}: '{name}' is no covariate of {model.id}.{close_names(name, [*used, *COVARIATES])}")


def _check_span(o: Observation, records: Sequence[tuple[int, float, float, float, float]]) -> None:
    """Refuse what lies beyond the grid: a curve stands still there, and doses are lost."""
    last = max(time + (amount / rate if rate > 0.0 else 0.0) for _, time, amount, rate, _ in records)
    if o.metric in ("conc_at_t", "auc_0_t"):
        last = max(last, o.t_h)
    if "half_life" in (o.metric, o.ratio_of):
        last = max(last, o.window_h[1])
    if last > grid()[-1] + 1e-9:
        raise InvalidData(f"line {o.row}: doses or times reach {last:g} h; predictions end {grid()[-1]:g} h after the first dose")


def _clearance_units(kg: float) -> dict[str, float]:
    return {**_CLEARANCE, "mL/min/kg": 1000.0 / 60.0 / kg, "L/h/kg": 1.0 / kg}


def _volume_units(kg: float) -> dict[str, float]:
    return {"L": 1.0, "L/70kg": 1.0, "L/kg": 1.0 / kg}


def _factor(o: Observation, known: Mapping[str, float]) -> float:
    if o.unit not in known:
        raise InvalidData(f"line {o.row}: unit '{o.unit}' does not fit metric {o.metric}; allowed: {', '.join(known)}")
    return known[o.unit]


def _concentration_factor(o: Observation, mass: float) -> float:
    return _factor(o, {unit: mass if value is None else value for unit, value in _CONCENTRATION.items()})


def _area_factor(o: Observation, mass: float) -> float:
    known = {"ng*h/mL": mass, "ug*h/L": mass, "ng*min/mL": mass * 60.0, "umol*h/L": 1.0, "nmol*h/mL": 1.0}
    return _factor(o, known)
