"""What it costs: multiplications by share, phase and width, and whether a method does what it was asked."""

from __future__ import annotations

import pandas as pd

from lshexp.analysis.figures import figure, style
from lshexp.analysis.figures.canvas import Canvas, check_lines, draw_by_share, draw_lines, looks, split
from lshexp.analysis.figures.lines import PLACE, NothingToDrawError, by_share, labelled, mean_and_range
from lshexp.analysis.results import Results
from lshexp.work import PHASES, PREDICT

FEWEST_SHARES = 3
FEWEST_WIDTHS = 3
MOST_BARS = 24  # in one panel
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++")


@figure(lambda results: check_lines(by_share(results, "mults_pct_of_dense", FEWEST_SHARES)))
def break_even(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Counted multiplications against the share asked for: above the dashed line a method saves nothing.

    Choosing and table upkeep are counted.
    """
    for axis, part in draw_by_share(frame, canvas, "multiplications (% of dense)"):
        axis.axhline(100, color=style.INK, linewidth=1.2, linestyle=style.DASHED, zorder=1.5)
        if part["low"].min() > 0:
            style.log_ticks(axis, "y")


@figure(lambda results: check_lines(by_share(results, "active_pct_achieved", FEWEST_SHARES)))
def requested_vs_achieved(frame: pd.DataFrame, canvas: Canvas) -> None:
    """The share of active nodes achieved against the share asked for; on the dashed line both are one."""
    for axis, part in draw_by_share(frame, canvas, "active nodes achieved (%)"):
        shares = sorted(part["active_pct"].unique())
        axis.plot(shares, shares, color=style.INK, linewidth=1.2, linestyle=style.DASHED, zorder=0)
        if axis.get_xscale() == "log" and part["low"].min() > 0:
            style.log_ticks(axis, "y")


def _phases(results: Results) -> pd.DataFrame:
    """One row a configuration that computes a part of its nodes, and phase: its share of dense's work."""
    runs = labelled(results.runs)
    runs = runs[(runs["active_pct"] < 100) & (runs["mults_dense"] > 0)]
    training = results.work[results.work["phase"] != PREDICT]
    totals = training.groupby(["run_id", "phase"], observed=True)["mults"].sum().reset_index()
    joined = totals.merge(runs[["run_id", *PLACE, "label", "mults_dense"]], on="run_id")
    if joined.empty:
        raise NothingToDrawError("no run that computes a part of its nodes has counted work")
    joined["share_pct"] = 100 * joined["mults"].astype(float) / joined["mults_dense"].astype(float)
    keys = [*PLACE, "label", "phase"]
    frame = joined.groupby(keys, observed=True, sort=True)["share_pct"].mean().reset_index()
    most = max(part["label"].nunique() for _, part in split(frame))
    if most > MOST_BARS:
        raise NothingToDrawError(
            f"{most} bars in one panel are more than {MOST_BARS}; give a part of the runs"
        )
    frame.attrs["notes"] = runs.attrs["notes"]
    return frame


@figure(_phases)
def mults_by_phase(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Where the multiplications go, in per cent of the dense network's: a bar for each configuration."""
    parts = split(frame)
    if len(parts) > 1 and sum(part["label"].nunique() for _, part in parts) <= MOST_BARS:
        named = [part.assign(label=part["label"].astype(str) + ", " + title) for title, part in parts]
        parts = [("", pd.concat(named))]
    bars = max(part["label"].nunique() for _, part in parts)
    canvas.grid(len(parts), 1, height=0.75 + 0.27 * bars)
    phases = [phase for phase in PHASES if (frame["phase"] == phase).any()]
    for axis, (title, part) in zip(canvas.axes, parts, strict=True):
        words = part.assign(label=part["label"].astype(str), phase=part["phase"].astype(str))
        table = words.pivot(index="label", columns="phase", values="share_pct").fillna(0.0)
        table = table.loc[list(words["label"].drop_duplicates())]
        names = [str(label) for label in table.index]
        left = pd.Series(0.0, index=table.index)
        for place, phase in enumerate(phases):
            if phase not in table:
                continue
            axis.barh(
                names, table[phase], left=left, height=0.7, color=style.COLOURS[place], label=phase,
                hatch=HATCHES[place % len(HATCHES)], edgecolor=(1, 1, 1, 0.6), linewidth=0,
            )  # fmt: skip
            left = left + table[phase]
        for name, total in zip(names, left, strict=True):
            axis.annotate(f"{total:.3g} %", (total, name), xytext=(4, 0), textcoords="offset points",
                          va="center", fontsize=9)  # fmt: skip
        axis.invert_yaxis()
        axis.set_title(title)
        axis.margins(x=0.1)
        axis.grid(visible=False, axis="y")
    canvas.axes[-1].set_xlabel("multiplications (% of dense)")
    style.legend(canvas.figure, canvas.axes)


MEASURES = {"mults": "multiplications an epoch", "seconds": "training seconds an epoch"}
ROOM = 20  # characters of tick labels that an axis has room for side by side


def _widths(results: Results) -> pd.DataFrame:
    """Means by data, depth, label, width and measure; seconds of runs that were alone on the machine."""
    runs = labelled(results.runs, along=["active_pct"])
    runs = runs[runs["width"] > 0].copy()
    runs["mults"] = runs["mults_total"].astype("float64") / runs["epochs"]
    runs["seconds"] = (runs["train_s"] / runs["epochs"]).where(
        runs["timing_valid"].fillna(False).astype(bool)
    )
    by = ["data", "layers", "label", "width", "active_pct"]
    parts = [mean_and_range(runs, by, measure).assign(measure=measure) for measure in MEASURES]
    frame = pd.concat(parts, ignore_index=True).dropna(subset="mean").reset_index(drop=True)
    frame["label"] = _with_active(frame)
    found = frame.groupby(["data", "layers", "label", "measure"], observed=True)["width"].nunique()
    if not len(found) or found.max() < FEWEST_WIDTHS:
        raise NothingToDrawError(f"no configuration was run at {FEWEST_WIDTHS} widths of one depth or more")
    frame.attrs["notes"] = runs.attrs["notes"]
    return check_lines(frame, ["data", "layers", "measure"])


def _with_active(frame: pd.DataFrame) -> pd.Series:
    """Labels that say whether a line has one share of active nodes, or one number of them."""
    told = frame["label"].astype(object)
    keys = ["data", "layers", "label"]
    for _, line in frame.groupby(keys, observed=True):
        nodes = (line["active_pct"] / 100 * line["width"]).round(6)
        for _, share in line.groupby("active_pct"):
            told.loc[share.index] = f"{line['label'].iloc[0]}, {share['active_pct'].iloc[0]:g} %"
        if line["active_pct"].nunique() == 1 and line["active_pct"].iloc[0] == 100:
            told.loc[line.index] = str(line["label"].iloc[0])
        elif nodes.nunique() == 1:
            told.loc[line.index] = f"{line['label'].iloc[0]}, {nodes.iloc[0]:g} active"
    return pd.Series(
        pd.Categorical(told, categories=list(dict.fromkeys(told)), ordered=True), index=frame.index
    )


@figure(_widths)
def cost_vs_width(frame: pd.DataFrame, canvas: Canvas) -> None:
    """Multiplications and seconds of an epoch against the width of the hidden layers, each of one width.

    Seconds are those of runs that were alone on the machine.
    """
    measures = [measure for measure in MEASURES if (frame["measure"] == measure).any()]
    places = split(frame, ["data", "layers"])
    shown = looks(frame)
    rows = canvas.grid(len(places), len(measures), height=2.9)
    for row, (title, part) in zip(rows, places, strict=True):
        for axis, measure in zip(row, measures, strict=True):
            here = part[part["measure"] == measure]
            data, layers = title.rsplit(", ", 1)
            axis.set_title(f"{data}, {layers} hidden layer{'s' if layers != '1' else ''}")
            axis.set_ylabel(MEASURES[measure])
            draw_lines(canvas, axis, here, "width", shown)
            axis.set_xscale("log", base=2)
            ticks = sorted(here["width"].unique())
            told = [f"{tick:,}" for tick in ticks]
            axis.set_xticks(ticks, told, rotation=30 if len("".join(told)) > ROOM else 0)
            axis.set_yscale("log")
            if measure == "seconds":
                style.log_ticks(axis, "y")
            axis.set_xlabel("nodes in each hidden layer")
