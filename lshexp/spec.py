"""One run, fully resolved: everything that decides its numbers, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from lshexp import registry
from lshexp.streams import stream_key

Optimizer = Literal["sgd", "momentum", "adagrad", "adagrad_momentum", "adam"]
Update = Literal["batch", "hogwild"]
Input = Literal["rows", "lists"]  # how the first layer reads an example: every feature, or the non-zero ones
Scaling = Literal["raw", "centered", "standard"]
Correction = Literal["log_q", "none"]
Loss = Literal["softmax", "binary"]
Block = Literal[1, 4, 8, 16]
UNIFORM = "uniform"  # tail that no method draws
Width = Annotated[int, Field(ge=1, le=10_000_000)]


def _share(value: Any) -> Any:
    """Read `1%` as 0.01; numbers are shares as they are."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?\s*%", value):
        return float(value.rstrip("% ")) / 100
    return value


Share = Annotated[
    float,
    BeforeValidator(_share),
    Field(ge=0, le=1),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": "%$"}]}
    ),
]

# Raised by hand whenever a change makes the same configuration give other numbers, so that finished
# records of the old revision are run again instead of being mixed with new ones.
KERNEL_REVISION = 4

# Fields that runs were once made without: at their default they leave a run's id as it was.
OUTPUT = ("output_method", "output_options", "output_active_pct", "tail_pct", "correction", "loss", "tail")
ADDED_LATER = (
    "probe", "input", "inputs", "simulate_workers", "skip", "block", "task", "task_options",
    "active_from", "active_until", *OUTPUT,
)  # fmt: skip


