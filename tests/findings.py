"""What was found, in sentences and small tables whose numbers are read from the tables in results/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import lshexp
from lshexp.analysis.statistics import Inference, infer
from lshexp.spec import KERNEL_REVISION

RESULTS = Path(__file__).parent.parent / "results"
PAIR = ["seed", "repeat"]  # what runs are paired by
WIDE = ("wide_words", "wide_words_short", "wide_labels", "wide_scale")


class Held(NamedTuple):
    """A network held against the widest dense one on the same data; figures are means over seeds."""

    data: str
    label: str  # the method, or `dense, narrow`
    hidden: str
    seeds: int
    accuracy: float
    deviation: float  # of the accuracy
    apart: float  # mean difference in points of accuracy, 0 for the widest itself
    difference: Inference | None  # the same with its interval, None where there are too few seeds
    mults: float  # of training, in % of the widest's
    train_loss: float

    @property
    def told(self) -> str:
        """The difference, with its interval where there is one."""
        if self.difference is None:
            return f"{self.apart:+.2f} points (too few seeds for an interval: {self.seeds})"
        return f"{self.apart:+.2f} ±{(self.difference.high - self.difference.low) / 2:.2f} points"


def against_the_widest(folder: Path) -> list[Held]:
    """Every network of a sweep beside the widest dense one of its dataset, whatever its own width.

    Runs with the same seed are pairs; intervals hold at 95 % for all networks of a dataset together. Where a
    method has runs with several hash families, or weights of several kinds, each is a network of its own,
    labelled by all but the default family.
    """
    runs = lshexp.read_results(folder).runs
    for option in ("p_hash_name", "p_to"):
        if option in runs and runs[option].nunique() > 1:
            named = runs["method"].astype(str) + " " + runs[option].astype(object).fillna("")
            runs = runs.assign(method=named.str.removesuffix("sketch").str.strip())
    made = []
    for data, group in runs[runs["status"] == "ok"].groupby("dataset", sort=False, observed=True):
        networks = dict(iter(group.groupby(["method", "hidden"], sort=False, observed=True)))
        widest = max((key for key in networks if key[0] == "dense"), key=lambda key: _nodes(key[1]))
        base = networks[widest].set_index(PAIR)
        paired = {}
        for key, frame in networks.items():
            if key != widest:
                differences = frame.set_index(PAIR)["test_acc_pct"] - base["test_acc_pct"]
                paired[key] = differences.dropna().astype(float)
        found = dict(zip(paired, infer(list(paired.values())), strict=True))
        for key, frame in networks.items():
            narrow = key[0] == "dense" and key != widest
            apart = paired[key].mean() if key in paired else 0.0
            mults = 100 * frame["mults_total"].mean() / base["mults_total"].mean()
            made.append(
                Held(
                    str(data), "dense, narrow" if narrow else key[0], key[1], len(frame),
                    frame["test_acc_pct"].mean(), frame["test_acc_pct"].std(), apart,
                    found.get(key), mults,
                    frame["train_loss"].mean(),
                )
            )  # fmt: skip
    return made


def _nodes(hidden: str) -> int:
    return sum(map(int, hidden.split("-")))


def _beside(held: Sequence[Held], data: str, label: str) -> Held:
    (found,) = (row for row in held if (row.data, row.label) == (data, label))
    return found


def closest(folder: Path, rows: int) -> str:
    """A table of the configurations with the best accuracy, the cheapest first, and how many are left out."""
    frame = lshexp.compare([folder])
    found = frame[~frame["is_baseline"].astype(bool)].nlargest(rows, "difference")
    chosen = pd.concat([frame[frame["is_baseline"].astype(bool)], found.sort_values("mults_pct_of_dense")])
    lines = ["| method | active % | test accuracy % | difference | multiplications, % of dense |"]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {row.label} | {row.active_pct:g} | {row.mean:.2f} | "
        f"{'' if row.is_baseline else format(row.difference, '+.2f')} | {row.mults_pct_of_dense:.2f} |"
        for row in chosen.itertuples()
    ]
    seeds = int(frame["runs"].min())
    each = "seed" if seeds == 1 else "seeds"
    told = f"*The {rows} most accurate of {len(frame) - 1} configurations, {seeds} {each} each.*"
    return "\n".join([*lines, "", told])


def findings() -> Iterator[str]:
    """Sentences with numbers read from the tables, those that matter most first."""
    held = against_the_widest(RESULTS / "within_a_point")
    yield _on_digits(held)
    yield _on_other_data(held)
    yield _sparse_or_hashed(held)
    yield _as_the_paper_chooses()
    yield _by_width()
    yield _next_word()
    yield _in_time()
    yield _rivals()
    yield _deepest()
    yield _many_labels()


def _on_digits(held: Sequence[Held]) -> str:
    dense, ours, narrow = (_beside(held, "mnist", label) for label in ("dense", "lsh", "dense, narrow"))
    return (
        f"**MNIST, three hidden layers of 1000.** LSH at 5 % of the nodes reaches {ours.accuracy:.2f} % with "
        f"{ours.mults:.1f} % of dense's multiplications, choosing the nodes included; dense "
        f"{dense.accuracy:.2f} % (difference {ours.told}, {ours.seeds} seeds); a narrower dense network that "
        f"multiplies as little {narrow.accuracy:.2f} %."
    )


def _on_other_data(held: Sequence[Held]) -> str:
    others = [row for row in held if row.data != "mnist" and row.label == "lsh"]
    told = (f"{row.data} {row.told.removesuffix(' points')} ({row.mults:.1f} %)" for row in others)
    return (
        "**On other data** LSH stands to dense, in points of accuracy and % of its multiplications: "
        + ", ".join(told)
        + f". {_otherwise()}"
    )


def _otherwise() -> str:
    """The two datasets on which LSH is furthest from dense, trained otherwise."""
    frame = lshexp.compare([RESULTS / "falling_share"])
    ours = frame[frame["method"] == "lsh"]
    falling = ours[ours["active_from"].notna() & ~ours["label"].str.contains("refine")]
    smaller = ours[ours["data"].str.startswith("rectangles_images")]
    winners = frame[(frame["method"] == "winner_take_all") & frame["active_from"].notna()]
    at_first, batches, exact = (
        f"{row.difference:+.2f} ±{(row.ci_high - row.ci_low) / 2:.2f} ({row.mults_pct_of_dense:.1f} %)"
        for row in (falling.squeeze(), smaller.squeeze(), winners.squeeze())
    )
    return (
        f"Trained otherwise, rectangles_images comes to {batches}, with smaller batches, and convex to "
        f"{at_first}, with more nodes at first, as exact winners do to {exact}."
    )


def _by_width() -> str:
    """What choosing 50 nodes of ever wider layers costs, looked up and scanned."""
    runs = _alone(lshexp.read_results(RESULTS / "widths").runs)
    of = {name: part.set_index("hidden") for name, part in runs.groupby("method", observed=True)}
    first, last = "1000", "32000"
    cost = ["mults_total", "train_s"]
    (ours, ours_s), (scan, scan_s) = (
        (of[name].loc[last, cost] / of[name].loc[first, cost]).astype(float)
        for name in ("lsh", "winner_take_all")
    )
    told = ", ".join(
        f"{name} {of[key].loc[first, 'test_acc_pct']:.1f} and {of[key].loc[last, 'test_acc_pct']:.1f}"
        for key, name in (("lsh", "looked up"), ("winner_take_all", "scanned"), ("dense", "dense"))
    )
    return (
        f"**Hash tables hold the cost of a widening layer, and lose accuracy.** With 50 active nodes of one "
        f"layer of 1,000 and of 32,000, looking them up takes {ours:.1f} times the multiplications and "
        f"{ours_s:.1f} times the seconds, scanning for exact winners {scan:.0f} and {scan_s:.0f} times; at "
        f"32,000 tables take {of['lsh'].loc[last, 'mults_pct_of_dense']:.1f} % of dense's multiplications. "
        f"Accuracy, %: {told}; one seed."
    )


def _rivals() -> str:
    """How ways of choosing that are learned, and ways to save without choosing, stand on digits."""
    every = against_the_widest(RESULTS / "rivals")
    held = [row for row in every if row.data == "mnist"]
    shapes = {row.label: row for row in every if row.data == "convex"}
    sparse, full, ours = (shapes[label] for label in ("sparse_weights", "dense", "lsh"))
    dense = _beside(held, "mnist", "dense")
    others = sorted((row for row in held if row.label != "dense"), key=lambda row: -row.accuracy)
    told = ", ".join(f"{row.label} {row.accuracy:.2f} % at {row.mults:.1f} %" for row in others)
    return (
        f"**Rivals of hashing**, 20,000 digits, dense {dense.accuracy:.2f} %, accuracy and share of its "
        f"multiplications with few nodes, weights or bits, {dense.seeds} seeds: {told}. "
        f"On convex few weights are ahead of few nodes: {sparse.accuracy:.2f} % at {sparse.mults:.1f} %, lsh "
        f"{ours.accuracy:.2f} % at {ours.mults:.1f} %, dense {full.accuracy:.2f} %."
    )


def _sparse_or_hashed(held: Sequence[Held]) -> str:
    digits, ours, exact = (
        _beside(held, data, label)
        for data, label in (
            ("mnist", "winner_take_all"),
            ("norb_synthetic", "lsh"),
            ("norb_synthetic", "winner_take_all"),
        )
    )
    return (
        f"**Where inputs are sparse, sparsity saves more than hashing.** Exact winners on MNIST, computed "
        f"from what is not zero, reach {digits.accuracy:.2f} % at {digits.mults:.1f} % of the "
        f"multiplications. Where inputs are dense it is the other way round: on norb_synthetic they take "
        f"{exact.mults:.1f} %, LSH {ours.mults:.1f} %."
    )


def _as_the_paper_chooses() -> str:
    claims = lshexp.compare([RESULTS / "paper" / "paper_claims"])
    means = {label: _mean(claims, label) for label in claims["label"].unique() if label != "dense"}
    ours, paper, chance = means["lsh hybrid"], means["lsh paper"], means["dropout"]
    return (
        f"**The paper's selection, read literally, does not hold its promise here.** Over three datasets it "
        f"is {-paper['difference']:.1f} points below dense at {paper['mults_pct_of_dense']:.1f} % of the "
        f"multiplications, the preset `hybrid` {-ours['difference']:.1f} points at "
        f"{ours['mults_pct_of_dense']:.1f} %, dropout {-chance['difference']:.1f}. Rates matter as much: "
        f"adaptive dropout on Rectangles goes from {_rate('adaptive_dropout', 0.01):.1f} % at the rate 0.01, "
        f"the largest of the paper's, to {_rate('adaptive_dropout', 0.3):.1f} % at 0.3."
    )


def _next_word() -> str:
    """What an output with many classes costs and reaches, beside the rival that draws by frequency."""
    words = lshexp.compare([RESULTS / "wide_words"], metric="test_perplexity")
    full, ours, drawn = _outputs(words)
    return (
        f"**Wide outputs: few classes suffice, and drawing them by frequency is the rival.** The next of "
        f"10,000 words of Penn Treebank, after three passes: the full softmax has a test perplexity of "
        f"{full['mean']:.1f}; looking 1 % of the words up and drawing 4 % by frequency {ours['mean']:.1f} "
        f"with {ours['mults_pct_of_dense']:.1f} % of the multiplications; drawing 5 % {drawn['mean']:.1f} "
        f"with {drawn['mults_pct_of_dense']:.1f} % (one seed)."
    )


def _in_time() -> str:
    ratios = bench_ratios()
    fastest = ratios[(ratios["against"] == "fastest fp32") & (ratios["threads"] == 1)]
    names = ["lsh", "lsh_hybrid", "winner_take_all_blocks_of_8_512", "winner_take_all_blocks_of_16_512"]
    at = fastest.set_index(["reference", "width"])["ratio"]
    low, high = int(fastest["width"].min()), int(fastest["width"].max())
    told = [(at[name, low], at[name, high]) for name in names]
    runs = pd.read_csv(RESULTS / "blocks" / "runs.csv").set_index(["block", "hidden"])["test_acc_pct"]
    lost = runs.loc[1] - runs.loc[8]
    lsh, hybrid, eight, sixteen = (f"{one:.1f} and {other:.1f}" for one, other in told)
    return (
        f"**Time gains less than multiplications, and most with blocks.** PyTorch's fastest batch takes, on "
        f"one thread and for a training example of three layers of {low:,} and of {high:,} nodes, {lsh} "
        f"times as long as `lsh`, {hybrid} as its preset `hybrid`, {eight} as exact winners in blocks of 8 "
        f"nodes, and {sixteen} in blocks of 16. On all digits blocks of 8 cost "
        f"{lost['1000-1000-1000']:.2f} and {lost['4000-4000-4000']:.2f} points, one seed."
    )


def _many_labels() -> str:
    labels = lshexp.compare([RESULTS / "wide_labels"])
    told = []
    for corpus, name in (("delicious", "Delicious, 983 labels"), ("bibtex", "Bibtex, 159")):
        full, ours, drawn = _outputs(labels[labels["dataset_corpus"] == corpus], tail="popularity")
        told.append(
            f"{name}: {ours['mean']:.1f} % looked up, {drawn['mean']:.1f} % drawn, {full['mean']:.1f} % dense"
        )
    runs = lshexp.read_results(RESULTS / "wide_scale").runs
    tables = runs[runs["output_method"] == "lsh"].set_index("dataset_labels")
    fewer, most = (
        f"{tables.loc[size, 'test_acc_pct_retrieved']:.1f} % where scoring all has "
        f"{tables.loc[size, 'test_acc_pct']:.1f} %"
        for size in (100_000, 670_091)
    )
    alone = _alone(tables.loc[[670_091]]).iloc[0][["predict_us_1", "predict_us_1_retrieved"]].astype(float)
    return (
        f"**Tables pay where labels are many for each example, and at test.** P@1 of {'; '.join(told)}. Of "
        f"100,000 generated labels, a prediction by tables has a P@1 of {fewer}; of 670,091, {most}, and one "
        f"prediction takes a {alone.iloc[0] / alone.iloc[1]:.0f}th of the time."
    )


def _outputs(frame: pd.DataFrame, **tables: object) -> tuple[pd.Series, pd.Series, pd.Series]:
    """The rows of the dense output, of the tables with these settings, and of drawing by frequency."""
    looked_up = frame[frame["output_method"] == "lsh"]
    for name, value in tables.items():
        looked_up = looked_up[looked_up[name] == value]
    each = [
        frame[frame["output_method"] == "dense"],
        looked_up,
        frame[frame["output_method"] == "popularity"],
    ]
    if [len(rows) for rows in each] != [1, 1, 1]:
        raise LookupError("not one row each for the dense output, for tables and for drawing by frequency")
    full, ours, drawn = (rows.iloc[0] for rows in each)
    return full, ours, drawn


def _deepest() -> str:
    """How the deepest networks of the sweep over depths stand to the best dense one of any depth."""
    runs = lshexp.read_results(RESULTS / "depth").runs
    runs = runs[(runs["status"] == "ok") & (runs["p_preset"].fillna("lshexp") == "lshexp")]
    networks = {
        key: frame.set_index(PAIR) for key, frame in runs.groupby(["method", "hidden"], observed=True)
    }
    accuracy = {key: frame["test_acc_pct"] for key, frame in networks.items()}
    deepest = max((hidden for _, hidden in networks), key=lambda hidden: hidden.count("-"))
    best = max((key for key in networks if key[0] == "dense"), key=lambda key: accuracy[key].mean())
    ours, exact = accuracy["lsh", deepest], accuracy["winner_take_all", deepest]
    (apart,) = infer([(ours - accuracy[best]).dropna().astype(float)])
    told = (
        "too few seeds" if apart is None else f"{apart.mean:+.2f} ±{(apart.high - apart.low) / 2:.2f} points"
    )
    mults = networks["lsh", deepest]["mults_pct_of_dense"].mean()
    return (
        f"**Depth.** With {deepest.count('-') + 1} layers on 10,000 digits LSH reaches {ours.mean():.2f} % "
        f"at {mults:.1f} % of dense's multiplications, the exact winners {exact.mean():.2f} %; the best "
        f"dense network of any depth has {best[1].count('-') + 1} layers and {accuracy[best].mean():.2f} % "
        f"(difference {told})."
    )


def _mean(frame: pd.DataFrame, label: str) -> pd.Series:
    """The mean over datasets of a configuration's numbers."""
    chosen = frame[frame["label"] == label]
    if chosen["data"].duplicated().any() or set(chosen["data"]) != set(frame["data"]):
        raise LookupError(f"not one row a dataset is labelled '{label}'")
    return chosen[["difference", "mults_pct_of_dense"]].mean()


def _alone(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, whose times are to be told. Raises LookupError when one was not alone on the machine."""
    if not runs["timing_valid"].all():
        raise LookupError("a time is told of runs that were not alone on the machine: do them again")
    return runs


def _rate(method: str, lr: float) -> float:
    """Test accuracy of a method in the quickstart's search for rates."""
    runs = lshexp.read_results(RESULTS / "quickstart_lr").runs
    (found,) = runs[(runs["method"] == method) & (runs["lr"] == lr)]["test_acc_pct"]
    return float(found)


def age() -> str:
    """Which results rest on runs of older code."""
    old = []
    for name in ("within_a_point", "rivals", "depth", "paper/paper_claims", "quickstart_lr", *WIDE):
        env = pd.read_csv(RESULTS / name / "env.csv")
        if set(env["kernel_revision"]) != {KERNEL_REVISION}:
            old.append(f"results/{name}")
    if not old:
        return ""
    return (
        f"Made under an earlier kernel revision than {KERNEL_REVISION}, so numbers may differ a little now: "
        f"{', '.join(old)}."
    )


def bench_ratios() -> pd.DataFrame:
    """How our networks stand to PyTorch's, as the bench measured it."""
    return pd.read_csv(RESULTS / "bench" / "bench_ratios.csv")
