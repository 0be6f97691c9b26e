"""Learning from one example: a trained network embeds what it has never seen, and a memory keeps it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from lshexp import registry
from lshexp.arrays import FloatArray
from lshexp.data.base import DatasetInfo
from lshexp.errors import ConfigError, Problem
from lshexp.memory.episodes import Accuracy, Embedded, by_classes, episodes, live
from lshexp.memory.memory import KeyValueMemory, unit
from lshexp.memory.search import ExactSearch, HashSearch, Search, bits_for, looks_for
from lshexp.memory.sizes import ask, made_up, spread_of
from lshexp.nn import trainer
from lshexp.nn.result import Cell, Reporter, RunResult
from lshexp.nn.saving import save_network
from lshexp.nn.threads import using_threads
from lshexp.registry import register
from lshexp.spec import RunSpec
from lshexp.streams import stream, stream_key
from lshexp.tasks.base import RunTask, cells, column
from lshexp.work import LayerWork

MEASURED = 4096  # training examples whose mean embedding is taken off
QUERIES = 1024  # asked of a memory of one size
SINGLES = 256  # of these, asked one at a time
LIFE_SHOTS = (1, 2, 3, 5, 10)  # examples of a class seen before, of which a life's accuracy is told

How = Literal["exact", "lsh"]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


@dataclass(frozen=True)
class OneShotRow:
    """One way of asking, by one search."""

    mode: str = column(
        "how it was asked: episodes; life: every example once, a question first, nothing forgotten but by "
        "age; stored: other examples of the classes that are kept; made_up: the same with drawn keys"
    )
    search: str = column("how the nearest key is found: exact, or lsh by hash tables")
    ways: int | None = column("classes that are told apart; empty: all that the memory has met")
    shots: int | None = column("examples of a query's class that the memory was shown before")
    slots: int = column("slots of the memory")
    used: int = column("slots that hold a key in the end")
    count: int = column("episodes, or questions, that the accuracy is the mean of")
    accuracy_pct: float = column("questions answered with the right class, 95 % interval in the next column")
    half_interval_pct: float | None = column("half the 95 % interval of accuracy_pct")
    agrees_pct: float | None = column("queries for which the nearest key of all was found")
    mults_query: float = column("multiplications of finding the nearest key")
    mults_pct_of_exact: float | None = column("mults_query, of those of the exact search asked the same")
    mults_write: float | None = column("multiplications of writing a key, hashing it included")
    bytes_query: float = column("bytes loaded and stored to find the nearest key")
    looked_at: float | None = column("keys whose cosine is computed for a query")
    us: float | None = column("time of a query, 256 at a time, median of 5")
    us_1: float | None = column("time of a query alone, median of 256")
    mults_embed: float = column("multiplications of embedding an example")
    K: int | None = column("bits of a hash table")
    L: int | None = column("hash tables")


@register("task", "one_shot")
class OneShot(RunTask):
    """Learn new classes from one or a few examples, by a memory of embedded examples.

    After Kaiser, Nachum, Roy and Bengio, "Learning to remember rare events", ICLR 2017. The network is
    trained to tell the dataset's classes apart; the activations of its last hidden layer, less their mean
    over training examples and scaled to length 1, embed an example. The memory (`lshexp.memory`) answers
    with the value of the nearest key, found by looking at all keys or through SimHash tables that are kept
    up to date at each write. It is asked about classes that no split has: the dataset's `unseen`.
    """

    table: ClassVar[str | None] = "one_shot"
    keys: ClassVar[tuple[str, ...]] = ("mode", "slots", "ways", "shots", "search")
    shown: ClassVar[tuple[str, ...]] = ("accuracy_pct", "agrees_pct", "mults_pct_of_exact", "us", "us_1")
    row: ClassVar[type[Any] | None] = OneShotRow

    search: Literal["exact", "lsh", "both"] = Field(
        default="both", description="how the nearest key is found; both: each in turn, asked the same"
    )
    ways: list[Count] = Field(default=[5, 20], description="classes of an episode; each number in turn")
    shots: list[Count] = Field(
        default=[1, 5], description="examples of each class that an episode shows; each number in turn"
    )
    episodes: int = Field(default=1000, ge=2, description="episodes of each number of ways and shots")
    slots: int = Field(
        default=8192, ge=1, le=10_000_000, description="slots of the memory that lives on; 1 to 10,000,000"
    )
    life: bool = Field(default=True, description="whether every unseen example is shown to one memory")
    stored: list[Count] = Field(
        default_factory=list,
        description="sizes of memories filled with unseen examples, asked about others; each number in turn",
    )
    sizes: list[Count] = Field(
        default_factory=list,
        description="sizes of memories filled with drawn keys that lie as the embedded ones do",
    )
    K: int | None = Field(
        default=None, ge=1, le=24, description="bits of a table; left out: so that 8 keys share a bucket"
    )
    L: int = Field(default=32, ge=1, le=64, description="tables")
    probes: int = Field(default=16, ge=1, le=1024, description="buckets looked into in each table")
    most: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="keys whose cosine is computed, those met most often; left out: a hundredth of the "
        "slots, 64 to 512",
    )

    @model_validator(mode="after")
    def _something_is_asked(self) -> OneShot:
        if not ((self.ways and self.shots) or self.life or self.stored or self.sizes):
            raise ValueError("ways, shots, life, stored and sizes leave nothing to be asked")
        return self

    def check(self, spec: RunSpec, info: DatasetInfo) -> None:
        """Require a dataset that keeps enough classes and examples apart."""
        if not info.unseen_classes:
            message = f"dataset '{spec.dataset}' keeps no classes apart, which task 'one_shot' asks about"
            raise ConfigError([Problem(("dataset",), message)])
        each = info.unseen_examples // info.unseen_classes
        limits = {
            "ways": (self.ways, info.unseen_classes, "classes that are kept apart"),
            "shots": (self.shots, each - 1, "examples of such a class, with one to ask about"),
            "stored": (self.stored, info.unseen_examples - 1, "such examples, with one to ask about"),
        }
        problems = [
            Problem(("task", name), f"{max(asked)} is more than the {most} {there}")
            for name, (asked, most, there) in limits.items()
            if asked and max(asked) > most
        ]
        if problems:
            raise ConfigError(problems)

    def run(self, spec: RunSpec, report: Reporter | None = None, keep: Path | None = None) -> RunResult:
        """Train the network as `classify` does, then ask about the unseen classes."""
        dataset = registry.datasets.build(spec.dataset, spec.dataset_options)
        unseen = dataset.unseen()
        assert unseen is not None  # `check` has seen to it
        result, trained = trainer.train(spec, report)
        if result.status != "ok":
            return result
        if keep:
            save_network(keep, trained.network, trained.about)
        train = dataset.load().train
        sampled = train.batch(np.unique(np.linspace(0, train.size - 1, MEASURED).astype(np.int64)))
        mean = trained.last_hidden(sampled.x).mean(axis=0)
        before = trained.work.mults
        embedded = by_classes(unit(trained.last_hidden(unseen.x) - mean), unseen.classes)
        mults_embed = (trained.work.mults - before) / unseen.size
        with using_threads(spec.threads):
            asking = _Asking(self, embedded, spec.key(), mults_embed)
            rows = [row for how in self._searches() for row in asking.rows(how)]
        whole = _beside_exact(rows)
        return replace(result, task_rows=[cells(row) for row in whole], measures=_measures(whole))

    def _searches(self) -> list[How]:
        return ["exact", "lsh"] if self.search == "both" else [self.search]


class _Asking:
    """All questions of a task to memories that search in one way."""

    def __init__(self, task: OneShot, embedded: Embedded, key: int, mults_embed: float) -> None:
        self._task, self._embedded, self._mults_embed = task, embedded, mults_embed
        self._key = stream_key(key, "one_shot")
        self._truth: dict[tuple[str, int], np.ndarray] = {}  # slots that the exact search has found

    def rows(self, how: How) -> Iterator[OneShotRow]:
        """Ask in every mode."""
        yield from self._episodes(how)
        if self._task.life:
            yield from self._life(how)
        for size in self._task.stored:
            yield self._stored(how, size)
        for size in self._task.sizes:
            yield self._made_up(how, size)

    def _memory(self, how: How, slots: int, work: LayerWork | None = None) -> KeyValueMemory:
        task, dimensions = self._task, self._embedded.vectors.shape[2]
        search: Search
        if how == "exact":
            search = ExactSearch(work)
        else:
            K = task.K or bits_for(slots)
            search = HashSearch(
                slots, dimensions, K, task.L, task.probes, task.most or looks_for(slots), self._key, work
            )
        return KeyValueMemory(slots, dimensions, search)

    def _episodes(self, how: How) -> Iterator[OneShotRow]:
        task = self._task
        for ways in task.ways:
            for shots in task.shots:
                work, slots = LayerWork(), ways * shots
                make = functools.partial(self._memory, how, slots, work)
                found = episodes(self._embedded, ways, shots, task.episodes, make, self._key)
                # every example shown is a question too, and then those that count
                asked = task.episodes * (slots + ways)
                yield self._row("episodes", how, found, slots, slots, work, asked, ways=ways, shots=shots)

    def _life(self, how: How) -> Iterator[OneShotRow]:
        memory = self._memory(how, self._task.slots)
        life = live(self._embedded, memory, self._key)
        for shots in LIFE_SHOTS:
            if shots < self._embedded.each:
                yield self._row(
                    "life", how, life.after(shots), self._task.slots, memory.used, memory.search.work,
                    len(life.right), shots=shots, writes=len(life.right),
                )  # fmt: skip

    def _stored(self, how: How, size: int) -> OneShotRow:
        """Keys and queries drawn from all unseen examples, apart."""
        vectors = self._embedded.vectors
        flat = vectors.reshape(-1, vectors.shape[2])
        classes = np.repeat(np.arange(len(vectors), dtype=np.int32), vectors.shape[1])
        order = stream(self._key, "stored", size).permutation(len(flat))
        kept, rest = order[:size], order[size:]
        asked = rest[np.isin(classes[rest], classes[kept])][:QUERIES]
        keys = (flat[kept], classes[kept], flat[asked], classes[asked])
        return self._asked("stored", how, size, *keys)

    def _made_up(self, how: How, size: int) -> OneShotRow:
        each = self._embedded.each
        drawn = made_up(spread_of(self._embedded), size, each, QUERIES, stream_key(self._key, "size", size))
        return self._asked("made_up", how, size, *drawn)

    def _asked(
        self, mode: str, how: How, size: int, keys: FloatArray, classes: Any, queries: FloatArray, wanted: Any
    ) -> OneShotRow:
        memory = self._memory(how, size)
        memory.store(keys, classes)
        found = ask(memory, queries, wanted, SINGLES)
        truth = (
            self._truth.setdefault((mode, size), found.slots)
            if how == "exact"
            else self._truth.get((mode, size))
        )
        agrees = None if truth is None else 100 * float(np.mean(found.slots == truth))
        row = self._row(mode, how, found.accuracy, size, memory.used, memory.search.work, 1, writes=size)
        return replace(
            row, agrees_pct=agrees, mults_query=found.mults, bytes_query=found.bytes,
            looked_at=found.looked_at, us=found.us, us_1=found.us_1,
        )  # fmt: skip

    def _row(
        self, mode: str, how: How, accuracy: Accuracy, slots: int, used: int, work: LayerWork, asked: int,
        ways: int | None = None, shots: int | None = None, writes: int | None = None,
    ) -> OneShotRow:  # fmt: skip
        select, rebuild = work.tally("select"), work.tally("rebuild")
        hashed = how != "exact"
        return OneShotRow(
            mode=mode, search=how, ways=ways, shots=shots, slots=slots, used=used, count=accuracy.samples,
            accuracy_pct=accuracy.pct, half_interval_pct=accuracy.half_interval, agrees_pct=None,
            mults_query=select.mults / asked, mults_pct_of_exact=None,
            mults_write=rebuild.mults / writes if writes else None, bytes_query=select.bytes / asked,
            looked_at=None, us=None, us_1=None, mults_embed=self._mults_embed,
            K=(self._task.K or bits_for(slots)) if hashed else None, L=self._task.L if hashed else None,
        )  # fmt: skip


def _beside_exact(rows: list[OneShotRow]) -> list[OneShotRow]:
    """The rows, each with its multiplications in per cent of those of the exact search asked the same."""
    exact = {_asked_same(row): row.mults_query for row in rows if row.search == "exact"}
    return [
        replace(row, mults_pct_of_exact=100 * row.mults_query / exact[_asked_same(row)])
        if exact.get(_asked_same(row))
        else row
        for row in rows
    ]


def _asked_same(row: OneShotRow) -> tuple[Cell, ...]:
    return row.mode, row.ways, row.shots, row.slots


def _measures(rows: list[OneShotRow]) -> dict[str, float]:
    """Accuracy in episodes; how far tables fall behind the exact search, and how their time grows."""
    found: dict[str, float] = {}
    exact = {_asked_same(row): row.accuracy_pct for row in rows if row.search == "exact"}
    for row in rows:
        if row.mode == "episodes":
            found[f"{row.search}_{row.ways}way_{row.shots}shot_pct"] = row.accuracy_pct
        elif row.search != "exact" and _asked_same(row) in exact:
            name = f"{row.mode}_{row.shots}shot" if row.mode == "life" else f"{row.mode}_{row.slots}"
            found[f"{name}_behind_pct"] = exact[_asked_same(row)] - row.accuracy_pct
            found[f"{name}_mults_pct"] = row.mults_pct_of_exact or 0.0
    times = [row for row in rows if row.mode == "made_up" and row.search != "exact" and row.us]
    if len(times) > 1:
        small, large = min(times, key=lambda row: row.slots), max(times, key=lambda row: row.slots)
        found["growth_of_us"] = (large.us or 0.0) / (small.us or 1.0)
        found["growth_of_us_1"] = (large.us_1 or 0.0) / (small.us_1 or 1.0)
    return found
