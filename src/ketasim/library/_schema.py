"""What a library file may say: the shape of entries and co-medications, checked before any number is used.

Shape only; meaning (units, names of parameters) is checked in ``_convert``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ketasim.documents import document, file_text
from ketasim.errors import InvalidEntry, close_names

Kind = Literal["estimated", "fixed", "derived", "assumed"]
Confidence = Literal["read", "derived", "digitised", "recalled", "assumed"]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Text = Annotated[str, AfterValidator(_not_blank)]


class _File(BaseModel):
    """Nothing unknown passes: a misspelt key is an error, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VariabilityFile(_File):
    """Between-subject or between-occasion variability, in the one form the source prints."""

    cv_percent: float | None = Field(None, ge=0)
    omega2: float | None = Field(None, ge=0)
    sd_log: float | None = Field(None, ge=0)
    sd_logit: float | None = Field(None, ge=0)
    sd: float | None = Field(None, ge=0)
    kind: Kind = "estimated"
    at: str = ""

    @model_validator(mode="after")
    def _one_form(self) -> VariabilityFile:
        given = [name for name in ("cv_percent", "omega2", "sd_log", "sd_logit", "sd") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of cv_percent, omega2, sd_log, sd_logit, sd; got {', '.join(given) or 'none'}")
        return self


class CovariateFile(_File):
    """Effect of one covariate; `ref` with its unit (``"70 kg"``) or as a number in the covariate's own unit."""

    by: Text
    form: Literal["power", "power_below", "linear", "exponential", "additive", "linear_above", "additive_above", "factor"]
    ref: float | str = 0.0
    exponent: float | None = None
    coefficient: float | None = None
    levels: dict[str, float] = Field(default_factory=dict)
    kind: Kind = "estimated"
    at: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _complete(self) -> CovariateFile:
        is_power = self.form in ("power", "power_below")
        if self.form == "factor":
            if not self.levels:
                raise ValueError("form 'factor' needs levels, e.g. levels = { japanese = 1.34 }")
        elif (self.exponent is None) == (self.coefficient is None):
            raise ValueError(f"form '{self.form}' needs {'exponent' if is_power else 'coefficient'}, once")
        elif is_power != (self.exponent is not None):
            raise ValueError("'exponent' belongs to the forms 'power' and 'power_below', 'coefficient' to the others")
        return self


class NumberFile(_File):
    """One sourced number. `per_kg_power`: the number is printed per kg^power of body weight."""

    value: float = Field(allow_inf_nan=False, strict=True)
    unit: Text
    at: Text
    kind: Kind
    confidence: Confidence | None = None
    source: str = ""
    note: str = ""
    iiv: VariabilityFile | None = None
    iov: VariabilityFile | None = None
    covariates: tuple[CovariateFile, ...] = ()
    rse_percent: float | None = Field(None, ge=0)
    se: float | None = Field(None, ge=0)
    per_kg_power: float | None = None

    @model_validator(mode="after")
    def _says_why(self) -> NumberFile:
        if self.kind in ("derived", "assumed") and not self.note.strip():
            raise ValueError(f"kind '{self.kind}' needs a note that says {'how' if self.kind == 'derived' else 'why'}")
        if self.se is not None and self.rse_percent is not None:
            raise ValueError("give se or rse_percent, not both")
        return self


class BetweenStudyFile(NumberFile):
    """SD between studies, on the log scale (shares: logit); `on` lists parameters that shift together, or several such lists."""

    on: tuple[tuple[Text, ...], ...] = ()

    @model_validator(mode="after")
    def _a_spread(self) -> BetweenStudyFile:
        if not self.value > 0:
            raise ValueError("value is an SD and must be positive")
        return self


class ResidualFile(_File):
    """Residual error of one output; `additive` is in `unit`."""

    proportional: float = Field(0.0, ge=0)
    additive: float = Field(0.0, ge=0)
    exponential: float = Field(0.0, ge=0)
    unit: str = ""
    at: str = ""
    note: str = ""


class ObservationFile(_File):
    """How an output is seen; which numbers a family takes stands in `ketasim.model`. `additive`, `low` and `high` are in `unit`."""

    family: Literal["normal", "log_normal", "logit_normal", "binomial", "ordinal", "count"]
    at: Text
    kind: Kind
    note: str = ""
    unit: str = ""
    additive: float | None = None
    proportional: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    cuts: tuple[float, ...] | None = None
    overdispersion: float | None = None

    @model_validator(mode="after")
    def _says_why(self) -> ObservationFile:
        if self.kind in ("derived", "assumed") and not self.note.strip():
            raise ValueError(f"kind '{self.kind}' needs a note that says {'how' if self.kind == 'derived' else 'why'}")
        return self


class CorrelationFile(_File):
    """Two etas that vary together: their covariance, or their correlation."""

    between: tuple[str, str]
    covariance: float | None = None
    correlation: float | None = Field(None, ge=-1, le=1)
    at: str = ""

    @model_validator(mode="after")
    def _one_form(self) -> CorrelationFile:
        if self.between[0] == self.between[1]:
            raise ValueError(f"between names '{self.between[0]}' twice; give two parameters")
        if (self.covariance is None) == (self.correlation is None):
            raise ValueError("give covariance or correlation, once")
        return self


class CheckpointFile(_File):
    """A published (or independently computed) exposure that the entry must reproduce for the typical individual.

    `time` is the moment of ``conc_at_t`` and the end of ``auc_0_t``; `joined` names further entries to assemble with this one.
    Several `analyte` are summed; `covariates` differ from the typical individual's. `known_miss` gives the reason where the
    printed parameters do not reproduce the printed exposure; `ratio` is then simulated over published.
    """

    dose: Text
    metric: Literal["cmax", "tmax", "auc_0_t", "auc_ratio", "conc_at_t"]
    expect: Text
    within_percent: float = Field(gt=0)
    at: Text
    analyte: str | tuple[str, ...] = ""
    over: str = ""
    time: str = ""
    joined: tuple[str, ...] = ()
    covariates: dict[str, float | str] = Field(default_factory=dict)
    source: str = ""
    kind: Literal["published_model", "observed_mean", "independent_calculation"] = "published_model"
    known_miss: str = ""
    ratio: float = 1.0
    note: str = ""


class PopulationFile(_File):
    """Whom the source studied; `species` where it was no human being."""

    description: str = ""
    species: str = ""
    n: int | None = None
    health: str = ""
    age: str = ""
    weight: str = ""
    sampling: str = ""


class EntryFile(_File):
    """One entry: a mechanism or structure by name, and its numbers.

    `scope` stands in front of its names in a model, so that several entries may share a structure; `bind` gives ports other names.
    """

    id: Text
    revision: int = Field(ge=1)
    status: Literal["checked", "provisional"]
    structure: Text
    source: Text
    title: Text
    drug: str = ""
    analytes: tuple[str, ...] = ()
    dose_form: Literal["base", "hydrochloride", ""] = ""
    sampling: str = ""
    routes: tuple[str, ...] = ()
    population: PopulationFile = PopulationFile()
    options: dict[str, Any] = Field(default_factory=dict)
    scope: str = ""
    bind: dict[str, str] = Field(default_factory=dict)
    same_as: str = ""
    note: str = ""
    residual_note: str = ""
    param: dict[str, NumberFile] = Field(default_factory=dict)
    reported: dict[str, NumberFile] = Field(default_factory=dict)
    residual: dict[str, ResidualFile] = Field(default_factory=dict)
    between_study: dict[str, BetweenStudyFile] = Field(default_factory=dict)
    observation: dict[str, ObservationFile] = Field(default_factory=dict)
    correlation: tuple[CorrelationFile, ...] = ()
    checkpoint: dict[str, CheckpointFile] = Field(default_factory=dict)


class CascadeFile(_File):
    """A whole of several entries under one name. `parts` are their names; one that names another whole stands for what it holds."""

    id: Text
    revision: int = Field(ge=1)
    status: Literal["checked", "provisional"]
    title: Text
    parts: tuple[Text, ...] = Field(min_length=1)
    note: str = ""


class NameFile(_File):
    """One name of the register; `releases` are the analytes a drug is given as."""

    meaning: Text
    unit: Text = "1"
    levels: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()


class ComedicationFile(_File):
    """A co-medication: multipliers on activity parameters of a model."""

    id: Text
    revision: int = Field(ge=1)
    status: Literal["checked", "provisional"]
    title: Text
    mechanism: Text
    source: Text
    schedule: str = ""
    note: str = ""
    multiplier: dict[str, NumberFile] = Field(default_factory=dict)
    between_study: NumberFile | None = None


_Shape = TypeVar("_Shape", bound=_File)


def read(path: Path, shape: type[_Shape], where: str) -> _Shape:
    """Parse and check one TOML file; `where` is how messages name the file."""
    try:
        data = document(file_text(path, "toml"), "toml")
    except ValueError as error:
        raise InvalidEntry(f"{where}: not valid TOML: {error}.") from None
    except OSError as error:
        raise InvalidEntry(f"{where}: cannot be read: {error.strerror}.") from None
    try:
        entry = shape.model_validate(data)
    except ValidationError as error:
        raise InvalidEntry(f"{where}{explain(error, data, shape)}") from None
    name = getattr(entry, "id", path.stem)
    if name != path.stem:
        raise InvalidEntry(f"{where}: id is '{name}', but the file is '{path.name}'. Give both the same name.")
    return entry


def explain(error: ValidationError, data: dict[str, Any], shape: type[_File]) -> str:
    """First complaint of pydantic in the words of the file: ``[param.CL] unit: ...``; a misspelt key before the one it leaves out."""
    complaints = error.errors()
    first = next((one for one in complaints if one["type"] == "extra_forbidden"), complaints[0])
    place = [str(part) for part in first["loc"]]
    depth = _depth(shape, place, data)
    table = f" [{'.'.join(place[:depth])}]" if depth else ""
    field = ".".join(place[depth:])
    where = f"{table}{' ' + field if field else ''}"
    if first["type"] == "extra_forbidden":
        allowed = _shape_at(shape, place[:-1]).model_fields
        return f"{where}: unknown key.{close_names(place[-1], allowed)} Allowed: {', '.join(sorted(allowed))}."
    if first["type"] == "missing":
        return f"{where}: missing. Every {'number needs value, unit, at and kind' if 'param' in place else 'entry needs it'}."
    given = first.get("input")
    shown = "" if isinstance(given, dict) else f", got {given!r}"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}{shown}."


def _depth(shape: type[_File], place: list[str], data: dict[str, Any]) -> int:
    """How many words of a place are the name of a table: two in ``[param.CL]``, one in ``[population]``."""
    if len(place) < 2 or not isinstance(data.get(place[0]), dict):
        return 0
    field = shape.model_fields.get(place[0])
    return 1 if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, _File) else 2


def _shape_at(shape: type[_File], place: list[str]) -> type[_File]:
    """Shape of the table at a place, so that its own keys are named: those of ``iiv``, say, and not those of the number."""
    for word in place:
        field = shape.model_fields.get(word)
        inner = _shape_in(field.annotation) if field is not None else None
        shape = inner or shape
    return shape


def _shape_in(annotation: Any) -> type[_File] | None:
    """The shape a type is made of: ``tuple[CovariateFile, ...]``, ``VariabilityFile | None``."""
    if isinstance(annotation, type) and issubclass(annotation, _File):
        return annotation
    return next((found for part in get_args(annotation) if (found := _shape_in(part)) is not None), None)
