"""All about one run, and what its network has predicted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lshexp.render._console import print_lines, say

if TYPE_CHECKING:
    from lshexp.analysis.run import RunEntry, RunView
    from lshexp.runs.predictions import Predictions


_LABEL = 28  # columns for the name of a value


def run(view: RunView) -> None:
    """Print a run, section by section, in 80 columns or as many as there are."""
    sys.stdout.write(f"run {view.run_id} in {view.folder}\n")
    _section("", view.state)
    _section("settings", view.settings)
    if view.layers:
        sys.stdout.write("\nlayers, from the input on: how each is stored and computed\n")
        for layer in view.layers:
            share = f", {layer.active_pct} % active" if layer.active_pct else ""
            print_lines([f"  {layer.number}  {layer.plan or 'not recorded'}{share}"])
            print_lines(
                ["     multiplications: " + ", ".join(f"{k} {v:,}" for k, v in layer.mults.items() if v)]
            )
    _section("numbers", view.numbers)
    _section("times and memory", view.times)
    _section("machine and code", view.machine)
    if view.files:
        sys.stdout.write("\nfiles\n")
        for name, path in view.files.items():
            sys.stdout.write(f"  {name:<{_LABEL}} {path}\n")
    again = view.command or "not known: the sweep's file is not beside its results"
    sys.stdout.write(f"\nagain: {again}\n")


def _section(title: str, entries: list[RunEntry]) -> None:
    if not entries:
        return
    if title:
        sys.stdout.write(f"\n{title}\n")
    for entry in entries:
        unit = f" {entry.unit}" if entry.unit not in ("", "UTC") else ""
        print_lines([f"  {entry.name:<{_LABEL}} {_grouped(entry.value)}{unit}"])


def _grouped(value: str) -> str:
    """Whole numbers of five digits and more with separators."""
    return f"{int(value):,}" if value.isdecimal() and len(value) > 4 and value[0] != "0" else value


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
        say(f"predictions are in {out}")
