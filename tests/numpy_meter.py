"""A meter of NumPy's expressions: a network computes with arrays that count what they load and store.

The rule of `lshexp.work` for what stands between kernels, made executable. An expression counts where an
array of values (float32, or hash codes) takes part in it: each operand is loaded once, an index or a mask
among them, and the result is stored once. Views are free, and so is what NumPy does with integers alone.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
import types
from collections import Counter

import numpy as np

import lshexp.hashing
import lshexp.methods
import lshexp.nn
from lshexp import buffers

VALUES = (np.float32, np.uint32)
MODULES = ("lshexp.nn.", "lshexp.methods.", "lshexp.hashing.", "lshexp.arrays")


class Meter:
    """Bytes by the line of the source that touched them, and those that formulas of kernels gave."""

    def __init__(self):
        self.lines, self.of_kernels, self.left_out = Counter(), 0, 0

    def add(self, nbytes):
        if self.left_out:
            return
        frame = sys._getframe(1)
        while not frame.f_globals.get("__name__", "").startswith(MODULES):
            frame = frame.f_back
        self.lines[f"{frame.f_globals['__name__']}:{frame.f_lineno}"] += nbytes

    @property
    def nbytes(self):
        return sum(self.lines.values())


METER = Meter()


def size_of(value):
    """Bytes of an operand or a result that is an array; numbers are free."""
    if isinstance(value, np.ndarray) and value.ndim:
        return value.size * value.itemsize
    return 8 * len(value) if isinstance(value, list) else 0


def plain(value):
    """Arrays, and tuples of them, that no longer count."""
    if isinstance(value, Values):
        return value.view(np.ndarray)
    if isinstance(value, tuple):
        parts = [plain(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return [plain(part) for part in value] if isinstance(value, list) else value


def valued(value):
    """A result as it goes on: integers and flags by themselves stand outside the rule."""
    if not isinstance(value, np.ndarray):
        return value
    return value.view(np.ndarray if value.dtype.kind in "ib" else Values)


class Values(np.ndarray):
    """An array whose loads and stores are counted."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        operands = {id(array): array for array in inputs if isinstance(array, np.ndarray)}
        result = getattr(ufunc, method)(
            *map(plain, inputs), **options, **({"out": plain(out)} if out is not None else {})
        )
        METER.add(sum(map(size_of, operands.values())) + size_of(result))
        return out[0] if out is not None else valued(result)

    def __array_function__(self, function, kinds, arguments, options):
        result = function(*map(plain, arguments), **{name: plain(value) for name, value in options.items()})
        if function in (np.empty_like, np.shape, np.ndim, np.size, np.may_share_memory):
            return valued(result)
        if function is np.split:
            return [valued(part) for part in result]
        flat = [
            part for value in arguments for part in (value if isinstance(value, list | tuple) else [value])
        ]
        flat += [value for name, value in options.items() if name != "out"]
        operands = sum({id(part): size_of(part) for part in flat if isinstance(part, np.ndarray)}.values())
        if function is np.take:
            METER.add(size_of(arguments[1]) + 2 * size_of(result))
            return options["out"]
        if function is np.searchsorted:
            operands = size_of(arguments[1])  # it looks at a few numbers of those that are in order
        results = result if isinstance(result, tuple) else (result,)
        stored = sum(map(size_of, results)) if function is not np.nonzero else 0
        METER.add(operands + stored)
        return tuple(map(valued, results)) if isinstance(result, tuple) else valued(result)

    def __getitem__(self, at):
        if not (index := index_bytes(at)):
            return super().__getitem__(at)
        result = plain(self)[plain(at)]
        METER.add(index + 2 * size_of(result))
        return valued(result)

    def __setitem__(self, at, value):
        whole, target = plain(self), plain(self)[plain(at)]
        if isinstance(value, np.ndarray) and not index_bytes(at) and same(target, value):
            return  # x[i] += y, which has been counted
        METER.add(index_bytes(at) + size_of(value) + target.nbytes)
        whole[plain(at)] = plain(value)

    def copy(self, order="C"):
        METER.add(2 * self.nbytes)
        return plain(self).copy(order).view(Values)

    def astype(self, dtype, **options):
        result = plain(self).astype(dtype, **options)
        METER.add(self.nbytes + result.nbytes)
        return valued(result)

    def mean(self, *arguments, **options):
        result = plain(self).mean(*arguments, **options)
        METER.add(self.nbytes + size_of(result))
        return valued(result)


