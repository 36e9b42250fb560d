"""`runs`, `label`, `remove` as they are typed."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from runner.model import Label, RunSpec
from runner.store.journal import read_json, write_json
from runner.store.labels import read_label, write_label
from runner.store.registry import run_paths
from runner.store.rundir import RunDir
from scripts.bench.many_runs import make_runs
from tests.hostile import HOSTILE
from tui.cli.main import main
from tui.words.table import Column, Line, Title, table_lines

Captured = pytest.CaptureFixture[str]


class Keyboard(io.StringIO):
    """A terminal with somebody at it."""

    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def wrong(words: list[str], capsys: Captured) -> tuple[int, str]:
    code = main(words)
    return code, capsys.readouterr().err


# --------------------------------------------------------------------------- runs


def test_runs_are_listed_newest_first_with_their_persons_names(capsys: Captured) -> None:
    older, newer = make_runs(2)
    write_label(older, Label("the good one", ("keep", "client")))
    assert main(["runs"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["run", "state"]
    assert first.startswith(newer.name)
    assert second.startswith(older.name)
    assert second.endswith(" keep, client")
    assert "  the good one  " in second


def test_imported_inspected_and_smoke_runs_are_marked(capsys: Captured) -> None:
    runs = [RunDir(path) for path in make_runs(3)]
    specs = [read_json(run.spec, RunSpec) for run in runs]
    write_json(runs[0].spec, replace(specs[0], origin="imported"))
    write_json(runs[1].spec, replace(specs[1], origin="inspected"))
    write_json(runs[2].spec, replace(specs[2], smoke=True))
    main(["runs"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["kind", "smoke", "inspected", "imported"]


def test_json_keeps_its_keys_and_has_the_new_ones(capsys: Captured) -> None:
    make_runs(3)
    assert main(["runs", "--json", "--limit", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert len(found["runs"]) == 2
    assert set(found["runs"][0]) >= {
        "id", "name", "state", "outcome", "created_at", "step", "total_steps", "loss", "checkpoints",
        "duration_s", "host", "problem", "tags", "note", "project", "ended_at", "origin", "smoke",
        "device", "smooth", "size_bytes",
    }  # fmt: skip


def test_filter_sort_and_limit_go_together(capsys: Captured) -> None:
    make_runs(60)
    main(["runs", "--json", "--filter", "state:succeeded", "--sort", "loss", "--limit", "7"])
    found = json.loads(capsys.readouterr().out)["runs"]
    losses = [run["smooth"] for run in found]
    assert losses == sorted(losses)
    assert {run["outcome"] for run in found} == {"succeeded"}
    assert main(["runs", "--filter", "nothing like that"]) == 0
    assert "among 60 runs" in capsys.readouterr().err
    code, said = wrong(["runs", "--limit", "-1"], capsys)
    assert (code, said.count("\n")) == (2, 1)


def test_groups_have_a_line_with_their_number(capsys: Captured) -> None:
    make_runs(30)
    main(["runs", "--group", "--limit", "3"])
    out, said = capsys.readouterr()
    assert out.splitlines()[1].startswith("/home/someone/trainings/")
    assert "runs)" in out.splitlines()[1]
    assert said.strip() == "and 27 more runs"


def test_no_run_yet_is_said(capsys: Captured) -> None:
    assert main(["runs"]) == 0
    assert "no runs yet" in capsys.readouterr().err


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_tags_and_problems_stay_in_their_line(capsys: Captured, text: str) -> None:
    path = make_runs(1)[0]
    write_json_text = json.dumps({"name": text, "tags": [text], "note": text, "schema": 1})
    (path / "label.json").write_text(write_json_text.replace("\\ud800", "?"))
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_table_fits_its_terminal(width: int) -> None:
    columns = (
        Column("run"),
        Column("name", 1, least=6),
        Column("tags", 2, least=4),
        Column("empty", 9),
    )
    rows: list[Line] = [
        ["20260101-000000-x-0000", "模型训练" * 9, "a, b, c, d, e, f", ""],
        Title("模" * 300),
    ]
    for line in table_lines(columns, rows, width):
        assert cell_len(line) <= width
        assert "empty" not in line
    assert table_lines(columns, rows, 10)[1] == "20260101-000000-x-0000"  # an id is never cut


# --------------------------------------------------------------------------- label


def test_a_label_is_given_shown_and_taken(capsys: Captured) -> None:
    path = make_runs(2)[1]
    words = ["label", path.name]
    assert main([*words]) == 0
    assert "no label" in capsys.readouterr().err
    assert main([*words, "--name", "good one", "--tag", "a", "--tag", "b", "--note", "x\ny"]) == 0
    assert capsys.readouterr().out == "name  good one\ntags  a, b\nnote  x\n      y\n"
    assert main(["label", "good one", "--untag", "a", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["id"], found["tags"]) == (path.name, ["b"])
    main([*words, "--name", "", "--untag", "b", "--note", ""])
    assert read_label(path) == Label()


def test_a_label_that_cannot_be_kept_is_refused(capsys: Captured) -> None:
    path = make_runs(1)[0]
    before = read_label(path)
    code, said = wrong(["label", path.name, "--name", "a\x1b[31m"], capsys)
    assert code == 2
    assert "nothing was changed" in said
    assert "\x1b" not in said
    assert read_label(path) == before
    assert wrong(["label", "nothing-like-it"], capsys)[0] == 3


# --------------------------------------------------------------------------- remove


def test_without_a_terminal_nothing_is_removed_unless_yes_is_said(capsys: Captured) -> None:
    one, other = make_runs(2)
    code, said = wrong(["remove", one.name], capsys)
    assert code == 2
    assert "--yes" in said
    assert one.exists()
    assert main(["remove", one.name, other.name, one.name, "--yes"]) == 0
    assert run_paths() == []


def test_the_question_says_what_goes_and_no_is_the_default(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_runs(1)[0]
    at_a_terminal(monkeypatch, "\n")
    code, said = wrong(["remove", path.name], capsys)
    assert code == 1
    assert "deleted: The run folder" in said
    assert "[y/N]" in said
    assert path.exists()
    at_a_terminal(monkeypatch, "y\n")
    assert main(["remove", path.name]) == 0
    assert not path.exists()


def with_checkpoint_inside() -> Path:
    path = make_runs(2)[1]
    (path / "output").mkdir()
    (path / "output" / "a.safetensors").write_bytes(b"w")
    return path


def test_yes_alone_does_not_cost_checkpoints(capsys: Captured) -> None:
    path = with_checkpoint_inside()
    code, said = wrong(["remove", path.name, "--yes"], capsys)
    assert code == 2
    assert "--with-checkpoints" in said
    assert "INSIDE" in said
    assert path.exists()
    assert main(["remove", path.name, "--yes", "--with-checkpoints"]) == 0
    assert not path.exists()


def test_checkpoints_inside_go_with_the_name_typed(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_checkpoint_inside()
    for typed in ("y\n", "\n", "some other\ny\n"):
        at_a_terminal(monkeypatch, typed)
        assert main(["remove", path.name]) == 1
        assert path.exists()
    at_a_terminal(monkeypatch, f"{path.name}\ny\n")
    assert main(["remove", path.name]) == 0
    assert not path.exists()


def test_one_that_refuses_keeps_all(capsys: Captured) -> None:
    import fcntl

    one, other = make_runs(2)
    with (other / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = wrong(["remove", one.name, other.name, "--yes"], capsys)
    assert code == 1
    assert "nothing was removed" in said
    assert one.exists()
    assert wrong(["remove", one.name, "nothing-like-it", "--yes"], capsys)[0] == 3
    assert one.exists()


# --------------------------------------------------------------------------- show


def test_show_calls_a_run_as_its_person_does(capsys: Captured) -> None:
    path = make_runs(2)[1]
    write_label(path, Label("the good one", ("keep",), "line one\nline two"))
    assert main(["show", path.name]) == 0
    first, second, third, fourth, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("the good one: ")
    assert second.startswith(f"{path.name}, configured as ")
    assert second.endswith(", tags: keep")
    assert (third, fourth) == ("  line one", "  line two")
    main(["show", path.name, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["tags"], found["note"]) == (
        "the good one", ["keep"], "line one\nline two",
    )  # fmt: skip
