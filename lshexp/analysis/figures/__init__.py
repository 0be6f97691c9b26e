"""Figures of a sweep, one file each; a file dropped in here is one more figure.

A figure's module has a docstring, whose first line is its caption, and two functions: `tidy(results)` returns
the frame that is drawn, empty where these results have nothing for it, and `draw(frame, figure)` draws it.
Its CSV file has the figure's name, or that of the module's `TABLE`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd

from lshexp.analysis.results import Results, read_results
from lshexp.errors import ConfigError, Problem
from lshexp.io import make_folder, write_atomic
from lshexp.validation import suggest


@dataclass(frozen=True)
class Drawn:
    """What became of a figure: the files it was written to, none where there was nothing to draw."""

    name: str
    caption: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Drawing:
    """A figure that these results have numbers for."""

    name: str
    caption: str
    frame: pd.DataFrame  # the numbers that are drawn
    table: str  # what its CSV file is called, without the ending
    _module: ModuleType

    def rendered(self, *kinds: str) -> dict[str, bytes]:
        """Draw it, as `svg` and `png` or one of them; the same bytes for the same numbers."""
        from lshexp.analysis.figures import _style

        figure = _style.new_figure()
        self._module.draw(self.frame, figure)
        return {kind: _style.rendered(figure, kind) for kind in kinds}

    def csv(self) -> bytes:
        """The numbers that are drawn, as a CSV file."""
        return self.frame.to_csv(index=False, lineterminator="\n").encode()


def names() -> list[str]:
    """Names of all figures, in order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def drawings(results: Results, only: list[str] | None = None) -> Iterator[Drawing]:
    """Figures, all or `only` the named ones, whose `frame` is empty where there is nothing to draw."""
    for name in only or names():
        module = importlib.import_module(f"{__name__}.{name}")
        caption = (module.__doc__ or name).splitlines()[0]
        yield Drawing(name, caption, module.tidy(results), getattr(module, "TABLE", name), module)


def draw_figures(
    folder: str | Path, out: str | Path | None = None, only: list[str] | None = None
) -> list[Drawn]:
    """Draw the figures of a sweep's folder as NAME.svg and NAME.png, and the numbers drawn as NAME.csv.

    `out` defaults to the folder `figures` beside the tables; `only` picks figures by name. The same tables
    give the same bytes.

    Raises ConfigError for an unknown figure, StoreError when tables cannot be read or files not be written.
    """
    wanted = only or names()
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        raise ConfigError(
            [Problem(("only",), f"no figure '{name}'{suggest(name, names())}") for name in unknown]
        )
    target = Path(out) if out is not None else Path(folder) / "figures"
    return [_write(drawing, target) for drawing in drawings(read_results(folder), wanted)]


def _write(drawing: Drawing, target: Path) -> Drawn:
    if drawing.frame.empty:
        return Drawn(drawing.name, drawing.caption, ())
    make_folder(target)
    content = {f"{drawing.name}.{kind}": data for kind, data in drawing.rendered("svg", "png").items()}
    content[f"{drawing.table}.csv"] = drawing.csv()
    files = []
    for name, data in content.items():
        path = target / name
        write_atomic(path, data)
        files.append(path)
    return Drawn(drawing.name, drawing.caption, tuple(files))
