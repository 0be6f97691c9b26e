"""Imports go one way, and a few habits that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lshexp import registry

PACKAGE = Path(__file__).parent.parent / "lshexp"
# from the top down; a module may import from its own layer and from those below
LAYERS = [
    {"__main__", "cli", "render"},
    {"plugin"},
    {"bench"},
    {"analysis"},
    {"runs", "classifier", "torch"},
    {"config"},
    {"tasks"},
    {"memory", "sampling"},
    {"nn"},
    {"methods"},
    {"hashing"},
    {"data", "energy"},
    {"kernels"},
    {"spec", "registry"},
    {"arrays", "buffers", "streams", "errors", "work", "io", "validation", "fields", "outside"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported_parts(tree: ast.Module) -> set[str]:
    names, types = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            types |= set(node.body)  # nothing is imported from there when the program runs
    for node in ast.walk(tree):
        if node in types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            base = node.module
            names |= {f"{base}.{alias.name}" for alias in node.names} if base == "lshexp" else {base}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("lshexp.")} - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    part = part_of(path)
    if part == "__init__":
        return  # the public API loads lazily from any layer
    for other in imported_parts(ast.parse(path.read_text(encoding="utf-8"))):
        assert RANK[other] >= RANK[part], f"{part} imports {other}, which stands above it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_package_imports_the_private_modules_of_another(path):
    part = part_of(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lshexp.")):
            continue
        _, package, *rest = node.module.split(".")
        names = [*rest, *(alias.name for alias in node.names)]
        private = [name for name in names if name.startswith("_") and not name.startswith("__")]
        assert package == part or not private, f"{node.module}: {private}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_hangs_on_which_method_it_is(path):
    """Outside their packages no method, hash family or variant is compared with by its name.

    The bench may: it has a list of competitors, and some of them are called after methods.
    """
    if part_of(path) in ("methods", "hashing", "bench"):
        return
    names = {*registry.methods.discover(), *registry.hashes.discover()}
    names |= {f"p_{option}" for option in registry.variants()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        asked = []
        if isinstance(node, ast.Compare):
            asked = [each for part in (node.left, *node.comparators) for each in ast.walk(part)]
        elif isinstance(node, ast.Match):
            asked = [each for case in node.cases for each in ast.walk(case.pattern)]
        elif isinstance(node, ast.Constant) and str(node.value).startswith("p_"):
            asked = [node]
        found = {each.value for each in asked if isinstance(each, ast.Constant)} & names
        assert not found, f"line {node.lineno}: {found}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_kernel_states_its_flags_and_has_a_docstring(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "njit":
                stated = {keyword.arg for keyword in decorator.keywords}
                assert {"parallel", "cache", "fastmath"} <= stated, node.name
                assert node.name.startswith("_") or ast.get_docstring(node), node.name


def test_a_class_name_has_one_meaning():
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
