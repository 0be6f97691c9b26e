"""The page of results: what each folder of tables holds, how it was made, and what is seen in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import lshexp
from lshexp.analysis.statistics import Inference, infer
from lshexp.spec import KERNEL_REVISION

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
SCRATCH = RESULTS / "scratch"  # where `make quickstart` and rehearsals write; git does not keep it
EXPERIMENTS = ROOT / "experiments"
PAIR = ["seed", "repeat"]  # what runs are paired by
MOST_ROWS = 24  # of a table that is not folded
WIDE = ("wide_words_short", "wide_labels", "wide_scale")
CLAIMS = (  # a heading, the folders whose runs are judged, and the file of claims
    ("The paper's claims", "results/paper", "claims.yaml"),
    ("Claims about wide outputs", "results/wide_words_short results/wide_labels", "claims_wide.yaml"),
)
INTRODUCTION = """\
# Results

What the tables in this folder hold, generated from them by `make readme`. Each section says which command
made its folder, with which code, and what `lshexp compare` says of it. Columns are explained in
[docs/columns.md](../docs/columns.md); a short account of what was found is in the [README](../README.md).
"""


def page(printed: Callable[[str], str]) -> str:
    """The text of results/README.md; `printed` gives the output of a command."""
    sections = [_section(folder, printed) for folder in kept_folders()]
    return "\n".join([INTRODUCTION, *sections, _within_a_point(printed), _claims(printed), _bench()])


def kept_folders() -> list[Path]:
    """The folders of results that come along; what somebody tried in results/scratch is not among them."""
    folders = sorted(path.parent for path in RESULTS.glob("**/runs.csv"))
    return [folder for folder in folders if SCRATCH not in folder.parents and made_by(folder) is not None]


def made_by(folder: Path) -> Path | None:
    """The sweep file that a folder of results was made from."""
    path = EXPERIMENTS / f"{folder.name}.yaml"
    return path if path.exists() else None


def comment(path: Path) -> str:
    """The comment that a sweep file begins with, in paragraphs."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines)


def provenance(folder: Path) -> str:
    """When, where and with which code a folder's runs were made, and whether they would be the same now."""
    runs = pd.read_csv(folder / "runs.csv", dtype=str)
    env = pd.read_csv(folder / "env.csv", dtype=str)
    env = env[env["env_id"].isin(runs["env_id"])]
    dates = sorted({started[:10] for started in runs["started_utc"]})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    machines = sorted({f"{row.cpu_model} ({row.cores_usable} threads)" for row in env.itertuples()})
    codes = sorted({str(sha)[:7] for sha in env["git_sha"].dropna()})
    revisions = sorted({int(revision) for revision in env["kernel_revision"]})
    told = [
        f"{len(runs)} runs, {when}, on {' and '.join(machines)}, code {', '.join(codes) or 'unknown'}, "
        f"kernel revision {', '.join(map(str, revisions))}."
    ]
    if revisions != [KERNEL_REVISION]:
        told.append(
            f"**Made by older code**: the same command now does these runs again, under kernel revision "
            f"{KERNEL_REVISION}, and numbers may differ."
        )
    if (env["git_dirty"].str.lower() == "true").any():
        told.append("Some runs were made with changes that were not committed.")
    return " ".join(told)


def judged_by(folder: Path) -> str:
    """The metric that a folder's runs are compared by, where it is not test accuracy.

    A search is judged by what was held out, and a distribution over words by its perplexity.
    """
    runs = pd.read_csv(folder / "runs.csv")
    there = (
        name for name in ("valid_acc_pct", "test_perplexity") if name in runs and runs[name].notna().all()
    )
    return next(there, "")


def _section(folder: Path, printed: Callable[[str], str]) -> str:
    sweep = made_by(folder)
    name = folder.relative_to(ROOT).as_posix()
    metric = judged_by(folder)
    table = printed(f"compare {name}{f' --metric {metric}' if metric else ''} --format md")
    rows = table.count("\n|")
    if rows > MOST_ROWS:
        table = f"<details><summary>{rows} lines</summary>\n\n{table}\n\n</details>"
    pictures = [
        f"![{path.stem.replace('_', ' ')} of {folder.name}]({path.relative_to(RESULTS).as_posix()})"
        for path in sorted((folder / "figures").glob("*.svg"))
    ]
    where = f" -o {folder.parent.relative_to(ROOT).as_posix()}" if folder.parent != RESULTS else ""
    command = f"lshexp sweep {sweep.relative_to(ROOT).as_posix()}{where}"
    parts = [
        f"## {name.removeprefix('results/')}",
        comment(sweep),
        f"`{command}`: {provenance(folder)}",
        table,
    ]
    return "\n\n".join([*parts, *pictures]) + "\n"


