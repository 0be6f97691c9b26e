"""The README's table is what its command prints, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
MARKED = re.compile(r"<!-- begin: (lshexp [^>]*?) -->\n(.*?)<!-- end -->", flags=re.S)


def test_the_table_is_the_output_of_its_command():
    blocks = MARKED.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks
    for command, shown in blocks:
        words = [sys.executable, "-m", *command.split()]
        printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert shown.strip() == printed.strip(), f"run `{command}` and put its output into the README"


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


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda path: path.name)
def test_every_experiment_is_valid(path):
    from lshexp.config import load_sweep

    assert load_sweep(path).runs
