"""Arrays that count their arithmetic, and the two forms in which a layer reads its inputs; numpy only."""

from __future__ import annotations

import itertools

import naive
import numpy as np

PRODUCTS = (np.multiply, np.divide, np.sqrt)
SUMS = (np.add, np.subtract)


class Counted(np.ndarray):
    """Numbers whose products, quotients, roots and sums are counted, one for each element of the result.

    A term of a matrix product is a multiplication and an addition; a sum is an addition for each element.
    """

    meter = None

    def __array_finalize__(self, source):
        self.meter = getattr(source, "meter", None)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [np.asarray(array) if isinstance(array, Counted) else array for array in inputs]
        result = getattr(ufunc, method)(*plain, **options)
        at, size = self.meter.at, int(np.size(result))
        if ufunc is np.matmul:
            terms = size * plain[0].shape[-1]
            self.meter.mults[at] += terms
            self.meter.adds[at] += terms
        elif method == "reduce":
            self.meter.adds[at] += plain[0].size if ufunc is np.add else 0
        else:
            self.meter.mults[at] += size if ufunc in PRODUCTS else 0
            self.meter.adds[at] += size if ufunc in SUMS else 0
        return counted(result, self.meter)


def counted(values, meter):
    """The values as an array that counts."""
    array = np.asarray(values, dtype=np.float64).view(Counted)
    array.meter = meter
    return array


def plain(values):
    """The values as an array that does not count: for what the rule leaves out."""
    return np.asarray(values)


class Rows:
    """Examples whose inputs are all read."""

    stored = False

    def __init__(self, x, meter):
        self.x = counted(x, meter)

    def __len__(self):
        return len(self.x)

    def first(self, examples):
        """The first examples alone."""
        return Rows(plain(self.x)[:examples], self.x.meter)

    def times(self, matrix):
        """Each example times a matrix."""
        return self.x @ matrix

    def back(self, values):
        """The transposed examples times values of each."""
        return self.x.T @ values

    def total(self):
        """Sum over examples."""
        return self.x.sum(axis=0)

    def scores(self, b, weights):
        """Products of one example with some nodes' weights."""
        return weights @ self.x[b]


class Stored:
    """Examples of which only the stored inputs are read."""

    stored = True

    def __init__(self, indptr, indices, data, width, meter):
        ends = list(itertools.pairwise(indptr))
        self.examples = [(indices[a:b], counted(data[a:b], meter)) for a, b in ends]
        self.width, self.meter = width, meter

    def __len__(self):
        return len(self.examples)

    def first(self, examples):
        part = Stored([0], [], [], self.width, self.meter)
        part.examples = self.examples[:examples]
        return part

    def times(self, matrix):
        return counted([plain(values @ matrix[places]) for places, values in self.examples], self.meter)

    def back(self, values):
        out = counted(np.zeros((self.width, values.shape[1])), self.meter)
        for row, (places, own) in zip(values, self.examples, strict=True):
            out[places] = out[places] + own[:, None] * row
        return out

    def total(self):
        out = counted(np.zeros(self.width), self.meter)
        for places, values in self.examples:
            out[places] = out[places] + values
        return out

    def scores(self, b, weights):
        places, values = self.examples[b]
        return weights[:, places] @ values


def best(scores, k):
    """Numbers of the k largest."""
    return naive.top_k(plain(scores), min(k, len(scores)))


def sigmoid(z):
    """A map of a few operations a node, which the rule leaves out."""
    return 1 / (1 + np.exp(-plain(z)))


def plain_bias(look):
    """Biases, where sums start: no addition of their own."""
    return NoAddition(look.bias)


class NoAddition:
    """Added to counted scores without being counted."""

    def __init__(self, values):
        self.values = values

    __array_ufunc__ = None  # so that `scores + self` comes here

    def __radd__(self, scores):
        return counted(plain(scores) + self.values, scores.meter)
