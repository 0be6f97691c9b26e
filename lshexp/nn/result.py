"""What one run leaves behind: plain data that becomes one JSON record and the rows of the CSV files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "diverged", "failed"]
Cell = str | int | float | bool | None  # of a table


@dataclass(frozen=True)
class EpochRow:
    """One finished epoch. Shares and accuracies are percentages, times are seconds; None = not measured."""

    epoch: int  # 1-based
    train_loss: float  # mean cross-entropy over the epoch's examples, nats, measured while training
    train_acc_pct: float
    valid_acc_pct: float | None  # on the held-out tail of the training examples, when there is one
    test_acc_pct: float
    active_pct_achieved: float  # selected / existing hidden nodes, mean over training examples and layers
    mults_total: int  # this epoch, all layers and phases
    select_s: float
    train_s: float  # selection, forward, backward, update and rebuild; evaluation excluded
    eval_s: float
    # what was active in the output in training, of all classes
    output_active_pct_achieved: float | None = None
    # where there are more than `ranking.DEPTH` classes: of the scores of all classes, and of those retrieved
    test_p3_pct: float | None = None
    test_p5_pct: float | None = None
    test_psp1_pct: float | None = None
    test_psp3_pct: float | None = None
    test_psp5_pct: float | None = None
    test_recall20_pct: float | None = None
    test_ndcg20_pct: float | None = None
    test_perplexity: float | None = None
    test_acc_pct_retrieved: float | None = None
    test_p3_pct_retrieved: float | None = None
    test_p5_pct_retrieved: float | None = None
    test_psp1_pct_retrieved: float | None = None
    test_psp3_pct_retrieved: float | None = None
    test_psp5_pct_retrieved: float | None = None
    test_recall20_pct_retrieved: float | None = None
    test_ndcg20_pct_retrieved: float | None = None


@dataclass(frozen=True)
class WorkRow:
    """Work of one layer (0 = first hidden) in one phase: of training, over the run; of predicting, once."""

    layer: int
    phase: str  # one of `lshexp.work.PHASES`, or `predict`: the test examples once, after training
    mults: int
    adds: int
    bytes: int
    plan: str | None = None  # how the layer is stored and computed (`lshexp.nn.plan`)


@dataclass(frozen=True)
class SelectionRow:
    """What the probe saw of one hidden layer after one epoch, over a fixed share of the training examples.

    Nodes are selected as at test. Shares are percentages; None = not defined or not measured.
    """

    epoch: int  # 1-based
    layer: int  # 0 = first hidden
    examples: int  # looked at
    recall_pct: float  # of the true top k nodes of an example, k as asked for, those that were active
    positive_pct: float | None  # of the active nodes, those with a pre-activation above zero
    dead_pct: float  # of all nodes, those that no example looked at made active
    busiest_pct: float  # of the examples, those that made the most popular node active
    turnover_pct: float | None  # of an example's active nodes, those that were not active an epoch before
    # the method's own diagnostics: of hash tables, nodes in a bucket that is not empty, and so on
    bucket_mean: float | None = None
    bucket_max: int | None = None
    bucket_empty_pct: float | None = None


@dataclass(frozen=True)
class RunResult:
    """Outcome of a run. `epochs` holds the finished epochs even when the run diverged later."""

    status: Status
    error: str | None  # one line when status is not "ok"
    epochs: list[EpochRow]
    work: list[WorkRow]
    mults_dense: int  # what the dense network would have cost for the same examples and steps
    mults_paper: int  # active nodes x full fan-in, selection left out (the paper's protocol)
    mults_dense_paper: int  # the dense network under that protocol
    active_by_layer_pct: list[float]  # achieved share of each hidden layer
    compile_s: float
    peak_rss_mb: float | None
    init_hash: str  # of all initial weights, equal across methods with one seed; "": of a part of them alone
    order_hash: str  # of the order in which examples were visited
    notes: dict[str, int] = field(default_factory=dict)  # counters of caps and fallbacks, by name
    selection: list[SelectionRow] = field(default_factory=list)  # empty unless the run has a probe
    rapl_j: dict[str, float] | None = None  # joules of each RAPL domain of the machine over train_s
    derived: dict[str, Any] = field(default_factory=dict)  # options left out, at the values in effect
    derived_output: dict[str, Any] = field(default_factory=dict)  # the same of the output's method
    mults_dense_predict: int | None = (
        None  # what predicting the test examples once would cost the dense network
    )
    predict_us: float | None = None  # microseconds a test example, predicted in batches of 256
    predict_us_1: float | None = None  # the same, one at a time
    # the test examples once, of all classes only those that the output's method retrieves being scored
    mults_predict_retrieved: int | None = None
    predict_us_retrieved: float | None = None
    predict_us_1_retrieved: float | None = None
    # rows of the task's own table, by the names of its columns
    task_rows: list[dict[str, Cell]] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)  # what the task found, in few numbers, by name


@dataclass(frozen=True)
class Progress:
    """A heartbeat of the running run, sent at most a few times a second."""

    epoch: int  # 1-based
    epochs: int
    examples_done: int  # within the epoch
    examples: int
    train_loss: float  # running mean of the epoch
    test_acc_pct: float | None  # of the last finished epoch

    @property
    def share(self) -> float:
        """Of all training, what is done, 0 to 1."""
        return (self.epoch - 1 + self.examples_done / max(1, self.examples)) / self.epochs


Reporter = Callable[[Progress], None]
