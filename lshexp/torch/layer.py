"""A layer of ours in the memory of a module's parameters, and its gradients as tensors."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lshexp.arrays import CSC, CSR, FloatArray, Inputs
from lshexp.kernels.csr import gather_rows, gather_rows_cost
from lshexp.kernels.parallel import balanced_bounds
from lshexp.kernels.step import rule_of
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Layer, Pairs
from lshexp.nn.plan import BEYOND_CACHE, LISTED_BEYOND, SPARSE_UP_TO, LayerPlan
from lshexp.work import elementwise

_ASCENT = rule_of("sgd", -1.0, 0.0)  # a step of it from zero ends at the gradient itself
# What methods are told: steps are PyTorch's, and cannot be followed as those of plain SGD can.
_UNKNOWN = rule_of("adagrad", 1.0, 0.0)


class SharedLayer(Layer):
    """A layer that computes with weights float32[N, D] and bias float32[N] of a module; it takes no steps."""

    def __init__(self, weights: FloatArray, bias: FloatArray | None, threads: int) -> None:
        nodes, fan_in = weights.shape
        with Gemm(threads) as gemm:  # another one each time that something is computed
            super().__init__(weights, _plan(nodes, fan_in), _ASCENT, gemm, threads)
        self.rule = _UNKNOWN
        self.share(weights, bias)
        self._lent: FloatArray | None = None  # memory of the last dense weight gradient

    def share(self, weights: FloatArray, bias: FloatArray | None) -> None:
        """Compute with these arrays from now on; without a bias it is zero."""
        self.weights = weights
        self.bias = np.zeros(self.nodes, dtype=np.float32) if bias is None else bias

    def deltas(self, gradient: FloatArray, active: CSR, multiplier: float | FloatArray) -> FloatArray:
        """Gradient at the pre-activations of active pairs, float32[P], from that at the output, [B, N]."""
        values = np.empty(active.nnz, dtype=np.float32)
        bounds = balanced_bounds(active.indptr, self.threads)
        gather_rows(gradient, active.indptr, active.indices, bounds, values)
        self.work.count("backward", gather_rows_cost(active.indptr, active.indices))
        if isinstance(multiplier, np.ndarray) or multiplier != 1:
            values *= np.float32(multiplier)
            self.work.count("backward", elementwise(values.size, mults=values.size))
        return values

    def parameter_gradients(
        self, inputs: Inputs, pairs: Pairs, deltas: FloatArray, sparse: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients at weights and bias, [N, D] and [N]; sparse: the rows of active nodes alone."""
        by_node = pairs.by_node
        if not sparse:
            weights = self._zeros()
            bias = self._ascend(weights, inputs, pairs, deltas)
            return torch.from_numpy(weights), torch.from_numpy(bias)
        filled = np.flatnonzero(by_node.column_lengths())
        ends = by_node.indptr[-1:]
        packed = CSC(np.concatenate([by_node.indptr[filled], ends]), by_node.indices, by_node.positions)
        rows = by_node.columns[filled] if self.plan.listed else filled
        weights = np.zeros((len(rows), self.fan_in), dtype=np.float32)
        bias = self._ascend(weights, inputs, Pairs(pairs.by_example, packed), deltas)
        return _rows_of(self.weights.shape, rows, weights), _rows_of(self.bias.shape, rows, bias)

    def _ascend(self, weights: FloatArray, inputs: Inputs, pairs: Pairs, deltas: FloatArray) -> FloatArray:
        """Add the gradient of the weights to `weights`, all zero, and return that of the bias."""
        plan = replace(self.plan, nodes=len(weights))
        summed = Layer(weights, plan, _ASCENT, self.gemm, self.threads)
        summed.update(inputs, pairs, deltas)
        self.work.count("backward", summed.work.tally("backward"))
        return summed.bias

    def _zeros(self) -> FloatArray:
        """Zeros float32[N, D]: the memory lent last time where nobody holds it any more.

        A tensor made of an array holds a reference to it, and fresh memory takes longer to get than the
        gradient of few nodes to compute.
        """
        if self._lent is None or sys.getrefcount(self._lent) > 2:  # the attribute's, and the call's
            self._lent = np.zeros(self.weights.shape, dtype=np.float32)
        else:
            self._lent.fill(0)
        return self._lent

    def __getstate__(self) -> dict[str, Any]:
        """All but what is not its own: a copy is to share the memory of the module's copy."""
        empty = np.empty((0, self.fan_in), dtype=np.float32)
        return {**self.__dict__, "weights": empty, "bias": empty, "_lent": None}


def _rows_of(shape: tuple[int, ...], rows: NDArray[Any], values: FloatArray) -> torch.Tensor:
    """A sparse tensor that stores some rows, each once, as the gradient of `torch.nn.Embedding` is."""
    return torch.sparse_coo_tensor(
        torch.from_numpy(rows.astype(np.int64))[None],
        torch.from_numpy(values),
        shape,
        is_coalesced=bool((rows[1:] > rows[:-1]).all()),
        check_invariants=False,
    )


def _plan(nodes: int, fan_in: int) -> LayerPlan:
    return LayerPlan(
        fan_in=fan_in,
        nodes=nodes,
        input="rows or csr",
        selected=True,
        scan=False,
        by_input=False,
        gradient_by_node=4 * fan_in * nodes >= BEYOND_CACHE,
        update="batch",
        linear=True,
        listed=nodes > LISTED_BEYOND,
        first=False,
    )


def as_read(rows: FloatArray) -> Inputs:
    """A batch float32[B, D] in the form in which it is read soonest: where most of it is zero, as a CSR."""
    few = np.count_nonzero(rows) <= SPARSE_UP_TO * rows.size
    return CSR.from_dense(rows) if few else rows
