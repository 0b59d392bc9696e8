"""The whole public interface, called with arguments of the wrong kind: one message of ketasim's own, never an error from deep inside."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ketasim.arguments import checked
from ketasim.errors import InvalidOption, KetasimError, KetasimWarning, warn

PACKAGES = ["ketasim", *(f"ketasim.{name}" for name in (
    "dose", "population", "model", "library", "nca", "results", "solve", "exchange", "evidence", "synthesis", "report", "review", "validate", "simulation",
    "sensitivity",
))]  # fmt: skip
#: Functions that take minutes where they accept what they are given.
SLOW = {"review", "run_experiments", "mechanism_claims", "validate_disorders", "validate_pk", "pk_claims", "pk_claims_table"}
WRONG: dict[str, Any] = {
    "None": None, "text": "no such thing", "number": 3.5, "NaN": float("nan"), "empty list": [], "empty dict": {}, "object": object(),
    "list of texts": ["a", "b"], "other table": pd.DataFrame({"a": [1.0, 2.0]}),
}  # fmt: skip


def _functions() -> Iterator[Any]:
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function) and name not in SLOW and inspect.signature(function).parameters:
                yield pytest.param(function, id=f"{package}.{name}")


@pytest.mark.parametrize("function", list(_functions()))
def test_wrong_kinds_of_arguments_are_named(function: Any) -> None:
    parameters = inspect.signature(function).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    for what, value in WRONG.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                function(*[value] * max(1, len(needed)))
            except KetasimError as error:
                assert len(str(error)) > 20, what
            except Exception as error:
                pytest.fail(f"{what}: {type(error).__name__}: {error}")


def test_the_message_says_where_what_and_how_to_get_one() -> None:
    from ketasim.exchange import export_mrgsolve

    with pytest.raises(
        InvalidOption, match=r"^export_mrgsolve: model = 'otto2021': give a Model, e\.g\. ketasim\.simulation\.as_model\("
    ):
        export_mrgsolve("otto2021")  # type: ignore[arg-type]


def test_right_kinds_pass_and_unknown_annotations_are_not_looked_at() -> None:
    @checked
    def function(
        number: float,
        count: int,
        *names: str,
        table: pd.DataFrame | None = None,
        other: Unknown = 1,  # noqa: F821  # pyright: ignore
        words: Sequence[str] = (),
    ) -> int:
        return count

    assert function(np.float32(1), np.int64(2), "a", table=pd.DataFrame(), other=object()) == 2
    for wrong in (
        {"number": "1", "count": 1},
        {"number": 1, "count": 1.5},
        {"number": 1, "count": 1, "table": []},
        {"number": 1, "count": 1, "words": ["a", 2]},
    ):
        with pytest.raises(InvalidOption, match=r"^function: "):
            function(**wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing"):
        function(1.0)  # type: ignore[call-arg]


def test_warnings_name_the_line_of_the_caller() -> None:
    @checked
    def warning(number: float) -> None:
        warn("read this", KetasimWarning, stacklevel=2)

    with pytest.warns(KetasimWarning) as caught:
        warning(1.0)
    assert caught[0].filename == __file__
