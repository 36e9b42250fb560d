"""Every key is found on its own line, whatever form TOML gives it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.positions import KeyPath, key_lines, syntax_problem

TEXT = '''# a comment with [brackets] and = signs
name = "spyke"   # after it
[trainer]
"sd_scripts" = '~/sd'
env = { A = "1", B = { C = "x = ]" } }

[ train . deep ]  # spaced
a.b . "c d" = 1
list = [
  "x", # first ]
  [1,
   2],
]
text = """
[fake]
key = 1 \\""" still ""
"""
after = true
raw = \'\'\'
it's [no] table\'\'\'
[[datasets]]
resolution = 512
  [[datasets.subsets]]
  image_dir = "one"
  [[datasets.subsets]]
  image_dir = "two"
[[datasets]]
resolution = 768
  [[datasets.subsets]]
  image_dir = "three"
  [datasets.subsets.custom]
  tag = 1979-05-27T07:32:00
'''

PLACES: list[tuple[KeyPath, int]] = [
    (("name",), 2),
    (("trainer",), 3),
    (("trainer", "sd_scripts"), 4),
    (("trainer", "env", "A"), 5),
    (("trainer", "env", "B", "C"), 5),
    (("train", "deep"), 7),
    (("train", "deep", "a"), 8),
    (("train", "deep", "a", "b", "c d"), 8),
    (("train", "deep", "list"), 9),
    (("train", "deep", "list", 0), 10),
    (("train", "deep", "list", 1, 0), 11),
    (("train", "deep", "list", 1, 1), 12),
    (("train", "deep", "text"), 14),
    (("train", "deep", "after"), 18),
    (("train", "deep", "raw"), 19),
    (("datasets",), 21),
    (("datasets", 0, "resolution"), 22),
    (("datasets", 0, "subsets", 0), 23),
    (("datasets", 0, "subsets", 0, "image_dir"), 24),
    (("datasets", 0, "subsets", 1, "image_dir"), 26),
    (("datasets", 1, "resolution"), 28),
    (("datasets", 1, "subsets", 0, "image_dir"), 30),
    (("datasets", 1, "subsets", 0, "custom", "tag"), 32),
]


@pytest.mark.parametrize(("path", "line"), PLACES, ids=lambda v: str(v))
def test_a_key_is_found_on_its_line(path: KeyPath, line: int) -> None:
    assert key_lines(TEXT)[path] == line


def test_windows_line_ends_count_like_others() -> None:
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


def test_a_quote_inside_a_long_string_does_not_end_it() -> None:
    text = 'a = """x""""\nb = ""\nc = \'\'\'y\'\'\'\'\nd = """"""\ne = 1'
    assert tomllib.loads(text)["a"] == 'x"'
    assert key_lines(text) == {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4, ("e",): 5}


def paths_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Every key path that tomllib sees."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found: set[KeyPath] = {path} if path else set()
    return found.union(*(paths_of(child, (*path, key)) for key, child in items))


def test_the_scanner_sees_the_keys_that_tomllib_sees() -> None:
    assert set(key_lines(TEXT)) == paths_of(tomllib.loads(TEXT))


def test_a_section_made_by_its_subsection_is_found_there_until_it_has_a_line_of_its_own() -> None:
    assert key_lines("[a.b]\nc = 1\n")["a",] == 1
    assert key_lines("[a.b]\nc = 1\n[a]\nd = 1\n")["a",] == 3


KEYS = st.sampled_from(["a", "b-c", "d_1", '"e f"', "'g.h'", "i.j"])
SCALARS = st.sampled_from(
    ["1", "-2.5e3", "true", '"x # ]"', "'}'", '"""\n,\n"""', "'''\n=\n'''", "1979-05-27", "inf"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(lambda v: "[" + ",\n # c ]\n".join(v) + "]"),
    max_leaves=6,
)
BLANKS = st.sampled_from(["", "\n", "# [x]\n", "  \n"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(BLANKS, KEYS, VALUES), max_size=6))
def test_any_document_has_the_same_keys_in_both_readers(rows: list[tuple[str, str, str]]) -> None:
    text = ""
    for index, (blank, key, value) in enumerate(rows):
        text += f"{blank}[[t]]\n{key} = {value}\n[t.sub]\nn = {index}\n"
    seen = key_lines(text)
    assert set(seen) == paths_of(tomllib.loads(text))
    lines = text.split("\n")
    for index in range(len(rows)):
        assert lines[seen["t", index, "sub", "n"] - 1] == f"n = {index}"


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x85", "\u2028"])
def test_a_mistake_at_the_end_is_on_the_last_line_whatever_signs_are_before_it(sign: str) -> None:
    text = f"# a{sign}b\nx = [\n"
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text.replace(sign, ""))
    assert syntax_problem("x", text, caught.value).line == 2
