"""Each dependency states the lowest version it was tested with: `make lowest` installs those."""

from __future__ import annotations

import lowest
import pytest


def test_every_dependency_has_a_lower_bound():
    found = lowest.pins()
    assert len(found) > 12
    assert all("==" in pin for pin in found)


def test_a_dependency_without_one_is_an_error():
    assert lowest.lowest(["numpy>=2.0", "pyarrow>=18.0,<30"]) == ["numpy==2.0", "pyarrow==18.0"]
    with pytest.raises(ValueError, match="numpy"):
        lowest.lowest(["numpy"])
