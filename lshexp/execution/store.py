"""The folder of one sweep: the only place that knows where a result lies.

What is in it:

- `records/<run_id>.json`, one atomic record a run;
- `logs/<run_id>.txt`, the traceback of a run that failed;
- `runs.csv`, `epochs.csv`, `work.csv`, `selection.csv`, `env.csv`, rewritten in full from the records."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lshexp.errors import StoreError
from lshexp.execution.atomic import make_folder, remove_leftovers, storage_error, write_atomic
from lshexp.execution.record import Record, read_record


class Store:
    """Records, logs and tables of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records = folder / "records"
        self._logs = folder / "logs"
        self._holder = folder / ".lock.pid"

    def table_path(self, table: str) -> Path:
        """Path of a CSV file: `runs`, `epochs`, `work`, `selection` or `env`."""
        return self.folder / f"{table}.csv"

    def log_path(self, run_id: str) -> Path:
        """Path of the log that a failed run leaves."""
        return self._logs / f"{run_id}.txt"

    def record_path(self, run_id: str) -> Path:
        """Path of a run's record."""
        return self._records / f"{run_id}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only driver of this folder. The lock dies with the process, so none is ever stale.

        Raises StoreError when another process holds it, or when the folder cannot be written.
        """
        make_folder(self._records)
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise StoreError(
                f"another lshexp (process {self._holder_pid()}) is running a sweep in {self.folder}; "
                "wait for it to end, or choose another folder with -o"
            ) from None
        except OSError as error:
            raise storage_error("lock", self.folder, error) from error
        try:
            remove_leftovers(self.folder)
            remove_leftovers(self._records)
            write_atomic(self._holder, f"{os.getpid()}\n".encode())
            yield
        finally:
            with contextlib.suppress(OSError):
                self._holder.unlink(missing_ok=True)
            lock.release()

    def read(self, run_id: str) -> Record | None:
        """Return the run's record, None when it has none. Raises StoreError when it is damaged."""
        return read_record(self.record_path(run_id))

    def run_ids(self) -> set[str]:
        """Ids of all records, also of runs that the sweep no longer has. Raises StoreError."""
        try:
            return {path.stem for path in self._records.glob("*.json")}
        except OSError as error:
            raise storage_error("read", self._records, error) from error

    def write(self, record: Record, *, replace_finished: bool = False) -> None:
        """Keep a record. Raises StoreError, also when it would replace a finished one unasked."""
        if not replace_finished:
            old = self.read(record.run_id)
            if old is not None and old.finished:
                path = self.record_path(record.run_id)
                raise StoreError(f"{path} already holds a finished run; use --force to run it again")
        write_atomic(self.record_path(record.run_id), record.to_json())

    def write_log(self, run_id: str, text: str) -> None:
        """Keep the log of a failed run. Raises StoreError."""
        make_folder(self._logs)
        write_atomic(self.log_path(run_id), text.encode())

    def remove_log(self, run_id: str) -> None:
        """Forget the log of a run that has succeeded since."""
        with contextlib.suppress(OSError):
            self.log_path(run_id).unlink(missing_ok=True)

    def _holder_pid(self) -> str:
        try:
            return self._holder.read_text(encoding="ascii").strip()[:20] or "unknown"
        except (OSError, UnicodeDecodeError):
            return "unknown"
