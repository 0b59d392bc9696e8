"""From texts of the command line to values: times, parameters, people, regimens. Every refusal says what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.cli._settings import settings
from ketasim.csvtext import absent
from ketasim.documents import document, file_text
from ketasim.errors import InvalidData, InvalidOption, InvalidParameter, InvalidRegimen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ketasim.dose import Regimen
    from ketasim.model import Model
    from ketasim.population import Cohort

#: A parameter and its value, or the factor on the value it has.
_PAIR = re.compile(r"\s*(?P<name>[^=*\s][^=*]*?)\s*(?P<sign>[=*])\s*(?P<value>[^=*\s].*?)\s*$", re.DOTALL)
_TIMES_FORM = "a list '0,1,2,4' or a range 'start:stop:step', in h or with a unit ('0:28d:1h', '0,30min,2h')"
#: More output times than this is a mistake rather than a wish.
_MAX_TIMES = 2_000_000


def hours(text: str, option: str) -> float:
    """A time in h; a bare number is hours."""
    from ketasim.dose._quantity import span

    try:
        return float(text)
    except ValueError:
        pass
    try:
        return span(text, option).hours
    except InvalidRegimen as error:
        raise InvalidOption(str(error)) from None


def until_hours(text: str) -> float | None:
    """End of a simulation, h; None where not given."""
    if not text:
        return None
    end = hours(text, "--until")
    if not 0 < end < 1e6:
        raise InvalidOption(f"--until {text!r}: must be above 0 and below 1,000,000 h, e.g. 28d or 672.")
    return end


def output_times(text: str, option: str = "--times") -> NDArray[np.float64] | None:
    """Output times, h, ascending; None where not given. A file name gives one time per line."""
    import numpy as np

    if not text:
        return None
    pieces: list[NDArray[np.float64]] = []
    for part in (p.strip() for p in text.split(",")):
        bounds = [hours(b.strip(), option) if b.strip() else np.nan for b in part.split(":")]
        if len(bounds) == 1:
            pieces.append(np.array(bounds))
        elif len(bounds) == 3 and bounds[2] > 0 and bounds[1] >= bounds[0]:
            if (bounds[1] - bounds[0]) / bounds[2] >= _MAX_TIMES:
                raise InvalidOption(f"{option} {part!r}: is more than {_MAX_TIMES:,} output times. Take longer steps.")
            count = int(np.floor((bounds[1] - bounds[0]) / bounds[2] + 1e-9))
            pieces.append(bounds[0] + bounds[2] * np.arange(count + 1))
        else:
            raise InvalidOption(f"{option} {part!r}: write {_TIMES_FORM}.")
    times = np.unique(np.round(np.concatenate(pieces), 12))
    if not np.all(np.isfinite(times)) or times[0] < 0:
        raise InvalidOption(f"{option} {text!r}: times are finite and not before 0; write {_TIMES_FORM}.")
    return times


def parameter_values(
    pairs: Sequence[str] | None, files: Sequence[Path] | None, model: str, disorder: str | None = None, given: Mapping[str, float] | None = None
) -> dict[str, float]:  # fmt: skip
    """Typical values to replace: files in order, then ``NAME=VALUE`` and ``NAME*FACTOR``; refused where the model does not take them.

    A factor is of the value the model has, or a file gives. disorder : adds the mechanisms between plasma and effects.
    given : values set before, which a factor is of too.
    """
    values: dict[str, float] = dict(given or {})
    for path in files or []:
        for name, value in read_mapping(path).items():
            values[name] = _number(value, name, str(path))
    whole, typed = whole_model(model, disorder), set[str]()
    for pair in pairs or []:
        found = _PAIR.match(pair)
        if not found:
            raise InvalidOption(f'--param {pair!r}: write NAME=VALUE, e.g. --param CL=5, or NAME*FACTOR, e.g. --param "CL*1.2".')
        name, number = found["name"], _number(found["value"], found["name"], "--param")
        if name in typed:
            raise InvalidOption(f"--param {pair!r}: {name} stands twice. Give it once.")
        typed.add(name)
        values[name] = number if found["sign"] == "=" else number * _base(whole, name, values)
    if values:
        whole.with_values(values)  # a name the model does not have, or a value outside its bounds, is refused here
    return values


def _base(model: Model, name: str, values: Mapping[str, float]) -> float:
    """What a factor is of: the value of a file, else the model's own."""
    if name not in values and name not in model.numbers:
        model.with_values({name: 0.0})  # refuses the name
    base = values[name] if name in values else model.numbers[name].value
    if base == 0.0:
        raise InvalidOption(
            f"--param {name}*...: {name} is 0, and stays 0 whatever the factor. Give a value: --param {name}=VALUE."
        )
    return base


