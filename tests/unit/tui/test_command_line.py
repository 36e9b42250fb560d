"""The command as it is typed: verbs, options, names of runs, shells and locales."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.model import Label, RunSpec
from runner.store.journal import read_json, write_json
from runner.store.labels import write_label
from runner.store.registry import RunNotFound, resolve
from runner.store.rundir import RunDir
from scripts.bench.many_runs import make_runs
from tests.speed import cpu_ratio
from tui.cli import runs as run_verbs
from tui.cli import screen, start
from tui.cli.main import main
from tui.cli.parser import GROUPS, VERBS, build_parser

Captured = pytest.CaptureFixture[str]


def refused(words: list[str], capsys: Captured) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["strat"], "did you mean start?"),
        (["ls"], "did you mean runs?"),
        (["log", "last", "--folow"], "did you mean --follow?"),
        (["status", "last"], "did you mean show?"),
    ],
)
def test_a_mistyped_word_names_the_nearest(words: list[str], meant: str, capsys: Captured) -> None:
    said = refused(words, capsys)
    assert meant in said
    assert len(said.splitlines()) == 1


def test_a_word_that_is_like_no_verb_gets_no_guess(capsys: Captured) -> None:
    assert "did you mean" not in refused(["xyzzy"], capsys)


def test_every_verb_stands_in_one_group_of_the_help(capsys: Captured) -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(
        v[0] for v in VERBS
    )
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert [line.strip() for line in said.splitlines() if line.strip(" :") in GROUPS] == [
        f"{title}:" for title in GROUPS
    ]
    assert "plasma-light" in said
    assert "nord" in said


def test_options_of_the_screen_count_before_the_verb_and_after_it() -> None:
    parse = build_parser().parse
    before = parse(["--ascii", "--low-bandwidth", "--theme", "nord", "attach", "last"])
    assert (before.ascii, before.low_bandwidth, before.theme) == (True, True, "nord")
    both = parse(["--theme", "nord", "--no-mouse", "attach", "last", "--theme", "dracula"])
    assert (both.theme, both.no_mouse, both.ascii, both.images) == ("dracula", True, False, None)
    assert parse(["attach", "last"]).theme is None


def test_a_wrong_theme_is_answered_with_the_names(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(screen, "need_terminal", lambda _instead: None)
    make_runs(1)
    assert main(["--theme", "nort", "attach", "last"]) == 2
    said = capsys.readouterr().err
    assert "plasma-dark" in said
    assert "nord" in said


# --------------------------------------------------------------------------- names of runs


def named(path: Path, name: str) -> None:
    spec = read_json(RunDir(path).spec, RunSpec)
    from dataclasses import replace

    write_json(RunDir(path).spec, replace(spec, name=name))


def test_a_run_is_found_by_the_name_of_its_project_if_only_one_has_it() -> None:
    older, newer = make_runs(2)
    named(older, "mygirl")
    named(newer, "spyke")
    assert resolve("mygirl") == older


def test_a_project_with_several_runs_says_which() -> None:
    older, newer = make_runs(2)
    named(older, "mygirl")
    named(newer, "mygirl")
    with pytest.raises(RunNotFound, match="is the name of 2 runs") as refused:
        resolve("mygirl")
    assert older.name in str(refused.value)
    assert newer.name in str(refused.value)


def test_a_name_that_a_person_gave_goes_before_that_of_a_project() -> None:
    older, newer = make_runs(2)
    named(older, "mygirl")
    named(newer, "spyke")
    write_label(newer, Label("mygirl"))
    assert resolve("mygirl") == newer


# --------------------------------------------------------------------------- log


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_log_on_a_terminal_keeps_long_lines_and_characters_of_several_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (run,) = make_runs(1)
    block = 1 << 16
    text = "a" * (block - 1) + "é" + "b" * 9000 + "\n" + "\x1b[31mred\x1b[0m\r50 %\r\nend"
    (run / "console.log").write_bytes(text.encode())
    shown = Screen()
    monkeypatch.setattr(sys, "stdout", shown)
    assert main(["log", "last"]) == 0
    assert shown.getvalue() == "a" * (block - 1) + "é" + "b" * 9000 + "\nred\n50 %\nend"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_log_is_the_same_however_its_bytes_are_split(size: int) -> None:
    data = "x\r\n\x1b[31mé漢\x1b[0m\ry\n".encode() + b"\xff" + b"z"
    lines = run_verbs.Lines()
    parts = [lines.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert "".join([*parts, lines.finish()]) == "x\né漢\ny\n\ufffdz"


# --------------------------------------------------------------------------- locale, shells


def run(words: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", **more}
    env.pop("PYTHONIOENCODING", None)
    root = str(Path(__file__).parents[3])
    code = f"import sys; sys.path.insert(0, {root!r}); from tui.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, env=env, capture_output=True, check=False
    )


def test_a_locale_without_utf_8_gets_look_alikes_and_no_traceback(tmp_path: Path) -> None:
    (made,) = make_runs(1)
    write_label(made, Label("für 漢字 …", note="✓ good"))
    plain = run(["label", "last"], tmp_path)
    assert plain.stderr == b""
    assert plain.stdout.splitlines()[0] == b"name  fur ?? ..."
    assert plain.stdout.splitlines()[2] == b"note  + good"
    told = run(["label", "last", "--json"], tmp_path)
    assert json.loads(told.stdout)["name"] == "für 漢字 …"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_completion_script_knows_verbs_and_options(shell: str, capsys: Captured) -> None:
    assert main(["--print-completion", shell]) == 0
    said = capsys.readouterr().out
    assert "resume" in said
    assert "--after-save" in said
    assert "_plasma_runs" in said


# --------------------------------------------------------------------------- check


def test_checks_are_printed_with_problems_first(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    from runner.model import CheckResult

    found = [
        CheckResult("disk", "pass", "12 GB free"),
        CheckResult("sleep", "skip", "no"),
        CheckResult("flags", "warn", "odd"),
        CheckResult("device", "pass", "cpu"),
        CheckResult("model", "fail", "missing"),
    ]
    monkeypatch.setattr(start, "load", lambda _options: None)
    monkeypatch.setattr(start.begin, "checks", lambda _config: iter(found))
    assert main(["check"]) == 1
    out = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.split(":")[0] for line in out] == [
        "✗ model",
        "! flags",
        "✓ disk",
        "✓ device",
        "- sleep",
    ]
    main(["check", "--json"])
    order = [one["name"] for one in json.loads(capsys.readouterr().out)["checks"]]
    assert order == ["model", "flags", "disk", "device", "sleep"]


# --------------------------------------------------------------------------- export


def a_choice(file: Path) -> object:
    from runner.history.review.chosen import Chosen
    from runner.model import Checkpoint

    file.write_bytes(b"x")
    return Chosen(Checkpoint(file.name, str(file), 1, 1), file, ())


@pytest.mark.parametrize(("typed", "made"), [(None, True), ("y\n", True), ("\n", False)])
def test_an_export_creates_its_folder_and_asks_a_person(
    typed: str | None, made: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    make_runs(1)
    if typed is not None:
        keyboard = Screen(typed)
        monkeypatch.setattr(sys, "stdin", keyboard)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    chosen = a_choice(tmp_path / "x.safetensors")
    monkeypatch.setattr("runner.history.review.chosen.choose", lambda _path, _which: chosen)
    target = tmp_path / "ComfyUI" / "models" / "loras"
    main(["export", "last", "--to", str(target), "--force"])
    said = capsys.readouterr().err
    assert target.is_dir() is made
    assert (f"created {target}" in said) is made
    assert ("Create it? [y/N]" in said) is (typed is not None)


# --------------------------------------------------------------------------- inspect


def test_a_file_that_is_no_console_log_is_named_so(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n")
    assert main(["inspect", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "is not a console log of a trainer" in said.err
    assert "killed" not in said.err
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == []
    assert main(["inspect", "--json", str(file)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["cause"], told["run"], told["unknown_lines"]) == (
        None,
        None,
        None,
        2,
    )
    assert told["reasons"]


def test_a_file_of_unknown_lines_is_evaluated_if_its_end_is_given(
    tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "wrapper.log"
    file.write_text("my own words\n")
    assert main(["inspect", "--json", "--no-keep", "--exit", "code:3", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "failed"


def test_an_endless_line_of_a_log_is_written_in_pieces() -> None:
    def read(blocks: int) -> None:
        lines = run_verbs.Lines()
        for _ in range(blocks):
            assert len(lines.feed(b"x" * 65536)) > 32768
        assert len(lines.finish()) < 65536

    few, many = cpu_ratio(lambda: read(40)), cpu_ratio(lambda: read(320))
    assert many < 20 * few


def test_pieces_of_an_endless_line_cut_no_escape_and_no_line_end() -> None:
    lines = run_verbs.Lines()
    found = lines.feed(b"a" * 40_000 + b"\x1b]0;ti")
    found += lines.feed(b"tle\x07" + b"b" * 40_000 + b"\r") + lines.feed(b"\nc") + lines.finish()
    assert found == "a" * 40_000 + "b" * 40_000 + "\nc"


def test_the_last_lines_of_a_log_are_bounded_where_a_line_never_ends(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"first\n" + b"x" * (run_verbs.LINE_BYTES * 3) + b"\nlast\n")
    with path.open("rb") as stream:
        found = run_verbs.last_lines(stream, 2)
    assert found == b"\nlast\n"
