"""Every kernel has a plain twin of its own name, and a test that compares the two."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
from pathlib import Path

import pytest

import lshexp

TESTS = Path(__file__).parent.parent
TWINS = sorted(path.stem for path in TESTS.glob("naive*.py"))


def public_kernels():
    """Names of all compiled functions of the package that have no leading underscore."""
    names = set()
    for module in pkgutil.walk_packages(lshexp.__path__, "lshexp."):
        path = Path(importlib.util.find_spec(module.name).origin)
        names |= {name for name in kernels_in(path.read_text(encoding="utf-8")) if name[0] != "_"}
    return sorted(names)


def kernels_in(source):
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if getattr(called, "id", getattr(called, "attr", "")) in ("njit", "jit", "vectorize"):
                    yield node.name


KERNELS = public_kernels()


@functools.cache
def twins():
    return {
        node.name: name
        for name in TWINS
        for node in ast.parse((TESTS / f"{name}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


@functools.cache
def compared():
    """Kernels that a test file names beside their twins; `getattr(naive, ...)` stands for any twin."""
    found = set()
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        aliases = {alias.asname or alias.name for alias in imports if alias.name in TWINS}
        of_twins, others = set(), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                base = node.value.id if isinstance(node.value, ast.Name) else ""
                (of_twins if base in aliases else others).add(node.attr)
            elif isinstance(node, ast.Name):
                others.add(node.id)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
                of_twins |= set(twins()) if getattr(node.args[0], "id", "") in aliases else set()
        found |= of_twins & others
    return found


def test_there_are_kernels():
    assert len(KERNELS) > 60


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_a_twin(name):
    assert name in twins(), f"write a plain {name} in one of {', '.join(TWINS)}"


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_compared_with_its_twin(name):
    assert name in compared(), f"no test has both the kernel {name} and its twin"


@pytest.mark.parametrize("name", TWINS)
def test_twins_import_nothing_of_ours(name):
    for node in ast.walk(ast.parse((TESTS / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            assert {str(n).split(".")[0] for n in names} <= {"numpy", "itertools", "__future__", *TWINS}
