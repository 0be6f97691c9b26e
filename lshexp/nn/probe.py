"""How well a method chooses: its active nodes beside the true top k, once an epoch.

The probe looks at a fixed share of the training examples with the selection the method makes at test. It
computes every activation to know the truth, which no counter and no clock of the run sees.
"""

from __future__ import annotations

import math

import numpy as np

from lshexp.arrays import BoolArray, IntArray, OffsetArray
from lshexp.data.base import Examples
from lshexp.kernels.parallel import even_bounds
from lshexp.kernels.top_k import top_k_rows
from lshexp.methods.base import Batch, Selector, wanted_nodes
from lshexp.nn.network import Network, View
from lshexp.nn.result import SelectionRow
from lshexp.streams import stream

PROBE_BATCH = 256

Mask = BoolArray


class Probe:
    """Watches the hidden layers of one network; remembers active sets from one epoch to the next."""

    def __init__(self, network: Network, part: Examples, share: float, active: float, key: int) -> None:
        """Draw ceil(share * part.size) examples; `active` is the wanted active share, 0 < active <= 1."""
        count = math.ceil(share * part.size)
        self._ids = np.sort(stream(key, "probe").permutation(part.size)[:count])
        self._part = part
        self._active = active
        self._network = network
        self._before: list[Mask] = []

    def look(self, epoch: int) -> list[SelectionRow]:
        """Return one row a hidden layer; `epoch` is 0-based."""
        batches = [
            self._network.watch(self._part.batch(ids).x, Batch(ids, epoch, False), self._view)
            for ids in np.array_split(self._ids, math.ceil(len(self._ids) / PROBE_BATCH))
        ]
        layers = [_joined(views) for views in zip(*batches, strict=True)]
        rows = []
        for index, (chosen, best, positive) in enumerate(layers):
            before = self._before[index] if self._before else None
            selector = self._network.selectors[index]
            rows.append(_row(epoch + 1, index, chosen, best, positive, before, selector))
        self._before = [chosen for chosen, _, _ in layers]
        return rows

    def _view(self, view: View) -> tuple[Mask, Mask, Mask]:
        """Masks bool[B, N] of one layer and batch: active, among the true top k, active and positive."""
        scores, active = view.scores, view.active
        examples, nodes = scores.shape
        k = wanted_nodes(self._active, nodes)
        top = np.empty(examples * k, dtype=np.int32)
        top_k_rows(scores, k, even_bounds(examples, 1), top, np.empty(len(top), dtype=np.float32))
        best = _mask(np.repeat(np.arange(examples), k), top, scores.shape)
        if active is None:
            chosen = np.ones_like(best)
        else:
            chosen = _mask(np.repeat(np.arange(examples), active.row_lengths()), active.indices, scores.shape)
        return chosen, best, chosen & (scores > 0)


def _mask(rows: OffsetArray, columns: IntArray, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, dtype=np.bool_)
    mask[rows, columns] = True
    return mask


def _joined(views: tuple[tuple[Mask, Mask, Mask], ...]) -> tuple[Mask, Mask, Mask]:
    chosen, best, positive = (np.concatenate(parts) for parts in zip(*views, strict=True))
    return chosen, best, positive


def _row(
    epoch: int, layer: int, chosen: Mask, best: Mask, positive: Mask, before: Mask | None, selector: Selector
) -> SelectionRow:
    size = int(chosen.sum())
    load = chosen.sum(axis=0)
    measures = selector.diagnostics()
    return SelectionRow(
        epoch=epoch,
        layer=layer,
        examples=len(chosen),
        recall_pct=100 * float((chosen & best).sum() / best.sum()),
        positive_pct=100 * float(positive.sum() / size) if size else None,
        dead_pct=100 * float(np.mean(load == 0)),
        busiest_pct=100 * float(load.max() / len(chosen)),
        turnover_pct=None if before is None or not size else 100 * float((chosen & ~before).sum() / size),
        bucket_mean=measures.get("bucket_mean"),
        bucket_max=None if measures.get("bucket_max") is None else int(measures["bucket_max"]),
        bucket_empty_pct=measures.get("bucket_empty_pct"),
    )
