"""The README's table is what its command prints, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import readme

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


def test_tables_are_the_output_of_their_commands():
    page = readme.README.read_text(encoding="utf-8")
    assert readme.MARKED.search(page)
    assert readme.updated(page) == page, "README.md is out of step with its commands; run `make readme`"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_commands_of_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for goal in re.findall(r"^make (\w+)", text, flags=re.M):
        assert f"\n{goal}:" in makefile
    for path in re.findall(r"experiments/\S+\.yaml", text):
        assert (ROOT / path).exists(), path


SWEEPS = sorted(path for path in (ROOT / "experiments").glob("*.yaml") if not path.name.startswith("claims"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_every_experiment_is_valid(path):
    from lshexp.config import load_sweep

    assert load_sweep(path).runs
