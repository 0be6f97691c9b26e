"""A twin of selection: what each method does to choose nodes, on arrays that count their arithmetic.

Each method is written out from its description, as plain NumPy on `Counted` arrays: a multiplication counts
when, and because, it is done. Nothing of the project is imported. A twin is given what a layer is given: its
inputs, its weights at that moment, the method's options and the run's named random streams. It keeps
thresholds, offsets, directions and tables of its own, and answers with the nodes that it would choose.

What the twin finds in its tables may differ from what was found where a number is zero but for rounding,
such as a projection, or a direction in which the inputs do not vary. So the candidates that it goes on with
are those that were `offered`.
"""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import naive
import numpy as np
from counted import NoAddition, best, counted, plain, plain_bias, sigmoid
from hashing_twin import FAMILIES, Learned, Sketch, Unhashed


class Everything:
    """The dense network."""

    def choose(self, look):
        return SimpleNamespace(nodes=None, scored=False, multiplier=1.0)

    def after_step(self, look):
        """Nothing is kept."""


class Dropout(Everything):
    """Leaps from one kept node to the next: a scaled logarithm each."""

    def __init__(self, at):
        self.at = at

    def choose(self, look):
        if not look.training:
            return SimpleNamespace(nodes=None, scored=False, multiplier=1.0)
        at, nodes = self.at, []
        key = at.stream_key(at.key, "dropout", look.epoch)
        for example in look.examples:
            own, node, kept = naive.mix(key, int(example)), -1, []
            for draw in itertools.count():
                with np.errstate(divide="ignore"):
                    chance = 1 - naive.uniform(naive.mix(own, draw))
                    leap = at.meter.div(math.log(chance), float(np.log1p(-at.share)))
                if leap >= at.nodes - 1 - node:
                    break
                node += 1 + int(leap)
                kept.append(node)
            nodes.append(kept)
        return SimpleNamespace(nodes=nodes, scored=False, multiplier=1 / at.share)


class AdaptiveDropout(Everything):
    """Computes every node; keeps each with probability sigmoid(alpha * score + beta)."""

    def __init__(self, at):
        self.at, self.beta = at, at.options["beta"]
        self.sought = self.beta is None

    def choose(self, look):
        at, share = self.at, min(self.at.share, 1 - 1e-6)
        scores = look.inputs.times(look.weights.T) + plain_bias(look)
        driven = at.options["alpha"] * scores
        if self.beta is None:
            self.beta = self._met_by(plain(driven), share)
        keep = sigmoid(driven + self.beta)
        if not look.training:
            return SimpleNamespace(nodes=None, scored=True, multiplier=keep)
        if self.sought:
            self.beta += math.log(share / (1 - share)) - math.log(keep.mean() / (1 - keep.mean()))
        key = at.stream_key(at.key, "standout", look.epoch)
        drawn = naive.draw_gated(key, look.examples, keep)
        nodes = [np.flatnonzero(row).tolist() for row in drawn]
        return SimpleNamespace(nodes=nodes, scored=True, multiplier=1.0)

    def _met_by(self, driven, share):
        low, high = -60 - driven.max(), 60 - driven.min()
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if sigmoid(driven + middle).mean() < share else (low, middle)
        return low


class WinnerTakeAll(Everything):
    """Computes every node and keeps what reaches a threshold, or the k largest of each example."""

    def __init__(self, at):
        self.at, self.average = at, None

    def choose(self, look):
        scores = look.inputs.times(look.weights.T) + plain_bias(look)
        nodes = getattr(self, f"_over_{self.at.options['over']}")(scores, look)
        return SimpleNamespace(nodes=nodes, scored=True, multiplier=1.0)

    def _over_example(self, scores, look):
        return [best(row, self.at.budget) for row in scores]

    def _over_batch(self, scores, look):
        if look.training:
            k = max(1, round(self.at.share * scores.size))
            threshold = np.sort(plain(scores).ravel())[-k]
            # one threshold a layer is a single scalar
            self.average = threshold if self.average is None else self._mixed(self.average, threshold)
        return self._reaching(scores, threshold if look.training else self.average)

    def _over_node(self, scores, look):
        if look.training:
            k = max(1, round(self.at.share * len(scores)))
            threshold = counted(np.sort(plain(scores), axis=0)[-k], scores.meter)
            self.average = threshold if self.average is None else self._mixed(self.average, threshold)
        return self._reaching(scores, plain(threshold if look.training else self.average))

    def _mixed(self, past, threshold):
        smoothing = self.at.options["smoothing"]
        return smoothing * past + (1 - smoothing) * threshold

    def _reaching(self, scores, threshold):
        return [np.flatnonzero(row >= threshold).tolist() for row in plain(scores)]


