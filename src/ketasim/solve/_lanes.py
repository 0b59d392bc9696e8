"""A vector of patients as one value in compiled code: arithmetic on `Lanes` is SIMD arithmetic, whatever the compiler guesses.

Used by the generated kernels. `load` and `store` move a row of `LANES` numbers between an array and such a value, at an offset
that is not checked.
"""

# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOptionalCall=false
# Numba finds types, typing rules and lowerings through its decorators, which are not typed.

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from ketasim.solve._head import LANES

#: What the compiler may do: fuse a*b + c, ignore the sign of zero. Never reorder: equal bits are promised.
_FLAGS = ("contract", "nsz")
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_I32 = ir.IntType(32)
#: Bytes of a cache line.
LINE = 64


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


def _spread(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _arithmetic(operation: Any, instruction: str) -> None:
    """An operator between lanes, or between lanes and a number."""
    number = types.float64
    kinds = ((lanes, lanes), (lanes, number), (number, lanes))

    @infer_global(operation)
    class _Operator(ConcreteTemplate):
        cases = [signature(lanes, *pair) for pair in kinds]

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (v if t is lanes or t == lanes else _spread(builder, v) for t, v in zip(sig.args, args, strict=True))
        return getattr(builder, instruction)(a, b, flags=_FLAGS)

    for pair in kinds:
        lower_builtin(operation, *pair)(lower)


for _operation, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _arithmetic(_operation, _instruction)


@infer_global(operator.neg)
class _Negative(ConcreteTemplate):
    cases = [signature(lanes, lanes)]


@lower_builtin(operator.neg, lanes)
def _negative(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = cgutils.create_struct_proxy(kind)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@njit(cache=True, nogil=True)
def aligned(size):
    """Empty numbers that begin where a cache line does: a row that lies across two lines costs two accesses."""
    memory = np.empty(size + LINE // 8)
    first = (-memory.ctypes.data % LINE) // 8
    return memory[first : first + size]


@intrinsic
def load(typingctx, w, i):
    """Row at ``w[i:i + LANES]``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(_pointer(context, builder, sig.args[0], args[0], args[1]))
        value.align = 8
        return value

    return lanes(w, types.intp), codegen


@intrinsic
def store(typingctx, w, i, v):
    """Write a row to ``w[i:i + LANES]``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], args[1])).align = 8
        return context.get_dummy_value()

    return types.void(w, types.intp, lanes), codegen


@intrinsic
def splat(typingctx, x):
    """One number for all lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return lanes(types.float64), codegen


def _native(name: str) -> Any:
    """A vector instruction of LLVM."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64"), args)

    return intrinsic(lambda typingctx, x: (lanes(lanes), codegen))


def _each(scalar: Callable[..., float], arguments: int) -> Any:
    """A function of the C library, lane by lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        call = context.get_function(scalar, signature(types.float64, *[types.float64] * arguments))
        out = ir.Constant(_VECTOR, ir.Undefined)
        for k in range(LANES):
            at = ir.Constant(_I32, k)
            out = builder.insert_element(out, call(builder, [builder.extract_element(v, at) for v in args]), at)
        return out

    if arguments == 1:
        return intrinsic(lambda typingctx, x: (lanes(lanes), codegen))
    return intrinsic(lambda typingctx, x, y: (lanes(lanes, lanes), codegen))


vsqrt, vabs = _native("sqrt"), _native("fabs")
vexp, vlog, vtanh = _each(math.exp, 1), _each(math.log, 1), _each(math.tanh, 1)
vsin, vcos = _each(math.sin, 1), _each(math.cos, 1)
vpow = _each(math.pow, 2)


def _comparison(predicate: str) -> Any:
    """1.0 where the comparison holds, else 0.0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.uitofp(builder.fcmp_ordered(predicate, args[0], args[1]), _VECTOR)

    return intrinsic(lambda typingctx, x, y: (lanes(lanes, lanes), codegen))


less, less_equal, equal = _comparison("<"), _comparison("<="), _comparison("==")


