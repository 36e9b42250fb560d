"""`plasma-tui hardware` as a person calls it, on whatever machine this is."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.control.launch import start_run
from tests import ROOT
from tests.process.helpers import FAKE, clean_up, look, spec_for, wait_for

KEYS = {
    "schema", "at", "cpu", "memory", "swap", "disks", "gpus", "users", "runs", "reasons", "silent", "ages_s",
}  # fmt: skip


def command(*flags: str, before: str = "") -> list[str]:
    code = f"import sys\n{before}\nfrom tui.cli import main\nsys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", code, "hardware", *flags]


def run(*flags: str, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*flags, before=before), cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def spawn(*flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*flags), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_it_tells_the_machine_and_prints_nothing_on_stderr() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    labels = [text.split("  ")[0] for text in done.stdout.splitlines()]
    for label in ("CPU", "memory", "swap", "disk", "others"):
        assert label in labels
    assert any(label.startswith("GPU") for label in labels)
    assert re.search(r"^CPU +\d+ % busy, \d+ cores", done.stdout, re.M)


def test_json_is_one_object_with_the_documented_keys() -> None:
    done = run("--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert 0 <= found["cpu"]["percent"] <= 100
    assert (
        found["memory"]["used_bytes"] + found["memory"]["left_bytes"]
        == found["memory"]["total_bytes"]
    )
    assert {disk["what"] for disk in found["disks"]} <= {"working folder", "cache", "temp"}
    assert found["disks"][0]["free_bytes"] > 0
    assert found["silent"] == []
    if not found["gpus"]:
        assert {"nvidia", "apple", "amd"} <= set(found["reasons"])
    for user in found["users"]:
        assert {"pid", "title", "how", "hold", "gpu_memory_bytes", "since_at"} <= set(user)


def test_a_source_that_hangs_is_told_and_not_waited_for() -> None:
    hung = """
import threading
import runner.hardware.board as board
class Hung:
    name, period_s = "nvidia", 2.0
    def read(self, asked): threading.Event().wait()
    def close(self): pass
board.default_sources = lambda: [Hung()]
"""
    began = time.monotonic()
    done = run(before=hung)
    took_s = time.monotonic() - began
    assert (done.returncode, done.stderr) == (0, "")
    assert "source     nvidia: no answer within 3 s" in done.stdout
    assert "GPU        no answer" in done.stdout
    assert 3.0 <= took_s < 15.0


def test_following_prints_lines_until_ctrl_c_which_is_no_failure() -> None:
    child = spawn("--follow")
    assert child.stdout is not None and child.stderr is not None
    first, second = child.stdout.readline(), child.stdout.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, err) == (0, "")
    for text in (first, second):
        assert re.match(r"\d\d:\d\d:\d\d  CPU \d+ %  memory ", text)
    assert "\x1b" not in first + second + out


def test_following_as_json_is_one_object_a_line() -> None:
    child = spawn("--follow", "--json")
    assert child.stdout is not None
    found: list[Any] = [json.loads(child.stdout.readline()) for _ in range(2)]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 0
    assert all(set(one) == KEYS for one in found)
    assert found[1]["at"] > found[0]["at"]


@pytest.mark.parametrize("flags", [("--follow",), ("--follow", "--json")])
def test_a_reader_that_has_seen_enough_ends_it(flags: tuple[str, ...]) -> None:
    child = spawn(*flags)
    assert child.stdout is not None and child.stderr is not None
    assert child.stdout.readline()
    child.stdout.close()
    assert child.wait(20) == 0
    assert child.stderr.read() == ""
    child.stderr.close()


def _until(
    read: Callable[[], bytes], test: Callable[[bytes], bool], seconds: float = 20.0
) -> bytes:
    seen, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen += read()
        if test(seen):
            return seen
    raise AssertionError(seen)


def test_on_a_terminal_the_block_takes_its_own_place_again() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 40, 0, 0))
    child = subprocess.Popen(
        command("--follow"), cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        seen = _until(lambda: os.read(ours, 4096), lambda data: data.count(b"\x1b[J") >= 2)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    first, second = seen.decode().split("\x1b[J")[1:3]
    rows = first.split("\r\n")[:-1]
    assert len(rows) <= 7, "one row is left for the cursor"
    assert all(len(row) < 40 for row in rows)
    assert f"\x1b[{len(rows)}A" in first
    assert second.startswith("CPU ")


def test_a_run_of_ours_is_told_as_such_and_to_another_home_it_is_another_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "train_network.py"
    shutil.copy(FAKE, script)
    output = tmp_path / "out"
    spec, plan = spec_for(output, "--steps", "5000")
    argv = tuple(str(script) if word == str(FAKE) else word for word in spec.command)
    running = start_run(replace(spec, command=argv), replace(plan, command=argv))
    try:
        pid = wait_for(lambda: (s := look(running).status) and s.trainer_pid, what="the trainer")
        found = json.loads(run("--json").stdout)
        assert [one["id"] for one in found["runs"]] == [running.path.name]
        assert found["runs"][0]["pid"] == pid
        assert pid not in {user["pid"] for user in found["users"]}
        monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "elsewhere"))
        found = json.loads(run("--json").stdout)
        assert found["runs"] == []
        assert {user["pid"]: user["title"] for user in found["users"]}[pid] == "another training"
    finally:
        clean_up(running, output)
