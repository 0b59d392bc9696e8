"""Arguments held against the annotations of a public function: a wrong kind is one message at the border, no AttributeError deep inside.

Kinds only: ranges, names and columns are looked at by the functions themselves. A parameter of a kind not told here passes unseen.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from numbers import Integral, Real
from os import PathLike
from typing import Any, ParamSpec, TypeVar, cast

from ketasim.errors import InvalidOption

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Kind = tuple[Callable[[Any], bool], str]


def _is_number(value: Any) -> bool:
    """One number; arrays of no dimension and those that are traced for a gradient count."""
    return isinstance(value, Real) or (getattr(value, "ndim", None) == 0 and hasattr(value, "__float__"))


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) or (_is_number(value) and not isinstance(value, float) and hasattr(value, "__index__"))


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)) and type(value).__name__ != "DataFrame"


def _is_array(value: Any) -> bool:
    """An array, or a list that becomes one; what stands in it is for the function to say."""
    return _is_list(value) and (hasattr(value, "__array__") or isinstance(value, Sequence))


def _is_model(value: Any) -> bool:
    """What has parameters; models of tests need be no more than that."""
    return hasattr(value, "params")


_MODEL = "a Model, e.g. ketasim.simulation.as_model('pk/otto2021')"
_BUILT_IN: Mapping[str, Kind] = {
    "None": (lambda v: v is None, ""),
    "str": (lambda v: isinstance(v, str), "a text"),
    "Path": (lambda v: isinstance(v, PathLike), "a path"),
    "PathLike": (lambda v: isinstance(v, PathLike), "a path"),
    "float": (_is_number, "a number"),
    "int": (_is_whole, "a whole number"),
    "bool": (lambda v: isinstance(v, bool) or type(v).__name__ == "bool", "True or False"),
    "Mapping": (lambda v: isinstance(v, Mapping), "names with values (a dict)"),
    "Sequence": (_is_list, "a list"),
    "Iterable": (lambda v: isinstance(v, Iterable) and type(v).__name__ != "DataFrame", "a list"),
    "tuple": (_is_list, "a tuple"),
    "ArrayLike": (lambda v: _is_number(v) or _is_array(v), "numbers"),
    "Floats": (lambda v: _is_array(v) and not isinstance(next(iter(v[:1]), 0.0), str), "an array of numbers"),
    "NDArray": (_is_array, "an array"),
    "Model": (_is_model, _MODEL),
    "ModelLike": (_is_model, _MODEL),
}  # fmt: skip
#: Classes by name (some are never imported unless used), and where one comes from.
_CLASSES: Mapping[str, str] = {
    "Part": "a Part, e.g. ketasim.library.load('pk/otto2021')",
    "Mechanism": "a Mechanism",
    "Regimen": "a Regimen, e.g. ketasim.parse('esketamine nasal 56 mg')",
    "Dose": "a Dose",
    "Item": "an Item",
    "EventTemplate": "an EventTemplate, from ketasim.dose.resolve",
    "EventData": "an EventData, from ketasim.dose.read_events",
    "Cohort": "a Cohort, e.g. ketasim.population('adults').sample(100, seed=1)",
    "Reference": "a Reference",
    "Number": "a Number of a model",
    "Param": "a Param of a model",
    "DisorderEntry": "a disorder of the library",
    "Endpoint": "a side effect of the library",
    "Versions": "Versions, e.g. ketasim.simulation.Versions('ketasim_reference', 'esketamine nasal 56 mg')",
    "Answer": "an Answer, from ketasim.review.review",
    "ModelAnswer": "a ModelAnswer, from ketasim.review.stored_answers",
    "CareTable": "a CareTable, of a run with a disorder",
    "Factor": "a Factor, from ketasim.sensitivity.factors_of",
    "Share": "a Share, from ketasim.sensitivity.sobol",
    "Tornado": "a Tornado, from ketasim.sensitivity.tornado",
    "ResidualError": "a ResidualError",
    "DataFrame": "a table (DataFrame)",
    "DataTree": "a result of ketasim.simulate",
    "Dataset": "a Dataset of xarray",
    "Figure": "a figure of matplotlib",
    "Evidence": "the Evidence, from ketasim.evidence.load()",
    "Plan": "a Plan, from ketasim.fit.make_plan",
    "PkScore": "a PkScore, from ketasim.validate.validate_pk",
    "FolderScore": "a FolderScore, from ketasim.validate.validate_folder",
    "DisorderScore": "a DisorderScore, from ketasim.validate.validate_disorders",
    "SafetyScore": "a SafetyScore, from ketasim.validate.validate_safety",
    "TrialScore": "a TrialScore, from ketasim.validate.validate_trials",
    "PairwiseData": "a PairwiseData, from ketasim.synthesis.read_pairwise",
    "PairwiseResult": "a PairwiseResult, from ketasim.synthesis.pairwise",
    "NetworkFunnel": "a NetworkFunnel, from ketasim.synthesis.network_funnel",
    "AsymmetryTest": "an AsymmetryTest, from ketasim.synthesis.asymmetry_test",
    "TrimFill": "a TrimFill, from ketasim.synthesis.trim_and_fill",
    "Series": "a Series, from a PairwiseResult",
    "EffectSize": "an EffectSize, from ketasim.synthesis.effect",
    "MeanArm": "a MeanArm",
    "CountArm": "a CountArm",
    "NetworkData": "a NetworkData, from ketasim.synthesis.read_network",
    "NetworkResult": "a NetworkResult, from ketasim.synthesis.network_meta_analysis",
    "NetworkEstimates": "a network's result, e.g. from ketasim.synthesis.network_meta_analysis",
    "Contribution": "a Contribution, from ketasim.synthesis.contribution",
    "NetHeat": "a NetHeat, from ketasim.synthesis.net_heat",
    "Ranking": "a Ranking, from ketasim.synthesis.ranking",
    "EvidenceSplit": "an EvidenceSplit, from ketasim.synthesis.split_evidence",
    "DoseData": "a DoseData, from ketasim.synthesis.read_dose_network",
    "DoseResult": "a DoseResult, from ketasim.synthesis.dose_network",
    "DoseResponse": "a DoseResponse, from ketasim.synthesis.dose_response",
    "TimeCourseData": "a TimeCourseData, from ketasim.synthesis.read_time_course",
    "TimeCourseResult": "a TimeCourseResult, from ketasim.synthesis.fit_time_course",
}
#: Containers whose elements are looked at too.
_LISTS = {"Sequence"}
#: Names that stand for a union of others.
_ALIASES = {"Arm": "MeanArm | CountArm", "Ints": "NDArray"} | dict.fromkeys(
    ("Form", "Interpolation", "Method", "Precision", "Route"), "str"
)


def checked(function: F) -> F:
    """The function, or dataclass, whose arguments are of the kinds its annotations name.

    Raises
    ------
    InvalidOption: (on a call) an argument of another kind; the message names function, argument, value and what to give.
    """
    name = getattr(function, "__name__", "function")
    if not isinstance(function, type):
        return cast("F", _checking(function, name))
    made = cast("Any", function)
    made.__init__ = _checking(made.__init__, name)
    return cast("F", function)


def _checking(function: Callable[P, R], name: str) -> Callable[P, R]:
    @lru_cache(maxsize=1)  # on the first call: whoever only imports pays nothing
    def known() -> tuple[inspect.Signature, dict[str, tuple[Kind, ...]]]:
        signature = inspect.signature(function)
        return signature, {p.name: kinds for p in signature.parameters.values() if (kinds := _kinds(str(p.annotation)))}

    @wraps(function)
    def held(*args: P.args, **kwargs: P.kwargs) -> R:
        signature, kinds = known()
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            given = {}  # too many, too few or unknown arguments: Python says so itself
        for argument, value in given.items():
            several = signature.parameters[argument].kind is inspect.Parameter.VAR_POSITIONAL
            for one in value if several else (value,):
                _hold(name, argument, one, kinds.get(argument, ()))
        return function(*args, **kwargs)

    return held


def _hold(function: str, argument: str, value: Any, kinds: Sequence[Kind]) -> None:
    if kinds and not any(is_one(value) for is_one, _ in kinds):
        what = " or ".join(dict.fromkeys(hint for _, hint in kinds if hint))
        raise InvalidOption(f"{function}: {argument} {_shown(value)}: give {what}.")


def _shown(value: Any) -> str:
    """A value in a message; where it is long or says nothing, its type."""
    text = repr(value)
    return (
        f"= {text}"
        if len(text) <= 60 and "\n" not in text and " object at 0x" not in text
        else f"is of type {type(value).__name__}"
    )


def _kinds(annotation: str) -> tuple[Kind, ...]:
    """Kinds an annotation allows; none where one of them is not told here."""
    found: list[Kind | None] = []
    for part in _alternatives(annotation.strip("\"'")):
        outer, _, inner = part.strip(" \"'").partition("[")
        name = outer.partition("(")[0].rpartition(".")[2]
        if name in _LISTS:
            found.append(_list_of(_kinds(inner.removesuffix("]"))))
        else:
            found += [_kind(each) for each in _ALIASES.get(name, name).split(" | ")]
    return tuple(kind for kind in found if kind is not None) if None not in found else ()


def _list_of(kinds: tuple[Kind, ...]) -> Kind:
    """A list, and what must stand in it where that is told; only lists and tuples are looked into, since an iterator is spent by looking."""
    is_list, _ = _BUILT_IN["Sequence"]
    if not kinds:
        return is_list, "a list"
    hint = " or ".join(dict.fromkeys(hint for _, hint in kinds if hint))

    def holds(value: Any) -> bool:
        looked_into = value if isinstance(value, list | tuple) else ()
        return is_list(value) and all(any(is_one(each) for is_one, _ in kinds) for each in looked_into)

    return holds, f"a list, each {hint}"


def _kind(name: str) -> Kind | None:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if name in _CLASSES:
        return (lambda value: any(one.__name__ == name for one in type(value).__mro__), _CLASSES[name])
    return None


def _alternatives(annotation: str) -> list[str]:
    """Parts of a union, at its top level: what stands in brackets belongs together."""
    parts, depth = [""], 0
    for letter in annotation:
        depth += (letter in "[(") - (letter in "])")
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
