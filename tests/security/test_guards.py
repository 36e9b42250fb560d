"""guards.toml and SECURITY.md fit the tree: `without_guard` takes minutes, this takes none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.audit import lines, reachable
from tests import ROOT
from tests.security.without_guard import Guard, guards

HERE = Path(__file__).parent
LINES = {
    "permissions", "home", "no shell", "names", "links", "orders", "secrets", "escapes", "no pickle", "bombs",
    "hosts",
}  # fmt: skip


def test_every_line_has_guards() -> None:
    assert {one.line for one in guards()} == LINES


@pytest.mark.parametrize("guard", guards(), ids=lambda one: f"{one.line}: {one.what}")
def test_a_guard_is_where_the_list_has_it_and_its_tests_exist(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.old) == 1
    assert guard.old != guard.new
    assert guard.tests
    for test in guard.tests:
        file, _, name = test.partition("::")
        source = (HERE / file).resolve().read_text(encoding="utf-8")
        assert not name or f"def {name.partition('[')[0]}(" in source


def test_the_document_names_files_that_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/.]+\.(?:py|toml))`", text)) - {"plasma.toml"}
    tests = {name for name in named if "/" not in name}
    assert {path.name for path in HERE.glob("test_*.py")} - {"test_guards.py"} == tests
    assert all((ROOT / name).is_file() for name in named - tests)


def test_an_audit_without_its_service_is_no_audit() -> None:
    skipped = {"name": "a", "skip_reason": "not found"}
    flawed = {"name": "b", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}
    assert not reachable([skipped])
    assert reachable([skipped, flawed])
    assert lines([skipped, flawed]) == ["b 1: X-1, fixed in 2", "not audited: a"]
