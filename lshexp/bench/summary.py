"""What the passes of a bench come to: medians, ratios to a reference, ratios to PyTorch; and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lshexp.analysis.figures import style
from lshexp.bench.competitors.pytorch import BF16, FP32
from lshexp.bench.task import BenchPlan
from lshexp.errors import ConfigError
from lshexp.io import make_folder, write_atomic

PLACE = ["width", "layers", "threads"]
BF16_BATCH = 256
FASTEST, SAME, REDUCED = "fastest fp32", "fp32 at our batch", f"bf16 at {BF16_BATCH}"
RATIO_COLUMNS = [
    *PLACE, "reference", "us_reference", "against", "competitor", "batch", "us_competitor", "ratio",
]  # fmt: skip


def summarise(
    timings: pd.DataFrame, reference: str = BenchPlan.reference, place: Sequence[str] = PLACE
) -> pd.DataFrame:
    """One row a place and competitor: median, least and greatest time, and the median ratio to `reference`.

    Columns: width, layers, threads, competitor, batch, arithmetic, dataset, examples, repeats,
    us_per_example, us_per_example_min, us_per_example_max, reference, ratio_to_reference (within a repeat;
    above 1 = slower). A reference is held against those of the same `place`.
    """
    place = list(place)
    frame = timings.assign(us=1e6 * timings["seconds"] / timings["examples"])
    ours = frame[frame["competitor"] == reference][[*place, "repeat", "us"]]
    frame = frame.merge(ours, on=[*place, "repeat"], how="left", suffixes=("", "_reference"))
    frame["ratio"] = frame["us"] / frame["us_reference"]
    rest = [
        name for name in ("competitor", "batch", "arithmetic", "dataset", "examples") if name not in place
    ]
    groups = frame.groupby([*place, *rest], sort=False)
    table = groups.agg(
        repeats=("repeat", "count"),
        us_per_example=("us", "median"),
        us_per_example_min=("us", "min"),
        us_per_example_max=("us", "max"),
        ratio_to_reference=("ratio", "median"),
    ).reset_index()
    table.insert(table.columns.get_loc("ratio_to_reference"), "reference", reference)  # type: ignore[arg-type]
    return table


def summarise_predictions(timings: pd.DataFrame, reference: str = BenchPlan.reference) -> pd.DataFrame:
    """As `summarise`, a row for each batch size too: a reference is held against others at its batch."""
    return summarise(timings, reference, [*PLACE, "batch"])


def against_pytorch(timings: pd.DataFrame, references: Sequence[str]) -> pd.DataFrame:
    """One row a reference, network, thread count and kind of rival, as far as they were timed.

    Columns: width, layers, threads, reference, us_reference, against (`fastest fp32`, `fp32 at our batch`,
    `bf16 at 256`), competitor, batch, us_competitor, ratio. Times are medians, in microseconds an example;
    `ratio` is the median of the ratios within a repeat, above 1 where the reference is faster.
    """
    frame = timings.assign(us=1e6 * timings["seconds"] / timings["examples"])
    rows = [
        row
        for reference in dict.fromkeys(references)
        for key, cell in frame.groupby(PLACE, sort=False)
        for row in _ratios(dict(zip(PLACE, key, strict=True)), cell, reference)
    ]
    return pd.DataFrame(rows, columns=RATIO_COLUMNS)


def _ratios(key: dict[str, object], cell: pd.DataFrame, reference: str) -> list[dict[str, object]]:
    passes = cell.pivot(index="repeat", columns="competitor", values="us")
    if reference not in passes:
        return []
    ours = passes[reference]
    batches = cell.drop_duplicates("competitor").set_index("competitor")["batch"]
    medians = passes.median()
    full = [name for name in medians.index if name.startswith(FP32)]
    rivals = {
        FASTEST: str(medians[full].idxmin()) if full else "",
        SAME: f"{FP32}{batches[reference]}",
        REDUCED: f"{BF16}{BF16_BATCH}",
    }
    return [
        {
            **key,
            "reference": reference,
            "us_reference": medians[reference],
            "against": against,
            "competitor": name,
            "batch": batches[name],
            "us_competitor": medians[name],
            "ratio": (passes[name] / ours).median(),
        }
        for against, name in rivals.items()
        if name in passes
    ]


def check_free(folder: Path, table: str) -> None:
    """Raise ConfigError when the folder holds that table: it may be a reference that took hours."""
    if (folder / f"{table}.csv").exists():
        said = f"{folder / table}.csv is there already; -o DIR writes elsewhere, --force replaces it"
        raise ConfigError(said)


def write(folder: Path, tables: Mapping[str, pd.DataFrame], figures: Mapping[str, Figure]) -> list[Path]:
    """Write each table as NAME.csv and each figure as NAME.svg and NAME.png; return the files.

    Raises StoreError when they cannot be written.
    """
    content = {
        f"{name}.csv": table.to_csv(index=False, lineterminator="\n").encode()
        for name, table in tables.items()
    }
    for name, figure in figures.items():
        for kind in ("svg", "png"):
            content[f"{name}.{kind}"] = style.rendered(figure, kind)
    make_folder(folder)
    for name, data in content.items():
        write_atomic(folder / name, data)
    return [folder / name for name in content]