def index_bytes(at):
    """Bytes of the arrays and lists of an index, or 0 where it makes a view."""
    parts = at if isinstance(at, tuple) else (at,)
    return sum(size_of(part) for part in parts if isinstance(part, np.ndarray | list))


def same(a, b):
    """Whether two arrays are the same view."""
    return a.__array_interface__["data"] == b.__array_interface__["data"] and a.shape == b.shape


def _numpy():
    """NumPy, whose new arrays of values count; what is stored into them at once has been stored."""

    def making(make, stored):
        def call(*arguments, dtype=None, **options):
            if dtype is None:
                made = make(*map(plain, arguments), **options)
            else:
                made = make(*map(plain, arguments), dtype=dtype, **options)
            if made.dtype.type not in VALUES:
                return made
            METER.add(made.nbytes if stored else 0)
            return made.view(Values)

        return call

    def zeros_like(array, **options):
        made = np.zeros_like(plain(array), **options)
        METER.add(made.nbytes)
        return valued(made)

    def ascontiguousarray(array, dtype=None):
        made = np.ascontiguousarray(plain(array), dtype)
        if isinstance(array, Values) and not same(made, array):
            METER.add(array.size * array.itemsize + made.nbytes)
        return made.view(Values) if made.dtype.type in VALUES else made

    known = {
        "empty": making(np.empty, False),
        "empty_like": making(np.empty_like, False),
        "zeros": making(np.zeros, True),
        "ones": making(np.ones, True),
        "full": making(np.full, True),
        "array": making(np.array, True),
        "zeros_like": zeros_like,
        "ascontiguousarray": ascontiguousarray,
    }

    class Shim:
        def __getattr__(self, name):
            return known.get(name) or getattr(np, name)

    return Shim()


@contextlib.contextmanager
def leaving_out():
    """Nothing is metered within."""
    METER.left_out += 1
    try:
        yield
    finally:
        METER.left_out -= 1


def _left_out(function):
    def call(*arguments, **named):
        with leaving_out():
            return function(*arguments, **named)

    return call


def _kernel(function, name):
    """A kernel takes plain arrays and counts for itself; its formula is remembered."""

    def call(*arguments, **named):
        with leaving_out():
            result = function(*map(plain, arguments), **{key: plain(value) for key, value in named.items()})
        if name.endswith("_cost"):
            METER.of_kernels += 0 if METER.left_out else bytes_of(result)
        return result

    return call


def bytes_of(costs):
    """Bytes of a formula, whose parts may be told apart."""
    return costs.bytes if hasattr(costs, "bytes") else sum(map(bytes_of, costs))


def put_in(monkeypatch, left_out=()):
    """Let all modules between kernels compute with counting arrays; returns the meter, which begins at zero.

    `left_out`: (owner, name) of functions in which the rule leaves everything out.
    """
    for package in (
        lshexp.nn,
        lshexp.methods,
        lshexp.hashing,
    ):  # plug-ins are imported when they are asked for
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    METER.__init__()
    shim = _numpy()
    for module in [m for name, m in sys.modules.items() if name.startswith(MODULES)]:
        for name, value in list(vars(module).items()):
            if value is np:
                monkeypatch.setattr(module, name, shim)
            if value is buffers.empty or value is buffers.empty_like:
                monkeypatch.setattr(module, name, getattr(shim, name))
            made_by = getattr(value, "__module__", None) or ""
            function = hasattr(value, "py_func") or isinstance(value, types.FunctionType)
            if function and made_by.startswith("lshexp.kernels"):
                monkeypatch.setattr(module, name, _kernel(value, name))
    for owner, name in left_out:
        monkeypatch.setattr(owner, name, _left_out(getattr(owner, name)))
    return METER
