"""LSH sampling: active nodes are looked up in hash tables."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from lshexp import registry
from lshexp.errors import ConfigError
from lshexp.hashing.base import HashFamily
from lshexp.hashing.tables import tables_bytes
from lshexp.methods._exact import Exact
from lshexp.methods._lookup import LshSelector
from lshexp.methods._presets import DEFAULT_HASH, PRESETS
from lshexp.methods.base import LayerView, Method, Selector, wanted_nodes
from lshexp.registry import register

MOST_DERIVED_BITS = 15
MOST_DERIVED_TABLES = 50
WORTH_NARROWING = 0.5  # share of a layer that tables must be able to leave out
SPARSE_FACTOR = 2.4


@register("method", "lsh")
class Lsh(Method):
    """Look active nodes up in hash tables, at training and at test.

    Nodes met in the tables are ranked, and the best `candidates` times the budget of active nodes are kept.
    Ranked by `sketch`, the best `refine` times the budget of those are computed exactly; ranked by `first` or
    `count`, all of them, unless `refine` is 0. The best of what was computed are active.

    Weights move, so the tables are brought up to date as `rehash` says. Steps of plain SGD are linear in the
    inputs, so a hash family may follow them from numbers at hand; ranking is then never out of date.

    Options given beside a `preset` win, and a `hash` without a name keeps the preset's family.
    """

    variant: ClassVar[str] = "preset"

    preset: Literal["lshexp", "hybrid", "paper", "authors_code"] = Field(
        default="lshexp",
        description="set of defaults for the other options; lshexp: those listed here, hybrid: with "
        "where_sparse: scan, paper: the text of Spring & Shrivastava (2017), authors_code: their code",
    )
    hash: dict[str, Any] = Field(
        default_factory=lambda: dict(DEFAULT_HASH),
        validate_default=True,
        description="hash family; its name, or a map of `name` and its options (`lshexp list hashes`)",
    )
    K: int | None = Field(
        default=None,
        ge=1,
        le=24,
        description="bits of a hash; left out: one more than single out the active share, 5 at 5 %",
    )
    L: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="hash tables; 0: none, and every node is a candidate; left out: 50, or 0 with rank: "
        "sketch where half of the layer or more would become candidates, so that tables narrow little",
    )
    probes: int = Field(
        default=1, ge=1, le=1024, description="buckets read in each table, nearest first (multi-probe)"
    )
    rank: Literal["first", "count", "sketch"] = Field(
        default="sketch",
        description="which of the nodes met become candidates; first: those met first, count: those met most "
        "often, sketch: of those, the best by the low-dimensional scores of the sketch family",
    )
    candidates: float = Field(
        default=12.0, ge=1, description="candidates kept of the nodes met, in multiples of the active nodes"
    )
    refine: float = Field(
        default=2.5,
        ge=0,
        description="candidates computed exactly, in multiples of the active nodes; with rank: first or "
        "count: all candidates; 0: none, the best-ranked are active",
    )
    refine_sparse: float | None = Field(
        default=None,
        ge=0,
        description="refine where the layer's input is sparse; left out: 2.4 times refine, as computing a "
        "node then costs little",
    )
    bucket_cap: int | None = Field(
        default=None, ge=1, description="nodes read of one bucket at most; left out: all"
    )
    rehash: Literal["touched", "schedule", "changed", "rolling", "moved"] = Field(
        default="schedule",
        description="when nodes are hashed again; touched: at once, those whose weights a step changed, "
        "schedule: all, every rehash_every examples, changed: then, those that have changed since, rolling: "
        "at each step some of those that have changed, in turn, at the same cost however wide the layer is, "
        "moved: every rehash_every examples one node in ten and, if moved_pct of their codes are others, all",
    )
    rehash_every: int = Field(
        default=1000,
        ge=1,
        description="training examples until nodes are hashed again, with rehash: schedule or changed",
    )
    moved_pct: float = Field(
        default=30.0,
        ge=0,
        le=100,
        description="codes that must have changed for all nodes to be hashed again, with rehash: moved",
    )
    rehash_nodes: int = Field(
        default=8, ge=1, description="nodes hashed again for each training example, with rehash: rolling"
    )
    rehash_growth: float = Field(
        default=1.0, ge=1, description="factor by which rehash_every grows each time"
    )
    learn_every: int = Field(
        default=5000,
        ge=1,
        description="training examples after which a hash family that learns from a layer's inputs does so "
        "again; at first more often",
    )
    learn_growth: float = Field(
        default=1.0,
        ge=1,
        le=100,
        description="factor by which the examples seen grow, at least, from one time to learn to the next; "
        "above 1 learning, after which every node is hashed again, becomes ever rarer",
    )
    where_sparse: Literal["hash", "scan"] = Field(
        default="hash",
        description="how a layer chooses whose input is always sparse; hash: as any other, scan: it computes "
        "every node exactly from the inputs that are not zero",
    )
    follow: bool = Field(
        default=True,
        description="whether a hash family that can keeps its scores exact between rehashes, with plain SGD",
    )

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, options: Any) -> Any:
        if not (isinstance(options, dict) and isinstance(options.get("preset", "lshexp"), str)):
            return options
        preset = PRESETS.get(options.get("preset", "lshexp"), {})
        family = options.get("hash")
        if isinstance(family, dict) and "name" not in family:  # options of the preset's own family
            options = {**options, "hash": {**preset.get("hash", DEFAULT_HASH), **family}}
        return {**preset, **options}

    @field_validator("hash", mode="before")
    @classmethod
    def _resolve_hash(cls, value: Any) -> dict[str, Any]:
        """Accept a name or a map with a name, and fill in the family's defaults."""
        options = {"name": value} if isinstance(value, str) else value
        if not isinstance(options, dict) or "name" not in options:
            raise ValueError("give a hash family's name, or a map with a `name` and its options")
        rest = {key: option for key, option in options.items() if key != "name"}
        try:
            family = registry.hashes.build(options["name"], rest)
        except ConfigError as error:
            raise ValueError("; ".join(str(problem) for problem in error.problems)) from None
        return {"name": family.name, **family.model_dump(mode="json")}

    @model_validator(mode="after")
    def _fits_together(self) -> Lsh:
        family = self.family()
        if self.probes > 1 and self.K is None:
            raise ValueError("probes: more than one probe a table needs K to be given")
        buckets = 2 ** (self.K or MOST_DERIVED_BITS)
        if self.probes > buckets:
            raise ValueError(f"probes: {self.probes} is more than the {buckets} buckets of K = {self.K}")
        if self.probes > 1 and not family.has_margins:
            raise ValueError(f"probes: hash '{family.name}' has no multi-probe order; set probes to 1")
        if self.rank == "sketch" and not family.has_coordinates:
            raise ValueError(
                f"rank: hash '{family.name}' keeps no coordinates to rank by; use count or first"
            )
        if self.L == 0 and self.rank != "sketch":
            raise ValueError("L: without tables there are no counts to rank by; use rank: sketch")
        if self.rehash == "moved" and not self.L:
            raise ValueError("L: rehash: moved looks at the codes of tables; say how many there are")
        for name in ("refine", "refine_sparse"):
            if 0 < (getattr(self, name) or 0) < 1:
                raise ValueError(f"{name}: must be 0 or at least 1")
        tables = MOST_DERIVED_TABLES if self.L is None else self.L
        if tables * buckets > 2**27:
            raise ValueError(f"K: {tables} tables of {buckets} buckets would need over 512 MiB a layer")
        return self

    def family(self) -> HashFamily:
        """The hash family with its options."""
        family = registry.hashes.build(self.hash["name"], {k: v for k, v in self.hash.items() if k != "name"})
        return family

    def recorded(self) -> dict[str, Any]:
        """All options, less those that runs were once made without: at their defaults they keep their ids."""
        options = super().recorded()
        if self.rehash != "rolling":
            del options["rehash_nodes"]
        if self.rehash != "moved":
            del options["moved_pct"]
        if self.learn_growth == 1:
            del options["learn_growth"]
        if self.where_sparse == "hash" and "where_sparse" not in PRESETS[self.preset]:
            del options["where_sparse"]
        return options

    def refined(self, sparse: bool) -> float:
        """Candidates that are computed exactly, in budgets."""
        if not sparse:
            return self.refine
        return SPARSE_FACTOR * self.refine if self.refine_sparse is None else self.refine_sparse

    @property
    def scans_sparse_inputs(self) -> bool:
        """With `where_sparse: scan`."""
        return self.where_sparse == "scan"

    @property
    def fixed_share(self) -> str:
        """Empty: it looks up any number; tables are made for the share of the end."""
        return ""

    def derived(self, share: float) -> dict[str, Any]:
        """L, and K where there are tables, as far as they were left out."""
        tables = self.tables(share)
        derived = {"L": tables} if self.L is None else {}
        return {**derived, "K": derived_bits(share)} if self.K is None and tables else derived

    def tables(self, share: float) -> int:
        """Hash tables of a layer of which a share of `share` is active."""
        if self.L is not None:
            return self.L
        narrow = self.rank != "sketch" or self.candidates * share < WORTH_NARROWING
        return MOST_DERIVED_TABLES if narrow else 0

    def memory_bytes(self, nodes: int, fan_in: int, share: float, threads: int) -> int:
        """Tables, what the hash family keeps of each node, and a flag for each that has changed."""
        bits, tables = self.K or derived_bits(share), self.tables(share)
        held = tables_bytes(bits, tables, nodes, threads, self.rehash == "rolling") if tables else 0
        return held + self.family().memory_bytes(bits, tables, nodes, fan_in) + nodes

    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        """Look up a share of `share` of the nodes."""
        if layer.scan:
            return Exact(layer, wanted_nodes(share, layer.nodes))
        bits = self.K or derived_bits(share)
        return LshSelector(self, layer, bits, self.tables(share), wanted_nodes(share, layer.nodes), key)


def derived_bits(share: float) -> int:
    """Bits that leave a few times too few nodes in one bucket, so that the tables' votes decide."""
    return min(MOST_DERIVED_BITS, max(1, round(math.log2(1 / share)) + 1))
