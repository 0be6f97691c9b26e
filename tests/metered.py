"""A meter of memory: kernels run as plain Python on arrays that count every element loaded or stored.

It is the rule of `lshexp.work` made executable: whatever a kernel's source reads from or writes to an array
counts with its size, each time; an expression of NumPy loads its operands once and stores its result once.
"""

from __future__ import annotations

import inspect
import sys
import types

import numpy as np

from lshexp.work import Work


class Meter:
    """Bytes loaded and stored so far."""

    nbytes = 0


class Metered(np.ndarray):
    """An array whose elements are counted by the meter they were made for."""

    meter: Meter | None = None

    def __array_finalize__(self, source):
        self.meter = getattr(source, "meter", None)

    def __getitem__(self, at):
        value = super().__getitem__(at)
        if not isinstance(value, np.ndarray):
            self.meter.nbytes += self.itemsize
        return value

    def __setitem__(self, at, value):
        target = super().__getitem__(at)
        self.meter.nbytes += target.nbytes if isinstance(target, np.ndarray) else self.itemsize
        if isinstance(value, Metered):
            self.meter.nbytes += value.nbytes
            value = np.asarray(value)
        super().__setitem__(at, value)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        operands = {id(array): array for array in inputs if isinstance(array, Metered)}
        for array in operands.values():
            self.meter.nbytes += array.nbytes
        plain = [np.asarray(array) if isinstance(array, Metered) else array for array in inputs]
        if out is not None:
            options["out"] = tuple(np.asarray(array) for array in out)
        result = getattr(ufunc, method)(*plain, **options)
        if not isinstance(result, np.ndarray):
            return result
        self.meter.nbytes += result.nbytes
        return out[0] if out is not None else metered(result, self.meter)


def metered(value, meter):
    """Arrays, and tuples of them, counted by the meter; all else as it is."""
    if isinstance(value, np.ndarray):
        array = np.asarray(value).view(Metered)
        array.meter = meter
        return array
    if isinstance(value, tuple):
        parts = [metered(part, meter) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def call(kernel, *arguments, meter):
    """Run a kernel as Python on counted arrays; chunk bounds, which share work out, are not counted."""
    names = _source(kernel).__code__.co_varnames
    counted = [
        argument if name == "bounds" else metered(argument, meter)
        for name, argument in zip(names, arguments, strict=False)
    ]
    with np.errstate(all="ignore"):
        return _interpreted(kernel, meter)(*counted)


def _source(kernel):
    return getattr(kernel, "py_func", kernel)  # compilation may be switched off


def _interpreted(kernel, meter):
    """The kernel's own source, calling the sources of other kernels and making counted buffers."""
    source = _source(kernel)
    names = dict(source.__globals__)
    for name, value in names.items():
        if hasattr(value, "py_func") or _is_kernel_source(value):
            names[name] = _late(value, meter)
    names["np"] = _numpy(meter)
    names["prange"] = range
    return types.FunctionType(source.__code__, names, source.__name__, source.__defaults__)


def _is_kernel_source(value):
    return isinstance(value, types.FunctionType) and value.__module__.startswith("lshexp.kernels")


def _late(kernel, meter):
    return lambda *arguments: _interpreted(kernel, meter)(*arguments)


def _numpy(meter):
    """NumPy, where arrays that a kernel makes for itself are counted too; those of zeros are stored once."""

    def empty(shape, dtype=np.float64):
        return metered(np.zeros(shape, dtype), meter)

    def zeros(shape, dtype=np.float64):
        made = empty(shape, dtype)
        meter.nbytes += made.nbytes
        return made

    def full(shape, value, dtype=None):
        made = metered(np.full(shape, value, dtype), meter)
        meter.nbytes += made.nbytes
        return made

    def argsort(array, kind=None):
        order = np.argsort(np.asarray(array), kind=kind)
        meter.nbytes += array.nbytes + order.nbytes
        return metered(order, meter)

    known = {"empty": empty, "zeros": zeros, "full": full, "argsort": argsort}

    class Shim:
        def __getattr__(self, name):
            return known.get(name) or getattr(np, name)

    return Shim()


def whole(items):
    """One chunk of all items: counts are those of one thread."""
    return np.array([0, items])


def total(work):
    """Sum of the parts that a formula tells apart."""
    return work if isinstance(work, Work) else sum(map(total, work), Work(0, 0, 0))


def check(kernel, *arguments):
    """Run the kernel on counted arrays, and compare; returns what the formula says."""
    meter = Meter()
    names = list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters)
    named = dict(zip(names, arguments, strict=True))
    returned = call(kernel, *arguments, meter=meter)
    touched = meter.nbytes  # formulas look at arrays too
    cost = getattr(sys.modules[kernel.__module__], f"{kernel.__name__}_cost")
    wanted = inspect.signature(cost).parameters
    work = cost(**{name: (named | {"returned": returned})[name] for name in wanted})
    work = total(work)
    assert work.bytes == touched
    assert all(isinstance(part, int | np.integer) for part in work)
    return work
