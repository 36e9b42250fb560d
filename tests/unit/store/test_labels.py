"""Labels: what a person calls a run is kept as given, within bounds; the run's own files stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.model import Label
from runner.store.labels import BadLabel, changed, checked, read_label, write_label
from runner.store.registry import RunNotFound, list_runs, resolve
from scripts.bench.many_runs import make_runs
from tests.hostile import HOSTILE


@pytest.fixture
def run() -> Path:
    return make_runs(2)[1]


def test_a_label_is_kept_beside_the_runs_own_files(run: Path) -> None:
    before = (run / "spec.json").read_bytes()
    assert read_label(run) == Label()
    write_label(run, Label(" the good one ", ("keep", "keep", " client ", " "), "two\r\nlines\n"))
    assert read_label(run) == Label("the good one", ("keep", "client"), "two\nlines")
    assert (run / "spec.json").read_bytes() == before


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"tags":5}', b"\xff"])
def test_a_torn_label_is_none(run: Path, junk: bytes) -> None:
    (run / "label.json").write_bytes(junk)
    assert read_label(run) == Label()
    assert list_runs()[0].tags == ()


def test_changes_add_and_take() -> None:
    label = changed(Label("a", ("x", "y"), "n"), add=("z", "x"), take=("y",))
    assert label == Label("a", ("x", "z"), "n")
    assert changed(label, name="", note="") == Label(None, ("x", "z"), "")


@pytest.mark.parametrize(
    ("label", "word"),
    [
        (Label("x" * 201), "200"),
        (Label(tags=("x" * 41,)), "40"),
        (Label(tags=tuple(f"t{n}" for n in range(21))), "20"),
        (Label(note="x" * 10_001), "10000"),
        (Label("a\x1b[31mb"), "U\\+001B"),
        (Label("a\nb"), "U\\+000A"),
        (Label(tags=("a\x07",)), "U\\+0007"),
        (Label(note="a\x9bb"), "U\\+009B"),
        (Label("\ud800"), "U\\+D800"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_one_sentence(
    run: Path, label: Label, word: str
) -> None:
    with pytest.raises(BadLabel, match=word):
        write_label(run, label)
    assert read_label(run) == Label()


def test_foreign_text_is_kept_as_it_was_given(run: Path) -> None:
    for text in HOSTILE:
        try:
            given = checked(Label(text[:200], (text[:40],), text[:10_000]))
        except BadLabel:
            continue
        write_label(run, given)
        assert read_label(run) == given
        assert list_runs()[0].name in (given.name, list_runs()[0].id) or given.name is None


def test_a_run_that_is_gone_gets_no_label(tmp_path: Path) -> None:
    with pytest.raises(BadLabel, match="gone"):
        write_label(tmp_path / "gone", Label("a"))


def test_a_run_is_found_by_the_name_a_person_gave() -> None:
    older, newer = make_runs(2)
    write_label(older, Label("the good one"))
    assert resolve("the good one") == older
    write_label(newer, Label("the good one"))
    with pytest.raises(RunNotFound, match="is the name of 2 runs"):
        resolve("the good one")
    # an id goes first
    write_label(newer, Label(older.name))
    assert resolve(older.name) == older


def test_without_a_name_of_its_own_a_run_is_found_by_that_of_its_configuration() -> None:
    _, newer = make_runs(2)  # the second has no label
    assert resolve(list_runs()[0].name) == newer
