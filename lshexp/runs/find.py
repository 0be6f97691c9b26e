"""A run found by how its id begins, wherever its results lie in a folder."""

from __future__ import annotations

import re
from pathlib import Path

from lshexp.errors import ConfigError, StoreError
from lshexp.runs.store import Store
from lshexp.runs.tables import row_ids

SHOWN = 5  # runs named in a message


def find_run(prefix: str, folder: Path) -> tuple[Path, str]:
    """Return the folder of the sweep that has the run, and the run's whole id.

    `folder` is that of a sweep, or one in which those of sweeps lie at any depth. Of a run that several
    sweeps have, the first folder by name is taken.

    Raises ConfigError for what is no id or begins several, StoreError where no run is found.
    """
    if not re.fullmatch("[0-9a-f]{1,12}", prefix):
        raise ConfigError(f"'{prefix}' is no run's id: ids are up to 12 digits and letters a to f")
    if not folder.is_dir():
        raise StoreError(f"{folder} is not a folder; give that of the results with --results")
    homes: dict[str, Path] = {}
    for table in sorted(folder.rglob("runs.csv")):
        for run_id in row_ids(Store(table.parent)):
            if run_id.startswith(prefix):
                homes.setdefault(run_id, table.parent)
    if not homes:
        raise StoreError(
            f"no run in {folder} has an id that begins with {prefix}; choose a folder with --results"
        )
    if len(homes) > 1:
        some = ", ".join(sorted(homes)[:SHOWN]) + ", ..." * (len(homes) > SHOWN)
        raise ConfigError(f"{prefix} begins the ids of {len(homes)} runs, {some}; write more of it")
    (run_id, home), *_ = homes.items()
    return home, run_id


def find_network(prefix: str, folder: Path) -> Path:
    """Return the file of a run's trained network.

    Raises StoreError, saying how to make one, when the run has kept none, and what `find_run` raises.
    """
    home, run_id = find_run(prefix, folder)
    path = Store(home).network_path(run_id)
    if not path.is_file():
        raise StoreError(
            f"run {run_id} has kept no network; `lshexp sweep {home / 'sweep.yaml'} -o {home.parent} --save "
            f"--only {run_id}` does it again and keeps it"
        )
    return path
