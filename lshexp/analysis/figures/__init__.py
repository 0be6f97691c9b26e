"""Figures of a sweep: `lshexp.figures.accuracy_vs_mults(results)` draws one and returns its axes to change.

    figures = lshexp.figures
    axes = figures.accuracy_vs_mults(lshexp.read_results("results/shares"))
    axes.set_title("Ours")

A figure is a function with `@figure(numbers)` in any file of this folder, or in a plug-in. `numbers(results)`
returns the frame that is drawn, or raises `NothingToDrawError`; the function draws it on a `Canvas`; its
docstring begins with the caption. Its CSV file has the figure's name, or that of `table`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lshexp import registry
from lshexp.analysis.figures.lines import NothingToDrawError
from lshexp.analysis.results import Results, read_results
from lshexp.errors import ConfigError, LshexpError, Problem
from lshexp.io import make_folder, write_atomic
from lshexp.validation import suggest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lshexp.analysis.figures.canvas import Canvas

Source = Results | pd.DataFrame | str | Path


@dataclass(frozen=True)
class Plot:
    """A figure that can be drawn of results: call it with them."""

    name: str
    caption: str
    table: str  # what its CSV file is called, without the ending
    module: str
    numbers: Callable[[Results], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Canvas], None]

    def __call__(self, source: Source, axes: Axes | Sequence[Axes] | None = None) -> Axes | list[Axes]:
        """Draw it of a sweep's folder, its `Results` or a frame of its runs; return its axes to change.

        `axes` are drawn on, where given, one for each panel. One panel is returned as its axes, several as a
        list. A frame of runs is enough for the figures that need no other table.

        Raises ConfigError when these results have nothing for it, or when there are too few or many axes.
        """
        from matplotlib import pyplot, rc_context

        from lshexp.analysis.figures import style
        from lshexp.analysis.figures.canvas import Canvas

        given = [] if axes is None else list(axes) if isinstance(axes, Sequence) else [axes]
        try:
            frame = self.numbers(_results(source))
        except NothingToDrawError as reason:
            raise ConfigError([Problem((self.name,), f"nothing to draw: {reason}")]) from None
        with rc_context(style.RC):
            canvas = Canvas(given[0].figure if given else pyplot.figure(), given)  # type: ignore[arg-type]
            self.draw(frame, canvas)
            canvas.finish()
        return canvas.axes[0] if len(canvas.axes) == 1 else canvas.axes


@dataclass(frozen=True)
class Drawing:
    """A figure with the numbers that these results have for it, or the reason why there are none."""

    plot: Plot
    frame: pd.DataFrame
    reason: str = ""

    @property
    def name(self) -> str:
        """The figure's name."""
        return self.plot.name

    @property
    def caption(self) -> str:
        """What is drawn, and which settings differ that no label shows."""
        return " ".join([self.plot.caption, *self.frame.attrs.get("notes", [])])

    def rendered(self, *kinds: str) -> dict[str, bytes]:
        """Draw it, as `svg` and `png` or one of them; the same bytes for the same numbers."""
        from matplotlib import rc_context

        from lshexp.analysis.figures import style
        from lshexp.analysis.figures.canvas import Canvas

        canvas = Canvas(style.new_figure())
        with rc_context(style.RC):
            self.plot.draw(self.frame, canvas)
            canvas.finish()
        return {kind: style.rendered(canvas.figure, kind) for kind in kinds}

    def csv(self) -> bytes:
        """The numbers that are drawn, as a CSV file."""
        return self.frame.to_csv(index=False, lineterminator="\n").encode()


@dataclass(frozen=True)
class Drawn:
    """What became of a figure: the files it was written to, or the reason why there are none."""

    name: str
    caption: str
    files: tuple[Path, ...]
    reason: str


_plots: dict[str, Plot] = {}


def figure(
    numbers: Callable[[Results], pd.DataFrame], table: str | None = None
) -> Callable[[Callable[[pd.DataFrame, Canvas], None]], Plot]:
    """Make a figure of a function that draws; two of one name are an error of the programmer."""

    def enter(draw: Callable[[pd.DataFrame, Canvas], None]) -> Plot:
        name = draw.__name__
        known = _plots.get(name)
        if known is not None and known.module != draw.__module__:
            raise LshexpError(f"two figures are named '{name}': {known.module} and {draw.__module__}")
        caption = " ".join((draw.__doc__ or name).strip().partition("\n\n")[0].split())
        _plots[name] = Plot(name, caption, table or name, draw.__module__, numbers, draw)
        return _plots[name]

    return enter


def plots() -> dict[str, Plot]:
    """All figures by name, in order, those of plug-ins among them; imported when first asked for."""
    for module in _modules():
        importlib.import_module(f"{__name__}.{module}")
    registry.load_outside()
    return dict(sorted(_plots.items()))


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def __getattr__(name: str) -> Any:
    """A figure by its name, loaded when first asked for."""
    if name.startswith("_") or name in _modules() or name not in plots():
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return _plots[name]


def __dir__() -> list[str]:
    return sorted([*globals(), *plots()])


def drawings(results: Results, only: Sequence[str] | None = None) -> Iterator[Drawing]:
    """Figures, all or `only` the named ones, each with its numbers or the reason why it has none."""
    known = plots()
    for name in only or known:
        try:
            yield Drawing(known[name], known[name].numbers(results))
        except NothingToDrawError as reason:
            yield Drawing(known[name], pd.DataFrame(), str(reason))


def draw_figures(
    folder: str | Path, out: str | Path | None = None, only: Sequence[str] | None = None
) -> list[Drawn]:
    """Draw the figures of a sweep's folder as NAME.svg and NAME.png, and the numbers drawn as NAME.csv.

    `out` defaults to the folder `figures` beside the tables; `only` picks figures by name. The same tables
    give the same bytes.

    Raises ConfigError for an unknown figure, StoreError when tables cannot be read or files not be written.
    """
    known = plots()
    unknown = [name for name in only or () if name not in known]
    if unknown:
        raise ConfigError(
            [Problem(("only",), f"no figure '{name}'{suggest(name, known)}") for name in unknown]
        )
    target = Path(out) if out is not None else Path(folder) / "figures"
    return [_write(drawing, target) for drawing in drawings(read_results(folder), only)]


def _write(drawing: Drawing, target: Path) -> Drawn:
    if drawing.reason:
        return Drawn(drawing.name, drawing.caption, (), drawing.reason)
    make_folder(target)
    content = {f"{drawing.name}.{kind}": data for kind, data in drawing.rendered("svg", "png").items()}
    content[f"{drawing.plot.table}.csv"] = drawing.csv()
    for name, data in content.items():
        write_atomic(target / name, data)
    return Drawn(drawing.name, drawing.caption, tuple(target / name for name in content), "")


def _results(source: Source) -> Results:
    """What a figure is asked to draw, as the tables of a sweep; what a frame of runs lacks is empty."""
    if isinstance(source, Results):
        return source
    if isinstance(source, pd.DataFrame):
        empty = {
            "env": [],
            "epochs": ["run_id", "epoch", "test_acc_pct"],
            "work": ["run_id", "phase", "mults"],
            "selection": ["run_id", "layer", "epoch", "recall_pct", "dead_pct", "turnover_pct"],
        }
        tables: dict[str, Any] = {name: pd.DataFrame(columns=columns) for name, columns in empty.items()}
        return Results(runs=source, **tables)
    return read_results(source)
