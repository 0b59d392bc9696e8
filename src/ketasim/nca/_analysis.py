"""Non-compartmental analysis in CDISC parameter names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.nca._curve import ROUNDING, dosing_interval, segments, terminal

Floats = NDArray[np.float64]
Method = Literal["linear", "lin-up/log-down"]
Route = Literal["extravascular", "bolus", "infusion"]
METHODS = ("linear", "lin-up/log-down")
ROUTES = ("extravascular", "bolus", "infusion")
BLQ_RULES = {
    "zero": "values below the limit of quantification count as zero",
    "missing": "values below the limit of quantification are left out",
}
#: CDISC code -> meaning and unit, where c is the concentration's and d the dose's unit.
PARAMETERS: Mapping[str, tuple[str, str]] = {
    "CMAX": ("largest measured concentration", "c"), "TMAX": ("time of CMAX", "h"), "CLST": ("last measurable concentration", "c"),
    "TLST": ("time of CLST", "h"), "AUCLST": ("area to the last measurable concentration", "h*c"),
    "AUCIFO": ("area to infinity, from the observed last concentration", "h*c"),
    "AUCIFP": ("area to infinity, from the predicted last concentration", "h*c"), "AUCPEO": ("share of AUCIFO extrapolated", "%"),
    "AUCINT": ("area of the window, from its begin to its end", "h*c"),
    "LAMZ": ("terminal rate constant", "1/h"), "LAMZHL": ("terminal half-life", "h"), "LAMZNPT": ("points in the terminal regression", "1"),
    "LAMZLL": ("first time of the terminal regression", "h"), "LAMZUL": ("last time of the terminal regression", "h"),
    "R2ADJ": ("adjusted R2 of the terminal regression", "1"), "AUCTAU": ("area over the dosing interval", "h*c"),
    "CAVG": ("mean concentration over the dosing interval", "c"), "CLFO": ("apparent clearance", "d/(h*c)"), "CLO": ("clearance", "d/(h*c)"),
    "VZFO": ("apparent terminal volume", "d/c"), "VZO": ("terminal volume", "d/c"), "VSSO": ("volume at steady state", "d/c"),
    "MRTEVIFO": ("mean residence time, extravascular", "h"), "MRTIVIFO": ("mean residence time, intravenous", "h"),
    "C0": ("back-extrapolated concentration at time zero", "c"),
}  # fmt: skip
#: AUCPEO above which an area to infinity is remarked on, %. EMA, Guideline on the investigation of bioequivalence (2010), 4.1.8:
#: the area measured should cover at least 80 % of the area to infinity.
MOST_EXTRAPOLATED = 20.0
#: R2ADJ below which a terminal fit is remarked on (assumed: no guideline sets one; 0.8 is a usual criterion of acceptance).
LEAST_FIT = 0.8


@dataclass(frozen=True)
class NCAResult:
    """Parameters of one curve, the rules by which they were found, and notes on what was completed or left out."""

    parameters: Mapping[str, float]
    rules: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float:
        return self.parameters[name]


@checked
def nca(
    time: ArrayLike, conc: ArrayLike, *, dose: float | None = None, route: Route = "extravascular", duration: float = 0.0,
    method: Method = "linear", blq: str = "zero", lloq: float = 0.0, tau: float | None = None,
    window: tuple[float, float] | None = None,
) -> NCAResult:  # fmt: skip
    """Non-compartmental analysis of one curve.

    Parameters
    ----------
    time : (time,), h from the dose, rising; earlier values are left out. conc : (time,), any unit. dose : for clearance and volumes. route, duration : of the dose; duration in h.
    method : ``linear`` or ``lin-up/log-down``. blq : rule for values below `lloq`: ``zero`` or ``missing``. tau : dosing interval, h.
    window : begin and end of a partial area (AUCINT), h; infinity ends at TLST.

    Raises
    ------
    InvalidData: times that do not rise or are infinite, negative or infinite concentrations, fewer than two values, other than one concentration per time.
    InvalidOption: unknown rule, an infusion without duration, a dose that is not above 0.

    Examples
    --------
    >>> t = np.arange(0.0, 25.0)
    >>> result = nca(t, 10 * np.exp(-0.2 * t), dose=100, route="bolus", method="lin-up/log-down")
    >>> round(result["LAMZ"], 6), round(result["CLO"], 6)
    (0.2, 2.0)
    """
    if blq not in BLQ_RULES:
        raise InvalidOption(f"blq = '{blq}' is not known. Use one of: {', '.join(BLQ_RULES)}.")
    t, c = _row("time", time), _row("conc", conc)
    if len(t) != len(c):
        raise InvalidData(f"{len(t)} times and {len(c)} concentrations; each time needs one.")
    if bool((np.isnan(t) & ~np.isnan(c)).any()):
        raise InvalidData("a concentration has no time; each needs one.")
    if dose is not None and not dose > 0:
        raise InvalidOption(f"dose = {dose!r}: a dose is a number above 0, or None where it is not known.")
    keep = ~np.isnan(c)
    if lloq > 0:
        c = np.where(c < lloq, 0.0, c)
        # Nothing measurable at the dose is where the curve begins; of a bolus the sample was drawn before it.
        keep &= (c > 0) | (blq != "missing") | ((t <= 0) & (route != "bolus"))
    table = analyse(t[keep], c[keep][None], dose=dose, route=route, duration=duration, method=method, tau=tau, window=window)
    rules = {
        "area": method, "terminal slope": "best adjusted R2 among the last points, at least 3, after TMAX (of a bolus after time zero, of an infusion after its end); ties within 1e-4 take more points",
        "below quantification": BLQ_RULES[blq] if lloq > 0 else "no limit given",
    }  # fmt: skip
    found = {
        k: int(v[0]) if k == "LAMZNPT" else float(v[0])
        for k, v in table.items()
        if not np.all(np.isnan(v)) or k in ("LAMZ", "AUCIFO", "AUCTAU", "AUCINT")
    }
    return NCAResult(found, rules, tuple(remarks(t[keep], c[keep][None], table, route, tau)))


def _row(name: str, values: Any) -> Floats:
    """Numbers of one curve."""
    try:
        row = np.asarray(values, float)
    except (TypeError, ValueError):
        raise InvalidData(f"{name}: give numbers, e.g. [0, 1, 2]; got {values!r}.") from None
    if row.ndim != 1:
        raise InvalidData(f"{name}: give one row of numbers; got shape {row.shape}. For many curves: analyse, or nca_table.")
    return row


@checked
def analyse(
    t: Floats, c: Floats, *, dose: float | Floats | None = None, route: Route = "extravascular", duration: float = 0.0,
    method: Method = "linear", tau: float | None = None, window: tuple[float, float] | None = None,
) -> dict[str, Floats]:  # fmt: skip
    """Non-compartmental analysis of many curves on one time grid.

    Parameters
    ----------
    t : (time,), h from the dose; earlier values are left out. c : (curve, time). dose : one, or (curve,). window : begin and end of a
        partial area (AUCINT), h from the dose; infinity ends at TLST.

    Returns
    -------
    CDISC name -> (curve,), NaN where a parameter does not exist.
    """
    t, c = np.asarray(t, float), np.asarray(c, float)
    if t.ndim != 1 or c.ndim != 2 or c.shape[1] != len(t):
        raise InvalidData(f"t has shape {t.shape} and c {c.shape}; give (time,) and (curve, time). For one curve: nca.")
    t, c = t[t >= 0], c[:, t >= 0]
    _check(t, c, route, duration, method, tau)
    log_down = method == "lin-up/log-down"
    rows, largest = np.arange(len(c)), np.argmax(c, axis=1)
    out = {"CMAX": c[rows, largest], "TMAX": t[largest]}
    c0 = _back_extrapolated(t, c, tau) if route == "bolus" else None
    if t[0] > 0:
        t, c = np.concatenate([[0.0], t]), np.concatenate([_before_dose(t, c, tau)[:, None], c], axis=1)
    if c0 is not None:
        c = np.concatenate([c0[:, None], c[:, 1:]], axis=1)
    positive = c > 0
    last = np.where(positive.any(axis=1), c.shape[1] - 1 - np.argmax(positive[:, ::-1], axis=1), 0)
    peak = np.argmax(c, axis=1)
    area, moment = segments(t, c, log_down)
    before = np.arange(len(t) - 1)[None, :] < last[:, None]
    out |= {"CLST": c[rows, last], "TLST": t[last]}
    out["AUCLST"] = np.sum(np.where(before, area, 0.0), axis=1)
    aumc = np.sum(np.where(before, moment, 0.0), axis=1)
    slope = terminal(t, c, last, peak, duration if route == "infusion" else -np.inf)
    intercept = slope.pop("intercept")
    out |= slope
    rate = slope["LAMZ"]
    with np.errstate(divide="ignore", invalid="ignore"):
        out["LAMZHL"] = np.log(2) / rate
        tail = out["CLST"] / rate
        out["AUCIFO"] = out["AUCLST"] + tail
        out["AUCIFP"] = out["AUCLST"] + np.exp(intercept - rate * out["TLST"]) / rate
        out["AUCPEO"] = 100 * tail / out["AUCIFO"]
        mrt = (aumc + out["CLST"] * out["TLST"] / rate + out["CLST"] / rate**2) / out["AUCIFO"]
    if tau is not None:
        out["AUCTAU"], aumc_tau = dosing_interval(t, c, tau, log_down, out, aumc)
        out["CAVG"] = out["AUCTAU"] / tau
        # By superposition, the first moment of a single dose from one interval at steady state (Bauer and Gibaldi 1983).
        mrt = (aumc_tau + tau * (out["AUCIFO"] - out["AUCTAU"])) / np.where(out["AUCTAU"] > 0, out["AUCTAU"], np.nan)
    if window is not None:
        out["AUCINT"] = _window_area(t, c, window, log_down, out, aumc)
    if c0 is not None:
        out["C0"] = c0
    return out | _dose_parameters(out, mrt, dose, route, duration, tau)


def remarks(t: Floats, c: Floats, found: Mapping[str, Floats], route: Route, tau: float | None) -> dict[str, NDArray[np.bool_]]:
    """What was completed by a rule, left out or rests on little: sentence -> (curve,), true where it holds for any.

    Parameters
    ----------
    t : (time,), h from the dose, as measured. c : (curve, time). found : of `analyse`. tau : dosing interval, h.
    """
    out: dict[str, NDArray[np.bool_]] = {}
    t, c = t[t >= 0], c[:, t >= 0]
    if route == "bolus" and t[0] == 0:
        drawn = "no concentration" if tau is None else "a concentration that rises after it"
        out[f"{drawn} at the time of the bolus: drawn before it, C0 comes from the next two values"] = _drawn_before(t, c, tau)
    if route != "bolus" and t[0] > 0:
        value = "0 (a single dose)" if tau is None else "the smallest value up to tau (steady state)"
        out[f"no value at the dose time: {value} is taken there"] = found["CMAX"] > 0
    if tau is not None and t[-1] < tau * (1 - ROUNDING):
        missing, there = np.isnan(found["AUCTAU"]), found["CMAX"] > 0
        out["AUCTAU: values end before tau; the rest comes from CLST and LAMZ"] = ~missing & there
        out["AUCTAU is missing: values end before tau, and there is no LAMZ for the rest"] = missing & there
    out["no LAMZ: the last points fall no more than they scatter (R2ADJ of 0 or below)"] = found["R2ADJ"] <= 0
    doubtful = f"the terminal fit explains little (R2ADJ below {LEAST_FIT:g}): LAMZ and what rests on it are doubtful"
    out[doubtful] = (found["R2ADJ"] < LEAST_FIT) & (found["R2ADJ"] > 0)
    if tau is None:
        out[f"more than {MOST_EXTRAPOLATED:g} % of AUCIFO is extrapolated (AUCPEO)"] = found["AUCPEO"] > MOST_EXTRAPOLATED
    return {sentence: curves for sentence, curves in out.items() if curves.any()}


def _window_area(
    t: Floats, c: Floats, window: tuple[float, float], log_down: bool, found: Mapping[str, Floats], aumc: Floats
) -> Floats:
    """Area from the begin to the end of a window, as AUCTAU is found."""
    begin, end = window

    def up_to(time: float) -> Floats:
        return dosing_interval(t, c, time, log_down, found, aumc)[0]

    to_end = found["AUCLST"] if np.isinf(end) else up_to(end)
    return to_end - up_to(begin) if begin > 0 else to_end


def _dose_parameters(
    out: Mapping[str, Floats], mrt: Floats, dose: float | Floats | None, route: Route, duration: float, tau: float | None
) -> dict[str, Floats]:
    more = {"MRTEVIFO": mrt} if route == "extravascular" else {"MRTIVIFO": mrt - duration / 2}
    if dose is None:
        return more
    # At steady state the area over one interval stands for the area to infinity of a single dose.
    area = out["AUCTAU"] if tau is not None else out["AUCIFO"]
    clearance = np.asarray(dose, float) / np.where(area > 0, area, np.nan)
    volume = clearance / out["LAMZ"]
    if route == "extravascular":
        return more | {"CLFO": clearance, "VZFO": volume}
    return more | {"CLO": clearance, "VZO": volume, "VSSO": clearance * more["MRTIVIFO"]}


def _before_dose(t: Floats, c: Floats, tau: float | None) -> Floats:
    """Concentration at a dose time without a value: zero before a single dose, at steady state the smallest up to `tau`."""
    return np.zeros(len(c)) if tau is None else c[:, t <= max(tau, t[0])].min(axis=1)


def _back_extrapolated(t: Floats, c: Floats, tau: float | None) -> Floats:
    """Concentration at time zero of a bolus: measured there after the dose, else from the next two values where they fall, else the next."""
    if t[0] == 0:
        return np.where(_drawn_before(t, c, tau), _back_extrapolated(t[1:], c[:, 1:], tau), c[:, 0])
    if c.shape[1] < 2:
        return c[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.log(c[:, 0] / c[:, 1]) / (t[1] - t[0])
        c0 = c[:, 0] * np.exp(rate * t[0])
    return np.where((c[:, 1] > 0) & (c[:, 1] < c[:, 0]), c0, c[:, 0])


def _drawn_before(t: Floats, c: Floats, tau: float | None) -> NDArray[np.bool_]:
    """Curves whose value at the time of a bolus is of before it: zero, at steady state a trough below the next value."""
    return (c[:, 1] > 0) & (c[:, 0] == 0 if tau is None else c[:, 0] < c[:, 1])


def _check(t: Floats, c: Floats, route: str, duration: float, method: str, tau: float | None) -> None:
    if method not in METHODS:
        raise InvalidOption(f"method = '{method}' is not known. Use one of: {', '.join(METHODS)}.")
    if route not in ROUTES:
        raise InvalidOption(f"route = '{route}' is not known. Use one of: {', '.join(ROUTES)}.")
    if route == "infusion" and not duration > 0:
        raise InvalidOption(
            "route = 'infusion' needs the duration of the infusion, h: residence time and VSSO leave half of it out."
        )
    if tau is not None and not tau > 0:
        raise InvalidOption(f"tau = {tau:g} h: the dosing interval must be above 0.")
    check_curve(t, c)


def check_curve(t: Floats, c: Floats) -> None:
    """Refuse a curve that cannot be analysed.

    Parameters
    ----------
    t : (time,), h. c : (time,) or (curve, time).
    """
    if len(t) < 2:
        raise InvalidData(f"non-compartmental analysis needs at least 2 times; got {len(t)}.")
    for name, values in (("time", np.asarray(t)), ("concentration", np.asarray(c))):
        if bool(np.isinf(values).any()):
            raise InvalidData(f"a {name} is infinite; give numbers, and leave a value empty where it is missing.")
    wrong = np.flatnonzero(~(np.diff(t) > 0))
    if len(wrong):
        before, after = t[wrong[0]], t[wrong[0] + 1]
        if before == after:
            raise InvalidData(f"two concentrations at {after:g} h; one is needed.")
        raise InvalidData(f"times must rise: {after:g} h follows {before:g} h.")
    if np.nanmin(c) < 0:
        lowest = np.nanmin(np.atleast_2d(c), axis=0)
        raise InvalidData(f"concentration {lowest.min():g} is negative (at {t[lowest.argmin()]:g} h); values are 0 or more.")
