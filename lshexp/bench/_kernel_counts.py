"""What a call of a kernel multiplies and moves, from its arguments, in the terms of `lshexp.work`.

A kernel's entry gets its arguments by name and what it returned; kernels without an entry do no arithmetic
that counts, or none that their arguments tell. A multiply-add is a multiplication, with the addition of its
product where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.work import RULES, STEP_COSTS, StepCost

Arguments = Mapping[str, Any]


class Cost(NamedTuple):
    """Of one call."""

    madds: int
    nbytes: int


def _forward_rows(a: Arguments, _: Any) -> Cost:
    pairs, fan_in = len(a["values"]), a["weights"].shape[1]
    return Cost(pairs * fan_in, 4 * (pairs * (fan_in + 1) + _occupied(a["by_node"]) * (fan_in + 1)))


def _forward_csr(a: Arguments, _: Any) -> Cost:
    products = _products(a["in_indptr"], a["by_node"])
    return Cost(products, 12 * products + 4 * (len(a["values"]) + _occupied(a["by_node"])))


def _input_gradient_rows(a: Arguments, _: Any) -> Cost:
    products = len(a["indices"]) * a["weights"].shape[1]
    return Cost(products, 4 * products + 8 * len(a["indices"]) + 4 * a["gradient"].size)


def _input_gradient_csr(a: Arguments, _: Any) -> Cost:
    products = int(np.diff(a["indptr"]) @ np.diff(a["in_indptr"]))
    return Cost(products, 16 * products + 8 * len(a["indices"]))


def _input_products(a: Arguments, _: Any) -> Cost:
    products = int(a["offsets"][-1])
    return Cost(products, 12 * products + 8 * len(a["deltas"]))


def _sum_products(a: Arguments, _: Any) -> Cost:
    return Cost(0, 4 * int(a["offsets"][-1]) + 4 * len(a["gradient"]))


def _update_rows(a: Arguments, stepped: Any) -> Cost:
    pairs, fan_in, rows = len(a["deltas"]), a["x"].shape[1], _occupied(a["by_node"])
    step = _step(a["rule"], int(stepped) + rows)
    return Cost(pairs * fan_in + step.madds, 4 * (pairs * (fan_in + 1) + rows * fan_in) + step.nbytes)


def _update_csr(a: Arguments, stepped: Any) -> Cost:
    products = _products(a["in_indptr"], a["by_node"])
    step = _step(a["rule"], int(stepped))
    return Cost(products + step.madds, 16 * products + 4 * len(a["deltas"]) + step.nbytes)


def _step_bias(a: Arguments, _: Any) -> Cost:
    return _step(a["rule"], _occupied(a["by_node"]))


def _scan_csr(a: Arguments, _: Any) -> Cost:
    listed, nodes = len(a["in_indices"]), a["columns"].shape[1]
    return Cost(listed * nodes, 8 * listed + 4 * (listed * nodes + a["scores"].size + nodes))


def _input_gradient_by_input(a: Arguments, _: Any) -> Cost:
    products = _products(a["indptr"], a["by_input"])
    return Cost(products, 12 * products + 4 * len(a["gradient"]))


def _descend_by_input(a: Arguments, _: Any) -> Cost:
    products, listed = _products(a["indptr"], a["by_input"]), len(a["in_data"])
    return Cost(products + listed, 16 * products + 8 * listed + 4 * len(a["deltas"]))


def _step_dense(a: Arguments, _: Any) -> Cost:
    return _step(a["rule"], a["weights"].size)


def _descend_rows(a: Arguments, _: Any) -> Cost:
    pairs, size, rows = len(a["deltas"]), a["x"].shape[1], _occupied(a["by_node"])
    return Cost(size * (pairs + rows), 4 * (pairs * (size + 1) + 2 * rows * size))


def _score_by_coordinates(a: Arguments, _: Any) -> Cost:
    pairs, size = len(a["indices"]), a["coordinates"].shape[1]
    return Cost(pairs * size, 4 * pairs * (size + 2))


def _project_csr(a: Arguments, _: Any) -> Cost:
    listed, size = len(a["indices"]), a["matrix"].shape[1]
    return Cost(listed * size, 4 * listed * (size + 2) + 4 * a["out"].size)


def _scores(a: Arguments, _: Any) -> Cost:
    return _product(len(a["x"]), a["weights"].shape[1], len(a["weights"]))


def _gemm_input_gradient(a: Arguments, _: Any) -> Cost:
    return _product(len(a["deltas"]), len(a["weights"]), a["weights"].shape[1])


def _gemm_weight_gradient(a: Arguments, _: Any) -> Cost:
    return _product(a["deltas"].shape[1], len(a["deltas"]), a["x"].shape[1])


COSTS: Mapping[str, Callable[[Arguments, Any], Cost]] = {
    "forward_rows": _forward_rows,
    "forward_csr": _forward_csr,
    "input_gradient_rows": _input_gradient_rows,
    "input_gradient_csr": _input_gradient_csr,
    "input_products": _input_products,
    "sum_products": _sum_products,
    "update_rows": _update_rows,
    "update_csr": _update_csr,
    "step_bias": _step_bias,
    "step_dense": _step_dense,
    "scan_csr": _scan_csr,
    "input_gradient_by_input": _input_gradient_by_input,
    "descend_by_input": _descend_by_input,
    "descend_rows": _descend_rows,
    "score_by_coordinates": _score_by_coordinates,
    "project_csr": _project_csr,
    "gemm scores": _scores,
    "gemm input_gradient": _gemm_input_gradient,
    "gemm weight_gradient": _gemm_weight_gradient,
}


def _occupied(grouped: Any) -> int:
    """Columns that have an entry."""
    return int(np.count_nonzero(np.diff(grouped[0])))


def _products(in_starts: NDArray[np.int64], grouped: Any) -> int:
    """Sum over pairs of the inputs stored for the pair's example."""
    return int(np.diff(in_starts)[grouped[1]].sum())


def _step(rule: Any, stepped: int) -> Cost:
    """An optimiser step of so many weights: weight, gradient and state read, weight and state written."""
    cost: StepCost = STEP_COSTS[RULES[rule[0]]]
    return Cost(stepped * cost.mults, 4 * stepped * (3 + 2 * cost.slots))


def _product(rows: int, inner: int, columns: int) -> Cost:
    return Cost(rows * inner * columns, 4 * (rows * inner + inner * columns + rows * columns))
