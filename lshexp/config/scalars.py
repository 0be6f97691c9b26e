"""What an unquoted word means: the core schema of YAML 1.2.2 (section 10.3.2).

`on`, `yes` and `10:30` are text, `1e-3` is a number, `0o17` is fifteen and `010` is ten.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from lshexp.config.nodes import Scalar

_CONSTANTS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

MAX_INTEGER = 2**63 - 1  # what a column of a table can hold
_MAX_DIGITS = 400


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar.

    Raises ValueError, worded for the user, for numbers that no setting can take: not finite, or integers
    that need more than 64 bits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number")
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            return _integer(text, base)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"{text} is too large for a number")
        return number
    return text


def _integer(text: str, base: int) -> int:
    """Convert digits; their number is bounded first, as conversion takes more than linear time."""
    number = int(text, base) if len(text) <= _MAX_DIGITS else MAX_INTEGER + 1
    if abs(number) > MAX_INTEGER:
        raise ValueError(f"{text[:20]}{'...' if len(text) > 20 else ''} is too large for a whole number")
    return number