def _claims(printed: Callable[[str], str]) -> str:
    told = ""
    for heading, folders, file in CLAIMS:
        words = f"compare {folders} --claims experiments/{file} --format md"
        told += f"## {heading}\n\n`lshexp {words}`\n\n{printed(words)}\n\n"
    return told.removesuffix("\n")


def _bench() -> str:
    """Time of a training example of our networks, beside the fastest of PyTorch's at the same width."""
    ratios = bench_ratios()
    rows = ratios[ratios["against"] == "fastest fp32"]
    heads = ["width", "threads", "ours", "microseconds", "PyTorch's fastest", "microseconds", "ratio"]
    lines = ["| " + " | ".join(heads) + " |", "| ---: | ---: | --- | ---: | --- | ---: | ---: |"]
    lines += [
        f"| {row.width} | {row.threads} | {row.reference} | {row.us_reference:.0f} | {row.competitor} "
        f"| {row.us_competitor:.0f} | {row.ratio:.2f} |"
        for row in rows.itertuples()
    ]
    return (
        "## Time beside PyTorch\n\n"
        "`lshexp bench`: median microseconds of training on one example, three hidden layers, MNIST, 5 % of "
        "the nodes. The number behind a name is the batch size; ratios above 1 say how many times as long "
        "PyTorch takes. All measurements are in [bench.csv](bench/bench.csv).\n\n" + "\n".join(lines) + "\n\n"
        "![Microseconds a training example against width](bench/bench.svg)\n"
    )


def bench_ratios() -> pd.DataFrame:
    """How our networks stand to PyTorch's, as the bench measured it."""
    return pd.read_csv(RESULTS / "bench" / "bench_ratios.csv")


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


class Held(NamedTuple):
    """A network held against the widest dense one on the same data; figures are means over seeds."""

    data: str
    label: str  # the method, or `dense, narrow`
    hidden: str
    seeds: int
    accuracy: float
    deviation: float  # of the accuracy
    difference: Inference | None  # in points of accuracy; None for the widest itself, or without an interval
    mults: float  # of training, in % of the widest's
    train_loss: float

    @property
    def told(self) -> str:
        """The difference with its interval."""
        if self.difference is None:
            return "too few seeds for an interval"
        return f"{self.difference.mean:+.2f} ±{(self.difference.high - self.difference.low) / 2:.2f} points"


def against_the_widest(folder: Path) -> list[Held]:
    """Every network of a sweep beside the widest dense one of its dataset, whatever its own width.

    Runs with the same seed are pairs; intervals hold at 95 % for all networks of a dataset together.
    """
    runs = lshexp.read_results(folder).runs
    made = []
    for data, group in runs[runs["status"] == "ok"].groupby("dataset", sort=False, observed=True):
        networks = dict(iter(group.groupby(["method", "hidden"], sort=False, observed=True)))
        widest = max((key for key in networks if key[0] == "dense"), key=lambda key: _nodes(key[1]))
        base = networks[widest].set_index(PAIR)
        paired = {}
        for key, frame in networks.items():
            if key != widest:
                apart = frame.set_index(PAIR)["test_acc_pct"] - base["test_acc_pct"]
                paired[key] = apart.dropna().astype(float)
        found = dict(zip(paired, infer(list(paired.values())), strict=True))
        for key, frame in networks.items():
            narrow = key[0] == "dense" and key != widest
            mults = 100 * frame["mults_total"].mean() / base["mults_total"].mean()
            made.append(
                Held(
                    str(data), "dense, narrow" if narrow else key[0], key[1], len(frame),
                    frame["test_acc_pct"].mean(), frame["test_acc_pct"].std(), found.get(key), mults,
                    frame["train_loss"].mean(),
                )
            )  # fmt: skip
    return made


def _nodes(hidden: str) -> int:
    return sum(map(int, hidden.split("-")))


