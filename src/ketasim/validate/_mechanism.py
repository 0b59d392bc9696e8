"""The cascade against published experiments: which directions and sizes come out, which do not, and what the sources disagree on.

The numbers of the cascade were chosen with these findings in sight. Agreement says that one set of numbers can hold them together, not that
the model predicts. What holds by construction, and what a number was chosen by, is marked line by line.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ketasim import evidence
from ketasim.arguments import checked
from ketasim.errors import FailedPatients, InvalidData, InvalidEntry, InvalidOption, OutOfRange
from ketasim.library import load
from ketasim.validate._experiments import Experiment, Laboratory, Outcome, cascade_model, experiment_of, read_lines
from ketasim.writing import replacing

TABLE = Path(__file__).parent / "mechanism_experiments.csv"
_COLUMNS = (
    "row", "part", "source", "use", "cascade", "dose", "with", "inputs", "readout", "at_h", "versus", "expect", "threshold", "size",
    "topic", "by_construction", "note",
)  # fmt: skip
_SEEDED = 1
#: SD of the logarithm of an assumed number in a draw, and of the blocks at which something sets in and how steeply.
_SPREAD, _SPREAD_OF_EDGES = 0.5, 0.2
_EXPOSURES = ("exposure_mouse", "exposure_rat")


@dataclass(frozen=True)
class MechanismScore:
    """Outcome of `validate_mechanism`.

    Attributes
    ----------
    checks : one line per check: what was done, output, direction expected and predicted, difference, size, whether it agrees; `topic` where
        sources disagree, `by_construction` why it could not come out otherwise, `chosen_by` the numbers that name the source;
        `right_in_draws` the share of draws with the right direction, NaN without draws.
    findings : one line per finding of ``mechanism_findings.csv``: its verdict (agrees, partly, disagrees, constant, not addressed).
    conflicts : one line per topic on which sources disagree. summary : per group of checks: number, right, right by always giving the
        most frequent direction of the system. draws : number right in each draw.
    """

    checks: pd.DataFrame
    findings: pd.DataFrame
    conflicts: pd.DataFrame
    summary: pd.DataFrame
    draws: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def misfits(self) -> pd.DataFrame:
        """Checks that do not agree."""
        return self.checks[~self.checks["agrees"]]


@checked
def validate_mechanism(draws: int = 0) -> MechanismScore:
    """Run every published experiment that the cascade can answer.

    Parameters
    ----------
    draws : versions of the model whose assumed numbers differ at random (SD of the logarithm 0.5; 0.2 for blocks at which something
        sets in and how steeply), with the exposure of rodents among them: how much rests on the numbers chosen. Each takes some
        seconds. What fails to solve counts as wrong.

    Examples
    --------
    >>> score = validate_mechanism()
    >>> bool(score.checks["agrees"].mean() > 0.7)
    True
    """
    if isinstance(draws, bool) or draws < 0:
        raise InvalidOption(f"draws = {draws}: give 0 or a number of draws, e.g. 20.")
    findings = pd.read_csv(evidence.path("mechanism/mechanism_findings.csv"), dtype=str, keep_default_na=False)
    lines = read_lines(TABLE, _COLUMNS)
    _check_lines(lines, findings)
    asked = [(line, experiment_of(line, _where(line))) for line in lines if line["use"] == "run"]
    experiments = [experiment for _, experiment in asked]
    outcomes = Laboratory().run(experiments)
    right = [_right(parameters, experiments) for parameters in _drawn(draws)]
    checks = pd.DataFrame(
        [_check(line, o, findings.iloc[int(line["row"]) - 1]) for (line, _), o in zip(asked, outcomes, strict=True)]
    )
    checks["right_in_draws"] = np.mean(right, axis=0) if right else math.nan
    told = _findings(lines, checks, findings)
    return MechanismScore(
        checks,
        told,
        _conflicts(lines, checks, findings),
        _summary(checks, told),
        tuple(int(sum(one)) for one in right),
        (_IN_SIGHT,),
    )


_IN_SIGHT = "Numbers of the cascade were chosen with these findings in sight: agreement shows consistency, not prediction."


def _right(parameters: Mapping[str, Mapping[str, float]], experiments: list[Experiment]) -> list[bool]:
    """Which directions come out with other values."""
    with warnings.catch_warnings():
        for kind in (OutOfRange, FailedPatients):  # of versions nobody looks at
            warnings.simplefilter("ignore", kind)
        return [o.agrees for o in Laboratory(parameters).run(experiments)]


def _where(line: Mapping[str, str]) -> str:
    return f"{TABLE.name}, row {line['row']}{line['part']}"


def _check_lines(lines: list[dict[str, str]], findings: pd.DataFrame) -> None:
    """Every finding has a line of its own source, so that a finding that moved or was added does not pass unseen."""
    for line in lines:
        row = int(line["row"])
        if not 1 <= row <= len(findings) or findings["source"].iloc[row - 1] != line["source"]:
            raise InvalidEntry(f"{_where(line)}: finding {row} is not of source '{line['source']}'.")
        if line["use"] not in ("run", "constant", "not addressed"):
            raise InvalidEntry(f"{_where(line)}: use '{line['use']}' is unknown.")
    missing = set(range(1, len(findings) + 1)) - {int(line["row"]) for line in lines}
    if missing:
        raise InvalidEntry(f"{TABLE.name}: finding {min(missing)} has no line. Say how it is run, or why not.")


def _check(line: Mapping[str, str], o: Outcome, finding: Any) -> dict[str, Any]:
    e = o.experiment
    return {
        "finding": int(line["row"]), "part": line["part"], "system": finding["system"], "source": line["source"], "confidence": finding["confidence"],
        "cascade": e.arm.cascade, "done": e.text, "output": e.output, "at_h": e.at, "against": e.against_text,
        "expected": e.expect, "predicted": o.direction, "difference": o.difference, "threshold": e.threshold,
        "size": e.size or math.nan, "fold": o.fold, "agrees": o.agrees, "discriminates": e.discriminates, "topic": line["topic"],
        "by_construction": line["by_construction"], "chosen_by": ", ".join(_chosen_by(line["source"], e)), "note": line["note"],
    }  # fmt: skip


def _chosen_by(source: str, e: Experiment) -> list[str]:
    """Numbers behind an experiment whose origin or reason names its source."""
    word = re.compile(rf"\b{re.escape(source)}\b")
    numbers = dict(cascade_model(e.arm.cascade).numbers)
    for name in e.arm.beside:
        numbers |= {f"{name}.{key}": number for key, number in load(f"mechanism/{name}").numbers.items()}
    return [name for name, n in numbers.items() if n.source == source or word.search(f"{n.at} {n.note}")]


def _findings(lines: list[dict[str, str]], checks: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """One line per finding."""
    by_finding = {int(str(k)): part for k, part in checks.groupby("finding")}
    first = {int(line["row"]): line for line in reversed(lines)}
    rows = []
    for k, finding in enumerate(findings.to_dict("records"), start=1):
        line, own = first[k], by_finding.get(k)
        verdict = line["use"] if own is None else _verdict(own["agrees"])
        rows.append({
            "finding": k, "system": finding["system"], "species": finding["species"], "intervention": finding["intervention"],
            "dose": " ".join(filter(None, (finding["dose"], finding["dose_unit"], finding["route"]))), "readout": finding["readout"],
            "observed": finding["direction"], "source": finding["source"], "topic": line["topic"], "verdict": verdict,
            "main": "" if own is None else _yes(own["agrees"].iloc[0]), "checks": 0 if own is None else len(own),
            "agreeing": 0 if own is None else int(own["agrees"].sum()), "why": line["note"] if own is None else _why(own),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _verdict(agrees: pd.Series) -> str:
    return "agrees" if agrees.all() else "partly" if agrees.any() else "disagrees"


def _yes(value: Any) -> str:
    return "agrees" if value else "disagrees"


def _why(own: pd.DataFrame) -> str:
    """What does not come out."""
    wrong = own[~own["agrees"]]
    said = (
        f"{r['done']}: {r['output']} at {r['at_h']:g} h expected {r['expected']}, predicted {r['predicted']}"
        for _, r in wrong.iterrows()
    )
    return "; ".join(said)


def _conflicts(lines: list[dict[str, str]], checks: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Topics on which sources disagree: what each found, and whom the model sides with."""
    rows = []
    for topic in sorted({line["topic"] for line in lines} - {""}):
        about = dict.fromkeys(int(line["row"]) for line in lines if line["topic"] == topic)
        part = checks[checks["topic"] == topic]
        by_source = part.groupby("source", sort=False)["agrees"].all()
        rows.append({
            "topic": topic, "say": "; ".join(dict.fromkeys(_said(findings.iloc[k - 1]) for k in about)), "checks": len(part),
            "agree": int(part["agrees"].sum()), "with": ", ".join(by_source[by_source].index), "against": ", ".join(by_source[~by_source].index),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _said(finding: Any) -> str:
    return f"{finding['source']}: {' '.join(filter(None, (finding['readout'], finding['direction'])))}"


def _summary(checks: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    usual = checks.groupby("system")["expected"].agg(lambda seen: Counter(seen).most_common(1)[0][0])
    guess = checks["system"].map(usual) == checks["expected"]
    rows = {name: _scored(checks[which], guess[which]) for name, which in _groups(checks)}
    main = checks[checks["part"] == "a"]
    rows = {"findings, main direction": _scored(main, guess[main.index]), **rows}
    sized = checks[checks["size"].notna()]
    rows["sizes within 2-fold"] = {"number": len(sized), "right": int(sized["fold"].between(0.5, 2.0).sum()), "guess": math.nan}
    frame = pd.DataFrame(rows).T.rename_axis("group")
    for verdict in ("constant", "not addressed"):
        frame.loc[f"findings, {verdict}"] = [int((findings["verdict"] == verdict).sum()), math.nan, math.nan]
    frame["share"] = frame["right"] / frame["number"]
    return frame


def _groups(checks: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    constructed, chosen, disputed = (checks[name] != "" for name in ("by_construction", "chosen_by", "topic"))
    yield "checks", pd.Series(True, index=checks.index)
    yield "checks, by construction", constructed
    yield "checks, not by construction", ~constructed
    yield "checks, no number chosen by the source", ~constructed & ~chosen
    yield "checks that tell models apart", checks["discriminates"] & ~constructed
    yield "checks, sources agree", ~constructed & ~disputed
    yield "checks, sources disagree", ~constructed & disputed


def _scored(part: pd.DataFrame, guess: pd.Series) -> dict[str, float]:
    return {"number": len(part), "right": int(part["agrees"].sum()), "guess": int(guess.sum())}


def _drawn(draws: int) -> Iterator[dict[str, dict[str, float]]]:
    """Values of the assumed numbers, drawn alike for all species; the exposure of each rodent is drawn by itself."""
    rng = np.random.default_rng(_SEEDED)
    for _ in range(draws):
        shared: dict[str, float] = {}
        drawn: dict[str, dict[str, float]] = {}
        for cascade in ("human", "mouse", "rat"):
            model = cascade_model(cascade)
            own: dict[str, float] = {}
            for part in model.parts:
                if part.id == "ketasim_reference":
                    continue
                for name, number in part.numbers.items():
                    if number.kind != "assumed" or number.value == 0:
                        continue
                    low, high = model.params[name].bounds
                    spread = _SPREAD_OF_EDGES if name.startswith(("o_", "n_")) else _SPREAD
                    if name not in shared or part.id in _EXPOSURES or part.id.startswith("species"):
                        shared[name] = float(rng.normal())
                    own[name] = float(np.clip(number.value * math.exp(spread * shared[name]), low, high))
            drawn[cascade] = own
        yield drawn


def check_score(score: Any) -> None:
    """Refuse what is no score.

    Raises
    ------
    InvalidData
    """
    if not isinstance(score, MechanismScore):
        raise InvalidData(f"the score is of type {type(score).__name__}: give that of validate_mechanism().")


@checked
def write_mechanism_tables(score: MechanismScore, folder: str | Path) -> list[Path]:
    """Write ``mechanism_findings.csv``, ``mechanism_checks.csv``, ``mechanism_conflicts.csv``, ``mechanism_summary.csv``; returns the paths.

    Raises
    ------
    OutputError: the folder cannot be written. InvalidData: no score.
    """
    check_score(score)
    tables = {
        "findings": score.findings,
        "checks": score.checks,
        "conflicts": score.conflicts,
        "summary": score.summary.reset_index(),
    }
    paths = []
    for name, table in tables.items():
        paths.append(Path(folder) / f"mechanism_{name}.csv")
        with replacing(paths[-1]) as part:
            table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")
    return paths