@intrinsic
def where(typingctx, condition, then, otherwise):
    """`then` in lanes whose condition is not 0, else `otherwise`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        return builder.select(builder.fcmp_unordered("!=", args[0], zero), args[1], args[2])

    return lanes(lanes, lanes, lanes), codegen


@intrinsic
def anywhere(typingctx, condition):
    """Whether the condition holds in any lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        holds = builder.fcmp_unordered("!=", args[0], ir.Constant(_VECTOR, [0.0] * LANES))
        bits = ir.IntType(LANES)
        return builder.icmp_unsigned("!=", builder.bitcast(holds, bits), bits(0))

    return types.boolean(lanes), codegen


def sparse_product(first: Sequence[int], column: Sequence[int]) -> Any:
    """``product(x, at_x, y, at_y, w, at_m, at_g, forced, one)``: y = one x + M x, + g where there is input, M on a fixed pattern.

    Written out as straight-line vector code: every x is read once, every sum is fused in the order of the pattern.
    first : (row + 1,), column : (entry,) offsets of x.
    """
    rows = [(i, range(int(first[i]), int(first[i + 1]))) for i in range(len(first) - 1)]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, at_x, _, at_y, _, at_m, at_g, forced, one = args
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f64")
        x_data, y_data, w_data = (
            cgutils.create_struct_proxy(sig.args[k])(context, builder, value=args[k]).data for k in (0, 2, 4)
        )

        def row(data: Any, at: Any, offset: int) -> Any:
            index = builder.add(at, ir.Constant(at.type, offset))
            return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())

        def read(data: Any, at: Any, offset: int) -> Any:
            value = builder.load(row(data, at, offset))
            value.align = 8
            return value

        x = [read(x_data, at_x, i * LANES) for i, _ in rows]
        sums = []
        for i, entries in rows:
            total = builder.fmul(one, x[i])
            for k in entries:
                total = builder.call(fma, [read(w_data, at_m, k * LANES), x[int(column[k]) // LANES], total])
            sums.append(builder.select(forced, builder.fadd(total, read(w_data, at_g, i * LANES)), total))
        for (i, _), total in zip(rows, sums, strict=True):
            builder.store(total, row(y_data, at_y, i * LANES)).align = 8
        return context.get_dummy_value()

    offset = types.intp
    return intrinsic(
        lambda typingctx, x, at_x, y, at_y, w, at_m, at_g, forced, one: (
            types.void(x, offset, y, offset, w, offset, offset, types.boolean, lanes), codegen,
        )
    )  # fmt: skip


def sparse_term(first: Sequence[int], column: Sequence[int], value: Sequence[int]) -> Any:
    """``term(w, at_x, at_y, at_sum, factor)``: y = factor A x, and y is added to the sum; A on a fixed pattern.

    Written out like `sparse_product`. first : (row + 1,), column : (entry,) offsets of x. value : (entry,), offsets of A in `w`.
    x must not overlap y or the sum.
    """
    rows = [(i, range(int(first[i]), int(first[i + 1]))) for i in range(len(first) - 1)]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, at_x, at_y, at_sum, factor = args
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f64")
        data = cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0]).data

        def row(at: Any, offset: int) -> Any:
            return builder.bitcast(builder.gep(data, [builder.add(at, ir.Constant(at.type, offset))]), _VECTOR.as_pointer())

        def read(at: Any, offset: int) -> Any:
            found = builder.load(row(at, offset))
            found.align = 8
            return found

        start = ir.Constant(at_x.type, 0)
        for i, entries in rows:
            total = ir.Constant(_VECTOR, [0.0] * LANES)
            for k in entries:
                total = builder.call(fma, [read(start, int(value[k])), read(at_x, int(column[k])), total])
            total = builder.fmul(total, factor)
            builder.store(total, row(at_y, i * LANES)).align = 8
            builder.store(builder.fadd(read(at_sum, i * LANES), total), row(at_sum, i * LANES)).align = 8
        return context.get_dummy_value()

    offset = types.intp
    return intrinsic(lambda typingctx, w, at_x, at_y, at_sum, factor: (types.void(w, offset, offset, offset, lanes), codegen))
