"""A vector of patients as one value in compiled code: arithmetic on lanes is SIMD arithmetic, whatever the compiler guesses.

Used by the generated kernels. There are two kinds, each one AVX-512 register wide: `double` (8 patients) and `single` (16). `load`
and `store` move a row of numbers between an array and such a value, at an offset that is not checked; the array's numbers decide
the kind.
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
from numba.core import cgutils, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from ketasim.solve._compiled import njit
from ketasim.solve._head import LANES, SINGLE_LANES

#: What the compiler may do: fuse a*b + c, ignore the sign of zero. Never reorder: equal bits are promised.
_FLAGS = ("contract", "nsz")
_I32 = ir.IntType(32)
#: Bytes of a cache line.
LINE = 64


class _Lanes(types.Type):
    """A row of patients' numbers.

    number : Numba's type of one number. count : patients. scalar, vector : LLVM's types of one number and of the row.
    suffix : of LLVM's vector instructions. align : bytes of a number.
    """

    def __init__(self, number: Any, count: int, scalar: Any, suffix: str) -> None:
        super().__init__(name=f"Lanes{count}x{number}")
        self.number, self.count, self.scalar, self.align = number, count, scalar, number.bitwidth // 8
        self.vector = ir.VectorType(scalar, count)
        self.suffix = f"v{count}{suffix}"

    def constant(self, value: float) -> Any:
        """The same number in all lanes."""
        return ir.Constant(self.vector, [value] * self.count)


double = _Lanes(types.float64, LANES, ir.DoubleType(), "f64")
single = _Lanes(types.float32, SINGLE_LANES, ir.FloatType(), "f32")
#: Several rows at once, where each operation waits for the one before: `BROAD` numbers.
BROAD = 32
broad = _Lanes(types.float64, BROAD, ir.DoubleType(), "f64")
_KINDS = (double, single, broad)


def _kind(array: Any) -> _Lanes:
    """Lanes of an array's numbers."""
    return next(k for k in _KINDS if k.number == array.dtype)


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, fe_type.vector)


def _spread(builder: Any, kind: _Lanes, number: Any) -> Any:
    """One number for all lanes, rounded to theirs."""
    if number.type != kind.scalar:
        number = (builder.fpext if kind.scalar == ir.DoubleType() else builder.fptrunc)(number, kind.scalar)
    nothing = ir.Constant(kind.vector, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, kind.count), [0] * kind.count))


def _arithmetic(operation: Any, instruction: str) -> None:
    """An operator between lanes, or between lanes and a number."""
    numbers = (types.float64, types.float32)
    pairs = [(k, other) for k in _KINDS for other in (k, *numbers)] + [(number, k) for k in _KINDS for number in numbers]

    def kind_of(pair: Any) -> _Lanes:
        return next(t for t in pair if isinstance(t, _Lanes))

    @infer_global(operation)
    class _Operator(ConcreteTemplate):
        cases = [signature(kind_of(pair), *pair) for pair in pairs]

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        a, b = (v if isinstance(t, _Lanes) else _spread(builder, kind, v) for t, v in zip(sig.args, args, strict=True))
        return getattr(builder, instruction)(a, b, flags=_FLAGS)

    for pair in pairs:
        lower_builtin(operation, *pair)(lower)


for _operation, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _arithmetic(_operation, _instruction)


@infer_global(operator.neg)
class _Negative(ConcreteTemplate):
    cases = [signature(k, k) for k in _KINDS]


def _negative(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


for _each_kind in _KINDS:
    lower_builtin(operator.neg, _each_kind)(_negative)


def _pointer(context: Any, builder: Any, array: Any, value: Any, index: Any, vector: Any) -> Any:
    data = cgutils.create_struct_proxy(array)(context, builder, value=value).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@njit(cache=True, nogil=True)
def aligned(size):
    """Empty numbers that begin where a cache line does: a row that lies across two lines costs two accesses."""
    memory = np.empty(size + LINE // 8)
    first = (-memory.ctypes.data % LINE) // 8
    return memory[first : first + size]


@njit(cache=True, nogil=True)
def aligned_single(size):
    """Like `aligned`, in single precision."""
    memory = np.empty(size + LINE // 4, np.float32)
    first = (-memory.ctypes.data % LINE) // 4
    return memory[first : first + size]


@intrinsic
def width(typingctx, w):
    """Patients in a row of an array, known when code is compiled."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_constant(types.intp, _kind(sig.args[0]).count)

    return types.intp(w), codegen


@intrinsic
def load(typingctx, w, i):
    """Row of an array that begins at ``w[i]``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        value = builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], kind.vector))
        value.align = kind.align
        return value

    return _kind(w)(w, types.intp), codegen


