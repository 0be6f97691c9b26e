"""Figures of a sweep, one file each; a file dropped in here is one more figure.

A figure's module has a docstring, whose first line is its caption, and two functions: `tidy(results)` returns
the frame that is drawn, empty where these results have nothing for it, and `draw(frame, figure)` draws it.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lshexp.analysis.results import Results, read_results
from lshexp.errors import ConfigError, Problem
from lshexp.execution.atomic import make_folder, write_atomic
from lshexp.registry import suggest


@dataclass(frozen=True)
class Drawn:
    """What became of a figure: the files it was written to, none where there was nothing to draw."""

    name: str
    caption: str
    files: tuple[Path, ...]


def names() -> list[str]:
    """Names of all figures, in order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def draw_figures(
    folder: str | Path, out: str | Path | None = None, only: list[str] | None = None
) -> list[Drawn]:
    """Draw the figures of a sweep's folder as NAME.svg, NAME.png and NAME.csv, the numbers drawn.

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
    results = read_results(folder)
    return [_draw(name, importlib.import_module(f"{__name__}.{name}"), results, target) for name in wanted]


def _draw(name: str, module: ModuleType, results: Results, target: Path) -> Drawn:
    caption = (module.__doc__ or name).splitlines()[0]
    frame = module.tidy(results)
    if frame.empty:
        return Drawn(name, caption, ())
    from lshexp.analysis.figures import _style

    figure = _style.new_figure()
    module.draw(frame, figure)
    make_folder(target)
    content = {
        "svg": _style.rendered(figure, "svg"),
        "png": _style.rendered(figure, "png"),
        "csv": frame.to_csv(index=False, lineterminator="\n").encode(),
    }
    files = []
    for kind, data in content.items():
        path = target / f"{name}.{kind}"
        write_atomic(path, data)
        files.append(path)
    return Drawn(name, caption, tuple(files))
