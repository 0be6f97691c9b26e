"""What the shell offers after a tab."""

from __future__ import annotations

from pathlib import Path

import typer


def datasets(incomplete: str) -> list[str]:
    """Names of datasets."""
    from lshexp import registry

    return [name for name in registry.datasets.discover() if name.startswith(incomplete)]


def run_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of the runs with a record under the results folder that the command line names so far."""
    records = Path(context.params.get("out") or "results").glob("*/records/*.json")
    return sorted({path.stem for path in records if path.stem.startswith(incomplete)})
