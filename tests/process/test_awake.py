"""Staying awake with real processes: programs of the same names on PATH stand in for those of the systems."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runner.process.awake import Awake, stay_awake
from tests.process.helpers import wait_for

#: ends with the process, as the real one does
CAFFEINATE = """#!/bin/sh
echo "$@" >> {log}
while kill -0 "$3" 2>/dev/null; do sleep 0.1; done
"""
#: runs what is behind its own options while it "holds the lock"
INHIBIT = """#!/bin/sh
echo "$@" >> {log}
while [ "${{1#--}}" != "$1" ]; do shift; done
"$@"
"""
DENIED = """#!/bin/sh
echo "$@" >> {log}
echo "Failed to inhibit: Access denied" >&2
exit 1
"""
HANGS = """#!/bin/sh
echo "$@" >> {log}
exec sleep 600
"""


class Machine:
    """A PATH of our own, a trainer that sleeps, and everything that was started for it."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.log = folder / "bin", folder / "asked"
        self.bin.mkdir()
        self.trainer = subprocess.Popen(["sleep", "600"], start_new_session=True)
        self.created_at = psutil.Process(self.trainer.pid).create_time()
        self.before = {child.pid for child in psutil.Process().children(recursive=True)}

    def install(self, name: str, text: str) -> None:
        program = self.bin / name
        program.write_text(text.format(log=self.log), encoding="utf-8")
        program.chmod(0o755)

    def stay_awake(self, system: str) -> Awake:
        return stay_awake(self.trainer.pid, self.created_at, system)

    def asked(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def helpers(self) -> list[psutil.Process]:
        """Living processes that carry the trainer's number among their words."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if process.info["status"] != psutil.STATUS_ZOMBIE and str(self.trainer.pid) in words:
                found.append(process)
        return found

    def end_trainer(self) -> None:
        self.trainer.kill()
        self.trainer.wait()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    found = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{found.bin}:{os.environ['PATH']}")
    yield found
    found.end_trainer()
    for process in found.helpers():
        with contextlib.suppress(psutil.NoSuchProcess):  # it was leaving by itself
            process.kill()


SYSTEMS = pytest.mark.parametrize(
    ("system", "name", "script"),
    [("darwin", "caffeinate", CAFFEINATE), ("linux", "systemd-inhibit", INHIBIT)],
)


@SYSTEMS
def test_it_is_held_until_the_trainer_ends(
    machine: Machine, system: str, name: str, script: str
) -> None:
    machine.install(name, script)
    awake = machine.stay_awake(system)
    assert awake.held and awake.words.startswith(f"kept awake by {name}")
    assert machine.helpers()
    machine.end_trainer()
    wait_for(lambda: not machine.helpers(), 5, "the end of the helper")
    awake.release()
    awake.release()


@SYSTEMS
def test_the_helper_is_a_stranger_to_the_trainer(
    machine: Machine, system: str, name: str, script: str
) -> None:
    machine.install(name, script)
    machine.stay_awake(system)
    trainer = psutil.Process(machine.trainer.pid)
    assert trainer.ppid() == os.getpid() and not trainer.children()
    for helper in machine.helpers():
        assert os.getsid(helper.pid) not in (os.getsid(0), os.getsid(machine.trainer.pid))
        assert helper.cwd() == "/"


@SYSTEMS
def test_it_is_let_go_on_request(machine: Machine, system: str, name: str, script: str) -> None:
    machine.install(name, script)
    awake = machine.stay_awake(system)
    awake.release()
    wait_for(lambda: not machine.helpers(), 5, "the end of the helper")
    assert machine.trainer.poll() is None
    assert not awake.held
    awake.release()


@SYSTEMS
def test_a_second_supervisor_takes_the_helper_over(
    machine: Machine, system: str, name: str, script: str
) -> None:
    """The first one is killed, not ended: its helper must live on, and be the only one."""
    machine.install(name, script)
    code = (
        "import os, signal; from runner.process.awake import stay_awake; "
        f"awake = stay_awake({machine.trainer.pid}, {machine.created_at}, {system!r}); "
        "print(awake.words, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    first = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert first.returncode == -signal.SIGKILL
    before = {process.pid for process in machine.helpers()}
    second = machine.stay_awake(system)
    assert (second.held, second.words) == (True, first.stdout.strip())
    assert before and {process.pid for process in machine.helpers()} == before
    assert len(machine.asked()) == 1
    second.release()
    wait_for(lambda: not machine.helpers(), 5, "the end of the helper")
    assert machine.trainer.poll() is None


def test_the_real_orders(machine: Machine) -> None:
    machine.install("caffeinate", CAFFEINATE)
    machine.install("systemd-inhibit", INHIBIT)
    machine.stay_awake("darwin")
    machine.stay_awake("linux")
    mac, linux = machine.asked()
    assert mac == f"-i -w {machine.trainer.pid}"
    assert linux.startswith("--what=sleep:idle --mode=block --who=plasma-tui --why=")


def test_a_refusal_is_words_and_nothing_stays(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.install("systemd-inhibit", DENIED)
    awake = machine.stay_awake("linux")
    assert not awake.held
    assert awake.words == (
        "not kept awake: the system denies it to this session, as usual over SSH"
    )
    assert machine.helpers() == []
    assert machine.trainer.poll() is None
    assert capfd.readouterr() == ("", "")


def test_a_helper_that_hangs_is_given_up_and_ended(machine: Machine) -> None:
    machine.install("systemd-inhibit", HANGS)
    began = time.monotonic()
    awake = machine.stay_awake("linux")
    assert awake.words == "not kept awake: systemd-inhibit does not answer"
    assert time.monotonic() - began < 5
    hung = [p for p in psutil.Process().children() if p.pid not in machine.before]
    assert hung == []


def test_a_caffeinate_that_fails_is_told(machine: Machine) -> None:
    machine.install("caffeinate", "#!/bin/sh\nexit 3\n")
    assert machine.stay_awake("darwin").words == (
        "not kept awake: caffeinate ended with exit code 3"
    )


def test_the_helper_of_another_training_is_not_taken_over(machine: Machine) -> None:
    machine.install("systemd-inhibit", INHIBIT)
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        stay_awake(other.pid, psutil.Process(other.pid).create_time(), "linux")
        machine.stay_awake("linux")
        assert len(machine.asked()) == 2
    finally:
        other.kill()
        other.wait()


def test_waiting_costs_no_processor_time(machine: Machine) -> None:
    machine.install("systemd-inhibit", INHIBIT)
    machine.stay_awake("linux")
    (waiting,) = [p for p in machine.helpers() if not p.children()]
    time.sleep(0.3)
    spent = sum(waiting.cpu_times()[:2])
    switches = waiting.num_ctx_switches().voluntary
    time.sleep(1.0)
    assert sum(waiting.cpu_times()[:2]) == spent
    assert waiting.num_ctx_switches().voluntary == switches
