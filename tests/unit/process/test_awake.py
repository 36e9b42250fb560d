"""Words about staying awake where nothing has to be started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from runner.process.awake import _reason, stay_awake
from runner.process.awake_child import started
from runner.process.spawn import standalone_command

OWN = psutil.Process().create_time()


def test_without_the_helper_the_words_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", "6.1", "v", "x")))
    mac, linux = stay_awake(os.getpid(), OWN, "darwin"), stay_awake(os.getpid(), OWN, "linux")
    assert mac.words == "not kept awake: caffeinate is not in PATH"
    assert linux.words == "not kept awake: systemd-inhibit is not in PATH"
    assert not mac.held and not linux.held
    mac.release()
    assert capfd.readouterr() == ("", "")


def test_in_wsl_windows_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = "5.15.90.1-microsoft-standard-WSL2"
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", kernel, "v", "x")))
    assert "Windows decides" in stay_awake(os.getpid(), OWN, "linux").words


def test_another_system_is_told() -> None:
    assert stay_awake(os.getpid(), OWN, "sunos").words == "not kept awake: unsupported system"


def test_a_process_that_is_gone_or_another_one_is_not_held_on_to() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert stay_awake(child.pid, OWN).words == "not kept awake: the training has ended"
    assert stay_awake(os.getpid(), OWN - 60).words == "not kept awake: the training has ended"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            b"Failed to inhibit: Access denied\n",
            "the system denies it to this session, as usual over SSH",
        ),
        (
            b"\x1b[0;1;31mFailed to inhibit: Interactive authentication required.\x1b[0m\n",
            "the system denies it to this session, as usual over SSH",
        ),
        (
            b"System has not been booted with systemd as init system (PID 1). Can't operate.\n"
            b"Failed to connect to bus: Host is down\n",
            "systemd-logind does not respond",
        ),
        (b"\n something odd\n", "something odd"),
        (b"", ""),
    ],
)
def test_a_refusal_is_told_in_words(said: bytes, words: str) -> None:
    assert _reason(said) == words


def test_the_start_of_a_process_is_read_behind_any_name(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(program), "30"])
    try:
        wanted = psutil.Process(child.pid).create_time() - psutil.boot_time()
        assert abs(int(started(child.pid)) / os.sysconf("SC_CLK_TCK") - wanted) < 1.5
    finally:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert started(child.pid) == ""  # a zombie has ended
        child.wait()
    assert started(child.pid) == ""


def test_the_child_imports_nothing_of_ours() -> None:
    file = standalone_command("awake_child.py")[-1]
    code = f"import runpy, sys; runpy.run_path({file!r}); print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert "psutil" not in found.stdout and "subprocess" not in found.stdout