def whole_model(name: str, disorder: str | None) -> Model:
    """A model of the library, with a disorder also what stands between plasma and effects."""
    model = model_of(name)
    if disorder is None:
        return model
    from ketasim.simulation import with_mechanisms

    return with_mechanisms(model)


def input_steps(texts: Sequence[str] | None) -> dict[str, list[tuple[float, float]]] | None:
    """Inputs of a model from texts such as ``stress=0@0,1@24h``: name -> (time in h, value); None where not given."""
    found: dict[str, list[tuple[float, float]]] = {}
    for text in texts or []:
        name, equals, steps = text.partition("=")
        pairs = [step.partition("@") for step in steps.split(",")]
        if not equals or not name.strip() or not all(at and value.strip() and time.strip() for value, at, time in pairs):
            raise InvalidOption(f"--input {text!r}: write NAME=VALUE@TIME,..., e.g. --input stress=0@0,1@24h,0@2d.")
        if name.strip() in found:
            raise InvalidOption(f"--input {text!r}: {name.strip()} stands twice. Give all its steps at once.")
        found[name.strip()] = [
            (hours(time.strip(), "--input"), _number(value.strip(), name.strip(), "--input")) for value, _, time in pairs
        ]
    return found or None


def _number(value: Any, name: str, where: str) -> float:
    if isinstance(value, Mapping) and "value" in value:
        value = value["value"]
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidParameter(f"{where}: {name} = {str(value)[:80]!r} is no number.") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise InvalidParameter(f"{where}: {name} = {value!r} must be finite.")
    return number