def _beside(held: Sequence[Held], data: str, label: str) -> Held:
    (found,) = (row for row in held if (row.data, row.label) == (data, label))
    return found


def _within_a_point(printed: Callable[[str], str]) -> str:
    """The networks of within_a_point beside the widest dense ones, and the claims they bear."""
    heads = ["data", "network", "hidden", "seeds", "test acc %", "difference", "mult %", "train loss"]
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {row.data} | {row.label} | {row.hidden} | {row.seeds} | {row.accuracy:.2f} ±{row.deviation:.2f} "
        f"| {'' if row.label == 'dense' else row.told.removesuffix(' points')} | {row.mults:.2f} "
        f"| {row.train_loss:.4f} |"
        for row in against_the_widest(RESULTS / "within_a_point")
    ]
    words = "compare results/within_a_point --claims experiments/claims_within_a_point.yaml --format md"
    return (
        "## Within a point of the best dense network\n\n"
        "The networks of within_a_point, each against the widest dense network on the same data, the narrow "
        "dense ones too, which have about as many multiplications as LSH. ± of the accuracy: standard "
        "deviation over seeds; of the difference: half its 95 % interval, held for all networks of a dataset "
        "together; "
        "mult %: multiplications of training in % of the widest dense network's.\n\n"
        + "\n".join(lines)
        + f"\n\n`lshexp {words}`\n\n{printed(words)}\n"
    )


def findings() -> Iterator[str]:
    """Sentences with numbers read from the tables."""
    held = against_the_widest(RESULTS / "within_a_point")
    dense, ours, exact, narrow = (
        _beside(held, "mnist", label) for label in ("dense", "lsh", "winner_take_all", "dense, narrow")
    )
    yield (
        f"**MNIST, three hidden layers of 1000.** LSH at 5 % of the nodes reaches {ours.accuracy:.2f} %, "
        f"dense {dense.accuracy:.2f} % (difference {ours.told}, {ours.seeds} seeds), with {ours.mults:.1f} % "
        f"of dense's multiplications, choosing the nodes included; both with Adam and skips. A dense network "
        f"of {narrow.hidden} nodes, with {narrow.mults:.1f} %, reaches {narrow.accuracy:.2f} % "
        f"({narrow.told})."
    )
    others = [row for row in held if row.data != "mnist"]
    yield (
        "**On other data**, LSH against the widest dense network: "
        + ", ".join(f"{row.data} {row.told} at {row.mults:.1f} %" for row in others if row.label == "lsh")
        + ". Exact winners, which LSH approximates: "
        + ", ".join(f"{row.data} {row.told}" for row in others if row.label == "winner_take_all")
        + "."
    )
    yield (
        f"**At this width sparsity saves more than hashing.** Exact winners on MNIST, computed from what is "
        f"not zero, reach {exact.accuracy:.2f} % at {exact.mults:.1f} % of the multiplications."
    )
    claims = lshexp.compare([RESULTS / "paper" / "paper_claims"])
    means = {label: _mean(claims, label) for label in claims["label"].unique() if label != "dense"}
    ours, paper, chance = means["lsh hybrid"], means["lsh paper"], means["dropout"]
    yield (
        f"**The paper's selection, read literally, does not hold its promise here.** Over three datasets it "
        f"is {-paper['difference']:.1f} points below dense at {paper['mults_pct_of_dense']:.1f} % of the "
        f"multiplications; `hybrid` is {-ours['difference']:.1f} points below at "
        f"{ours['mults_pct_of_dense']:.1f} %, and dropout {-chance['difference']:.1f}. Rates matter as much: "
        f"adaptive dropout on Rectangles goes from {_rate('adaptive_dropout', 0.01):.1f} % at the rate 0.01, "
        f"the largest of the paper's, to {_rate('adaptive_dropout', 0.3):.1f} % at 0.3."
    )
    ratios = bench_ratios()
    fastest = ratios[
        (ratios["against"] == "fastest fp32")
        & (ratios["threads"] == 1)
        & (ratios["reference"] == "lsh_hybrid")
    ].set_index("width")["ratio"]
    low, high = int(fastest.index.min()), int(fastest.index.max())
    yield (
        f"**Time gains less than multiplications.** PyTorch's fastest batch on one thread takes "
        f"{fastest[low]:.1f} times as long for a training example as `hybrid` at {low:,} nodes a layer, and "
        f"{fastest[high]:.1f} times at {high:,}."
    )
    yield from _about_outputs()


