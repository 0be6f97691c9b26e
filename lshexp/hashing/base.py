"""What a hash family is, and the counted projections that families are built from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lshexp.arrays import CSC, CSR, FloatArray, Inputs, IntArray, OffsetArray
from lshexp.buffers import empty
from lshexp.kernels.parallel import all_threads, balanced_bounds, even_bounds
from lshexp.kernels.project import (
    project_csr,
    project_csr_cost,
    sign_codes,
    sign_codes_cost,
    spread_csr,
    spread_csr_cost,
)
from lshexp.registry import Plugin
from lshexp.work import LayerWork, Work, elementwise, matrix_product

Codes = NDArray[np.uint32]
BLOCK = 2**16  # nodes; with 600 planes their projections take 157 MB


class Query(NamedTuple):
    """Hashes of a batch of inputs.

    codes: uint32[B, L]. margins: float32[B, L, K], the distance of each bit from flipping, or
    float32[B, L, 0] from a family that has none. coordinates: float32[B, M], low-dimensional stand-ins of
    the inputs, or None. steps: float32[B, M], what a gradient step along each input adds to the coordinates
    of a node, for `Hasher.follow`, or None.
    """

    codes: Codes
    margins: FloatArray
    coordinates: FloatArray | None = None
    steps: FloatArray | None = None


class Scored(NamedTuple):
    """Examples for which every node of a layer has been computed."""

    inputs: Inputs
    weights: FloatArray  # float32[N, D], of the moment
    bias: FloatArray  # float32[N]
    scores: FloatArray  # float32[B, N], pre-activations
    winners: int  # nodes of an example that are to be active


class Hasher(ABC):
    """One draw of a family: L tables of K bits for the nodes and inputs of one layer."""

    coordinates: FloatArray | None = (
        None  # float32[N, M]: stand-ins of the nodes, fresh as of their last hash
    )
    learns = False  # whether `learn` or `learn_scored` changes anything
    to_score = 0  # examples that `learn_scored` wants each time

    def learn(self, inputs: Inputs, work: LayerWork) -> None:  # noqa: B027 - most families learn nothing
        """Adapt to the inputs a layer sees; called before nodes are hashed anew."""

    def learn_scored(self, scored: Scored, work: LayerWork) -> None:  # noqa: B027 - as above
        """Adapt to which nodes win; called after `learn`, with at most `to_score` examples."""

    @abstractmethod
    def hash_nodes(self, weights: FloatArray, bias: FloatArray, ids: IntArray, work: LayerWork) -> Codes:
        """Buckets of the weight rows `ids`, uint32[len(ids), L], counted under `rebuild`."""

    @abstractmethod
    def hash_inputs(self, inputs: Inputs, work: LayerWork, follow: bool = False) -> Query:
        """Buckets of a batch of inputs, counted under `select`; with `follow`, the query has its steps."""

    def state(self) -> dict[str, NDArray[Any]]:
        """What hashing an input needs beyond the draw, which its key repeats: arrays by name."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027 - most families learn nothing
        """Take over the `state` of the same draw. Raises ValueError or KeyError when it is none."""

    def follow(
        self,
        steps: FloatArray,
        groups: CSC,
        deltas: FloatArray,
        rate: np.float32,
        bounds: OffsetArray,
        work: LayerWork,
    ) -> None:
        """Keep coordinates exact through a step w[node] -= rate * sum(delta * input), counted as `rebuild`.

        groups and deltas are the step's pairs; bounds int64[C + 1] are chunks of nodes; steps are those of
        the query of the same batch.
        """
        raise NotImplementedError(f"{type(self).__name__} keeps nothing to follow with")

    def hash_again(self, ids: IntArray, work: LayerWork) -> Codes:
        """Buckets of nodes from coordinates that `follow` has kept, uint32[len(ids), L]."""
        raise NotImplementedError(f"{type(self).__name__} keeps nothing to hash again from")


