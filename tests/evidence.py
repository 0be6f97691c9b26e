"""The page of results: what each folder of tables holds, how it was made, and what is seen in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from findings import RESULTS, Held, against_the_widest, age, bench_ratios, findings

from lshexp.analysis.results import read_results
from lshexp.analysis.tasks import task_tables_of
from lshexp.spec import KERNEL_REVISION

ROOT = Path(__file__).parent.parent
SCRATCH = RESULTS / "scratch"  # where `make quickstart` and rehearsals write; git does not keep it
EXPERIMENTS = ROOT / "experiments"
MOST_ROWS = 24  # of a table that is not folded
CLAIMS = (  # a heading, the folders whose runs are judged, and the file of claims
    ("The paper's claims", "results/paper", "claims.yaml"),
    ("Claims about wide outputs", "results/wide_words_short results/wide_labels", "claims_wide.yaml"),
    (
        "Claims about memory and samplers",
        "results/one_shot results/log_partition results/sampled_descent",
        "claims_tasks.yaml",
    ),
)
INTRODUCTION = """\
# Results

What the tables in this folder hold, generated from them by `make readme`. Each section says which command
made its folder, with which code, and what `lshexp compare` says of it. Columns are explained in
[docs/columns.md](../docs/columns.md).
"""


def page(printed: Callable[[str], str]) -> str:
    """The text of results/README.md; `printed` gives the output of a command."""
    sections = [_section(folder, printed) for folder in kept_folders()]
    parts = [_within_a_point(printed), _plain_baselines(), _claims(printed), _bench(), _bench_output()]
    return "\n".join([INTRODUCTION, _findings(), *sections, *parts])


def _findings() -> str:
    told = "\n".join(f"{i}. {sentence}" for i, sentence in enumerate(findings(), 1))
    return f"## What was found\n\n{told}\n\n{age()}".rstrip() + "\n"


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
    command = f"compare {name}{f' --metric {metric}' if metric else ''} --format md"
    table = _of_tasks(folder) or printed(command)
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


def _of_tasks(folder: Path) -> str:
    """What the tasks of a folder found, means over seeds; of a descent, its end."""
    parts = []
    for found in task_tables_of(read_results(folder)):
        frame = found.frame
        if "steps" in frame:
            frame = frame[frame["steps"] == frame["steps"].max()].drop(columns="steps")
        heads = [str(name).replace("_pct", " %").replace("_", " ") for name in frame.columns]
        lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in frame.to_numpy(dtype=object).tolist()]
        parts.append(f"**{found.title}**\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain_baselines() -> str:
    """Our dense networks beside PyTorch's of the same size."""
    table = pd.read_csv(RESULTS / "plain_baselines.csv")
    heads = [
        "data",
        "optimizer",
        "rate",
        "batch",
        "epochs",
        "PyTorch %",
        "ours %",
        "seeds of ours",
        "difference",
    ]
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- |" + " ---: |" * (len(heads) - 2)]
    lines += [
        f"| {row.dataset} | {row.optimizer} | {row.lr:g} | {row.batch} | {row.epochs} "
        f"| {row.pytorch_acc_pct:.2f} | {row.ours_acc_pct:.2f} | {row.ours_seeds} "
        f"| {row.ours_minus_pytorch:+.2f} |"
        for row in table.itertuples()
    ]
    return (
        "## Dense beside plain PyTorch networks\n\n"
        "`make baselines`: the dense networks of within_a_point beside networks of the same size that "
        "PyTorch trains on the same examples for as many epochs, with our optimiser and rate and with "
        "PyTorch's default; no skips, last weights, one seed. In "
        "[plain_baselines.csv](plain_baselines.csv).\n\n" + "\n".join(lines) + "\n"
    )


def _claims(printed: Callable[[str], str]) -> str:
    told = ""
    for heading, folders, file in CLAIMS:
        words = f"compare {folders} --claims experiments/{file} --format md"
        told += f"## {heading}\n\n`lshexp {words}`\n\n{printed(words)}\n\n"
    return told.removesuffix("\n")


