"""Projections of sparse inputs, sign codes, and orthonormal directions."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from lshexp.arrays import FloatArray, IntArray
from lshexp.kernels._cost import ID, OFFSET, VALUE
from lshexp.kernels.parallel import REASSOCIATE
from lshexp.work import Work


@njit(parallel=True, cache=True, fastmath=REASSOCIATE)
def project_csr(indptr, indices, data, matrix, bounds, out):
    """out[b] = sum of values * matrix rows over the inputs of example b.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[Q]; data : float32[Q]
    matrix : float32[D, M]          inputs x directions, so that an entry reads one contiguous row
    bounds : int64[C + 1]           chunks of examples
    out : float32[B, M], out

    Cost: Q * M multiplications.
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            total = out[b]
            total[:] = 0
            for at in range(indptr[b], indptr[b + 1]):
                row = matrix[indices[at]]
                value = data[at]
                for i in range(len(total)):
                    total[i] += value * row[i]


def project_csr_cost(indices: IntArray, out: FloatArray) -> Work:
    """A direction's value, and a sum loaded and stored, for each product; id and value of an input."""
    examples, size = out.shape
    products = len(indices) * size
    nbytes = VALUE * (3 * products + out.size) + (ID + VALUE) * len(indices) + 2 * OFFSET * examples
    return Work(products, products, nbytes)


@njit(parallel=False, cache=True, fastmath=False)
def spread_csr(indptr, indices, data, coordinates, out):
    """out += X^T coordinates for sparse X: the transpose of `project_csr`.

    Parameters
    ----------
    indptr : int64[B + 1]; indices : int32[Q]; data : float32[Q]
    coordinates : float32[B, M]
    out : float32[D, M], added to
    """
    for b in range(len(indptr) - 1):
        for at in range(indptr[b], indptr[b + 1]):
            node, value = indices[at], data[at]
            for i in range(coordinates.shape[1]):
                out[node, i] += value * coordinates[b, i]


def spread_csr_cost(indices: IntArray, coordinates: FloatArray) -> Work:
    """A coordinate, and a sum loaded and stored, for each product; id and value of an input."""
    examples, size = coordinates.shape
    products = len(indices) * size
    nbytes = VALUE * 3 * products + (ID + VALUE) * len(indices) + 2 * OFFSET * examples
    return Work(products, products, nbytes)


@njit(parallel=True, cache=True, fastmath=False)
def sign_codes(projections, bits, bounds, codes):
    """Pack the signs of K projections a table into its bucket number, the first bit lowest; zero counts as 0.

    Parameters
    ----------
    projections : float32[B, L * K]
    bits : int                      K, 1..32
    bounds : int64[C + 1]           chunks of examples or nodes
    codes : uint32[B, L], out
    """
    for c in prange(len(bounds) - 1):
        for b in range(bounds[c], bounds[c + 1]):
            for table in range(codes.shape[1]):
                code = np.uint32(0)
                for bit in range(bits):
                    if projections[b, table * bits + bit] > 0:
                        code |= np.uint32(1) << np.uint32(bit)
                codes[b, table] = code


def sign_codes_cost(codes: NDArray[np.uint32], bits: int) -> Work:
    """Each projection, and each code."""
    return Work(0, 0, (VALUE * bits + ID) * codes.size)


@njit(parallel=False, cache=True, fastmath=False, error_model="numpy")
def orthonormalise(directions):
    """Make the columns of float32[D, M] orthonormal in place by modified Gram-Schmidt.

    A column with (nearly) nothing left of it becomes zero, and so takes no part.
    """
    n_rows, n_columns = directions.shape
    for j in range(n_columns):
        before = np.float32(0)
        for i in range(n_rows):
            value = directions[i, j]
            before += value * value
        for k in range(j):
            dot = np.float32(0)
            for i in range(n_rows):
                dot += directions[i, j] * directions[i, k]
            for i in range(n_rows):
                directions[i, j] -= dot * directions[i, k]
        norm = np.float32(0)
        for i in range(n_rows):
            value = directions[i, j]
            norm += value * value
        if norm > np.float32(1e-10) * before:
            scale = np.float32(1) / np.sqrt(norm)
        else:
            scale = np.float32(0)
        for i in range(n_rows):
            directions[i, j] *= scale


def orthonormalise_cost(directions: FloatArray) -> Work:
    """Two norms and a scaling of each column, a product and a difference of each two columns."""
    rows, columns = directions.shape
    pairs = columns * (columns - 1) // 2
    nbytes = VALUE * rows * (4 * columns + 5 * pairs)
    return Work(rows * (3 * columns + 2 * pairs), rows * (2 * columns + 2 * pairs), nbytes)