def read_mapping(path: Path) -> dict[str, Any]:
    """A JSON, TOML or YAML file of names and values; a key ``parameters`` may hold them."""
    kind = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}.get(path.suffix.lower(), "json")
    try:
        data = document(file_text(path, kind), kind)
    except OSError as error:
        raise InvalidOption(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise InvalidData(f"{path}: is not valid {kind.upper()} ({error}).") from None
    if not isinstance(data, dict):
        raise InvalidData(f'{path}: holds a {type(data).__name__}; needed are names with values, e.g. {{"CL": 5}}.')
    inner = data.get("parameters")
    return inner if isinstance(inner, dict) else data


def words(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def refuse_typed(options: Mapping[str, str], why: str) -> None:
    """Refuse options that would be ignored. options : name in Python -> on the command line."""
    if ignored := [shown for name, shown in options.items() if name in settings.typed]:
        raise InvalidOption(f"{', '.join(ignored)}: no meaning {why}")


def differences(variability: str, typical: bool, residual: bool = False, replicates: int = 1) -> dict[str, Any]:
    """Options of `simulate` that say how people and readings differ."""
    words = {"": None, "on": True, "off": False}
    if variability not in words:
        raise InvalidOption(f"--variability {variability}: write on or off.")
    if typical and variability == "on":
        raise InvalidOption("--typical and --variability on exclude each other; give one.")
    return {"variability": False if typical else words[variability], "residual": residual, "replicates": replicates}


def care(
    disorder: str | None, control: str | None, visits: str, baseline: float | None, policies: Sequence[str] | None
) -> dict[str, Any]:
    """Options of `simulate` that ask for symptoms."""
    asked = {"disorder": disorder, "control": control, "visits": output_times(visits, "--visits"), "baseline": baseline}
    return asked | {"policies": tuple(policies or ())}


def people(population: str, n: int, seed: int, where: str = "", set_: Sequence[str] | None = None) -> dict[str, Any]:
    """Options of `simulate` that say who: a library population, a population file, or a covariate table, and who of them."""
    if where or set_:
        return {"population": population, "n": n, "seed": seed, "where": where, "covariates": _covariates(set_)}
    ending = Path(population).suffix.lower()
    if ending == ".csv":
        from ketasim.population import cohort_from_table

        _exists(population, "--population")
        cohort = cohort_from_table(population, seed=seed, name=Path(population).name)
        if "n" in settings.typed and n != len(cohort):
            raise InvalidOption(
                f"-n {n}: {population} has {len(cohort)} patient{'s, who are all' if len(cohort) > 1 else ', who is'} simulated. Leave -n out."
            )
        return {"cohort": cohort, "seed": seed}
    if ending == ".toml":
        from ketasim.population import population_from_file

        _exists(population, "--population")
        return {"cohort": population_from_file(population).sample(n, seed), "seed": seed}
    from ketasim.population import population as load

    load(population)
    # One patient of no population in particular is the typical one.
    chosen = {"population": population} if n > 1 or "population" in settings.typed else {}
    return chosen | {"n": n, "seed": seed}


def _covariates(pairs: Sequence[str] | None) -> dict[str, float | str]:
    """Covariates set to one value: NAME=VALUE each."""
    found: dict[str, float | str] = {}
    for pair in pairs or ():
        name, equals, value = (piece.strip() for piece in pair.partition("="))
        if not (name and equals and value):
            raise InvalidOption(f"--set '{pair}': write NAME=VALUE, e.g. AGE=80 or SEX=female.")
        found[name] = number_or_word(value)
    return found


def number_or_word(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def save_scenario(arms: Mapping[str, Mapping[str, Any]], shared: Mapping[str, Any], population: str, path: Path | None) -> None:
    """Write down what is run, before it is run; a cohort by the file it comes from."""
    if path is None:
        return
    from ketasim.cli._show import note
    from ketasim.simulation import Scenario

    what = {name: value for name, value in shared.items() if name not in ("cohort", "command", "threads", "chunk", "stream")}
    what |= {"population": population} if "cohort" in shared else {}
    own = {label: {k: (str(v) if k == "dosing" else v) for k, v in arm.items()} for label, arm in arms.items()}
    drugs = what.get("comedication")
    if isinstance(drugs, Mapping):
        own = {label: arm | ({"comedication": list(drugs[label])} if drugs.get(label) else {}) for label, arm in own.items()}
        del what["comedication"]
    Scenario(own, what).to_file(path)
    note(f"Written: {path}")


def cohort_of(population: str, n: int, seed: int) -> Cohort:
    """The cohort that `people` means."""
    from ketasim.population import population as load

    chosen = people(population, n, seed)
    return chosen["cohort"] if "cohort" in chosen else load(population).sample(n, seed)


def _exists(path: str, option: str) -> None:
    if not Path(path).is_file():
        raise InvalidOption(f"{option} {path}: {absent(Path(path), 'a file')}")


def model_of(name: str) -> Model:
    """A model of the library. Without the simulator, so that a wrong name is refused at once."""
    from ketasim.library import model_id, parts
    from ketasim.model import assemble

    return assemble(*parts(name), id=model_id(name))


def regimen_of(text: str) -> Regimen:
    """A regimen from its text, or from a YAML, TOML or text file with one regimen."""
    arms = arms_of([text])
    if len(arms) > 1:
        raise InvalidRegimen(f"'{text}' holds {len(arms)} regimens; one is simulated at a time. For several: ketasim compare")
    return next(iter(arms.values()))


def arms_of(texts: Sequence[str]) -> dict[str, Regimen]:
    """Label -> regimen, from texts ('A: esketamine nasal 56 mg') and files, in order; unnamed ones are called A, B, C."""
    from ketasim.dose import parse_arms, read_arms

    arms: dict[str, Regimen] = {}
    for text in texts:
        is_file = Path(text).suffix.lower() in (".toml", ".yaml", ".yml", ".txt")
        found = read_arms(text) if is_file else parse_arms(text)
        for label, regimen in found.items():
            named = is_file or text.lstrip().startswith(f"{label}:") or f"; {label}:" in text or len(found) > 1
            if named and label in arms:
                raise InvalidOption(f"two arms are named '{label}'; give each a name of its own.")
            arms[label if named else _next_label(arms)] = regimen
    return arms


def _next_label(arms: Mapping[str, Any]) -> str:
    letters = (chr(ord("A") + k) for k in range(26))
    return next((x for x in letters if x not in arms), f"arm {len(arms) + 1}")


def comedication_by_arm(names: Sequence[str] | None, arms: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Co-medications of each arm: 'ARM:DRUG' concerns one arm, 'DRUG' all of them."""
    labels = list(arms)
    found: dict[str, list[str]] = {label: [] for label in labels}
    for text in names or ():
        label, colon, drug = text.partition(":")
        label = label.strip()
        if colon and label not in found:
            raise InvalidOption(f"--with {text}: there is no arm '{label}'. Arms: {', '.join(labels)}.")
        for arm in [label] if colon else labels:
            found[arm] += check_comedication([drug.strip() if colon else text])
    return {label: tuple(drugs) for label, drugs in found.items()}


def check_comedication(names: Sequence[str] | None) -> tuple[str, ...]:
    """Names of co-medications, refused early when unknown."""
    if not names:
        return ()
    from ketasim.library import comedication

    return tuple(comedication(name).id for name in names)
