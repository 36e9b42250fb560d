"""A real sshd of our own: keys, connection sharing and all. Skipped without the package openssh-server."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.hosts.runs import HostRuns, ask
from runner.hosts.settings import Host
from runner.hosts.ssh import control_folder
from scripts.bench.many_runs import make_runs
from tests import ROOT
from tui.cli.main import main

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SSHD or not shutil.which("ssh"), reason="NOT TESTED: no sshd here (openssh-server)"
    ),
]
LIMIT_S = 60.0


@dataclass
class Machine:
    """Known to ssh as `gpu`; `home` is its PLASMA_HOME."""

    home: Path
    config: Path
    log: Path
    server: subprocess.Popen[bytes]

    @property
    def logins(self) -> int:
        return self.log.read_text().count("Accepted publickey")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """`ssh` in PATH is the real one with a configuration of this test alone."""
    assert SSHD is not None
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    if os.geteuid() == 0:  # where a server of root drops its rights
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port, log = free_port(), folder / "log"
    home = tmp_path / "home there"
    home.mkdir(mode=0o700)
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPermitRootLogin yes\nStrictModes no\n"
        "PasswordAuthentication no\n"
    )
    key = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}")
    script = tmp_path / "bin" / "plasma-tui"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tui.cli "$@"\n')
    (folder / "config").write_text(
        f"Host gpu\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n"
        "  LocalForward 1 127.0.0.1:1\n  RemoteCommand false\n  RequestTTY force\n"
    )
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec "{shutil.which("ssh")}" -F "{folder}/config" "$@"\n')
    for one in (script, ssh):
        one.chmod(0o755)
    config = tmp_path / "config" / "plasma-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[hosts.gpu]\ncommand = "{script}"\nhome = "{home}"\n')
    runtime = Path(f"/tmp/hosts-{os.getpid()}")
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    command = [SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)]
    server = subprocess.Popen(command)
    try:
        wait_for_port(port, server)
        yield Machine(home, config, log, server)
    finally:
        for path in (runtime / "plasma-tui").glob("*"):
            subprocess.run(
                ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "gpu"], capture_output=True
            )
        server.terminate()
        server.wait()
        shutil.rmtree(runtime)


def wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    pytest.fail("sshd did not start")


def test_lists_are_asked_over_one_connection_and_verbs_run_there(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as there:
        there.setenv("PLASMA_HOME", str(machine.home))
        (run,) = make_runs(1)
    host = Host("gpu", (str(machine.config.parents[2] / "bin" / "plasma-tui"),), str(machine.home))
    found = HostRuns("gpu")
    for _ in range(3):
        found = ask(host, found, patience_s=LIMIT_S)
        assert found.problem == ""
    assert [(one.remote, one.id) for one in found.runs] == [("gpu", run.name)]
    folder = control_folder()
    assert folder is not None and len(list(folder.iterdir())) == 1
    assert machine.logins == 1

    assert main(["runs", "--json", "--host", "gpu"]) == 0
    assert [one["id"] for one in json.loads(capfd.readouterr().out)["runs"]] == [run.name]
    assert main(["show", "--host", "gpu", "last", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["id"] == run.name
    assert main(["stop", "--host", "gpu", "last"]) == 1
    assert "has already ended" in capfd.readouterr().err
    assert main(["start", "--host", "gpu", "--config", "/no such/plasma.toml"]) == 3
    assert "no /no such/plasma.toml in " in capfd.readouterr().err
    assert machine.logins == 1


def test_a_machine_that_is_gone_keeps_its_last_list(machine: Machine) -> None:
    host = Host("gpu", (str(machine.config.parents[2] / "bin" / "plasma-tui"),), str(machine.home))
    with pytest.MonkeyPatch.context() as there:
        there.setenv("PLASMA_HOME", str(machine.home))
        make_runs(1)
    found = ask(host, HostRuns("gpu"), patience_s=LIMIT_S)
    assert len(found.runs) == 1
    folder = control_folder()
    assert folder is not None
    for path in folder.iterdir():
        subprocess.run(
            ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "gpu"], capture_output=True
        )
    machine.server.terminate()
    machine.server.wait()
    silent = ask(host, found, patience_s=LIMIT_S)
    assert silent.runs == found.runs
    assert "Connection refused" in silent.problem


def test_a_key_that_is_not_known_and_one_that_is_wrong_are_reasons(machine: Machine) -> None:
    host = Host("gpu")
    (machine.log.parent / "authorized_keys").write_text("")
    assert "plasma-tui attach --host gpu last" in ask(host, HostRuns("gpu")).problem
    (machine.log.parent / "known_hosts").write_text("")
    assert "run `ssh gpu` once" in ask(host, HostRuns("gpu")).problem