@intrinsic
def store(typingctx, w, i, v):
    """Write a row to an array from ``w[i]`` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[2]
        written = builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], args[1], kind.vector))
        written.align = kind.align
        return context.get_dummy_value()

    return types.void(w, types.intp, v), codegen


@intrinsic
def load_broad(typingctx, w, i):
    """`BROAD` numbers of an array from ``w[i]`` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], broad.vector))
        value.align = broad.align
        return value

    return broad(w, types.intp), codegen


@intrinsic
def round_to(typingctx, w, i, v):
    """Write lanes, rounded, to an array in single precision from ``w[i]`` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rounded = ir.VectorType(single.scalar, sig.args[2].count)
        place = _pointer(context, builder, sig.args[0], args[0], args[1], rounded)
        builder.store(builder.fptrunc(args[2], rounded), place).align = single.align
        return context.get_dummy_value()

    return types.void(w, types.intp, v), codegen


@intrinsic
def like(typingctx, v, x):
    """One number for all lanes, of the kind of other lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, sig.return_type, args[1])

    return v(v, types.float64), codegen


def _spreading(kind: _Lanes) -> Any:
    """One number for all lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, kind, args[0])

    return intrinsic(lambda typingctx, x: (kind(types.float64), codegen))


splat, splat_single = _spreading(double), _spreading(single)


def _native(name: str) -> Any:
    """A vector instruction of LLVM."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        function = ir.FunctionType(kind.vector, [kind.vector])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.{kind.suffix}"), args)

    return intrinsic(lambda typingctx, x: (x(x), codegen))


def _each(scalar: Callable[..., float], arguments: int) -> Any:
    """A function of the C library, lane by lane, in double precision."""
    number = ir.DoubleType()

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        call = context.get_function(scalar, signature(types.float64, *[types.float64] * arguments))
        out = ir.Constant(kind.vector, ir.Undefined)
        for k in range(kind.count):
            at = ir.Constant(_I32, k)
            given = [builder.extract_element(v, at) for v in args]
            value = call(builder, given if kind.scalar == number else [builder.fpext(v, number) for v in given])
            out = builder.insert_element(out, value if kind.scalar == number else builder.fptrunc(value, kind.scalar), at)
        return out

    if arguments == 1:
        return intrinsic(lambda typingctx, x: (x(x), codegen))
    return intrinsic(lambda typingctx, x, y: (x(x, x), codegen))


vsqrt, vabs = _native("sqrt"), _native("fabs")
vexp, vlog, vtanh = _each(math.exp, 1), _each(math.log, 1), _each(math.tanh, 1)
vsin, vcos = _each(math.sin, 1), _each(math.cos, 1)
vpow = _each(math.pow, 2)


def _comparison(predicate: str) -> Any:
    """1.0 where the comparison holds, else 0.0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.uitofp(builder.fcmp_ordered(predicate, args[0], args[1]), sig.return_type.vector)

    return intrinsic(lambda typingctx, x, y: (x(x, x), codegen))


less, less_equal, equal = _comparison("<"), _comparison("<="), _comparison("==")


@intrinsic
def where(typingctx, condition, then, otherwise):
    """`then` in lanes whose condition is not 0, else `otherwise`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_unordered("!=", args[0], sig.return_type.constant(0.0)), args[1], args[2])

    return condition(condition, condition, condition), codegen


