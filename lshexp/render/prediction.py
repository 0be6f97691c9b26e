"""What a trained network has predicted, and what that took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lshexp.render._console import err, print_lines

if TYPE_CHECKING:
    from lshexp.runs.predictions import Predictions


def predictions(found: Predictions, out: Path | None) -> None:
    """Print accuracy, where labels are known, multiplications and time; and where the table is."""
    examples = len(found.classes)
    lines = [f"{examples:,} examples"]
    if found.accuracy_pct is not None:
        lines[0] += f", {found.accuracy_pct:.2f} % predicted correctly"
    if examples:
        share = 100 * found.mults / found.mults_dense
        each = found.mults / examples
        lines.append(f"{each:,.0f} multiplications an example, {share:.2f} % of the dense network's")
        lines.append(f"{1e6 * found.seconds / examples:,.1f} microseconds an example")
    print_lines(lines)
    if out is not None:
        err().print(f"predictions are in {out}", markup=False)
