"""Other machines: their names never become options of ssh, their shell reads every word as one, and what they
send is bounded, decoded strictly and cleaned. Nobody else can put a socket where the connection is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from runner.hosts.answer import Answer, collect
from runner.hosts.runs import decoded
from runner.hosts.settings import Host
from runner.hosts.ssh import control_folder, remote_line, ssh_command
from runner.model.refusal import Refusal
from tests import builders as b
from tests.hosts import FakeSsh
from tests.security.test_no_shell import INJECTIONS
from tui.cli.main import main


@pytest.mark.parametrize(
    "name", ["-oProxyCommand=x", "--", "a b", "a\nb", "\x1b[2J", "", "x" * 300, "$(x)", "`x"]
)
def test_no_such_name_reaches_ssh(name: str) -> None:
    with pytest.raises(Refusal, match="host name"):
        ssh_command(Host(name), ("runs",))


@pytest.mark.parametrize("evil", INJECTIONS)
def test_the_shell_there_executes_nothing_of_a_word(evil: str, tmp_path: Path) -> None:
    word = evil.format(tmp_path / "executed")
    line = remote_line(Host("gpu", ("printf", "%s"), f"/{word}"), (word,))
    done = subprocess.run(["sh", "-c", line], capture_output=True, cwd=tmp_path)
    assert done.stdout.decode() == word
    assert list(tmp_path.iterdir()) == []


def test_what_a_host_sends_is_bounded() -> None:
    flood = [sys.executable, "-S", "-c", "import os\nwhile 1: os.write(1, b'x' * 65536)"]
    done = collect(flood, limit_bytes=1 << 20, patience_s=20)
    assert (len(done.output), done.problem) == (1 << 20, "sent more than 1 MiB")


@pytest.mark.parametrize("run_id", ["-x", "--theme=x", "a b", "../x"])
def test_an_id_of_a_host_is_never_an_option(run_id: str) -> None:
    row = {**msgspec.to_builtins(b.listing()), "id": run_id}
    assert decoded("gpu", Answer(0, json.dumps({"schema": 1, "runs": [row]}).encode()))[0] == ()


def test_what_a_host_prints_is_cleaned(
    fake_ssh: FakeSsh, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]52;c;eA==\x07\x1b[2J\u202e\x9b2Jx\r\n"
    fake_ssh.host("gpu", prints=evil, says=evil, exits=0)
    assert main(["show", "last", "--host", "gpu"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("x\n", "x\n")


@pytest.mark.parametrize("what", ["open", "a link", "a file"])
def test_a_connection_that_others_could_use_is_not_shared(
    what: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the socket has the host."""
    base = Path(f"/tmp/hosts-{os.getpid()}-{abs(hash(what)) % 10_000}")
    base.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    target, place = base / "other", base / "plasma-tui"
    target.mkdir(mode=0o700)
    try:
        assert control_folder() == place
        place.rmdir()
        if what == "open":
            place.mkdir()
            place.chmod(0o777)
        elif what == "a link":
            place.symlink_to(target)
        else:
            place.write_text("")
        assert control_folder() != place
    finally:
        subprocess.run(["rm", "-r", str(base)], check=True)
