"""A comparison made ready to be read: which columns there are, how a number is written, what a word means.

The terminal and the HTML report both show a comparison; what they show is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = {
    "label": "method",
    "active_pct": "active % asked",
    "difference": "diff",
    "active_pct_achieved": "active % got",
    "mults_pct_of_dense": "mults % of dense",
    "mults_pct_of_dense_paper": "mults % as in paper",
}
METRICS = {"test_acc_pct": "test acc %", "valid_acc_pct": "valid acc %"}
WIDE = (
    "label", "active_pct", "active_pct_achieved", "runs", "failed", "diverged", "mean", "sd", "pairs",
    "difference", "ci_low", "ci_high", "p", "verdict", "mults_pct_of_dense", "mults_pct_of_dense_paper",
    "energy_ratio", "time_ratio", "baseline", "differs",
)  # fmt: skip
TEXT = ("label", "verdict", "baseline", "differs")


class TablePart(NamedTuple):
    """The rows of one dataset and network."""

    title: str
    frame: pd.DataFrame  # rows as `lshexp.analysis.compare.compare` gives them
    settings: list[str]  # columns that tell the rows apart, in order
    shown: list[str]  # the columns that say something about them, all of them

    def heads(self) -> list[str]:
        """Names of the shown columns; the mean is named after its metric."""
        return [str(self.frame["metric"].iloc[0]) if name == "mean" else name for name in self.shown]


class Narrow(NamedTuple):
    """The same rows in the few columns that fit 80 characters; the first is text, `verdict` too."""

    heads: list[str]
    rows: list[list[str]]
    below: list[str]  # sentences under the table: what each row is held against


def parts(frame: pd.DataFrame) -> Iterator[TablePart]:
    """Cut a comparison by data and network, in its own order."""
    for (data, network), rows in frame.groupby(["data", "network"], observed=True, sort=False):
        settings = [name for name in frame.columns[: list(frame.columns).index("data")] if _tells(name, rows)]
        yield TablePart(f"{data}, hidden {network}", rows, settings, _wide(rows))


def narrow(part: TablePart, short: bool = True) -> Narrow:
    """The table of a comparison as most readers want it; `short` writes verdicts in at most 12 characters."""
    frame = part.frame
    metric = str(frame["metric"].iloc[0])
    heads = ["method", "act %", METRICS.get(metric, metric), "difference", "verdict", "mult %", "time"]
    rows = []
    for _, row in frame.iterrows():
        judged = "baseline" if row["is_baseline"] else cell("verdict", row["verdict"])
        rows.append(
            [
                str(row["label"]) + ("*" if row["chosen_by"] == "test" and row["is_baseline"] else ""),
                cell("active_pct", row["active_pct"]),
                _spread(cell("mean", row["mean"]), row["sd"]),
                "-" if row["is_baseline"] else _with_interval(row),
                judged.replace("worse by more than", "worse >") if short else judged,
                _two_decimals(row["mults_pct_of_dense"]),
                _two_decimals(row["time_ratio"]),
            ]
        )
    return Narrow(heads, rows, _held_against(part))


def legend(frame: pd.DataFrame, short: bool = True) -> list[str]:
    """A line for each abbreviation and each verdict of the narrow tables of a comparison."""
    if frame.empty:
        return []
    margin, unit = frame.attrs.get("margin", 1.0), frame.attrs.get("unit", "")
    size = f"{margin:g} {unit}".rstrip()
    worse = f"worse > {size}" if short else f"worse by more than {size}"
    family = int((~frame["is_baseline"].astype(bool) & frame["p"].notna()).sum())
    together = f"all {family} rows together" if family > 1 else "this row"
    of_difference = f"; of the difference, half its 95 % interval, held for {together}" if family else ""
    spread = bool(frame["sd"].notna().any())
    meant = {
        f"within {size}": f"the whole interval is less than {size} away from no difference",
        "better": "the whole interval is on the better side of no difference",
        worse: f"the whole interval is more than {size} on the worse side",
        "not settled": "the interval is too wide to say any of these",
        "too few seeds": "too few pairs of runs with the same seed for an interval",
    }
    told = {str(word) for word in frame["verdict"].dropna()}
    told |= {word.replace("worse by more than", "worse >") for word in told}
    lines = [
        "act %: share of the hidden nodes that is computed, as asked",
        *(["±: of the metric, standard deviation over seeds" + of_difference] * spread),
        *(f"{word}: {what}" for word, what in meant.items() if word in told),
        "mult %: multiplications of training, choosing the nodes included, in % of dense's",
        "time: seconds of training over the baseline's",
    ]
    if frame["chosen_by"].eq("test").any():
        lines.append("*: chosen as the best by its test accuracy, which flatters it")
    if frame[["mults_pct_of_dense", "time_ratio", "mean", "difference"]].isna().any(axis=None):
        lines.append("-: not measured, or nothing to compare with")
    return lines


def in_short(frame: pd.DataFrame) -> list[str]:
    """A sentence for each dataset and network: what came close to the baseline, its cost, and what did not.

    It compares means, so that it also says something of a single seed, and then says that there was but one.
    Costs have no such sentence.
    """
    cut = list(parts(frame)) if not frame.empty else []
    said = [(part.title, _in_short(part, frame.attrs)) for part in cut]
    return [f"In short{f', {title}' if len(cut) > 1 else ''}: {text}" for title, text in said if text]


def cell(name: str, value: Any, missing: str = "-") -> str:
    """Write a value of a column: signed differences, three decimals below 1, `missing` for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return missing
    if name in ("active_pct", "lr") and isinstance(value, float):
        return f"{value:.3g}" if name == "active_pct" else f"{value:g}"
    if isinstance(value, bool | int | str):
        return str(value)
    if isinstance(value, float) and name in ("difference", "ci_low", "ci_high"):
        return f"{value:+.2f}"
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return str(value)


