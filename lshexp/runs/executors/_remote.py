"""What a scheduler runs on another machine: one job, in a process of its own there."""

from __future__ import annotations

import importlib.util

from lshexp.errors import ConfigError
from lshexp.runs.executors._base import Ended, Event
from lshexp.runs.executors.local import Nursery
from lshexp.runs.job import Job
from lshexp.runs.nursery import TRAINER
from lshexp.runs.worker import Outcome


def for_remote(job: Job) -> str:
    """The job as text, for a machine that sees the same files but has an environment of its own."""
    return job.model_copy(update={"folder": job.folder.absolute(), "env": None}).model_dump_json()


def do_remotely(text: str, runner: str = TRAINER) -> Outcome:
    """Do a job where this is called. Its record goes into the store, only the outcome back.

    Raises StoreError when the record cannot be kept.
    """
    heard: list[Event] = []
    nursery = Nursery(runner)
    try:
        if not nursery.do(Job.model_validate_json(text), heard.append):
            return "taken"
    finally:
        nursery.close()
    return next(event.outcome for event in heard if isinstance(event, Ended))


def need(module: str, executor: str) -> None:
    """Raise ConfigError when the library of an executor is not installed."""
    if importlib.util.find_spec(module) is None:
        raise ConfigError(
            f"--executor {executor} needs {module}, which is not installed; pip install 'lshexp[{executor}]'"
        )
