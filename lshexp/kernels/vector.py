"""Short runs of float32 that stay in vector registers, for kernels that work on whole blocks of nodes.

Numba turns loops into vector code, but not a loop of eight turns around a sum that another loop carries on,
as in a product with small tiles. Here such a run is one value, to be loaded from a flat array, added to and
stored. Its width b is the length of a tuple, `lanes`, that kernels are given; each is compiled by itself.

Every function stands here twice: as plain Python, which says what it computes, and as the instructions that
Numba puts in its place. Sums are formed in a fixed order; a product and its addition may be fused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

FUSED = ("contract",)


def instructions(code: Callable[..., Any]) -> Any:
    """Numba's `intrinsic`, whose own type would have the typing context given."""
    return intrinsic(code)


class Run(types.Type):
    """Numba's type of `width` float32 in a register."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"run of {width} float32")


@register_model(Run)
class _RunModel(models.PrimitiveModel):
    def __init__(self, manager: Any, of: Run) -> None:
        super().__init__(manager, of, ir.VectorType(ir.FloatType(), of.width))


def zeros(lanes):
    """Return a run of zeros."""
    return np.array([0] * len(lanes), dtype=np.float32)


def load(array, at, lanes):
    """Return array[at : at + b]."""
    return _loaded(array, at, len(lanes))


def store(array, at, run):
    """array[at : at + b] = run."""
    for j in range(len(run)):
        array[at + j] = run[j]


def spread(value, lanes):
    """Return a run whose b values are all this one."""
    return np.array([value] * len(lanes), dtype=np.float32)


def add(run, other):
    """Return run + other."""
    return run + other


def multiply(run, other):
    """Return run * other, place by place."""
    return run * other


def divide(run, other):
    """Return run / other, place by place."""
    with np.errstate(all="ignore"):  # as the processor does it: infinite or NaN
        return run / other


def root(run):
    """Return the square root of each value."""
    return np.sqrt(run)


def where_zero(run, kept, other):
    """Return the values of `kept` where those of the run are zero, of `other` elsewhere and where NaN is."""
    return np.where(run == 0, kept, other)


def add_product(run, first, second):
    """Return run + first * second, place by place."""
    return run + first * second


def total(run):
    """Return the sum of a run."""
    return run.sum(dtype=np.float32)


def add_tile(run, x, x_at, tiles, at, lanes):
    """Return run + x @ tile, of the b values at `x_at` and the tile [b, b] that begins at `at`."""
    b = len(lanes)
    for i in range(b):
        run = run + x[x_at + i] * _loaded(tiles, at + i * b, b)
    return run


def add_row_products(out, out_at, tiles, at, run):
    """out[out_at : out_at + b] += tile @ run, of the tile [b, b] that begins at `at`."""
    b = len(run)
    for i in range(b):
        out[out_at + i] += (_loaded(tiles, at + i * b, b) * run).sum(dtype=np.float32)


def add_outer(tiles, at, x, x_at, run):
    """Add to the tile at `at` the b values at `x_at` times the run: tile[i, j] += x[i] * run[j]."""
    b = len(run)
    for i in range(b):
        value = x[x_at + i]
        for j in range(b):
            tiles[at + i * b + j] += value * run[j]


def row_sums(tiles, at, lanes):
    """Return the sum of each row of the tile [b, b] that begins at `at`."""
    b = len(lanes)
    sums = np.array([_loaded(tiles, at + i * b, b).sum(dtype=np.float32) for i in range(b)])
    return sums.astype(np.float32)


def _loaded(array, at, b):
    return np.array([array[at + j] for j in range(b)], dtype=np.float32)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [at])


def _read(context: Any, builder: Any, kind: Any, array: Any, at: Any, width: int) -> Any:
    vector = ir.VectorType(ir.FloatType(), width).as_pointer()
    return builder.load(builder.bitcast(_pointer(context, builder, kind, array, at), vector), align=4)


def _write(context: Any, builder: Any, kind: Any, array: Any, at: Any, value: Any) -> None:
    pointer = builder.bitcast(_pointer(context, builder, kind, array, at), value.type.as_pointer())
    builder.store(value, pointer, align=4)


def _repeated(builder: Any, value: Any, width: int) -> Any:
    """A run whose values are all this one."""
    vector, place = ir.VectorType(ir.FloatType(), width), ir.IntType(32)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, place(0))
    mask = ir.Constant(ir.VectorType(place, width), [0] * width)
    return builder.shuffle_vector(first, first, mask)


def _fused(builder: Any, run: Any, first: Any, second: Any) -> Any:
    return builder.fadd(run, builder.fmul(first, second, flags=FUSED), flags=FUSED)


def _sums(builder: Any, runs: list[Any]) -> Any:
    """The sum of each of b runs as one run: neighbours are added until one value is left of each."""
    width = len(runs)
    kind = ir.VectorType(ir.IntType(32), width)
    even = ir.Constant(kind, list(range(0, 2 * width, 2)))
    odd = ir.Constant(kind, list(range(1, 2 * width, 2)))
    while len(runs) > 1:
        pairs = zip(runs[::2], runs[1::2], strict=True)
        runs = [
            builder.fadd(builder.shuffle_vector(a, c, even), builder.shuffle_vector(a, c, odd))
            for a, c in pairs
        ]
    return runs[0]


def _rows(context: Any, builder: Any, kind: Any, tiles: Any, at: Any, width: int) -> list[Any]:
    step = at.type
    places = [builder.add(at, step(i * width)) for i in range(width)]
    return [_read(context, builder, kind, tiles, place, width) for place in places]


@instructions
def _zeros(typing: Any, lanes: Any) -> Any:
    run = Run(lanes.count)
    return run(lanes), lambda context, builder, _, args: ir.Constant(context.get_value_type(run), None)


@instructions
def _load(typing: Any, array: Any, at: Any, lanes: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _read(context, builder, array, args[0], args[1], lanes.count)

    return Run(lanes.count)(array, types.intp, lanes), code


@instructions
def _store(typing: Any, array: Any, at: Any, run: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _write(context, builder, array, *args)
        return context.get_dummy_value()

    return types.void(array, types.intp, run), code


@instructions
def _spread(typing: Any, value: Any, lanes: Any) -> Any:
    run = Run(lanes.count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _repeated(builder, args[0], run.width)

    return run(types.float32, lanes), code


@instructions
def _add(typing: Any, run: Any, other: Any) -> Any:
    return run(run, other), lambda context, builder, _, args: builder.fadd(*args)


@instructions
def _multiply(typing: Any, run: Any, other: Any) -> Any:
    return run(run, other), lambda context, builder, _, args: builder.fmul(*args)


@instructions
def _divide(typing: Any, run: Any, other: Any) -> Any:
    return run(run, other), lambda context, builder, _, args: builder.fdiv(*args)


@instructions
def _root(typing: Any, run: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), run.width)
        kind = ir.FunctionType(vector, [vector])
        code = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{run.width}f32")
        return builder.call(code, args)

    return run(run), build


@instructions
def _where_zero(typing: Any, run: Any, kept: Any, other: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(ir.VectorType(ir.FloatType(), run.width), None)
        return builder.select(builder.fcmp_ordered("==", args[0], zero), args[1], args[2])

    return run(run, kept, other), code


@instructions
def _add_product(typing: Any, run: Any, first: Any, second: Any) -> Any:
    return run(run, first, second), lambda context, builder, _, args: _fused(builder, *args)


@instructions
def _total(typing: Any, run: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = ir.IntType(32)
        sums = [builder.extract_element(args[0], place(i)) for i in range(run.width)]
        while len(sums) > 1:
            half = len(sums) // 2
            sums = [
                builder.fadd(a, c, flags=("reassoc",)) for a, c in zip(sums[:half], sums[half:], strict=True)
            ]
        return sums[0]

    return types.float32(run), code


@instructions
def _add_tile(typing: Any, run: Any, x: Any, x_at: Any, tiles: Any, at: Any, lanes: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width = run.width
        start, x_array, x_first, tile, first = args[:5]
        sums: list[Any] = [None, None]
        for i, row in enumerate(_rows(context, builder, tiles, tile, first, width)):
            at_i = builder.add(x_first, x_first.type(i))
            value = builder.load(_pointer(context, builder, x, x_array, at_i))
            spread = _repeated(builder, value, width)
            s = sums[i % 2]
            sums[i % 2] = builder.fmul(spread, row) if s is None else _fused(builder, s, spread, row)
        return builder.fadd(start, builder.fadd(*sums))

    return run(run, x, types.intp, tiles, types.intp, lanes), code


@instructions
def _add_row_products(typing: Any, out: Any, out_at: Any, tiles: Any, at: Any, run: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, array_at, tile, first, factors = args
        rows = _rows(context, builder, tiles, tile, first, run.width)
        sums = _sums(builder, [builder.fmul(row, factors) for row in rows])
        before = _read(context, builder, out, array, array_at, run.width)
        _write(context, builder, out, array, array_at, builder.fadd(before, sums))
        return context.get_dummy_value()

    return types.void(out, types.intp, tiles, types.intp, run), code


@instructions
def _add_outer(typing: Any, tiles: Any, at: Any, x: Any, x_at: Any, run: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, first, x_array, x_first, factors = args
        width = run.width
        rows = _rows(context, builder, tiles, tile, first, width)
        values = _read(context, builder, x, x_array, x_first, width)
        for i, row in enumerate(rows):
            value = builder.extract_element(values, ir.IntType(32)(i))
            new = _fused(builder, row, _repeated(builder, value, width), factors)
            _write(context, builder, tiles, tile, builder.add(first, first.type(i * width)), new)
        return context.get_dummy_value()

    return types.void(tiles, types.intp, x, types.intp, run), code


@instructions
def _row_sums(typing: Any, tiles: Any, at: Any, lanes: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _sums(builder, _rows(context, builder, tiles, args[0], args[1], lanes.count))

    return Run(lanes.count)(tiles, types.intp, lanes), code


def _compile(function: Callable[..., Any], body: Callable[..., Any]) -> None:
    """Put instructions in the place of a function in kernels."""
    overload(function)(body)


_compile(zeros, lambda lanes: lambda lanes: _zeros(lanes))
_compile(load, lambda array, at, lanes: lambda array, at, lanes: _load(array, at, lanes))
_compile(store, lambda array, at, run: lambda array, at, run: _store(array, at, run))
_compile(spread, lambda value, lanes: lambda value, lanes: _spread(value, lanes))
_compile(multiply, lambda run, other: lambda run, other: _multiply(run, other))
_compile(divide, lambda run, other: lambda run, other: _divide(run, other))
_compile(root, lambda run: lambda run: _root(run))
_compile(where_zero, lambda run, kept, other: lambda run, kept, other: _where_zero(run, kept, other))
_compile(add, lambda run, other: lambda run, other: _add(run, other))
_compile(add_product, lambda run, first, second: lambda run, first, second: _add_product(run, first, second))
_compile(total, lambda run: lambda run: _total(run))
_compile(
    add_tile,
    lambda run, x, x_at, tiles, at, lanes: (
        lambda run, x, x_at, tiles, at, lanes: _add_tile(run, x, x_at, tiles, at, lanes)
    ),
)
_compile(
    add_row_products,
    lambda out, out_at, tiles, at, run: (
        lambda out, out_at, tiles, at, run: _add_row_products(out, out_at, tiles, at, run)
    ),
)
_compile(
    add_outer,
    lambda tiles, at, x, x_at, run: lambda tiles, at, x, x_at, run: _add_outer(tiles, at, x, x_at, run),
)
_compile(row_sums, lambda tiles, at, lanes: lambda tiles, at, lanes: _row_sums(tiles, at, lanes))
