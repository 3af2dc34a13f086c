"""Vectors of one cache line for numba: numbers that are loaded, computed and stored together.

Loops over arrays leave it to the compiler to find out that rows do not overlap, how wide to go and
what to do with what is left over; at rows of a hundred pixels that costs as much as the work. With
these vectors a kernel says it. On a processor with narrower registers LLVM splits them.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

# The widest vectors of today's processors; on narrower ones the compiler takes two instructions.
VECTOR_BYTES = 64

# No "nnan" and "ninf": the image was checked, but an overflow must not become a wrong number.
FASTMATH = ("nsz", "arcp", "contract", "afn", "reassoc")


class Vector(types.Type):
    """The numba type of a cache line full of ``dtype``."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


def _pointer(context, builder, array_type, array, at, to):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), to.as_pointer())


@intrinsic
def load(typingctx, array, at):
    """``array[at:at + lanes]`` of a flat array."""
    vector = Vector(array.dtype)

    def codegen(context, builder, signature, args):
        to = context.get_value_type(vector)
        pointer = _pointer(context, builder, signature.args[0], *args, to)
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return vector(array, types.intp), codegen


@intrinsic
def store(typingctx, array, at, vector):
    """``array[at:at + lanes] = vector``."""

    def codegen(context, builder, signature, args):
        to = context.get_value_type(vector)
        pointer = _pointer(context, builder, signature.args[0], *args[:2], to)
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), codegen


@intrinsic
def splat(typingctx, number):
    """The vector of ``number`` in every lane."""
    vector = Vector(number)

    def codegen(context, builder, signature, args):
        return _splat(context, builder, vector, args[0])

    return vector(number), codegen


def _splat(context, builder, vector, number):
    empty = ir.Constant(context.get_value_type(vector), ir.Undefined)
    one = builder.insert_element(empty, number, cgutils.int32_t(0))
    mask = ir.Constant(ir.VectorType(cgutils.int32_t, vector.lanes), [0] * vector.lanes)
    return builder.shuffle_vector(one, empty, mask)


def _as_vector(context, builder, vector, kind, number):
    """Splat a number of any type: in compiled code an integer makes float64 of a float32."""
    return _splat(context, builder, vector, context.cast(builder, number, kind, vector.dtype))


def _shuffle(first):
    @intrinsic
    def shuffle(typingctx, low, high):
        def codegen(context, builder, signature, args):
            begin = first % low.lanes
            lanes = list(range(begin, begin + low.lanes))
            mask = ir.Constant(ir.VectorType(cgutils.int32_t, low.lanes), lanes)
            return builder.shuffle_vector(*args, mask)

        return low(low, high), codegen

    return shuffle


# Of two vectors that follow each other: ``behind(low, high)`` are the left neighbours of ``high``,
# ``ahead(low, high)`` the right neighbours of ``low``.
behind = _shuffle(-1)
ahead = _shuffle(1)


def _alternating(first, second):
    @intrinsic
    def alternate(typingctx, low, high):
        def codegen(context, builder, signature, args):
            lanes = [n for pair in zip(first(low.lanes), second(low.lanes)) for n in pair]
            mask = ir.Constant(ir.VectorType(cgutils.int32_t, low.lanes), lanes)
            return builder.shuffle_vector(*args, mask)

        return low(low, high), codegen

    return alternate


# Every other number of two vectors that follow each other, from the first or the second one on.
evens = _alternating(lambda n: range(0, 2 * n, 4), lambda n: range(2, 2 * n, 4))
odds = _alternating(lambda n: range(1, 2 * n, 4), lambda n: range(3, 2 * n, 4))
# The first halves of two vectors, taken in turn.
interleaved = _alternating(lambda n: range(n // 2), lambda n: range(n, n + n // 2))


def _root(builder, vector, to, value):
    name = f"llvm.sqrt.v{vector.lanes}f{vector.dtype.bitwidth}"
    root = cgutils.get_or_insert_function(builder.module, ir.FunctionType(to, [to]), name)
    return builder.call(root, [value], fastmath=FASTMATH)


@intrinsic
def shrinkage(typingctx, square):
    """``1 / sqrt(max(square, 1))``."""

    def codegen(context, builder, signature, args):
        to = context.get_value_type(square)
        one = ir.Constant(to, [1.0] * square.lanes)
        longer = builder.fcmp_ordered(">", args[0], one, flags=FASTMATH)
        clipped = builder.select(longer, args[0], one)
        return builder.fdiv(one, _root(builder, square, to, clipped), flags=FASTMATH)

    return square(square), codegen


@intrinsic
def root(typingctx, square):
    """The square roots."""

    def codegen(context, builder, signature, args):
        return _root(builder, square, context.get_value_type(square), args[0])

    return square(square), codegen


def _extreme(sign):
    @intrinsic
    def extreme(typingctx, x, y):
        def codegen(context, builder, signature, args):
            chosen = builder.fcmp_ordered(sign, *args, flags=FASTMATH)
            return builder.select(chosen, *args)

        return x(x, y), codegen

    return extreme


larger = _extreme(">")
smaller = _extreme("<")


@intrinsic
def where_at_least(typingctx, x, bound, value):
    """``value`` where ``x >= bound``, otherwise 0."""

    def codegen(context, builder, signature, args):
        zero = ir.Constant(context.get_value_type(x), [0.0] * x.lanes)
        reached = builder.fcmp_ordered(">=", args[0], args[1], flags=FASTMATH)
        return builder.select(reached, args[2], zero)

    return x(x, bound, value), codegen


def _define(symbol, instruction):
    """Let ``symbol`` combine two vectors, or a vector and a number of its type."""

    @intrinsic
    def combine(typingctx, x, y):
        vector = x if isinstance(x, Vector) else y

        def codegen(context, builder, signature, args):
            operands = [
                value
                if isinstance(kind, Vector)
                else _as_vector(context, builder, vector, kind, value)
                for kind, value in zip(signature.args, args, strict=True)
            ]
            return getattr(builder, instruction)(*operands, flags=FASTMATH)

        return vector(x, y), codegen

    @overload(symbol, inline="always")
    def on_vectors(x, y):
        if any(isinstance(kind, Vector) for kind in (x, y)):
            return lambda x, y: combine(x, y)
        return None


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")
