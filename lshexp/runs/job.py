"""One run as it is handed to whoever does it, in this process, another one, or on another machine."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lshexp.runs.environment import Environment
from lshexp.spec import RunSpec


class Job(BaseModel):
    """Everything needed to do a run and to leave its record in the store. Travels as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path  # of the sweep's results
    sweep: str
    run_id: str
    spec: RunSpec
    stamp: str | None  # of the record the run had when it was planned; another one means that it is done
    timeout_s: float | None = None
    env: Environment | None = None  # of the driver's machine; None where the worker is to look for itself