def _bench() -> str:
    """Time of an example in training and prediction: our networks beside the fastest of PyTorch's."""
    ratios = bench_ratios().set_index(["width", "threads", "reference", "against"])
    heads = ["width", "threads", "ours", "µs", "PyTorch fp32, µs", "ratio", "bf16, µs", "ratio"]
    lines = ["| " + " | ".join(heads) + " |", "| ---: | ---: | --- |" + " ---: |" * 5]
    for width, threads, name in ratios.index.droplevel("against").drop_duplicates():
        fp32, bf16 = (
            ratios.loc[(width, threads, name, against)] for against in ("fastest fp32", "bf16 at 256")
        )
        lines.append(
            f"| {width} | {threads} | {name} | {fp32.us_reference:.1f} | {fp32.us_competitor:.0f} "
            f"| {fp32.ratio:.1f} | {bf16.us_competitor:.0f} | {bf16.ratio:.1f} |"
        )
    heads = ["width", "threads", "examples at a time", "ours", "µs", "PyTorch fp32, µs", "ratio"]
    predicted = ["| " + " | ".join(heads) + " |", "| ---: | ---: | ---: | --- |" + " ---: |" * 3]
    places = ["width", "threads", "batch"]
    for place, part in pd.read_csv(RESULTS / "bench" / "bench_predict.csv").groupby(places, sort=False):
        took = part.set_index("competitor")["us_per_example"]
        for name in bench_ratios()["reference"].drop_duplicates():
            ratio = took["pytorch_fp32"] / took[name]
            predicted.append(
                f"| {place[0]} | {place[1]} | {place[2]} | {name} | {took[name]:.1f} "
                f"| {took['pytorch_fp32']:.0f} | {ratio:.1f} |"
            )
    machine = pd.read_csv(RESULTS / "bench" / "bench_machine.csv").iloc[0]
    return (
        "## Time beside PyTorch\n\n"
        "`taskset -c 1 lshexp bench --widths 1000,4000 --threads 1 --budget 8m`: median microseconds of "
        "training on one example, three hidden layers, MNIST, 5 % of the nodes. The number at the end of a "
        "name is the batch size; a ratio says how many times as long PyTorch takes, at its fastest batch "
        f"size. One core of two ({machine.cpu_model}, {machine.stream_gb_per_s:.0f} GB/s, "
        f"{machine.gemm_gflop_per_s:.0f} GFLOP/s) was kept for it, while other work ran on the other and "
        "shared the memory. All measurements are in [bench.csv](bench/bench.csv).\n\n"
        + "\n".join(lines)
        + "\n\n"
        "![Microseconds a training example against width](bench/bench.svg)\n\n"
        "Prediction, from [bench_predict.csv](bench/bench_predict.csv):\n\n" + "\n".join(predicted) + "\n"
    )


OUTPUTS = {  # ways to train an output layer, each at its fastest batch
    "PyTorch, full softmax": "softmax_fp32_",
    "PyTorch, full softmax in bf16": "softmax_bf16_",
    "PyTorch, adaptive softmax": "adaptive_fp32_",
    "PyTorch, classes drawn by frequency": "sampled_fp32_",
    "ours, all classes": "dense",
    "ours, a fifth looked up and the rest drawn": "lsh",
    "ours, classes drawn by frequency": "popularity",
}


def _bench_output() -> str:
    """Time of an output layer by its number of classes: ours beside PyTorch's."""
    took = pd.read_csv(RESULTS / "bench" / "bench_output.csv")
    predicted = pd.read_csv(RESULTS / "bench" / "bench_output_predict.csv")
    one = predicted[predicted["batch"] == 1].set_index(["classes", "competitor"])["us_per_example"]
    heads = ["classes", "output layer", "batch", "training, µs", "full softmax", "one prediction, µs"]
    lines = ["| " + " | ".join(heads) + " |", "| ---: | --- |" + " ---: |" * 4]
    for classes, part in took.groupby("classes"):
        fastest = {
            told: part.loc[part[part["competitor"].str.startswith(name)]["us_per_example"].idxmin()]
            for told, name in OUTPUTS.items()
        }
        full = fastest["PyTorch, full softmax"].us_per_example
        for told, name in OUTPUTS.items():
            us, kind = fastest[told].us_per_example, name.rstrip("_")
            alone = f"{one[classes, kind]:.0f}" if (classes, kind) in one.index else ""
            times = f"{full / us:.1f}"
            lines.append(f"| {classes:,} | {told} | {fastest[told].batch} | {us:.1f} | {times} | {alone} |")
    active = took["active"].iloc[0]
    return (
        "## Time of an output layer beside PyTorch\n\n"
        "`taskset -c 1 lshexp bench --output 10000,33278,670091 --threads 1 --budget 6m`: median "
        f"microseconds an example at an output layer above {took['inputs'].iloc[0]} activations, {active} "
        "classes of which are trained for an example where they are not all. Each way has its fastest batch; "
        "the column `full softmax` says how many times as long PyTorch's takes, in fp32. One core was kept "
        "for it, while other work ran on the other and shared the memory.\n\n" + "\n".join(lines) + "\n"
    )


def _spread(row: Held) -> str:
    return f" ±{row.deviation:.2f}" if row.seeds > 1 else ""


def held_lines(folder: Path) -> list[str]:
    """A table of the networks of a folder, each beside the widest dense one on the same data."""
    heads = ["data", "network", "hidden", "seeds", "test acc %", "difference", "mult %", "train loss"]
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    return lines + [
        f"| {row.data} | {row.label} | {row.hidden} | {row.seeds} | {row.accuracy:.2f}{_spread(row)} "
        f"| {'' if row.label == 'dense' else row.told.replace(' points', '')} | {row.mults:.2f} "
        f"| {row.train_loss:.4f} |"
        for row in against_the_widest(folder)
    ]


def _within_a_point(printed: Callable[[str], str]) -> str:
    """The networks of within_a_point beside the widest dense ones, and the claims they bear."""
    lines = held_lines(RESULTS / "within_a_point")
    folders, claims = "results/within_a_point results/depth", "experiments/claims_within_a_point.yaml"
    words = f"compare {folders} --claims {claims} --format md"
    return (
        "## Within a point of the best dense network\n\n"
        "The networks of within_a_point, each against the widest dense network on the same data, the narrow "
        "dense ones too, which have about as many multiplications as LSH. ± of the accuracy: standard "
        "deviation over seeds; of the difference: half its 95 % interval, held for all networks of a dataset "
        "together; mult %: multiplications of training in % of the widest dense network's.\n\n"
        + "\n".join(lines)
        + f"\n\n`lshexp {words}`\n\n{printed(words)}\n"
    )
