"""What the runs were trained and tested on: a row for each dataset, looked at when the page is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lshexp import registry
from lshexp.analysis.report.sources import SweepResults, Unread
from lshexp.analysis.report.view import MISSING, Section, Table
from lshexp.data.base import DatasetInfo
from lshexp.data.catalog import COMPONENTS, Statistics, is_there, statistics
from lshexp.errors import LshexpError

PREFIX = "dataset_"  # of the columns that hold a dataset's options
HEADS = ["dataset", "options", "sweeps", "train examples", "test examples", "features", "classes"]
FIGURES = ["smallest class %", "largest class %", "mean", "non-zero %"]


class _Used(NamedTuple):
    """A dataset with its options, and the runs on it."""

    name: str
    options: Mapping[str, object]
    runs: pd.DataFrame


def section(sweeps: Sequence[SweepResults | Unread]) -> Section:
    """Sizes of what was used, and figures of each dataset that can be had; the page never fails for it."""
    frames = [sweep.results.runs for sweep in sweeps if isinstance(sweep, SweepResults)]
    used = list(_used(pd.concat(frames, ignore_index=True))) if frames else []
    if not used:
        return Section("Data", ["There are no runs, and so no data."])
    variance = [f"variance in first {count} %" for count in COMPONENTS]
    rows, origins, figures = [], [], []
    for one in used:
        info, found, state = _look(one)
        rows.append(_sizes(one, info))
        figures.append([one.name, _options(one), *_figures(found), state])
        origins.append((one.name, info.origin if info else MISSING, info.licence if info else MISSING))
    return Section(
        "Data",
        tables=[
            Table.of("Datasets of these runs", HEADS, rows),
            Table.of(
                "What they are like", ["dataset", "options", *FIGURES, *variance, "figures are of"], figures
            ),
            Table.of(
                "Where they come from",
                ["dataset", "origin", "licence"],
                list(dict.fromkeys(origins)),
                sortable=False,
            ),
        ],
        notes=[
            "Sizes are those trained and tested on, smallest to largest. Mean is that of all features; "
            "non-zero is "
            "the share of features that are not 0; variance is the share of it in so many principal "
            "components."
        ],
        commands=["lshexp data list --stats"],
    )


def _used(runs: pd.DataFrame) -> Iterator[_Used]:
    names = [name for name in runs.columns if name.startswith(PREFIX)]
    for key, rows in runs.groupby(["dataset", *names], observed=True, dropna=False, sort=True):
        values = dict(zip(names, key[1:], strict=True))
        options = {name.removeprefix(PREFIX): _plain(value) for name, value in values.items()}
        yield _Used(str(key[0]), {name: value for name, value in options.items() if value is not None}, rows)


def _plain(value: Any) -> object:
    """A cell as the option it was; None where it is empty."""
    if pd.isna(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _look(used: _Used) -> tuple[DatasetInfo | None, Statistics | None, str]:
    """What can be known here, and in words what the figures are of or why there are none."""
    try:
        dataset = registry.datasets.build(used.name, used.options)
        info = dataset.info()
    except LshexpError:
        return (
            None,
            None,
            "no figures: this lshexp does not know it with these options, or its files are away",
        )
    try:
        if not is_there(dataset):
            return info, None, "no figures: its files are not here"
        found = statistics(dataset)
    except (LshexpError, OSError):
        return info, None, "no figures: its files cannot be read"
    return info, found, f"{found.examples:,} training examples"


def _sizes(used: _Used, info: DatasetInfo | None) -> list[object]:
    return [
        used.name,
        _options(used),
        ", ".join(map(str, used.runs["sweep"].dropna().unique())),
        _span(used.runs["train_examples"], info.train_examples if info else None),
        _span(used.runs["test_examples"], info.test_examples if info else None),
        info.features if info else MISSING,
        info.classes if info else MISSING,
    ]


def _options(used: _Used) -> str:
    return ", ".join(f"{name}={value}" for name, value in used.options.items()) or "defaults"


def _span(asked: pd.Series, whole: int | None) -> str:
    """The smallest and the largest number of examples asked for; a run that asks for none takes all."""
    sizes = asked.dropna().astype(int).tolist()
    if asked.isna().any():
        if whole is None:
            return MISSING
        sizes.append(whole)
    low, high = min(sizes), max(sizes)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _figures(found: Statistics | None) -> list[object]:
    if found is None:
        return [MISSING] * (len(FIGURES) + len(COMPONENTS))
    return [
        f"{found.smallest_class_pct:.1f}",
        f"{found.largest_class_pct:.1f}",
        f"{found.mean:.3f}",
        f"{found.nonzero_pct:.1f}",
        *(f"{share:.1f}" for share in found.variance_pct),
    ]