@intrinsic
def anywhere(typingctx, condition):
    """Whether the condition holds in any lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        holds = builder.fcmp_unordered("!=", args[0], kind.constant(0.0))
        bits = ir.IntType(kind.count)
        return builder.icmp_unsigned("!=", builder.bitcast(holds, bits), bits(0))

    return types.boolean(condition), codegen


def _rows(first: Sequence[int]) -> list[tuple[int, range]]:
    """Rows of a pattern with their entries."""
    return [(i, range(int(first[i]), int(first[i + 1]))) for i in range(len(first) - 1)]


def _fused(builder: Any, kind: _Lanes) -> Any:
    """a b + c, rounded once."""
    function = ir.FunctionType(kind.vector, [kind.vector] * 3)
    return cgutils.get_or_insert_function(builder.module, function, f"llvm.fma.{kind.suffix}")


def sparse_product(first: Sequence[int], column: Sequence[int], kind: _Lanes = double) -> Any:
    """``product(x, at_x, y, at_y, w, at_m, at_g, forced, one)``: y = one x + M x, + g where there is input, M on a fixed pattern.

    In single precision `one` is the offset of a row in `w` per state, else lanes for all states.

    Written out as straight-line vector code: every x is read once, every sum is fused in the order of the pattern.
    first : (row + 1,), column : (entry,) offsets of x.
    """
    rows, count, vector = _rows(first), kind.count, kind.vector

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, at_x, _, at_y, _, at_m, at_g, forced, one = args
        fma = _fused(builder, kind)
        x_data, y_data, w_data = (
            cgutils.create_struct_proxy(sig.args[k])(context, builder, value=args[k]).data for k in (0, 2, 4)
        )

        def row(data: Any, at: Any, offset: int) -> Any:
            index = builder.add(at, ir.Constant(at.type, offset))
            return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

        def read(data: Any, at: Any, offset: int) -> Any:
            value = builder.load(row(data, at, offset))
            value.align = kind.align
            return value

        x = [read(x_data, at_x, i * count) for i, _ in rows]
        sums = []
        for i, entries in rows:
            total = builder.fmul(one if kind is double else read(w_data, one, i * count), x[i])
            for k in entries:
                total = builder.call(fma, [read(w_data, at_m, k * count), x[int(column[k]) // count], total])
            sums.append(builder.select(forced, builder.fadd(total, read(w_data, at_g, i * count)), total))
        for (i, _), total in zip(rows, sums, strict=True):
            builder.store(total, row(y_data, at_y, i * count)).align = kind.align
        return context.get_dummy_value()

    offset = types.intp
    return intrinsic(
        lambda typingctx, x, at_x, y, at_y, w, at_m, at_g, forced, one: (
            types.void(x, offset, y, offset, w, offset, offset, types.boolean, kind if kind is double else offset), codegen,
        )
    )  # fmt: skip


def sparse_term(first: Sequence[int], column: Sequence[int], value: Sequence[int], kind: _Lanes = double) -> Any:
    """``term(w, at_x, at_y, at_sum, factor)``: y = factor A x, and y is added to the sum; A on a fixed pattern.

    Written out like `sparse_product`. first : (row + 1,), column : (entry,) offsets of x. value : (entry,), offsets of A in `w`.
    x must not overlap y or the sum.
    """
    rows, count, vector = _rows(first), kind.count, kind.vector

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, at_x, at_y, at_sum, factor = args
        fma = _fused(builder, kind)
        data = cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0]).data

        def row(at: Any, offset: int) -> Any:
            return builder.bitcast(builder.gep(data, [builder.add(at, ir.Constant(at.type, offset))]), vector.as_pointer())

        def read(at: Any, offset: int) -> Any:
            found = builder.load(row(at, offset))
            found.align = kind.align
            return found

        start = ir.Constant(at_x.type, 0)
        for i, entries in rows:
            total = kind.constant(0.0)
            for k in entries:
                total = builder.call(fma, [read(start, int(value[k])), read(at_x, int(column[k])), total])
            total = builder.fmul(total, factor)
            builder.store(total, row(at_y, i * count)).align = kind.align
            builder.store(builder.fadd(read(at_sum, i * count), total), row(at_sum, i * count)).align = kind.align
        return context.get_dummy_value()

    offset = types.intp
    return intrinsic(lambda typingctx, w, at_x, at_y, at_sum, factor: (types.void(w, offset, offset, offset, kind), codegen))
