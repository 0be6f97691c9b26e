"""The `lshexp` command: parse, call, render. Nothing heavy is imported until a command needs it.

Every file of this package is imported, and adds its commands.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING

from lshexp import errors
from lshexp.cli._app import Interrupted, app

if TYPE_CHECKING:
    from lshexp.runs.sweep import SweepSummary

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")


def main() -> int:
    """Run the command line and return its exit code; a user's mistake ends in one line, not a traceback."""
    try:
        result = app(standalone_mode=False)
    except errors.LshexpError as error:
        from lshexp import render

        render.fail(error)
        return error.exit_code
    except Interrupted as error:
        return _interrupted(error.summary)
    except BrokenPipeError:
        # the reader has gone; keep Python from complaining again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.EXIT_OK
    except Exception as error:
        return _usage(error)
    return int(result or 0)


def _usage(error: Exception) -> int:
    """Exit code of click's own exceptions; anything else is a bug and goes on up."""
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if code is None:
        raise error
    if show is not None:
        show()
    return int(code)


def _interrupted(summary: SweepSummary | None) -> int:
    """Say where an interrupted sweep stands, and return the exit code."""
    if summary is None:
        sys.stderr.write("interrupted\n")
    else:
        from lshexp import render

        render.interrupted(summary)
    return errors.EXIT_INTERRUPTED
