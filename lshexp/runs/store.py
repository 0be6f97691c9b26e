"""The folder of one sweep: the only place that knows where a result lies.

What is in it:

- `records/<run_id>.json`, one atomic record a run;
- `logs/<run_id>.txt`, the traceback of a run that failed;
- `networks/<run_id>.safetensors`, the trained network of a run, where networks are kept;
- `claims/<run_id>.lock`, locked by the process that is doing the run;
- `runs.csv`, `epochs.csv`, `work.csv`, `env.csv` and, where a run had a probe, `selection.csv`, or where its
  task fills one, a table of that task, rewritten in full from the records;
- `sweep.yaml`, the sweep that was run, resolved to one file.

Records, logs, networks and claims are the working store of the sweep; the rest is what a reader needs.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lshexp.errors import StoreError
from lshexp.io import file_lock, make_folder, remove_leftovers, storage_error, write_atomic
from lshexp.runs.record import Record, parse_record, read_bytes
from lshexp.spec import RunSpec

PATIENCE_S = 60.0
MAX_LOG_BYTES = 2**20


class Store:
    """Records, logs and tables of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records = folder / "records"
        self._logs = folder / "logs"
        self._claims = folder / "claims"
        self._networks = folder / "networks"

    def table_path(self, table: str) -> Path:
        """Path of a CSV file: `runs`, `epochs`, `work`, `selection`, `env`, or that of a task."""
        return self.folder / f"{table}.csv"

    def remove_table(self, table: str) -> None:
        """Delete a CSV file that has no rows any more. Raises StoreError."""
        path = self.table_path(table)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error("delete", path, error) from error

    def log_path(self, run_id: str) -> Path:
        """Path of the log that a failed run leaves."""
        return self._logs / f"{run_id}.txt"

    def record_path(self, run_id: str) -> Path:
        """Path of a run's record."""
        return self._records / f"{run_id}.json"

    def network_path(self, run_id: str) -> Path:
        """Path of a run's trained network."""
        return self._networks / f"{run_id}.safetensors"

    @contextmanager
    def claimed(self, run_id: str) -> Iterator[bool]:
        """Try to be the only process that does this run; tells whether it is. Never waits.

        The claim is an operating system's lock: it dies with its process, so none is ever stale.
        Raises StoreError when the folder cannot be written.
        """
        make_folder(self._claims)
        with self._locked(self._claims / f"{run_id}.lock", 0.0) as mine:
            yield mine

    @contextmanager
    def tables_locked(self) -> Iterator[None]:
        """Be the only one who rewrites the tables; others wait a moment. Raises StoreError."""
        make_folder(self._records)
        with self._locked(self.folder / ".lock", PATIENCE_S) as mine:
            if not mine:
                raise StoreError(
                    f"another lshexp has been writing the tables of {self.folder} for {PATIENCE_S:.0f} s; "
                    "see what holds it up, or choose another folder with -o"
                )
            yield

    @contextmanager
    def _locked(self, path: Path, wait_s: float) -> Iterator[bool]:
        with contextlib.ExitStack() as stack:
            try:
                held = stack.enter_context(file_lock(path, wait_s))
            except OSError as error:
                raise storage_error("lock", path.parent, error) from error
            yield held

    def clean(self) -> None:
        """Delete what writers that were killed have left behind."""
        for folder in (self.folder, self._records, self._logs, self._networks):
            remove_leftovers(folder)

    def read(self, run_id: str, spec: RunSpec | None = None) -> Record | None:
        """Return the run's record, None when it has none.

        Raises StoreError when it is damaged, or not one of `spec`, which its id stands for.
        """
        data = read_bytes(self.record_path(run_id))
        return None if data is None else parse_record(self.record_path(run_id), data, spec)

    def run_ids(self) -> set[str]:
        """Ids of all records, also of runs that the sweep no longer has. Raises StoreError."""
        try:
            return {path.stem for path in self._records.glob("*.json")}
        except OSError as error:
            raise storage_error("read", self._records, error) from error

    def stamp(self, run_id: str) -> str | None:
        """Digest of the run's record, None when it has none: tells whether somebody has done it since.

        Raises StoreError when it cannot be read.
        """
        data = read_bytes(self.record_path(run_id))
        return None if data is None else hashlib.sha256(data).hexdigest()[:16]

    def write(self, record: Record) -> None:
        """Keep a record, in place of an older one of the same run. Raises StoreError."""
        make_folder(self._records)
        write_atomic(self.record_path(record.run_id), record.to_json())

    def write_sweep(self, resolved: str) -> None:
        """Keep the sweep as it was run, one YAML file with everything resolved. Raises StoreError."""
        path, data = self.folder / "sweep.yaml", resolved.encode()
        if not path.is_file() or path.read_bytes() != data:
            write_atomic(path, data)

    def start_log(self, run_id: str) -> Path:
        """Make the run's log empty and return its path. Raises StoreError."""
        make_folder(self._logs)
        path = self.log_path(run_id)
        try:
            path.write_bytes(b"")  # nothing is lost with it, so it need not be atomic
        except OSError as error:
            raise storage_error("write", path, error) from error
        return path

    def read_log(self, run_id: str) -> str:
        """The end of the run's log, empty when it has none."""
        try:
            return self.log_path(run_id).read_bytes()[-MAX_LOG_BYTES:].decode(errors="replace")
        except OSError:
            return ""

    def write_log(self, run_id: str, text: str) -> None:
        """Keep the log of a failed run. Raises StoreError."""
        make_folder(self._logs)
        write_atomic(self.log_path(run_id), text.encode())

    def remove_log(self, run_id: str) -> None:
        """Forget the log of a run that has succeeded since."""
        with contextlib.suppress(OSError):
            self.log_path(run_id).unlink(missing_ok=True)