class Lsh(Everything):
    """Nodes met in hash tables, ranked; the best of them computed exactly."""

    def __init__(self, at):
        self.at, self.options = at, at.options
        self.bits, self.tables = at.options["K"] or 0, at.options["L"]
        self.family = self._drawn()
        self.follows = self.options["follow"] and at.linear and self.family.follows
        order = at.stream(at.stream_key(at.key, "order"), "tables")
        self.firsts = order.integers(0, at.nodes, self.tables) if self.tables else []
        self.signs = np.zeros((at.nodes, self.bits * self.tables), dtype=bool)
        self.seen = self.learn_at = self.hash_at = self.learned = 0
        self.every = self.options["rehash_every"]
        self.changed, self.next = set(), 0

    @property
    def most(self):
        """Nodes that tables offer at most."""
        return min(self.at.nodes, max(self.at.budget, round(self.options["candidates"] * self.at.budget)))

    def _drawn(self):
        """The family with its planes and first directions, draws of named streams."""
        at, options = self.at, dict(self.options["hash"])
        name, planes, key = options["name"], self.bits * self.tables, at.stream_key(at.key, "hash")

        def normal(purpose, rows, columns):
            return at.stream(key, purpose).standard_normal((rows, columns), dtype=np.float32)

        if name == "dwta":
            return Unhashed()
        if name in FAMILIES:
            added = {"simple_lsh": 1, "learned_hash": 1, "alsh": options.get("m", 0)}.get(name, 0)
            family = FAMILIES[name](at, options, normal("planes", at.fan_in + added, planes))
            family.bits, family.stream = self.bits, lambda *names: at.stream(key, *names)
            return family
        dims = min(options["dims"] or max(1, round(at.fan_in / 100)), at.fan_in)
        ranked = options["rank_dims"] or (2 * dims if options["directions"] == "principal" else dims)
        ranked = min(ranked, at.fan_in)
        if options["directions"] == "pooled":
            pool = np.arange(at.fan_in) * ranked // at.fan_in
            directions = (pool[:, None] == np.arange(ranked)) / np.bincount(pool, minlength=ranked)
        else:
            directions = normal("directions", at.fan_in, ranked) / math.sqrt(at.fan_in)
        return Sketch(at, options, normal("planes", dims + 1, planes), directions)

    def choose(self, look):
        meter, at = self.at.meter, self.at
        if at.exact:
            scores = look.inputs.times(look.weights.T) + plain_bias(look)
            nodes = [best(row, at.budget) for row in scores]
            return SimpleNamespace(nodes=nodes, scored=True, multiplier=1.0)
        if look.training:
            phase, meter.at = meter.at, (meter.at[0], "rebuild")
            self._keep_fresh(look)
            meter.at = phase
        query = self.family.query(look.inputs, self.follows and look.training)
        refine = self._refined(look.inputs.stored)
        kept = self._ranked(query, look, max(at.budget, round(refine * at.budget)))
        if refine:
            scores = [look.inputs.scores(b, look.weights[own]) for b, own in enumerate(kept)]
            kept = [
                [own[i] for i in best(plain(row) + look.bias[own], at.budget)]
                for own, row in zip(kept, scores, strict=True)
            ]
        else:
            kept = [own[: at.budget] for own in kept]
        token = query.steps, self.learned
        return SimpleNamespace(nodes=kept, scored=refine > 0, multiplier=1.0, token=token)

    def _refined(self, stored):
        refine, given = self.options["refine"], self.options["refine_sparse"]
        if not stored:
            return refine
        return 2.4 * refine if given is None else given

    def _ranked(self, query, look, keep):
        """The nodes that go on to be computed exactly, or to be active."""
        if not self.tables:
            scores = query.coordinates @ self.family.coordinates.T
            return [best(row, keep) for row in scores]
        self.met(query, look)
        found = [list(map(int, own)) for own in look.offered]
        if self.options["rank"] != "sketch":
            return found
        kept = []
        for row, own in zip(query.coordinates, found, strict=True):
            scores = self.family.coordinates[own] @ row
            kept.append([own[i] for i in best(scores, keep)])
        return kept

    def met(self, query, look):
        """Compare what the tables offered with what is in our own."""
        if query.projected is None:
            return
        at, options = self.at, self.options
        codes = self._codes(self.signs)
        buckets = naive.fill_buckets(codes, self.firsts, 2**self.bits)
        collect = naive.collect_first if options["rank"] == "first" else naive.collect_ranked
        cap = options["bucket_cap"] or at.nodes
        own = self._codes(query.projected > 0)
        margins = np.abs(query.projected).reshape(len(own), self.tables, self.bits)
        for b, offered in enumerate(look.offered):
            sequences = []
            for table in range(self.tables):
                totals = naive.probe_totals(own[b, table], margins[b, table])
                sequences.append(sorted(totals, key=totals.get)[: options["probes"]])
            found, _ = collect(sequences, buckets, self.most, cap)
            at.agreed.append(set(found) == set(map(int, offered)))

    def _codes(self, signs):
        powers = 1 << np.arange(self.bits)
        return signs.reshape(len(signs), self.tables, self.bits) @ powers

    def _hash(self, look, ids, again=False):
        signs = self.family.hash_again(ids) if again else self.family.hash(look, ids)
        self.changed -= set(map(int, ids))
        if signs is not None:
            self.signs[ids] = signs

    def _keep_fresh(self, look):
        options, every = self.options, np.arange(self.at.nodes)
        scheduled = options["rehash"] in ("schedule", "changed", "moved") and self.seen >= self.hash_at
        if self.seen >= self.learn_at:
            self.family.learn(look.inputs)
            self.family.learn_scored(look)
            self.learned += 1
            self._hash(look, every)
            often = max(2 * options["rehash_every"], self.seen // 4)
            least = (options["learn_growth"] - 1) * self.seen
            learn_next = self.seen + max(least, min(options["learn_every"], often))
            self.learn_at = learn_next if self.family.learns else math.inf
        elif scheduled and options["rehash"] == "moved":
            some = np.arange(self.next % 10, self.at.nodes, 10)
            self.next += 1
            before = self._codes(self.signs[some])
            self._hash(look, some, self.follows)
            if 100 * np.mean(before != self._codes(self.signs[some])) > options["moved_pct"]:
                self._hash(look, every, self.follows)
        elif scheduled:
            ids = np.array(sorted(self.changed), dtype=int) if options["rehash"] == "changed" else every
            self._hash(look, ids, self.follows)
        elif options["rehash"] == "rolling":
            self._hash_some(look, options["rehash_nodes"] * len(look.inputs))
        if scheduled:
            self.hash_at = self.seen + self.every
            self.every *= options["rehash_growth"]
        self.seen += len(look.inputs)

    def _hash_some(self, look, most):
        """Up to `most` changed nodes of the next eight times as many, which are looked at in turn."""
        looked = min(self.at.nodes, 8 * most)
        turn = [(self.next + i) % self.at.nodes for i in range(looked)]
        ids = [node for node in turn if node in self.changed][:most]
        self.next = (ids[-1] + 1 if len(ids) == most else self.next + looked) % self.at.nodes
        if ids:
            self._hash(look, np.array(sorted(ids)), self.follows)

    def after_step(self, look):
        """`look.pairs[node]` are the (example, delta) of the nodes that have taken a step."""
        if self.at.exact:
            return
        touched = np.array(sorted(look.pairs), dtype=int)
        if self.follows:
            steps, learned = look.token
            if learned == self.learned:
                self.family.follow(steps, look.pairs, look.rate)
            elif len(touched):
                self._hash(look, touched)
        if self.options["rehash"] in ("changed", "rolling"):
            self.changed |= set(touched.tolist())
        if self.options["rehash"] == "touched" and len(touched):
            self._hash(look, touched, self.follows)


class Predictor(Everything):
    """Guesses by B(Ax), which some examples teach their true winners."""

    def __init__(self, at):
        self.at, self.seen, self.share = at, 0, at.options["share"]
        draws, rank = at.stream(at.key, "predictor"), at.options["width"]
        first = draws.standard_normal((at.fan_in, rank), dtype=np.float32) / math.sqrt(at.fan_in)
        second = draws.standard_normal((rank, at.nodes), dtype=np.float32) / math.sqrt(rank)
        odds = at.budget / at.nodes
        start = np.full(at.nodes, math.log(odds / (1 - odds)))
        self.first, self.second, self.start = (
            Learned(values, at.options["lr"], at.meter) for values in (first, second, start)
        )

    def choose(self, look):
        meter, at, refine = self.at.meter, self.at, self.at.options["refine"]
        if look.training:
            before, self.seen = self.seen, self.seen + len(look.inputs)
            taught = math.floor(self.share * self.seen) - math.floor(self.share * before)
            phase, meter.at = meter.at, (meter.at[0], "rebuild")
            if taught:
                self._learn(look, look.inputs.first(taught))
            meter.at = phase
        _, scores = self._scores(look.inputs)
        kept = [best(row, max(at.budget, round(refine * at.budget))) for row in scores]
        if refine:
            exact = [look.inputs.scores(b, look.weights[own]) for b, own in enumerate(kept)]
            kept = [
                [own[i] for i in best(plain(row) + look.bias[own], at.budget)]
                for own, row in zip(kept, exact, strict=True)
            ]
        return SimpleNamespace(nodes=kept, scored=refine > 0, multiplier=1.0)

    def _scores(self, inputs):
        hidden = inputs.times(self.first.values)
        return hidden, hidden @ self.second.values + NoAddition(plain(self.start.values))

    def _learn(self, look, inputs):
        truth = plain(inputs.times(look.weights.T)) + look.bias
        hidden, scores = self._scores(inputs)
        won = np.zeros(truth.shape)
        for row, exact in zip(won, truth, strict=True):
            row[best(exact, self.at.budget)] = 1
        errors = counted(sigmoid(scores) - won, self.at.meter)
        back = errors @ self.second.values.T
        self.second.step(hidden.T @ errors)
        self.first.step(inputs.back(back))
        self.start.step(errors.sum(axis=0))


class ProductKey(Everything):
    """Node (m, n) scores half a query times key m plus the other half times key n; its gate learns."""

    def __init__(self, at):
        self.at, dims = at, at.options["dims"]
        self.half, self.options = dims // 2, at.options
        self.rows = max(m for m in range(1, at.nodes + 1) if at.nodes % m == 0 and m * m <= at.nodes)
        self.columns = at.nodes // self.rows
        draws = at.stream(at.key, "product_key")
        shapes = [(at.fan_in, dims), (self.rows, self.half), (self.columns, self.half)]
        drawn = [draws.standard_normal(shape, dtype=np.float32) for shape in shapes]
        norms = [math.sqrt(at.fan_in), math.sqrt(dims), math.sqrt(dims)]
        self.matrix, self.first, self.second = (
            Learned(values / norm, at.options["lr"], at.meter)
            for values, norm in zip(drawn, norms, strict=True)
        )
        self.mean, self.variance = counted(np.zeros(dims), at.meter), counted(np.ones(dims), at.meter)

    def choose(self, look):
        queries = look.inputs.times(self.matrix.values)
        if look.training:
            self.mean = 0.9 * self.mean + 0.1 * (queries.sum(axis=0) / len(queries))
        queries = queries - self.mean
        if look.training:
            squares = (queries * queries).sum(axis=0) / len(queries)
            self.variance = 0.9 * self.variance + 0.1 * squares
        scale = 1 / np.sqrt(self.variance + 1e-5)
        queries = queries * scale
        first = queries[:, : self.half] @ self.first.values.T
        second = queries[:, self.half :] @ self.second.values.T
        sums = plain(first)[:, :, None] + plain(second)[:, None, :]  # counted below
        for _ in range(len(sums) * self._formed()):
            self.at.meter.add(0.0, 0.0)
        sums = sums.reshape(len(sums), -1)
        nodes = [best(row, self.at.budget) for row in sums]
        token = look.inputs, queries, scale, sums
        return SimpleNamespace(nodes=nodes, scored=False, multiplier=sigmoid(sums), token=token)

    def _formed(self):
        """Pairs of an example whose places in the two orders, from 1, have a product of at most k."""
        places = itertools.product(range(1, self.rows + 1), range(1, self.columns + 1))
        return sum(i * j <= self.at.budget for i, j in places)

    def after_step(self, look):
        """`look.pairs` has the nodes that were live, look.gates[b, node] the slope at a gate's logarithm."""
        inputs, queries, scale, sums = look.token
        at_first, at_second = np.zeros((len(queries), self.rows)), np.zeros((len(queries), self.columns))
        for node, of_node in look.pairs.items():
            for b, _ in of_node:
                rest = self.at.meter.add(1.0, -sigmoid(sums[b, node]))
                slope = self.at.meter.mul(look.gates[b, node], rest)
                m, n = divmod(node, self.columns)
                at_first[b, m] = self.at.meter.add(at_first[b, m], slope)
                at_second[b, n] = self.at.meter.add(at_second[b, n], slope)
        at_first, at_second = counted(at_first, self.at.meter), counted(at_second, self.at.meter)
        back = [at_first @ self.first.values, at_second @ self.second.values]
        self.first.step(at_first.T @ queries[:, : self.half])
        self.second.step(at_second.T @ queries[:, self.half :])
        at_queries = counted(np.hstack([plain(half) for half in back]), self.at.meter) * scale
        self.matrix.step(inputs.back(at_queries))


METHODS = {
    "dense": lambda at: Everything(),
    "sparse_weights": lambda at: Everything(),
    "low_rank": lambda at: Everything(),
    "quantized_weights": lambda at: Everything(),
    "hashed_weights": lambda at: Everything(),
    "dropout": Dropout,
    "adaptive_dropout": AdaptiveDropout,
    "winner_take_all": WinnerTakeAll,
    "lsh": Lsh,
    "predictor": Predictor,
    "product_key": ProductKey,
}
