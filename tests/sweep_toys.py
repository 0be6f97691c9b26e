"""A small registry of its own for tests of the sweep language, and short ways to load and look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pytest
from pydantic import Field, model_validator

from lshexp import registry
from lshexp.config import Sweep, load_sweep
from lshexp.config.keys import SweepHeader
from lshexp.data.base import Dataset, DatasetInfo, Splits
from lshexp.errors import ConfigError
from lshexp.methods.base import LayerView, Method, Selector
from lshexp.spec import RunSpec

_MEANING = re.compile(f"; ({'|'.join([*RunSpec.model_fields, *SweepHeader.model_fields])}): .*")


class _Method(Method):
    def selector(self, layer: LayerView, share: float, key: int) -> Selector:
        raise NotImplementedError("these methods are configured, never run")


class Dense(_Method):
    """Every node."""

    uses_active_pct: ClassVar[bool] = False


class Chance(_Method):
    """Any node."""


class Family(registry.Plugin):
    """Options in a map of their own."""

    bits: int = Field(default=8, ge=1, le=64)
    label: str = ""


class Lsh(_Method):
    """Some node."""

    K: int = Field(default=6, ge=1, le=32)
    L: int = Field(default=5, ge=1)
    widths: list[int] | None = None
    rank: Literal["count", "exact"] = "count"
    family: Family = Family()

    @model_validator(mode="after")
    def _affordable(self) -> Self:
        if self.K * self.L > 600:
            raise ValueError(f"K * L = {self.K * self.L} bits are too many; 600 are the most")
        return self


class _Dataset(Dataset):
    def fingerprint(self) -> str:
        return self.name

    def load(self) -> Splits:
        raise AssertionError("a sweep is checked without loading data")


class Digits(_Dataset):
    """Fixed sizes."""

    def info(self) -> DatasetInfo:
        return DatasetInfo(784, 10, 60_000, 10_000, "made up")


class Boxes(_Dataset):
    """Sizes by option."""

    train: int = Field(default=1000, ge=1)
    test: int = Field(default=500, ge=1)

    def info(self) -> DatasetInfo:
        return DatasetInfo(784, 2, self.train, self.test, "made up")


@contextmanager
def toy_registry() -> Iterator[None]:
    """Put the plug-ins above in the place of the real ones, and one that cannot be imported."""
    methods = {"dense": Dense, "lsh": Lsh, "chance": Chance}
    datasets = {"mnist": Digits, "boxes": Boxes}
    with (
        registry.methods.only(methods, {"torn": "ImportError: no module named 'gone'"}),
        registry.datasets.only(datasets),
    ):
        yield


def load(folder: Path, text: str, *overrides: str, repeats: int | None = None) -> Sweep:
    """Write `text` as s.yaml and load it."""
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path, overrides, repeats)


def complaints(folder: Path, text: str, *overrides: str, repeats: int | None = None) -> list[str]:
    """Load a wrong sweep and return its problems, a line each, without the folder's name.

    What a message says of the meaning of a key, at its end, is left out too.
    """
    with pytest.raises(ConfigError) as caught:
        load(folder, text, *overrides, repeats=repeats)
    lines = str(caught.value).replace(f"{folder}/", "").splitlines()
    return [_MEANING.sub("", line) for line in lines]


def column(sweep: Sweep, *keys: str) -> list[Any]:
    """Values of keys over the runs: one each, or tuples; `lsh.K` looks into the method's options."""

    def value(run: Any, key: str) -> Any:
        head, _, option = key.partition(".")
        if not option:
            return getattr(run, head)
        options = run.dataset_options if head == "dataset" else run.method_options
        return options.get(option)

    rows = [tuple(value(run, key) for key in keys) for run in sweep.runs]
    return [row[0] for row in rows] if len(keys) == 1 else rows
