"""How many times as fast networks of ours are as PyTorch: its fastest batch, our own batch, and bf16."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lshexp.bench.pytorch import BF16, FP32

BF16_BATCH = 256
KEYS = ["width", "layers", "threads"]
FASTEST, SAME, REDUCED = "fastest fp32", "fp32 at our batch", f"bf16 at {BF16_BATCH}"
COLUMNS = [*KEYS, "reference", "us_reference", "against", "competitor", "batch", "us_competitor", "ratio"]


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
        for key, cell in frame.groupby(KEYS, sort=False)
        for row in _rows(dict(zip(KEYS, key, strict=True)), cell, reference)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(key: dict[str, object], cell: pd.DataFrame, reference: str) -> list[dict[str, object]]:
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
