"""No shell ever reads a name, a prompt or a path: what the user or a file says stays one argument."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from runner.config.channels import Channels
from runner.model import AttemptPlan
from runner.notify import command as notify_command
from runner.notify.message import Message
from runner.preflight.cures.commands import shell_words
from runner.process.spawn import keeper_command
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from runner.trainers.command import Command, shell_line
from tests import ROOT
from tui.backend.folders import show_folder
from tui.editor import pick_editor

#: {} is a file that a shell would create
INJECTIONS = (
    "$(touch {})", "`touch {}`", "; touch {} #", "| touch {}", "&& touch {}", "\ntouch {}\n", "> {}",
    "'; touch {}; '", '"; touch {}; "', "${{IFS}}$(touch {})", "--flag $(touch {})", "!touch {}",
)  # fmt: skip
SHELLS = {
    "sh",
    "bash",
    "zsh",
    "dash",
    "/bin/sh",
    "/bin/bash",
    "cmd",
    "cmd.exe",
    "powershell",
    "pwsh",
}
SHELL_CALLS = {
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell", "pty.spawn",
}  # fmt: skip


@pytest.fixture(params=INJECTIONS)
def evil(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path / "executed")


def not_executed(tmp_path: Path) -> None:
    assert not (tmp_path / "executed").exists()


def test_the_trainer_gets_such_arguments_unchanged(tmp_path: Path, evil: str) -> None:
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    source = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['EVIL']]))"
    argv = (sys.executable, "-c", source, f"--output_name={evil}", evil)
    write_json(run.attempt(1), AttemptPlan(1, argv, {"EVIL": evil}, str(tmp_path), None, None))
    subprocess.run(keeper_command(run.path, 1), check=True, timeout=120)
    printed = run.console.read_text().splitlines()[-1]
    import json

    assert json.loads(printed) == [[f"--output_name={evil}", evil], evil]
    not_executed(tmp_path)


def test_a_null_byte_is_an_end_of_the_attempt_with_a_sentence(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    plan = AttemptPlan(1, (sys.executable, "a\0b"), {}, str(tmp_path), None, None)
    write_json(run.attempt(1), plan)
    subprocess.run(keeper_command(run.path, 1), check=True, timeout=120)
    assert "cannot start" in run.console.read_text()
    assert '"code": 127' in run.exit.read_text()


def test_the_command_of_a_notification_gets_names_as_arguments(tmp_path: Path, evil: str) -> None:
    out = tmp_path / "out"
    source = (
        "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2] + os.environ['PLASMA_TITLE'])"
    )
    words = (sys.executable, "-c", source, str(out), "$PLASMA_RUN_NAME")
    message = Message("k", "finished", evil, evil, "id", evil, str(tmp_path), 0.0)
    notify_command.send(Channels(command=words), message)
    assert out.read_text() == evil + evil
    not_executed(tmp_path)


def test_a_name_is_not_filled_into_text_that_a_shell_reads(tmp_path: Path, evil: str) -> None:
    """The user's own command may be a shell: it finds the name in a variable."""
    words = ("sh", "-c", ": $PLASMA_RUN_NAME")
    message = Message("k", "finished", evil, evil, "id", evil, str(tmp_path), 0.0)
    notify_command.send(Channels(command=words), message)
    not_executed(tmp_path)


def test_commands_that_are_shown_can_be_pasted(tmp_path: Path, evil: str) -> None:
    folder = tmp_path / "a b;c"
    folder.mkdir()
    argv = (sys.executable, "-c", "import sys; sys.stdout.write(sys.argv[1])", evil)
    shown = (
        shell_line(Command(argv, {"X": evil, "LINES": None}, str(folder))),
        shell_words(argv, folder),
    )
    for line in shown:
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        assert done.stdout == evil
    not_executed(tmp_path)


def test_an_editor_is_no_shell(tmp_path: Path, evil: str) -> None:
    try:
        words = pick_editor({"EDITOR": f"vi {shlex.quote(evil)}"}, which=lambda name: name).command
    except Exception as error:
        raise AssertionError(evil) from error
    assert words == ("vi", evil)


def test_a_folder_is_opened_as_a_path_and_never_as_an_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    show_folder("--help/x.safetensors")
    ((*_, path),) = started
    assert os.path.isabs(path)


# --------------------------------------------------------------------------- the source


def test_nothing_in_the_source_starts_a_shell() -> None:
    seen = 0
    for folder in ("runner", "tui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "importers" in path.parts:  # names such calls to recognize them
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                name = ast.unparse(node.func)
                assert name not in SHELL_CALLS, path
                assert "shell" not in {one.arg for one in node.keywords}, path
                if name in ("subprocess.Popen", "subprocess.run", "subprocess.call"):
                    seen += 1
                    first = node.args[0]
                    assert not isinstance(first, ast.Constant | ast.JoinedStr), path
                    if isinstance(first, ast.List | ast.Tuple) and first.elts:
                        program = first.elts[0]
                        assert not (
                            isinstance(program, ast.Constant) and program.value in SHELLS
                        ), path
    assert seen > 8


def test_importers_run_nothing_of_a_script() -> None:
    """They only read it; the whole package cannot start a process."""
    for path in sorted((ROOT / "runner/trainers/sd_scripts/importers").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"subprocess", "pty", "runner.process.spawn"} & set(names), path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("eval", "exec", "__import__"), path
