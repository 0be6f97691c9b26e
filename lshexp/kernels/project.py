"""Projections of sparse inputs, sign codes, and orthonormal directions."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.kernels.parallel import REASSOCIATE


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
            for i in range(coordinates.shape[1]):
                out[indices[at], i] += data[at] * coordinates[b, i]


@njit(parallel=False, cache=True, fastmath=False)
def sign_codes(projections, bits, codes):
    """Pack the signs of K projections a table into its bucket number, the first bit lowest; zero counts as 0.

    Parameters
    ----------
    projections : float32[B, L * K]
    bits : int                      K, 1..32
    codes : uint32[B, L], out
    """
    for b in range(codes.shape[0]):
        for table in range(codes.shape[1]):
            code = np.uint32(0)
            for bit in range(bits):
                if projections[b, table * bits + bit] > 0:
                    code |= np.uint32(1) << np.uint32(bit)
            codes[b, table] = code


@njit(parallel=False, cache=True, fastmath=False, error_model="numpy")
def orthonormalise(directions):
    """Make the columns of float32[D, M] orthonormal in place by modified Gram-Schmidt.

    A column with (nearly) nothing left of it becomes zero, and so takes no part. Cost: D * M * (M + 2)
    multiplications and D * M * (M + 1) additions.
    """
    n_rows, n_columns = directions.shape
    for j in range(n_columns):
        before = np.float32(0)
        for i in range(n_rows):
            before += directions[i, j] * directions[i, j]
        for k in range(j):
            dot = np.float32(0)
            for i in range(n_rows):
                dot += directions[i, j] * directions[i, k]
            for i in range(n_rows):
                directions[i, j] -= dot * directions[i, k]
        norm = np.float32(0)
        for i in range(n_rows):
            norm += directions[i, j] * directions[i, j]
        if norm > np.float32(1e-10) * before:
            scale = np.float32(1) / np.sqrt(norm)
        else:
            scale = np.float32(0)
        for i in range(n_rows):
            directions[i, j] *= scale