def _about_outputs() -> Iterator[str]:
    """What outputs with many classes cost and reach, and how the rival that draws by frequency stands."""
    words = lshexp.compare([RESULTS / "wide_words_short"], metric="test_perplexity")
    full, ours, drawn = _outputs(words, output_active_pct=1.0)
    yield (
        f"**Wide outputs: few classes suffice, and drawing them by frequency is the rival.** After one pass "
        f"over 200,000 examples of the next of 10,000 words, the full softmax reaches a perplexity of "
        f"{full['mean']:.0f}; looking 1 % of the words up and drawing 4 % by frequency {ours['mean']:.1f} "
        f"with {ours['mults_pct_of_dense']:.1f} % of the multiplications; drawing 5 % {drawn['mean']:.1f} "
        f"with {drawn['mults_pct_of_dense']:.1f} %, and in less time."
    )
    labels = lshexp.compare([RESULTS / "wide_labels"])
    told = []
    for corpus, name in (("delicious", "Delicious, 983 labels"), ("bibtex", "Bibtex, 159")):
        full, ours, drawn = _outputs(labels[labels["dataset_corpus"] == corpus], tail="popularity")
        told.append(
            f"{name}: {ours['mean']:.1f} % looked up, {drawn['mean']:.1f} % drawn, {full['mean']:.1f} % dense"
        )
    sizes = lshexp.read_results(RESULTS / "wide_scale").runs
    at = sizes[sizes["dataset_labels"] == 100_000].set_index("output_method")
    tables, all_of_them = at.loc["lsh"], at.loc["dense"]
    widest = sizes[(sizes["dataset_labels"] == 670_091) & (sizes["output_method"] == "lsh")].iloc[0]
    yield (
        f"**Tables pay where labels are many for each example, and at test.** P@1 of {'; '.join(told)}. Of "
        f"100,000 generated labels, a prediction by tables has a P@1 of "
        f"{tables['test_acc_pct_retrieved']:.1f} % where scoring all has {tables['test_acc_pct']:.1f} %, and "
        f"takes {tables['predict_us_1'] / tables['predict_us_1_retrieved']:.0f} times less time; of 670,091, "
        f"{widest['test_acc_pct_retrieved']:.1f} and {widest['test_acc_pct']:.1f} %. Training on 100,000 "
        f"takes {all_of_them['train_s'] / tables['train_s']:.0f} times less time than dense, by frequency "
        f"{all_of_them['train_s'] / at.loc['popularity']['train_s']:.0f} times."
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


def _row(frame: pd.DataFrame, label: str) -> pd.Series:
    """The one row of a comparison with this label."""
    chosen = frame[frame["label"] == label]
    if len(chosen) != 1:
        raise LookupError(f"{len(chosen)} rows are labelled '{label}'")
    return chosen.iloc[0]


def _mean(frame: pd.DataFrame, label: str) -> pd.Series:
    """The mean over datasets of a configuration's numbers."""
    chosen = frame[frame["label"] == label]
    if chosen["data"].duplicated().any() or set(chosen["data"]) != set(frame["data"]):
        raise LookupError(f"not one row a dataset is labelled '{label}'")
    return chosen[["difference", "mults_pct_of_dense"]].mean()


def _rate(method: str, lr: float) -> float:
    """Test accuracy of a method in the quickstart's search for rates."""
    runs = lshexp.read_results(RESULTS / "quickstart_lr").runs
    (found,) = runs[(runs["method"] == method) & (runs["lr"] == lr)]["test_acc_pct"]
    return float(found)


def age() -> str:
    """Which of the findings rest on runs of older code."""
    old = []
    kept = ("within_a_point", "paper/paper_claims", "quickstart_lr", *WIDE)
    for name in kept:
        env = pd.read_csv(RESULTS / name / "env.csv")
        if set(env["kernel_revision"]) != {KERNEL_REVISION}:
            old.append(f"results/{name}")
    if not old:
        return ""
    return (
        f"Made by older code, before kernel revision {KERNEL_REVISION}, under which numbers may differ: "
        f"{', '.join(old)}."
    )


def _interval(row: pd.Series) -> str:
    return f"{row['difference']:+.2f} ±{(row['ci_high'] - row['ci_low']) / 2:.2f} points"
