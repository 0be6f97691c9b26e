"""Pages are what the code and the results say; their commands run, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import evidence
import pages
import pytest
from as_a_user import ROOT, lshexp, python
from typer.testing import CliRunner

from lshexp.cli import app
from lshexp.config import load_sweep

GUIDE = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*pages.pages(), pages.EVIDENCE, ROOT / "CHANGELOG.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.S | re.M)
# what needs a network, a cluster, published files or minutes is held against the command's options alone
ELSEWHERE = (
    "data fetch",
    "data verify",
    "--stats",
    "slurm",
    "--address",
    "bench",
    "reproduce",
    "experiments/",
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, *languages: str) -> list[tuple[str, str]]:
    """Blocks of code of a page, each with its language."""
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [(language, text) for language, text in found if language in languages]


def commands(path: Path) -> list[str]:
    """The calls of lshexp in a page, in their order."""
    lines = [line for _, text in blocks(path, "sh") for line in text.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if line.startswith("lshexp ")]


@pytest.mark.parametrize("path", pages.pages(), ids=name_of)
def test_generated_parts_are_up_to_date(path):
    text = path.read_text(encoding="utf-8")
    assert pages.updated(text) == text, f"{name_of(path)} is out of step; run `make readme`"


def test_the_page_of_results_is_up_to_date():
    page = evidence.page(pages.printed)
    assert pages.EVIDENCE.read_text(encoding="utf-8") == page, "results/README.md is out of step: make readme"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, section = target.partition("#")
        if target.startswith("https://"):
            continue
        page = path.parent / file if file else path
        assert page.exists(), target
        if section:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
            anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert section in anchors, target


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_files_that_are_named_exist(path):
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    for file in re.findall(r"`((?:experiments|lshexp|tests)/[\w/.]+\.\w+)`", text):
        assert (ROOT / file).exists() or "NAME" in file or file in DROPPED_IN, file


DROPPED_IN = ["lshexp/methods/first_k.py"]


def test_the_readme_is_short():  # marks of generated parts included
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 140


def test_goals_of_make_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in PAGES:
        for goal in re.findall(r"(?:^|`)make (\w+)", path.read_text(encoding="utf-8"), flags=re.M):
            assert f"\n{goal}:" in makefile, goal


@pytest.mark.parametrize("path", [ROOT / "README.md", *GUIDE], ids=name_of)
def test_options_of_all_commands_exist(path):
    for command in commands(path):
        words = shlex.split(command)[1:]
        done = CliRunner().invoke(app, [*words, "--help"])
        assert done.exit_code == 0, f"{command}: {done.output}"


@pytest.mark.parametrize("path", [page for page in GUIDE if commands(page)], ids=name_of)
def test_commands_of_the_guide_run(path, tmp_path):
    for language, text in blocks(path, "yaml", "csv"):
        name, _, rest = text.partition("\n")
        assert name.startswith("# "), f"a block of {language} begins with the name of its file"
        (tmp_path / name[2:]).write_text(rest, encoding="utf-8")
    for command in commands(path):
        if any(word in command for word in ELSEWHERE):
            continue
        if " RUN" in command:  # stands for the id of a run of this page's first sweep
            command = command.replace("RUN", min((tmp_path / "results").glob("*/networks/*")).stem)
        done = lshexp(*shlex.split(command)[1:], cwd=tmp_path)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize("path", [ROOT / "docs" / "python.md"], ids=name_of)
def test_python_of_the_guide_runs(path, tmp_path):
    parts = [text for _, text in blocks(path, "python")]
    if not importlib.util.find_spec("torch"):
        parts = [text for text in parts if "import torch" not in text]
    script = "\n".join(parts)
    done = python("-c", script, cwd=tmp_path, MPLBACKEND="agg")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "small.png").exists()


def test_active_pct_is_followed_through_few_files():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if "follow `active_pct`" in line)
    assert 5 < len(re.findall(r"`lshexp/[\w/]+\.py`", line)) <= 12


SWEEPS = sorted(path for path in (ROOT / "experiments").glob("*.yaml") if not path.name.startswith("claims"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_every_experiment_is_valid(path):
    assert load_sweep(path).runs
