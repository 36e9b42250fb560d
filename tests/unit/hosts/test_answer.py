"""One ssh, whatever it does: within limits, and no process of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from runner.hosts.answer import collect
from tests import ROOT

PYTHON = [sys.executable, "-S", "-c"]


def test_output_error_and_code_come_back() -> None:
    done = collect(
        [*PYTHON, "import os; os.write(1, b'yes'); os.write(2, b'no'); os._exit(3)"],
        limit_bytes=100, patience_s=30,
    )  # fmt: skip
    assert (done.code, done.output, done.error, done.problem) == (3, b"yes", b"no", "")


def test_a_flood_is_cut_and_its_process_ended() -> None:
    began = time.monotonic()
    source = (
        "import os, signal; signal.signal(15, signal.SIG_IGN)\nwhile 1: os.write(1, b'x' * 65536)"
    )
    done = collect([*PYTHON, source], limit_bytes=1 << 20, patience_s=60)
    assert done.code is None and done.problem == "sent more than 1 MiB"
    assert len(done.output) == 1 << 20
    assert time.monotonic() - began < 30


def test_an_endless_error_text_does_not_fill_memory() -> None:
    source = "import os\nfor _ in range(500): os.write(2, b'x' * 65536)"
    done = collect([*PYTHON, source], limit_bytes=1 << 20, patience_s=60)
    assert done.code == 0 and len(done.error) == 8192


@pytest.mark.parametrize("source", ["import time; time.sleep(600)", "import os; os.close(1); os.close(2); "
                                    "import time; time.sleep(600)"])  # fmt: skip
def test_what_never_answers_is_ended_in_time(source: str) -> None:
    done = collect([*PYTHON, source], limit_bytes=100, patience_s=0.3)
    assert (done.code, done.problem) == (None, "no complete answer in time")


def test_a_question_that_nobody_waits_for_is_ended() -> None:
    over = threading.Event()
    threading.Timer(0.2, over.set).start()
    done = collect(
        [*PYTHON, "import time; time.sleep(600)"], limit_bytes=9, patience_s=60, cancelled=over
    )
    assert done.problem == "cancelled"


def test_a_child_that_keeps_the_pipes_open_is_not_waited_for() -> None:
    """ssh's shared connection outlives the first command."""
    source = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True)\n"
        "print(child.pid, flush=True)"
    )
    began = time.monotonic()
    done = collect([*PYTHON, source], limit_bytes=100, patience_s=60)
    os.kill(int(done.output), 9)
    assert done.code == 0
    assert time.monotonic() - began < 30


def test_a_program_that_ends_while_a_host_is_asked_leaves_no_ssh() -> None:
    """The threads that ask end with it; what they have started would not."""
    source = (
        "import os, sys, threading, time\n"
        "from runner.hosts.answer import pump\n"
        "said = threading.Event()\n"
        "def take(name, data):\n"
        "    os.write(1, data); said.set(); return ''\n"
        "child = [sys.executable, '-S', '-c', 'import os, signal, time; signal.signal(15, signal.SIG_IGN);'"
        " 'os.write(1, str(os.getpid()).encode()); time.sleep(600)']\n"
        "threading.Thread(target=pump, args=(child, take), daemon=True).start()\n"
        "said.wait()"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, cwd=ROOT, check=True)
    pid = int(done.stdout)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "ssh is still alive"
        time.sleep(0.02)


def test_a_question_opens_no_window_for_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    found = collect(["sh", "-c", "echo $SSH_ASKPASS_REQUIRE"], limit_bytes=100, patience_s=5.0)
    assert found.output == b"never\n"


def test_no_ssh_at_all_is_a_sentence() -> None:
    done = collect(["/nowhere/ssh"], limit_bytes=9, patience_s=1)
    assert done.problem == "/nowhere/ssh cannot be started: No such file or directory"