def in_blocks(hashed: Callable[[IntArray], Codes], ids: IntArray, work: LayerWork) -> Codes:
    """Codes of nodes, so many at a time that their projections need not all be in memory at once."""
    if len(ids) <= BLOCK:
        return hashed(ids)
    codes = np.concatenate([hashed(ids[first : first + BLOCK]) for first in range(0, len(ids), BLOCK)])
    work.count("rebuild", elementwise(codes.size))
    return codes


class HashFamily(Plugin):
    """Base of every registered hash family; its fields are its YAML options."""

    has_margins: ClassVar[bool] = True  # can be probed beyond a query's own bucket
    has_coordinates: ClassVar[bool] = False  # offers stand-ins to rank candidates by
    can_follow: ClassVar[bool] = False  # keeps stand-ins exact through steps of plain SGD

    def memory_bytes(self, K: int, L: int, nodes: int, fan_in: int) -> int:
        """Memory of the planes, and of what is kept of each node, in bytes; here planes over the inputs."""
        return 4 * fan_in * K * L

    @abstractmethod
    def draw(self, K: int, L: int, nodes: int, fan_in: int, key: int) -> Hasher:
        """Draw L tables of K bits."""


def squared_norms(rows: FloatArray, work: LayerWork) -> FloatArray:
    """Squared lengths of rows float32[N, D], counted as `rebuild`."""
    work.count("rebuild", Work(rows.size, rows.size, 4 * (rows.size + len(rows))))
    squared: FloatArray = np.einsum("ij,ij->i", rows, rows)
    return squared


def project(inputs: Inputs, matrix: FloatArray, work: LayerWork, phase: str) -> FloatArray:
    """Return inputs @ matrix, float32[B, M], for inputs in either form; matrix float32[D, M].

    Dense rows go through BLAS, a CSR reads one row of the matrix an entry; both count what they multiply.
    """
    if isinstance(inputs, CSR):
        examples = len(inputs)
        out = empty((examples, matrix.shape[1]), dtype=np.float32)
        project_csr(*inputs.arrays, matrix, balanced_bounds(inputs.indptr, all_threads()), out)
        work.count(phase, project_csr_cost(inputs.indices, out))
        return out
    work.count(phase, matrix_product(len(inputs), *matrix.shape))
    return np.matmul(inputs, matrix, out=empty((len(inputs), matrix.shape[1]), np.float32))


def spread(inputs: Inputs, coordinates: FloatArray, work: LayerWork, phase: str) -> FloatArray:
    """Return inputs^T @ coordinates, float32[D, M], for inputs in either form; coordinates float32[B, M]."""
    if isinstance(inputs, CSR):
        out = np.zeros((inputs.shape[1], coordinates.shape[1]), dtype=np.float32)
        spread_csr(*inputs.arrays, coordinates, out)
        work.count(phase, spread_csr_cost(inputs.indices, coordinates) + Work(0, 0, 4 * out.size))
        return out
    work.count(phase, matrix_product(inputs.shape[1], len(inputs), coordinates.shape[1]))
    product: FloatArray = inputs.T @ coordinates
    return product


def signs(projections: FloatArray, bits: int, work: LayerWork, phase: str = "rebuild") -> Codes:
    """Pack the signs of float32[B, L * K] into uint32[B, L]."""
    codes = empty((len(projections), projections.shape[1] // bits), dtype=np.uint32)
    sign_codes(projections, bits, even_bounds(len(codes), all_threads()), codes)
    work.count(phase, sign_codes_cost(codes, bits))
    return codes


def sign_query(
    projections: FloatArray,
    bits: int,
    work: LayerWork,
    coordinates: FloatArray | None = None,
    steps: FloatArray | None = None,
) -> Query:
    """Codes and margins of projections float32[B, L * K]."""
    margins = np.abs(projections, out=empty(projections.shape, np.float32))
    margins = margins.reshape(len(projections), projections.shape[1] // bits, bits)
    work.count("select", elementwise(projections.size))
    return Query(signs(projections, bits, work, "select"), margins, coordinates, steps)
