"""A scaling model: seconds an epoch against threads, measured for the cores there are, predicted beyond.

Gunther's Universal Scalability Law ("Guerrilla Capacity Planning", 2007, chapter 4) says of n threads

    X(n) = n X(1) / (1 + sigma (n - 1) + kappa n (n - 1)),

X examples a second, sigma the share of the work that threads queue for, kappa what each pair of them costs to
keep in step. From two thread counts only sigma can be told, so kappa is then 0, which is Amdahl's law: such a
prediction is the most that sigma allows, as nothing in it makes threads wait for each other's memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from lshexp.streams import stream

PREDICTED = (4, 8, 14, 28, 56)  # 56 threads are the paper's most
LEVEL_PCT = 95.0
RESAMPLES = 1000
KEYS = ["dataset", "hidden", "method", "update"]
COLUMNS = [
    *KEYS, "threads", "kind", "runs", "seconds", "seconds_low", "seconds_high", "speed_up", "speed_up_low",
    "speed_up_high", "law", "sigma", "kappa",
]  # fmt: skip

Samples = dict[int, NDArray[np.float64]]  # seconds of each repeat, by number of threads


class Law(NamedTuple):
    """A fitted law; `alone` is its seconds on one thread."""

    alone: float
    sigma: float
    kappa: float

    def seconds(self, threads: int) -> float:
        """Seconds on so many threads."""
        extra = self.sigma * (threads - 1) + self.kappa * threads * (threads - 1)
        return self.alone * (1 + extra) / threads

    def speed_up(self, threads: int) -> float:
        """How many times as fast as on one."""
        return self.alone / self.seconds(threads)


def fit(seconds: dict[int, float]) -> Law:
    """Fit to seconds by number of threads, no parameter below zero, least squares of the relative errors.

    n times the seconds on n threads is linear in alone, alone * sigma and alone * kappa, so that non-negative
    least squares find the best fit itself, from no starting point. `kappa` is 0 below three thread counts.
    """
    n = np.array(list(seconds), dtype=np.float64)
    work = n * np.array(list(seconds.values()))
    terms = np.stack([np.ones_like(n), n - 1, n * (n - 1)][: min(3, len(n))], axis=1)
    found, _ = nnls(terms / work[:, None], np.ones_like(n))
    alone, queued, paired = (*found, 0.0, 0.0)[:3]
    return Law(float(alone), float(queued / alone), float(paired / alone))


def scaling(runs: pd.DataFrame) -> pd.DataFrame:
    """Seconds an epoch and speed-up over one thread, measured and, beyond the most threads, predicted.

    `runs` has the columns of `KEYS`, threads and seconds, a row a run. Returns one row a configuration and
    number of threads, columns as in `COLUMNS`: `kind` is `measured` (medians over repeats) or `predicted`;
    `_low` and `_high` bound the 95 % interval over repeats, by percentiles of 1,000 resamples, drawn anew for
    each number of threads from a fixed seed and fitted again, empty where no number of threads was repeated;
    `law` is `Amdahl` or `USL`, with its sigma and kappa, for predictions. A configuration is left out unless
    it was run on one thread and on more.
    """
    rows: list[dict[str, Any]] = []
    for key, part in runs.groupby(KEYS, observed=True, sort=True):
        samples = {
            int(threads): part.loc[part["threads"] == threads, "seconds"].to_numpy(dtype=np.float64)
            for threads in sorted(part["threads"].unique())
        }
        if 1 in samples and len(samples) > 1:
            rows += [dict(zip(KEYS, key, strict=True)) | row for row in _rows(samples)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(samples: Samples) -> list[dict[str, Any]]:
    medians = {threads: float(np.median(values)) for threads, values in samples.items()}
    law = fit(medians)
    drawn = _resampled(samples)
    laws = [fit(each) for each in drawn]
    rows = [
        _row(
            threads, "measured", seconds, medians[1] / seconds,
            [each[threads] for each in drawn], [each[1] / each[threads] for each in drawn],
        )
        | {"runs": len(samples[threads])}
        for threads, seconds in medians.items()
    ]  # fmt: skip
    named = {"law": "USL" if len(samples) > 2 else "Amdahl", "sigma": law.sigma, "kappa": law.kappa}
    return rows + [
        _row(
            threads, "predicted", law.seconds(threads), law.speed_up(threads),
            [each.seconds(threads) for each in laws], [each.speed_up(threads) for each in laws],
        )
        | named
        for threads in PREDICTED
        if threads > max(samples)
    ]  # fmt: skip


def _resampled(samples: Samples) -> list[dict[int, float]]:
    """Medians of repeats drawn with replacement; none where nothing was repeated."""
    if max(len(values) for values in samples.values()) < 2:
        return []
    random = stream(0, "scaling_bootstrap")
    return [
        {threads: float(np.median(random.choice(values, len(values)))) for threads, values in samples.items()}
        for _ in range(RESAMPLES)
    ]


def _row(
    threads: int,
    kind: str,
    seconds: float,
    speed_up: float,
    of_seconds: list[float],
    of_speed_up: list[float],
) -> dict[str, Any]:
    low, high = _ends(of_seconds)
    least, most = _ends(of_speed_up)
    return {
        "threads": threads, "kind": kind, "seconds": seconds, "seconds_low": low, "seconds_high": high,
        "speed_up": speed_up, "speed_up_low": least, "speed_up_high": most,
    }  # fmt: skip


def _ends(values: list[float]) -> tuple[float, float]:
    tail = (100 - LEVEL_PCT) / 2
    if not values:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