class RunSpec(BaseModel):
    """A resolved run. Field names are the top-level YAML keys; `*_options` come from the nested maps."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    task: str = Field(
        default="classify",
        description="what is done with data and network; its name, or a map of `name` and options",
    )
    task_options: dict[str, Any] = Field(default_factory=dict, description="options of the task")
    dataset: str = Field(default="mnist", description="dataset; its name, or a map of `name` and options")
    dataset_options: dict[str, Any] = Field(default_factory=dict, description="options of the dataset")
    train_examples: int | None = Field(
        default=None, ge=1, description="training examples used, the first ones; left out: all"
    )
    test_examples: int | None = Field(
        default=None, ge=1, description="test examples used, the first ones; left out: all"
    )
    validation_examples: int = Field(
        default=0, ge=0, description="training examples held out and tested after each epoch"
    )
    hidden: list[Width] = Field(
        default_factory=lambda: [1000, 1000], description="nodes of each hidden layer, from the input on"
    )
    skip: bool = Field(
        default=False,
        description="whether each hidden layer after the first adds what it computes to its input; takes "
        "hidden layers of one width, and update: batch",
    )
    block: Block = Field(
        default=1,
        description="nodes that lie side by side and are chosen and computed together, by the sum of their "
        "pre-activations; of no effect where all nodes are active; takes update: batch and a dense output",
    )
    method: str = Field(default="lsh", description="way of choosing the active nodes")
    method_options: dict[str, Any] = Field(default_factory=dict, description="options of the method")
    active_pct: float = Field(
        default=100.0, gt=0, le=100, description="active nodes of each hidden layer, per cent"
    )
    active_from: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="active nodes of each hidden layer in the first epoch, per cent; their share then "
        "falls from epoch to epoch, by the same factor each time, to active_pct; left out: active_pct always",
    )
    active_until: int | None = Field(
        default=None,
        ge=2,
        description="epoch, counted from 1, in which active_pct is reached; goes with active_from",
    )
    output_method: str = Field(default="dense", description="way of choosing the active classes")
    output_options: dict[str, Any] = Field(default_factory=dict, description="options of the output's method")
    output_active_pct: float = Field(
        default=100.0, gt=0, le=100, description="classes that the output's method chooses, per cent"
    )
    tail_pct: float = Field(
        default=0.0,
        ge=0,
        lt=100,
        description="classes drawn beside labels and those chosen, per cent, in training only",
    )
    tail: str = Field(
        default=UNIFORM,
        description="how the tail is drawn; uniform: each example's own from all others, each as likely, or "
        "the name of a method that draws, such as popularity",
    )
    correction: Correction = Field(
        default="log_q",
        description="of the scores of classes that are active by chance; log_q: less the logarithm of their "
        "chance, so that sums over the active classes estimate those over all, none: as they are",
    )
    loss: Loss = Field(
        default="softmax",
        description="what is minimised; softmax: cross-entropy of one choice among the classes, with several "
        "labels each an equal share of it, binary: cross-entropy of each class by itself",
    )
    lr: float = Field(default=0.01, gt=0, description="learning rate")
    optimizer: Optimizer = Field(default="adagrad", description="rule by which a step changes the weights")
    momentum: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="share of the last step kept in the next; used by momentum, adagrad_momentum and adam",
    )
    batch: int = Field(default=128, ge=1, description="examples in one optimiser step")
    epochs: int = Field(default=3, ge=1, description="passes over the training examples")
    average_from: int | None = Field(
        default=None,
        ge=1,
        description="epoch, counted from 1, from which weights are averaged for testing; left out: never",
    )
    probe: Share = Field(
        default=0.0,
        description="share of training examples on which the selection is compared with the exact one; "
        "0.01 or 1%, 0 for none",
    )
    input: Input = Field(
        default="rows",
        description="how the first layer reads an example; rows: all features, lists: those that are not 0",
    )
    inputs: Scaling = Field(
        default="raw",
        description="features as they are (raw), less their mean (centered), or also divided by their "
        "standard deviation (standard), both over the training examples; sparse data become dense by it",
    )
    threads: int = Field(default=1, ge=1, description="processor threads of a run")
    update: Update = Field(
        default="batch",
        description="how threads change the weights; batch: together, the same at any number, "
        "hogwild: each by itself, without locks",
    )
    simulate_workers: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="asynchronous workers simulated on one thread, each with weights that are out of date; "
        "left out: none",
    )
    seed: int = Field(
        default=2017, ge=0, description="seed of initial weights, data order, hash functions and draws"
    )
    repeat: int = Field(default=0, ge=0, description="number of the repeat, counted from 0")

    @model_validator(mode="after")
    def _workers_are_either_real_or_not(self) -> RunSpec:
        if self.simulate_workers is not None and self.update != "batch":
            raise ValueError("simulate_workers: give it with update: batch; update: hogwild has real threads")
        return self

    @model_validator(mode="after")
    def _skips_join_equal_widths(self) -> RunSpec:
        if self.skip and len(set(self.hidden)) > 1:
            raise ValueError(f"skip: it takes hidden layers of one width, not {self.hidden}")
        if self.skip and self.update != "batch":
            raise ValueError("skip: give it with update: batch; update: hogwild cannot add a layer's input")
        return self

    @model_validator(mode="after")
    def _blocks_are_stepped_together(self) -> RunSpec:
        if self.block > 1 and self.update != "batch":
            raise ValueError("block: give it with update: batch; lock-free threads step single nodes")
        return self

    @model_validator(mode="after")
    def _lock_free_outputs_are_dense(self) -> RunSpec:
        plain = all(
            getattr(self, name) == RunSpec.model_fields[name].default for name in ("output_method", "loss")
        )
        if self.update == "hogwild" and not plain:
            raise ValueError("output: give it with update: batch; lock-free threads train a dense softmax")
        return self

    def active_pct_in(self, epoch: int) -> float:
        """Active nodes that an epoch of training, counted from 0, asks for, per cent."""
        if self.active_from is None or self.active_until is None or epoch + 1 >= self.active_until:
            return self.active_pct
        passed = epoch / (self.active_until - 1)
        share: float = self.active_from * (self.active_pct / self.active_from) ** passed
        return share

    def key(self) -> int:
        """Seed of this repeat's named streams; the same for every method, so that runs pair up."""
        return stream_key(self.seed, "repeat", self.repeat)

    def _outside(self) -> dict[str, str]:
        """Version or digest of each plug-in from outside that decides the run's numbers."""
        used = [("method", self.method), ("method", self.output_method), ("dataset", self.dataset)]
        used.append(("task", self.task))
        options = [self.method_options, self.output_options, self.dataset_options, self.task_options]
        for value in (value for map_ in options for value in map_.values()):
            if isinstance(value, dict) and isinstance(value.get("name"), str):
                used.append(("hash", value["name"]))
        found = {f"{kind} {name}": registry.origin(kind, name) for kind, name in used}
        return {name: origin for name, origin in found.items() if origin}

    def run_id(self, data_fingerprint: str, location_options: Collection[str] = ()) -> str:
        """Content address of the run: 12 hexadecimal digits.

        It depends on the resolved configuration, the data and the kernel revision; never on key order,
        times or the git commit, nor on those dataset options, `location_options`, that only say where the
        data lies. `threads` is part of it because it decides the times in the row.
        """
        spec = self.model_dump(mode="json")
        for name in location_options:
            spec["dataset_options"].pop(name, None)
        for name in ADDED_LATER:
            if spec[name] == RunSpec.model_fields[name].get_default(call_default_factory=True):
                del spec[name]
        content = {"spec": spec, "data": data_fingerprint, "kernels": KERNEL_REVISION}
        if plugins := self._outside():
            content["plugins"] = plugins
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