def row_label(part: TablePart, row: pd.Series) -> str:
    """A configuration in words, different for each row of its part: `lsh hybrid, 5 %`."""
    return f"{row['label']}, {cell('active_pct', row['active_pct'])} %"


def _in_short(part: TablePart, attrs: Mapping[Any, Any]) -> str:
    rows = part.frame[~part.frame["is_baseline"].astype(bool) & part.frame["difference"].notna()]
    if rows.empty or not str(rows["metric"].iloc[0]).endswith("acc_pct"):
        return ""
    margin, unit = attrs.get("margin", 1.0), attrs.get("unit", "")
    baseline = " or ".join(dict.fromkeys(rows["baseline"].astype(str)))
    close = rows[rows["difference"] >= -margin].sort_values("mults_pct_of_dense", kind="stable")
    below = rows[rows["difference"] < -margin].sort_values("difference", ascending=False, kind="stable")
    near = [f"{_at(row)} ({_cost(row)})" for _, row in close.iterrows()]
    far = [f"{_at(row)} ({row['difference']:+.2f} {unit})" for _, row in below.iterrows()]
    limit = f"{margin:g} {unit} of {baseline}'s mean accuracy"
    told = [f"within {limit}: {_some(near)}" if near else f"nothing came within {limit}"]
    if far:
        told.append(f"further below: {_some(far)}")
    told += ["one seed each, so a first look and no verdict"] * bool((rows["pairs"] == 1).all())
    return "; ".join(told) + "."


def _at(row: pd.Series) -> str:
    return f"{row['label']} at {cell('active_pct', row['active_pct'])} %"


def _cost(row: pd.Series) -> str:
    """What a row costs, of dense's multiplications and, where it was measured, of the baseline's time."""
    mults, time = row["mults_pct_of_dense"], row["time_ratio"]
    told = [f"{mults:.3g} % of dense's multiplications"] * (mults == mults)
    told += [f"{time:.2g} of the time"] * (time == time)
    return ", ".join(told) or "cost not measured"


def _some(told: list[str], most: int = 4) -> str:
    """The first few of a list in words, and how many more there are."""
    more = [f"{len(told) - most} more"] * (len(told) > most)
    told = [*told[:most], *more]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def _held_against(part: TablePart) -> list[str]:
    """What the rows are held against, and in what else than the method they differ from it."""
    frame = part.frame[~part.frame["is_baseline"].astype(bool) & part.frame["baseline"].notna()]
    lines = []
    for (baseline, differs), rows in frame.groupby(["baseline", "differs"], sort=False):
        names = ", ".join(dict.fromkeys(rows["label"].astype(str)))
        also = f"; also different: {differs}" if differs else ""
        lines.append(f"{names}: against {baseline}{also}")
    return lines


def _spread(mean: str, sd: Any) -> str:
    return mean if sd is None or sd != sd or mean == "-" else f"{mean} ±{sd:.2f}"


def _with_interval(row: pd.Series) -> str:
    low, high = row["ci_low"], row["ci_high"]
    written = cell("difference", row["difference"])
    return written if low is None or low != low else f"{written} ±{(high - low) / 2:.2f}"


def _two_decimals(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"


def _tells(name: str, rows: pd.DataFrame) -> bool:
    """Whether a setting is not the same in all rows of one dataset and network."""
    return name in ("method", "active_pct") or rows[name].nunique(dropna=False) > 1


def _wide(rows: pd.DataFrame) -> list[str]:
    """Every column that says something about these rows, what predicting costs before the ratios."""
    at = WIDE.index("energy_ratio")
    predicting = (name for name in map(str, rows) if name.startswith("predict_"))
    return [name for name in (*WIDE[:at], *predicting, *WIDE[at:]) if _shown(name, rows)]


def _shown(name: str, rows: pd.DataFrame) -> bool:
    """Leave out columns that say nothing about these rows."""
    if name in ("failed", "diverged", "differs"):
        return bool(rows[name].astype(bool).any())
    if name in ("sd", "pairs"):
        return bool((rows["runs"] > 1).any())
    return not rows[name].isna().all()
