"""Claims as data: what is said of which rows, and what the paper's own figure is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lshexp.config.files import read_model

Setting = str | float | None
RowPicks = Annotated[dict[str, Setting], Field(min_length=1)]


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric is better: of accuracies and rankings; all others are costs."""
    return metric.endswith("acc_pct") or (metric.startswith("test_") and "_pct" in metric)


class Claim(BaseModel):
    """One claim about the runs that `of` picks.

    With a `baseline`, pairs of runs are compared with it, `no_worse` or `better`; without one, the `metric`
    itself has a bound.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(pattern="^[a-z0-9_]{1,60}$", description="short name; lower-case letters, digits and _")
    title: str = Field(min_length=1, max_length=120, description="heading")
    statement: str = Field(description="the claim in a sentence")
    paper: str = Field(default="", description="what the paper says, in words")
    sweep: str | None = Field(default=None, description="name of the sweep whose runs count; left out: any")
    metric: str = Field(default="test_acc_pct", description="column of runs.csv that the claim is about")
    of: RowPicks = Field(description="columns, or keys of a sweep file, and the values that pick the runs")
    each: dict[str, list[Setting]] = Field(
        default_factory=dict, description="a setting and its values; the claim is judged for each of them"
    )
    baseline: RowPicks | None = Field(
        default=None, description="columns or keys and the values that pick the runs to compare with"
    )
    relation: Literal["no_worse", "better"] = Field(
        default="no_worse", description="how the runs compare with the baseline"
    )
    margin: float | None = Field(
        default=None, gt=0, description="largest difference that still counts as equal, with no_worse"
    )
    ratio: bool = Field(
        default=False, description="whether quotients are compared, not differences; takes a bound"
    )
    at_most: float | None = Field(default=None, description="upper bound of the metric, or of the ratio")
    at_least: float | None = Field(default=None, description="lower bound of the metric, or of the ratio")
    gate: bool | list[Setting] = Field(
        default=False,
        description="whether the claim must be supported; true, or the values of `each` for which it must",
    )

    @property
    def relative(self) -> bool:
        """Whether its figure is a difference from a baseline."""
        return self.baseline is not None and not self.ratio

    @property
    def figure(self) -> str:
        """What its figure is: the metric, its difference from a baseline, or its ratio to one."""
        if self.baseline is None:
            return self.metric
        words = ", ".join(f"{key}={value}" for key, value in self.baseline.items())
        return f"{self.metric} {'over that' if self.ratio else 'less that'} of {words}"

    @property
    def asked(self) -> str:
        """What its figure must be, in signs: `>= -1`, `<= 5`, `> 0`."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        higher = higher_is_better(self.metric)
        if self.relation == "better":
            return "> 0" if higher else "< 0"
        return f"> -{self.margin:g}" if higher else f"< {self.margin:g}"

    def must_hold(self, values: Iterable[Setting]) -> bool:
        """Whether its card for these values of `each` is a gate."""
        return self.gate if isinstance(self.gate, bool) else any(value in self.gate for value in values)

    @model_validator(mode="after")
    def _gates_what_it_has(self) -> Self:
        if isinstance(self.gate, bool):
            return self
        if len(self.each) != 1:
            raise ValueError("gate: a list of values needs an `each` of one setting; true is all cards")
        ((key, values),) = self.each.items()
        strangers = [value for value in self.gate if value not in values]
        if strangers or not self.gate:
            what = f"'{strangers[0]}' is" if strangers else "an empty list names"
            raise ValueError(f"gate: {what} none of the values of {key}: {', '.join(map(str, values))}")
        return self

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        bounds = sum(bound is not None for bound in (self.at_most, self.at_least))
        if self.ratio and self.baseline is None:
            raise ValueError("ratio: a ratio needs a baseline")
        if (self.baseline is None or self.ratio) and bounds != 1:
            raise ValueError("give at_most or at_least, one of the two, or a baseline and a margin")
        if self.baseline is not None and not self.ratio:
            if bounds:
                raise ValueError("a difference from a baseline has a margin; at_most and at_least need ratio")
            if self.relation == "no_worse" and self.margin is None:
                raise ValueError("margin: no_worse needs the largest difference that still counts as equal")
        return self


class _File(BaseModel):
    """What a file of claims holds."""

    model_config = ConfigDict(extra="forbid")

    claims: Annotated[list[Claim], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        ids = [claim.id for claim in self.claims]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"claims: the id '{twice[0]}' is given twice")
        return self


def load_claims(path: str | Path) -> list[Claim]:
    """Read a file of claims. Raises ConfigError with every problem at its line and column."""
    return read_model(Path(path), _File, "a file of claims is a map with a list 'claims'").claims
