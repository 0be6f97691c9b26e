"""What the columns of the CSV files mean, said once, for `lshexp list columns` and the documentation.

Columns that repeat a setting of the run take their meaning from the setting's own description.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from lshexp import registry
from lshexp.runs.columns import (
    ENV,
    EPOCH,
    KEYS,
    RUN_IDENTITY,
    RUN_OUTCOME,
    SELECTION,
    WORK,
    Column,
    task_tables,
)
from lshexp.spec import RunSpec

FILES: Mapping[str, tuple[Column[Any], ...]] = {
    "runs.csv": (*RUN_IDENTITY, *RUN_OUTCOME),
    "epochs.csv": (*KEYS, *EPOCH),
    "work.csv": (*KEYS, *WORK),
    "selection.csv": (*KEYS, *SELECTION),
    "env.csv": ENV,
}
_KINDS: Mapping[str, str] = {
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "category": "word",
    "text": "text",
}
_UNITS: Mapping[str, str] = {
    "_s": "seconds",
    "_us": "microseconds",
    "_us_1": "microseconds",
    "_j": "joules",
    "_mb": "10^6 bytes",
    "_gb": "2^30 bytes",
    "_utc": "UTC",
}

# Measures of rankings; a name says at how many of the best classes it looks.
_RANKINGS: Mapping[str, str] = {
    "acc_pct": "share whose best-scored class is a label (P@1)",
    "p3_pct": "share of labels among the 3 best-scored classes (P@3)",
    "p5_pct": "share of labels among the 5 best-scored classes (P@5)",
    "psp1_pct": "P@1 weighted by inverse propensity (PSP@1; Jain et al. 2016)",
    "psp3_pct": "P@3 weighted by inverse propensity (PSP@3)",
    "psp5_pct": "P@5 weighted by inverse propensity (PSP@5)",
    "recall20_pct": "share of an example's labels among its 20 best-scored classes (R@20)",
    "ndcg20_pct": "discounted cumulative gain of the 20 best-scored classes, of the ideal one (nDCG@20)",
}
_SCORED_BY: Mapping[str, str] = {
    "": "all classes scored, with more than 20 classes",
    "_retrieved": "only the classes that the output's method retrieves scored",
}

# Meanings that hold in every file, then those of single files, by name; a name with `*` stands for several.
_MEANINGS: Mapping[str, str] = {
    "schema_version": "version of the tables' columns",
    "run_id": "content address of the run: configuration, data and kernel revision",
    "env_id": "content address of the machine and code, the key of env.csv",
    "epoch": "number of the epoch, counted from 1",
    "layer": "number of the layer, counted from 0, the first hidden one",
    "output_active_pct_achieved": "classes that the output computed in training, of all classes, labels and "
    "tail included",
    "test_perplexity": "exponential of the mean cross-entropy of the test examples over all classes; of one "
    "label an example, with more than 20 classes",
    **{
        f"test_{name}{ending}": f"{measure} of the test examples, {by}"
        for name, measure in _RANKINGS.items()
        for ending, by in _SCORED_BY.items()
    },
}
_MEANINGS_OF: Mapping[str, Mapping[str, str]] = {
    "runs.csv": {
        "sweep": "name of the sweep",
        "status": "how the run ended; ok, diverged or failed",
        "error": "why the run is not ok, in one line",
        "repeat": "number of the repeat, counted from 0; methods share the seeds of a repeat",
        "p_*": "options of the method; p_K is the option K, or the K that was derived where it was left out",
        "dataset_*": "options of the dataset",
        "task_*": "options of the task",
        "measure_*": "what the task found, in few numbers; its own table has all",
        "output_*": "options of the output's method; as p_K, output_K may be a K that was derived",
        "mults_predict_retrieved": "multiplications of predicting the test examples by retrieved classes",
        "predict_us_retrieved": "time a test example takes by retrieved classes, in batches of 256",
        "predict_us_1_retrieved": "the same, one at a time",
        "note_*": "counters of what a method did other than asked: fallbacks and caps",
        "test_acc_pct": "test examples classified correctly after the last epoch",
        "best_test_acc_pct": "best of all epochs; optimistic, as the test examples choose the epoch",
        "valid_acc_pct": "validation examples classified correctly after the last epoch",
        "train_loss": "mean cross-entropy over the last epoch's training examples, nats",
        "active_pct_achieved": "active nodes in the last epoch, of all hidden nodes; in all epochs with "
        "active_from",
        "active_by_layer_pct": "active nodes of each hidden layer over the run, joined by -",
        "mults_select": "multiplications of choosing the active nodes",
        "mults_forward": "multiplications of the forward pass",
        "mults_backward": "multiplications of the backward pass",
        "mults_update": "multiplications of the optimiser",
        "mults_rebuild": "multiplications of keeping up to date what chooses: tables, or what learns to",
        "mults_total": "multiplications of training, all layers and phases",
        "mults_dense": "multiplications that the dense network would have taken for the same training",
        "mults_pct_of_dense": "mults_total, of mults_dense",
        "mults_pct_of_dense_paper": "as the paper counts: active nodes times full fan-in, hashing left out",
        "bytes_touched": "bytes that training loaded and stored",
        "energy_proxy_j": "energy of the counted work at the prices of energy_model; not measured",
        "energy_model": "energy model of energy_proxy_j",
        "energy_rapl_j": "energy of the machine during the run as its own counters measured it",
        "compile_s": "time of compiling before training began",
        "select_s": "time of choosing the active nodes, a part of train_s",
        "train_s": "time of training without evaluation",
        "eval_s": "time of evaluation",
        "peak_rss_mb": "most memory the process held",
        "timing_valid": "whether times can be compared: nothing else of ours ran beside the run",
        "init_hash": "digest of the initial weights; the same for runs that are paired, "
        "empty for a network without some of them",
        "order_hash": "digest of the order of the examples; the same for runs that are paired",
        "started_utc": "when the run began",
        "predict_mults_pct_of_dense": "multiplications of predicting the test examples, choosing the nodes "
        "included, of those of the dense network",
        "predict_us": "time of predicting a test example, in batches of 256",
        "predict_us_1": "time of predicting a test example alone, mean of the first ones, up to 256",
    },
    "epochs.csv": {
        "train_loss": "mean cross-entropy over the epoch's training examples, nats",
        "train_acc_pct": "training examples classified correctly, measured while training",
        "valid_acc_pct": "validation examples classified correctly after the epoch",
        "test_acc_pct": "test examples classified correctly after the epoch",
        "active_pct_achieved": "active nodes in the epoch, of all hidden nodes",
        "mults_total": "multiplications of the epoch, all layers and phases",
        "select_s": "time of choosing the active nodes, a part of train_s",
        "train_s": "time of training without evaluation",
        "eval_s": "time of evaluation",
    },
    "work.csv": {
        "phase": "what the work was for: select, forward, backward, update or rebuild in "
        "training, predict for predicting the test examples once after it",
        "mults": "multiplications; a division or a square root counts as one",
        "adds": "additions",
        "bytes": "bytes loaded and stored",
        "plan": "how the layer is stored and computed: form of its input, inputs -> nodes, weights by node "
        "or by input, and its kernels",
    },
    "selection.csv": {
        "examples": "training examples looked at",
        "recall_pct": "active nodes among the k of largest pre-activation, k as asked for",
        "positive_pct": "active nodes with a pre-activation above zero",
        "dead_pct": "nodes that no example made active",
        "busiest_pct": "examples that made the most popular node active",
        "turnover_pct": "active nodes of an example that were not active an epoch before",
        "bucket_mean": "nodes in a bucket of a hash table, mean over those that are not empty",
        "bucket_max": "nodes in the fullest bucket",
        "bucket_empty_pct": "buckets without a node",
    },
    "env.csv": {
        "git_sha": "commit of the code; empty when it is not run from a checkout",
        "git_dirty": "whether the code differs from that commit",
        "kernel_revision": "raised whenever the same configuration would give other numbers",
        "lshexp": "version of lshexp",
        "python": "version of Python",
        "numpy": "version of NumPy",
        "numba": "version of Numba",
        "llvmlite": "version of llvmlite",
        "blas_name": "library that multiplies matrices for NumPy",
        "blas_version": "its version",
        "blas_threads": "threads it would use by itself; a run's own limit is the column threads of runs.csv",
        "threading_layer": "threading layer that Numba chose",
        "cpu_model": "processor",
        "cores_physical": "cores of the processor",
        "cores_logical": "hardware threads of the processor",
        "cores_usable": "hardware threads that this process may use",
        "memory_gb": "memory of the machine",
        "os": "operating system",
        "arithmetic_id": "digest of what rounding hangs on; runs with different ones differ in the last bits",
        "cpu_vectors": "vector extensions of the processor",
        "numpy_simd": "instruction sets that NumPy's loops were chosen for",
        "blas_kernel": "kernel that the BLAS library chose for the processor",
        "numba_cpu": "processor that Numba compiles for",
    },
}


class ColumnWords(NamedTuple):
    """One column as it is shown to a user. `meaning` is empty where nobody has written one."""

    file: str
    name: str
    kind: str
    unit: str
    meaning: str


def described_columns() -> list[ColumnWords]:
    """Every column of every file in order; columns made for options are told by a name with `*`."""
    return [
        ColumnWords(file, name, _KINDS.get(kind, kind), unit(name), meaning(file, name))
        for file, columns in files().items()
        for name, kind in [
            *((column.name, column.kind) for column in columns),
            *((name, "text") for name in _MEANINGS_OF.get(file, {}) if name.endswith("*")),
        ]
    ]


def meaning(file: str, name: str) -> str:
    """Say what a column of a file means."""
    field = RunSpec.model_fields.get(name) if file == "runs.csv" else None
    settings = field.description if field else None
    own = _MEANINGS_OF.get(file) or _task_meanings().get(file, {})
    return own.get(name) or _MEANINGS.get(name) or settings or ""


def files() -> dict[str, tuple[Column[Any], ...]]:
    """The columns of every file, those of the tables that tasks fill after the others."""
    made: dict[str, tuple[Column[Any], ...]] = dict(FILES)
    for table, columns in task_tables().items():
        made[f"{table}.csv"] = (*KEYS, *columns)
    return made


def _task_meanings() -> dict[str, dict[str, str]]:
    """What the fields of tasks' rows say of themselves, by file."""
    rows = {task.table: task.row for task in registry.tasks.discover().values()}
    return {
        f"{table}.csv": {field.name: field.metadata.get("meaning", "") for field in dataclasses.fields(row)}
        for table, row in rows.items()
        if table and row
    }


def unit(name: str) -> str:
    """Return the unit that the end, or the beginning, of a column's name stands for."""
    if "_pct" in name:
        return "per cent"
    if name.startswith("mults"):
        return "multiplications"
    if name == "adds":
        return "additions"
    if name.startswith("bytes"):
        return "bytes"
    return next((words for suffix, words in _UNITS.items() if name.endswith(suffix)), "")
