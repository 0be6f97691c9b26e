"""Spans of time as people write them: `90`, `90s`, `30m`, `1.5h`."""

from __future__ import annotations

import re

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,9}})?)\s*({'|'.join(_UNITS)})")


def seconds(text: object) -> float:
    """Return a span of time in seconds. Raises ValueError, worded for the user."""
    span = None if isinstance(text, bool) else _SPAN.fullmatch(str(text))
    value = float(span[1]) * _UNITS[span[2]] if span else 0.0
    if value <= 0:
        raise ValueError(f"'{str(text)[:40]}' is not a span of time; write seconds, or 90s, 30m, 2h")
    return value
