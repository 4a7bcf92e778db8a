"""Promises name their tests; every test that is named is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROMISES = {
    name: NAMED.findall((ROOT / name).read_text(encoding="utf-8")) for name in ("docs/reliability.md", "SECURITY.md")
}


def functions(path):
    """Names of all functions in a file, those in classes included."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("document", PROMISES)
def test_every_test_that_is_named_is_there(document):
    missing = [f"{path}::{name}" for path, name in PROMISES[document] if name not in functions(path)]
    assert [] == missing


def test_every_promise_names_its_test():
    promises = (ROOT / "docs/reliability.md").read_text(encoding="utf-8").split("## Soak")[0]
    rows = re.findall(r"^\| (?!\*\*|Promise|\|).+$", promises, re.MULTILINE)
    assert len(rows) > 30
    assert [] == [row for row in rows if not NAMED.search(row)]
