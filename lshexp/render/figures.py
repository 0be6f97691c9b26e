"""What became of the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lshexp.render._console import err

if TYPE_CHECKING:
    from lshexp.analysis.figures import Drawn


def drawn(figures: list[Drawn]) -> None:
    """One line a figure that was written, and one for those that these results have nothing for."""
    for figure in figures:
        if figure.files:
            paths = ", ".join(str(path) for path in figure.files)
            err().print(f"{figure.name}: {figure.caption} {paths}", markup=False)
    left_out = [figure.name for figure in figures if not figure.files]
    if left_out:
        err().print(f"nothing to draw in these results: {', '.join(left_out)}", markup=False)
