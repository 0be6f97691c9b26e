"""Each dependency states the lowest version it was tested with; run as a program, this prints them for pip.

`make lowest` installs what is printed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

NEEDED_FOR_TESTS = ("pytest", "hypothesis")


def lowest(requirements: list[str]) -> list[str]:
    """`numpy>=2.0` becomes `numpy==2.0`. Raises ValueError for a requirement without a lower bound."""
    pins = []
    for requirement in requirements:
        found = re.match(r"([\w.\-\[\]]+)>=([\w.]+)", requirement)
        if found is None:
            raise ValueError(f"{requirement}: a dependency states the lowest version that it was tested with")
        pins.append(f"{found[1]}=={found[2]}")
    return pins


def pins() -> list[str]:
    """Pins of what is always installed, and of what tests need besides."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    dev = [line for line in project["optional-dependencies"]["dev"] if line.startswith(NEEDED_FOR_TESTS)]
    return lowest([*project["dependencies"], *dev])


def test_every_dependency_has_a_lower_bound():
    found = pins()
    assert len(found) > 12
    assert all("==" in pin for pin in found)


def test_a_dependency_without_one_is_an_error():
    assert lowest(["numpy>=2.0", "pyarrow>=18.0,<30"]) == ["numpy==2.0", "pyarrow==18.0"]
    with pytest.raises(ValueError, match="numpy"):
        lowest(["numpy"])


if __name__ == "__main__":
    sys.stdout.write(" ".join(pins()) + "\n")
