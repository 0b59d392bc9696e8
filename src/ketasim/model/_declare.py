"""What a model is made of: parameters, states, ports, inlets and the mechanisms that connect them.

Declarations only: no values (they live in TOML), no solver, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ketasim.errors import InvalidModel, close_names

if TYPE_CHECKING:
    from ketasim.model._observation import Observation

#: An expression: plain numbers, SymPy symbols and JAX or NumPy arrays all pass through the same equations.
Expr = Any

#: Initial value of a state that starts where it stays without doses.
STEADY = "steady"


@dataclass(frozen=True, slots=True)
class Param:
    """A constant of a mechanism, individual per patient; its value lives in the TOML entry.

    Attributes
    ----------
    unit : unit in which the equations use it.
    meaning : what it is, in the field's words.
    bounds : lowest and highest meaningful value, in `unit`.
    """

    unit: str
    meaning: str = ""
    bounds: tuple[float, float] = (0.0, float("inf"))


@dataclass(frozen=True, slots=True)
class State:
    """A quantity with a rate of change. A state with unit of amount or mass is a compartment and can be dosed.

    Attributes
    ----------
    initial : value at time zero and after a reset: a number, the name of a parameter of the same mechanism, an expression of its
        parameters (``lambda p: p["kin"] / p["kout"]``), or ``"steady"``: where the state stays without doses.
    """

    unit: str
    meaning: str = ""
    initial: float | str | Callable[[Mapping[str, Expr]], Expr] = 0.0


@dataclass(frozen=True, slots=True)
class Port:
    """A named, united quantity that one mechanism writes and others read.

    Attributes
    ----------
    bounds : range the value must keep; checked on results, never clipped.
    combine : lets several mechanisms write it: with ``"sum"`` their values add up, with ``"product"`` they are factors.
    default : value where no mechanism writes it, for a port that is read. It can then be given from outside, also over time.
    analyte, site : for concentrations: what is measured (``s_ketamine``) and where
        (``venous``, ``arterial``, ``brain_unbound``...). They become coordinates of the result.
    """

    unit: str
    meaning: str = ""
    bounds: tuple[float, float] = (-float("inf"), float("inf"))
    combine: Literal["", "sum", "product"] = ""
    analyte: str = ""
    site: str = ""
    default: float | None = None


@dataclass(frozen=True, slots=True)
class Inlet:
    """How doses enter one compartment: names of parameters, or expressions over them, in NONMEM's words.

    Attributes
    ----------
    F : bioavailability. lag : ALAG, h. duration : D, h, used where RATE is -2. rate : R, used where RATE is -1.
    """

    F: Expr = 1.0
    lag: Expr = 0.0
    duration: Expr | None = None
    rate: Expr | None = None


@dataclass(frozen=True, slots=True)
class Entrance:
    """One way a dose of a route takes into the model: a compartment, and whether the model sets duration or rate.

    ``zero_order=True`` asks for the modelled duration (RATE = -2) of that compartment's `Inlet`.
    A nasal dose has two entrances (mucosa and swallowed part), each with its own F.
    """

    compartment: str
    zero_order: bool = False


class Mechanism:
    """Equations between named ports; pure: no I/O, no values, no branching on numbers, no unit literals.

    A concrete mechanism declares what it has and reads, and gives `rates` and/or `outputs`.
    Concrete mechanisms are final: they are not subclassed.

    `adds` names states of other mechanisms to whose rates this one contributes: `rates` then gives its share of them too.

    Examples
    --------
    >>> class EffectSite(Mechanism):
    ...     '''Effect compartment driven by plasma.'''
    ...     params = {"ke0": Param("1/h", "equilibration rate")}
    ...     states = {"Ce": State("umol/L", "effect-site concentration")}
    ...     reads = {"C_venous_s_ketamine": Port("umol/L")}
    ...     writes = {"effect_site": Port("umol/L")}
    ...     def rates(self, t, x, u, p):
    ...         return {"Ce": p["ke0"] * (u["C_venous_s_ketamine"] - x["Ce"])}
    ...     def outputs(self, t, x, u, p):
    ...         return {"effect_site": x["Ce"]}
    """

    params: ClassVar[Mapping[str, Param]] = {}
    states: ClassVar[Mapping[str, State]] = {}
    reads: ClassVar[Mapping[str, Port]] = {}
    writes: ClassVar[Mapping[str, Port]] = {}
    adds: ClassVar[Mapping[str, State]] = {}

    def rates(self, t: Expr, x: Mapping[str, Expr], u: Mapping[str, Expr], p: Mapping[str, Expr]) -> Mapping[str, Expr]:
        """Time derivative of every declared state, and share of that of every state in `adds`, in state unit per hour."""
        return {}

    def outputs(self, t: Expr, x: Mapping[str, Expr], u: Mapping[str, Expr], p: Mapping[str, Expr]) -> Mapping[str, Expr]:
        """Value of every port in `writes`."""
        return {}

    def name(self) -> str:
        """Name shown to users: the class name."""
        return type(self).__name__


class Structure(Mechanism):
    """A pharmacokinetic structure: a mechanism that also says where doses go.

    Attributes
    ----------
    routes : route -> analyte -> entrances, e.g. ``{"iv": {"s_ketamine": (Entrance("central"),)}}``.
        Routes by their names in the regimen language: iv im sc nasal oral sublingual buccal rectal inhaled ip.
    """

    routes: ClassVar[Mapping[str, Mapping[str, tuple[Entrance, ...]]]] = {}

    def inlets(self, p: Mapping[str, Expr]) -> Mapping[str, Inlet]:
        """Bioavailability, lag, modelled duration and rate per compartment; absent means F = 1, no lag."""
        return {}


Kind = Literal["estimated", "fixed", "derived", "assumed"]


@dataclass(frozen=True, slots=True)
class CovariateEffect:
    """How a covariate changes a typical value.

    Attributes
    ----------
    by : covariate name from the register, e.g. ``WT``, ``AGE``, ``race``.
    form : ``power``: (x/ref)^coefficient; ``linear``: 1 + coefficient (x - ref); ``exponential``: exp(coefficient (x - ref));
        ``additive``: value + coefficient (x - ref) in the parameter's unit; ``linear_above`` and ``additive_above`` count only x > ref,
        ``power_below`` only x < ref;
        ``factor``: multiplier per level in `levels` (a level not named has 1).
    ref : reference value of the covariate, in the covariate's own unit.
    """

    by: str
    form: Literal["power", "power_below", "linear", "exponential", "additive", "linear_above", "additive_above", "factor"]
    ref: float = 0.0
    coefficient: float = 0.0
    levels: Mapping[str, float] = field(default_factory=dict)
    kind: Kind = "estimated"
    at: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StudyEffect:
    """What differs from study to study beyond sampling error: parameters that move together by one random shift.

    Attributes
    ----------
    name : for messages and random streams. sd : of the shift, on the log scale, of shares (bounds 0 to 1) on the logit scale.
    on : parameters that shift together. group : name of the SD, which several effects may share. kind, source, at : where it comes from.
    """

    name: str
    sd: float
    on: tuple[str, ...]
    group: str = ""
    kind: Kind = "derived"
    source: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Variability:
    """Random variation of a parameter between subjects (or occasions).

    Attributes
    ----------
    omega2 : variance of eta. For ``lognormal`` the individual value is typical * exp(eta), for ``logit``
        logit^-1(logit(typical) + eta), for ``normal`` typical + eta.
    """

    omega2: float
    form: Literal["lognormal", "logit", "normal"] = "lognormal"
    kind: Kind = "estimated"
    at: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """One sourced number: the only form in which a value enters a model.

    Attributes
    ----------
    value, unit : as used by the model, i.e. already in the unit its `Param` declares.
    source : key in ``library/sources.bib``. at : place in the source. kind : how it came about.
    confidence : ``read`` (seen in the source), ``derived``, ``digitised``, ``recalled`` or ``assumed``.
    se : standard error in the same unit, where known (parameter uncertainty); 0 where not.
    """

    value: float
    unit: str
    source: str = ""
    at: str = ""
    kind: Kind = "estimated"
    confidence: str = "read"
    note: str = ""
    iiv: Variability | None = None
    iov: Variability | None = None
    covariates: tuple[CovariateEffect, ...] = ()
    se: float = 0.0


@dataclass(frozen=True)
class ResidualError:
    """Residual error of one output: SD = sqrt((proportional f)^2 + additive^2), or log-normal with SD `exponential`."""

    port: str
    proportional: float = 0.0
    additive: float = 0.0
    exponential: float = 0.0
    at: str = ""


@dataclass(frozen=True, repr=False)
class Part:
    """A mechanism with its numbers: what `library.pk("otto2021")` returns and `assemble` takes.

    Attributes
    ----------
    id, revision, status : as in the TOML entry; ``status`` is ``checked`` or ``provisional``.
    numbers : parameter name -> `Number`, complete for ``mechanism.params``.
    correlations : (parameter, parameter) -> covariance of their etas.
    observations : how outputs are seen (`Normal`, `LogitNormal`, `Ordinal` ...), beside `residual` for assays.
    info : everything else of the entry (population, sampling, dose_form, checkpoints, note), for display.
    """

    mechanism: Mechanism
    numbers: Mapping[str, Number]
    id: str = ""
    revision: int = 1
    status: str = "provisional"
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    residual: tuple[ResidualError, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()

    def __post_init__(self) -> None:
        for observation in self.observations:
            if observation.port not in self.mechanism.writes:
                name = self.mechanism.name()
                raise InvalidModel(
                    f"{self.id or name}: observes '{observation.port}', which is no port of {name}."
                    f"{close_names(observation.port, self.mechanism.writes)} It writes: {', '.join(self.mechanism.writes)}."
                )
        missing = sorted(set(self.mechanism.params) - set(self.numbers))
        if missing:
            raise InvalidModel(
                f"{self.id or self.mechanism.name()}: no value for {', '.join(missing)}. Every parameter needs a number."
            )

    def __repr__(self) -> str:
        """One line, without the numbers."""
        return f"<Part {self.cite}: {self.mechanism.name()} with {len(self.numbers)} numbers, {self.status}>"

    @property
    def cite(self) -> str:
        """Identifier with revision, as results cite it: ``otto2021@1``."""
        return f"{self.id or self.mechanism.name()}@{self.revision}"

    def scoped(self, scope: str, bind: Mapping[str, str] | None = None) -> Part:
        """The same part in a scope, so that it can stand beside others of its kind.

        Parameters
        ----------
        scope : name in front of its parameters, states and ports: ``nmda_interneuron`` makes ``nmda_interneuron.Ki``. What it reads,
            and ports that sum or multiply, keep their names unless bound; what stands in the same scope is found first.
        bind : port it reads or writes -> name of the port in the model, e.g. ``{"C": "C_brain_unbound_s_ketamine"}``.

        Raises
        ------
        InvalidModel: the scope is no name, or `bind` names no port of the mechanism.
        """
        from ketasim.model._scope import scoped

        return scoped(self, scope, bind or {})
