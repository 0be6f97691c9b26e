"""What goes to a worker and what it leaves: a job, and the record of one finished run on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lshexp import registry
from lshexp.errors import StoreError
from lshexp.io import storage_error
from lshexp.nn.result import RunResult, Status
from lshexp.runs.environment import Environment
from lshexp.spec import RunSpec

SCHEMA_VERSION: Final = 1
MAX_RECORD_BYTES = 64 * 2**20


class Job(BaseModel):
    """One run as it is handed to a worker, in this process, another one, or on another machine, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path  # of the sweep's results
    sweep: str
    run_id: str
    spec: RunSpec
    stamp: str | None  # of the record the run had when it was planned; another one means that it is done
    timeout_s: float | None = None
    save: bool = False  # whether the trained network is kept
    env: Environment | None = None  # of the driver's machine; None where the worker is to look for itself


class Record(BaseModel):
    """Everything known of one run: what was asked, what came out, where and when.

    A number that is not finite is written as NaN or Infinity, as Python's json module reads and writes it.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", ser_json_inf_nan="constants", revalidate_instances="always"
    )

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    sweep: str
    spec: RunSpec
    result: RunResult
    env: Environment
    started_utc: str  # ISO 8601, to the second
    timing_valid: bool | None  # no other run of ours was on the machine; None = could not be found out

    @property
    def status(self) -> Status:
        """How the run ended."""
        return self.result.status

    @property
    def finished(self) -> bool:
        """Whether the run need not be run again: a divergence is a result, an exception is not."""
        return self.status != "failed"

    def to_json(self) -> bytes:
        """Write the record for people and for `parse_record`."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def read_bytes(path: Path) -> bytes | None:
    """Read a record's file, None when there is none.

    Raises StoreError when it cannot be read, or is larger than any record.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("read", path, error) from error
    if len(data) > MAX_RECORD_BYTES:
        raise _damaged(path, f"it is larger than {MAX_RECORD_BYTES} bytes")
    return data


def parse_record(path: Path, data: bytes, spec: RunSpec | None = None) -> Record:
    """Read a record from the content of its file; `spec`, when given, is what its id stands for.

    Raises StoreError, naming the file and the remedy, when it is damaged, foreign, or was edited so that its
    settings are no longer those of its id.
    """
    _check_version(path, data)
    try:
        record = Record.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(path, f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}") from None
    if record.run_id != path.stem:
        raise _damaged(path, f"it belongs to run {record.run_id}")
    if spec is not None and _placeless(record.spec) != _placeless(spec):
        wrong = [name for name in RunSpec.model_fields if getattr(record.spec, name) != getattr(spec, name)]
        raise _damaged(path, f"{', '.join(wrong)} in it: not what its run id stands for")
    return record


def _placeless(spec: RunSpec) -> RunSpec:
    """The settings without those dataset options that only say where its files lie, as in the run's id."""
    dataset = registry.datasets.discover().get(spec.dataset)
    if dataset is None:
        return spec
    options = {
        name: value for name, value in spec.dataset_options.items() if name not in dataset.location_options
    }
    return spec.model_copy(update={"dataset_options": options})


def _check_version(path: Path, data: bytes) -> None:
    """Tell a record of another version of lshexp from a damaged one."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema {version} and this lshexp reads {SCHEMA_VERSION}; "
            "use the version that wrote it, or another folder with -o"
        )


def _damaged(path: Path, reason: str) -> StoreError:
    one_line = " ".join(reason.split())
    return StoreError(f"record {path} is damaged ({one_line}); delete that file and its run is done again")
