"""Twins of the hash families on arrays that count: what hashing nodes and inputs takes.

Each is written out from the family's description, and numpy is all that is imported. `at` is the layer: its
`nodes`, `fan_in` and `meter`. The random planes and first directions are handed in.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
from counted import NoAddition, counted, plain


class Planes:
    """Signs of projections of weight rows and inputs as they are."""

    offers_coordinates = learns = follows = False
    added = 0

    def __init__(self, at, options, planes):
        self.at, self.options = at, options
        self.planes, self.lifts = planes[: at.fan_in], planes[at.fan_in :]

    def learn(self, inputs):
        """Nothing is learned."""

    def learn_scored(self, look):
        """Nor from winners."""

    def hash(self, look, ids):
        """Signs of the nodes with these numbers."""
        rows = look.weights[ids]
        return plain(self.lifted(rows, rows @ self.planes, len(ids) == self.at.nodes)) > 0

    def lifted(self, rows, projections, every):
        return projections

    def query(self, inputs, follow):
        """Projections that are hashed, and coordinates and steps where there are any."""
        return SimpleNamespace(projected=plain(inputs.times(self.planes)), coordinates=None, steps=None)


class SimpleLsh(Planes):
    """A coordinate makes all weight rows equally long."""

    added = 1

    def lifted(self, rows, projections, every):
        squared = (rows * rows).sum(axis=1)
        if every:
            self.longest = plain(squared).max()
        missing = np.sqrt(np.maximum(self.longest - squared, 0))
        return projections + missing[:, None] * self.lifts[0]


class Alsh(Planes):
    """m coordinates even out the norms of weight rows, scaled so that the longest has norm U."""

    @property
    def added(self):
        return self.options["m"]

    def lifted(self, rows, projections, every):
        squared = (rows * rows).sum(axis=1)
        if every:
            self.longest = math.sqrt(plain(squared).max())
        scale = self.options["U"] / self.longest
        power = np.minimum(squared * scale * scale, self.options["U"] ** 2)
        projections = scale * projections
        for lift in self.lifts:
            projections = projections + (0.5 - power)[:, None] * lift
            power = power * power
        return projections


class Learned:
    """A matrix under Adam, which leaves a number without a gradient alone."""

    def __init__(self, values, lr, meter):
        self.values = counted(values, meter)
        self.mean, self.square = (
            counted(np.zeros(values.shape), meter),
            counted(np.zeros(values.shape), meter),
        )
        self.lr, self.steps = lr, 0

    def step(self, gradient):
        self.steps += 1
        rate = self.lr * math.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)  # once a step
        mean = 0.9 * self.mean + 0.1 * gradient
        square = 0.999 * self.square + (0.001 * gradient) * gradient
        values = self.values - rate * mean / (np.sqrt(square) + 1e-8)
        still = plain(gradient) == 0
        for name, new in (("mean", mean), ("square", square), ("values", values)):
            kept = np.where(still, plain(getattr(self, name)), plain(new))
            setattr(self, name, counted(kept, new.meter))


class LearnedPlanes(Planes):
    """Planes over [weights, bias] and [input, 1] that learn from what they miss and what they should."""

    added, learns = 1, True

    def __init__(self, at, options, planes):
        super().__init__(at, options, planes)
        self.kept, self.steps = Learned(planes, options["lr"], at.meter), 0

    def hash(self, look, ids):
        return plain(self._of_nodes(look, ids)) > 0

    def query(self, inputs, follow):
        return SimpleNamespace(projected=plain(self._of_inputs(inputs)), coordinates=None, steps=None)

    def _of_nodes(self, look, ids):
        planes = self.kept.values
        return look.weights[ids] @ planes[:-1] + look.bias[ids][:, None] * planes[-1]

    def _of_inputs(self, inputs):
        return inputs.times(self.kept.values[:-1]) + NoAddition(plain(self.kept.values[-1]))

    def learn_scored(self, look):
        inputs = look.inputs.first(min(self.options["examples"], len(look.inputs)))
        scores = plain(inputs.times(look.weights.T)) + look.bias
        ranked = np.sort(scores, axis=1)
        high = scores >= ranked[:, -self.at.budget, None]
        low = scores < ranked[:, scores.shape[1] // 2, None]
        for _ in range(self.options["steps"]):
            self._step(look, inputs, high, low)

    def _step(self, look, inputs, high, low):
        meter, self.steps = self.at.meter, self.steps + 1
        of_inputs, of_nodes = self._of_inputs(inputs), self._of_nodes(look, np.arange(self.at.nodes))
        tables = plain(of_inputs).shape[1] // self.bits
        signs = [(plain(each) > 0).reshape(len(each), tables, self.bits) for each in (of_inputs, of_nodes)]
        met = (signs[0][:, None] == signs[1][None]).all(axis=3).any(axis=2)
        random = self.stream("pairs", self.steps)
        places = [np.flatnonzero(mask) for mask in (high & ~met, low & met)]
        fewest = min(map(len, places))
        missed, wrong = (random.permutation(each)[:fewest] for each in places)
        if not fewest:
            return
        used = sorted({int(j) for j in np.concatenate([missed, wrong]) % self.at.nodes})
        scales = [1 / math.sqrt(np.mean(plain(each) ** 2)) for each in (of_inputs, of_nodes)]
        soft_inputs, soft_nodes = np.tanh(plain(of_inputs * scales[0])), np.zeros(of_nodes.shape)
        soft_nodes[used] = np.tanh(plain(of_nodes[used] * scales[1]))
        at_inputs, at_nodes = np.zeros(soft_inputs.shape), np.zeros(soft_nodes.shape)
        for label, of_kind in ((1, missed), (0, wrong)):
            for b, j in zip(*np.divmod(of_kind, self.at.nodes), strict=True):
                left, right = counted(soft_inputs[b], meter), counted(soft_nodes[j], meter)
                agreed = (left * right).reshape(tables, self.bits).sum(axis=1)
                error = np.repeat(1 / (1 + np.exp(-plain(agreed))) - label, self.bits)
                at_inputs[b] = plain(counted(at_inputs[b], meter) + error * right)
                at_nodes[j] = plain(counted(at_nodes[j], meter) + error * left)
        soft_inputs = counted(soft_inputs, meter)
        at_inputs = counted(at_inputs, meter) * (1 - soft_inputs * soft_inputs) * scales[0]
        soft_nodes = counted(soft_nodes[used], meter)
        at_nodes = counted(at_nodes[used], meter) * (1 - soft_nodes * soft_nodes) * scales[1]
        gradient = plain(inputs.back(at_inputs) + look.weights[used].T @ at_nodes)
        last = plain(at_inputs.sum(axis=0) + look.bias[used] @ at_nodes)
        self.kept.step(counted(np.vstack([gradient, last]), meter))


class Sketch:
    """Signs of projections of a few coordinates of a node or an input."""

    offers_coordinates = True

    def __init__(self, at, options, planes, directions):
        self.at, self.options, self.planes = at, options, planes
        self.dims = len(planes) - 1
        self.v = counted(directions, at.meter)
        self.mean, self.remembered, self.learned = counted(np.zeros(at.fan_in), at.meter), 0.0, False
        self.turns, self.scale = options["directions"] == "principal", 1.0
        self.learns = self.turns or options["center"]
        self.follows = True
        self.coordinates = counted(np.zeros((at.nodes, self.v.shape[1] + 1)), at.meter)

    def basis(self):
        both = [plain(self.v), plain(self.mean)[:, None]] if self.options["offset"] else [plain(self.v)]
        return counted(np.hstack(both), self.at.meter)

    def learn(self, inputs):
        keep = self.options["memory"] if self.learned else 0.0
        if self.options["center"]:
            self.mean = keep * self.mean + (1 - keep) * (inputs.total() / len(inputs))
        for _ in range((1 if self.learned else 6) if self.turns else 0):
            self._turn(inputs, keep)
        self._find_centre()
        self.learned = True
        if self.options["offset"]:
            hashed = self._seen(inputs.times(self.v))[:, : self.dims]
            spread = math.sqrt(plain((hashed * hashed).sum(axis=1)).mean())
            self.scale = self.options["offset"] * spread or 1.0

    def _find_centre(self):
        if self.options["center"]:
            self.centre = self.mean @ self.v

    def _seen(self, projections):
        return projections - self.centre if self.options["center"] else projections

    def _turn(self, inputs, keep):
        """One step of orthogonal iteration with the covariance, which is never formed."""
        self._find_centre()
        coordinates = self._seen(inputs.times(self.v))
        product = inputs.back(coordinates)
        if self.options["center"]:
            product = product - self.mean[:, None] * coordinates.sum(axis=0)
        product = product / len(inputs)
        past = counted(np.broadcast_to(plain(self.remembered), product.shape), self.at.meter)
        self.remembered = keep * past + (1 - keep) * product
        self.v = self._orthonormal(self.remembered.copy())

    def _orthonormal(self, v):
        for j in range(v.shape[1]):
            before = float(plain(v[:, j] @ v[:, j]))
            for k in range(j):
                v[:, j] = v[:, j] - plain(v[:, j] @ v[:, k]) * v[:, k]
            norm = float(plain(v[:, j] @ v[:, j]))
            v[:, j] = v[:, j] * (1 / math.sqrt(norm) if norm > 1e-10 * before else 0.0)
        return v

    def learn_scored(self, look):
        """Winners teach it nothing."""

    def hash(self, look, ids):
        self.coordinates[ids] = self._with_offset(look.weights[ids] @ self.basis(), look.bias[ids])
        return self.hash_again(ids)

    def hash_again(self, ids):
        return plain(self._hashed(self.coordinates[ids]) @ self.planes) > 0

    def _hashed(self, coordinates):
        return coordinates[:, [*range(self.dims), -1]]

    def _with_offset(self, projections, bias):
        out = counted(np.zeros((len(projections), self.v.shape[1] + 1)), self.at.meter)
        out[:, : projections.shape[1]] = projections
        if self.options["offset"]:
            out[:, -1] = (projections[:, -1] + bias) / self.scale
        return out

    def query(self, inputs, follow):
        projections = inputs.times(self.basis() if follow else self.v)
        steps = self._with_offset(projections, 1.0) if follow else None
        coordinates = counted(np.zeros((len(inputs), self.v.shape[1] + 1)), self.at.meter)
        coordinates[:, :-1] = self._seen(projections[:, : self.v.shape[1]])
        coordinates[:, -1] = self.scale if self.options["offset"] else 0.0
        projected = plain(self._hashed(coordinates) @ self.planes)
        return SimpleNamespace(projected=projected, coordinates=coordinates, steps=steps)

    def follow(self, steps, pairs, rate):
        """A plain gradient step moves a node's coordinates by what its examples' would have been."""
        for node, of_node in pairs.items():
            total = counted(np.zeros(steps.shape[1]), self.at.meter)
            for example, delta in of_node:
                total = total + delta * steps[example]
            self.coordinates[node] = self.coordinates[node] - rate * total


class Unhashed:
    """A family that multiplies nothing: what its tables offer is taken as it was offered."""

    offers_coordinates = learns = follows = False

    def learn(self, inputs):
        """Nothing is learned."""

    def learn_scored(self, look):
        """Nor from winners."""

    def hash(self, look, ids):
        return None

    def query(self, inputs, follow):
        return SimpleNamespace(projected=None, coordinates=None, steps=None)


FAMILIES = {"srp": Planes, "simple_lsh": SimpleLsh, "alsh": Alsh, "learned_hash": LearnedPlanes}
