"""What became of the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lshexp.render._console import err

if TYPE_CHECKING:
    from lshexp.analysis.figures import Drawn


def drawn(figures: list[Drawn]) -> None:
    """A line for each figure that was written, and one for each that was not, with the reason."""
    for figure in figures:
        if figure.files:
            paths = ", ".join(str(path) for path in figure.files)
            err().print(f"{figure.name}: {figure.caption} {paths}", markup=False)
    for figure in figures:
        if not figure.files:
            err().print(f"{figure.name} is not drawn: {figure.reason}", markup=False)
