"""The one command line that reaches another machine."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from runner.hosts.settings import Host
from runner.hosts.ssh import attach_command, control_folder, remote_line, ssh_command


def test_a_question_uses_the_shared_connection_and_never_asks(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("/tmp") / f"hosts-{tmp_path_factory.mktemp('x').parent.name[-12:]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    try:
        command = ssh_command(Host("gpu"), ("runs", "--json"))
    finally:
        (folder / "plasma-tui").rmdir()
        folder.rmdir()
    text = " ".join(command)
    assert text.endswith(" gpu -- plasma-tui runs --json")
    assert (
        f"-o ControlMaster=auto -o ControlPath={folder}/plasma-tui/%C -o ControlPersist=60" in text
    )
    assert {"-T", "BatchMode=yes", "ConnectTimeout=5"} <= set(command)


def test_a_screen_gets_a_terminal_where_ssh_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    command = attach_command(Host("gpu"), ("last",))
    assert "-t" in command and "BatchMode=yes" not in command
    assert command[-1] == "env COLORTERM=truecolor plasma-tui attach last"
    monkeypatch.setenv("COLORTERM", "x; touch y")
    assert attach_command(Host("gpu"), ("last",))[-1] == "plasma-tui attach last"


def test_the_shell_there_reads_every_word_as_one(tmp_path: Path) -> None:
    words = ("show", "a b", "$(touch x)", "'; touch y; '", "--note=\n")
    host = Host("gpu", ("printf", "%s\\0"), "/data/my runs")
    done = subprocess.run(["sh", "-c", remote_line(host, words)], cwd=tmp_path, capture_output=True)
    assert tuple(done.stdout.decode().split("\0")[:-1]) == words
    assert list(tmp_path.iterdir()) == []


def test_a_command_in_the_home_folder_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "plasma-tui"
    script.write_text("#!/bin/sh\necho $PLASMA_HOME $1\n")
    script.chmod(0o755)
    line = remote_line(Host("gpu", ("~/bin/plasma-tui",), "~/runs of mine"), ("runs",))
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "~/runs of mine runs\n"
    assert shlex.split(line)[0] == "env"


def test_without_a_safe_folder_each_command_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.hosts.ssh.control_folder", lambda: None)
    assert "ControlPath=none" in ssh_command(Host("gpu"), ("runs",))


def test_the_folder_of_the_connection_is_short_enough_for_a_socket() -> None:
    folder = control_folder()
    assert folder is None or len(str(folder)) + 1 + 40 + 17 < 100
