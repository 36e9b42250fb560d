"""`--host` and the hosts of config.toml, as they are typed. The other machines are a fake `ssh`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.store.registry import run_paths
from scripts.bench.many_runs import make_runs
from tests.hosts import FakeSsh
from tui.cli import hosts as verbs
from tui.cli.hosts import without_host
from tui.cli.main import main

Captured = pytest.CaptureFixture[str]
Configure = Callable[[str], None]


@pytest.fixture
def configure(isolated_home: Path) -> Configure:
    def write(text: str) -> None:
        path = isolated_home / "config" / "plasma-tui" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


@pytest.fixture
def far(fake_ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[Path]]:
    """Runs on a host."""

    def make(name: str, count: int) -> list[Path]:
        with monkeypatch.context() as there:
            there.setenv("PLASMA_HOME", str(fake_ssh.host(name)))
            return make_runs(count, seed=hash(name) % 100)

    return make


Far = Callable[[str, int], list[Path]]


# --------------------------------------------------------------------------- runs


def test_runs_of_several_machines_are_one_list(
    far: Far, configure: Configure, capsys: Captured
) -> None:
    make_runs(2)
    far("gpu1", 1)
    far("gpu2", 2)
    configure("[hosts.gpu1]\n[hosts.gpu2]\n")
    assert main(["runs"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].split()[:3] == ["run", "host", "state"]
    words = shown.out.split()
    assert (words.count("gpu1"), words.count("gpu2"), shown.err) == (1, 2, "")
    assert len(shown.out.splitlines()) == 6


def test_equal_ids_of_two_machines_are_two_runs(
    fake_ssh: FakeSsh, configure: Configure, capsys: Captured, isolated_home: Path
) -> None:
    (run,) = make_runs(1)
    fake_ssh.host("gpu", home=str(isolated_home))
    configure("[hosts.gpu]\n")
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.count(run.name) == 2


def test_json_has_the_runs_of_other_machines_only_if_they_are_named(
    far: Far, configure: Configure, fake_ssh: FakeSsh, capsys: Captured
) -> None:
    """What reads it acts on this machine; and hosts that list each other would never end."""
    make_runs(1)
    (there,) = far("gpu", 1)
    configure("[hosts.gpu]\n")
    assert main(["runs", "--json"]) == 0
    assert [one["remote"] for one in json.loads(capsys.readouterr().out)["runs"]] == [""]
    assert fake_ssh.calls == []
    assert main(["runs", "--json", "--host", "gpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["remote"], one["id"]) for one in found["runs"]] == [("gpu", there.name)]
    assert [(one["name"], one["problem"], one["total"]) for one in found["hosts"]] == [
        ("gpu", None, 1)
    ]


def test_a_host_that_does_not_answer_is_one_line_and_its_last_list_stays(
    far: Far, fake_ssh: FakeSsh, capsys: Captured
) -> None:
    far("gpu", 2)
    assert main(["runs", "--host", "gpu"]) == 0
    capsys.readouterr()
    fake_ssh.host("gpu", exits=255, says="ssh: connect to gpu: timed out\n")
    assert main(["runs", "--host", "gpu"]) == 1
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 3
    assert shown.err.startswith("gpu: no answer; its runs as of ")
    assert shown.err.endswith(" (connect to gpu: timed out)\n")


def test_a_host_without_an_answer_is_not_said_to_have_no_runs(
    far: Far, fake_ssh: FakeSsh, capsys: Captured
) -> None:
    fake_ssh.host("gpu", exits=255, says="ssh: connect to gpu: timed out\n")
    assert main(["runs", "--host", "gpu"]) == 1
    assert capsys.readouterr().err == "gpu: no answer (connect to gpu: timed out)\n"
    far("gpu2", 0)
    assert main(["runs", "--host", "gpu", "--host", "gpu2"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == "no runs on gpu2"


def test_hosts_that_nobody_named_are_not_waited_for(
    far: Far,
    fake_ssh: FakeSsh,
    configure: Configure,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verbs, "PATIENCE_S", 0.5)
    make_runs(1)
    fake_ssh.host("slow", hangs=True, ignores=True)
    configure("[hosts.slow]\n")
    assert main(["runs"]) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2
    assert shown.err == "slow: no answer (no answer within 0 s; --host waits for it)\n"


def test_a_wrong_config_does_not_hide_the_runs_of_this_machine(
    configure: Configure, capsys: Captured
) -> None:
    make_runs(1)
    configure("[hosts]\ngpu = 1\n")
    assert main(["runs"]) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2
    assert "config.toml:2: [hosts] gpu is not a table" in shown.err
    assert main(["runs", "--host", "gpu"]) == 2


def test_what_a_host_sends_cannot_drive_the_terminal(fake_ssh: FakeSsh, capsys: Captured) -> None:
    evil = "\x1b]0;pwned\x07\x1b[2J\u202e\x9b2J"
    fake_ssh.host("gpu", prints=evil, says=evil, exits=255)
    assert main(["runs", "--host", "gpu"]) == 1
    assert main(["show", "last", "--host", "gpu"]) == 1
    shown = capsys.readouterr()
    assert not set(shown.out + shown.err) & set("\x1b\x07\u202e\x9b")


# --------------------------------------------------------------------------- the other verbs


def test_show_runs_there_with_all_its_words_and_its_exit_code(
    far: Far, fake_ssh: FakeSsh, capsys: Captured
) -> None:
    (run,) = far("gpu", 1)
    assert main(["show", "--host", "gpu", run.name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == run.name
    assert fake_ssh.calls[-1][2] == f"plasma-tui show {run.name} --json"
    assert main(["show", "no such run", "--host=gpu"]) == 3
    assert "no run 'no such run'" in capsys.readouterr().err
    assert fake_ssh.calls[-1][2] == "plasma-tui show 'no such run'"
    assert run_paths() == []


def test_start_needs_a_file_there(fake_ssh: FakeSsh, capsys: Captured) -> None:
    home = fake_ssh.host("gpu")
    assert main(["start", "--host", "gpu"]) == 2
    assert "--host needs --config FILE" in capsys.readouterr().err
    assert main(["start", "--host", "gpu", "--config", "sets/plasma.toml"]) == 3
    assert capsys.readouterr().err == f"plasma-tui: no sets/plasma.toml in {home}\n"


def test_attach_hands_the_terminal_to_the_screen_there(
    fake_ssh: FakeSsh, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.cli.screen.need_terminal", lambda instead: None)
    monkeypatch.delenv("COLORTERM", raising=False)
    fake_ssh.host("gpu", exits=0)
    assert main(["--ascii", "attach", "attach", "--host", "gpu", "--read-only"]) == 0
    options, host, line = fake_ssh.calls[-1]
    assert (host, line) == ("gpu", "plasma-tui attach --ascii attach --read-only")
    assert "-t" in options and "BatchMode=yes" not in options
    fake_ssh.host("gpu", exits=255)
    assert main(["attach", "last", "--host", "gpu"]) == 1
    assert capsys.readouterr().err == "plasma-tui: gpu: ssh could not connect\n"


def test_after_a_start_the_way_to_its_screen_is_shown(fake_ssh: FakeSsh, capsys: Captured) -> None:
    fake_ssh.host("gpu", exits=0, prints="20261130-201943-spyke-62ec\n")
    assert main(["start", "--host", "gpu", "--config", "a.toml"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "20261130-201943-spyke-62ec\n"
    assert shown.err == "from here: `plasma-tui attach --host gpu last`\n"


def test_a_host_without_the_program_says_what_to_set(fake_ssh: FakeSsh, capsys: Captured) -> None:
    fake_ssh.host("gpu", exits=127)
    assert main(["stop", "last", "--host", "gpu"]) == 1
    assert (
        "gpu: plasma-tui was not found there; set command in [hosts.gpu]" in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["-oProxyCommand=touch x", "a b", "a\x1bb", "$(touch x)", ""])
def test_a_name_that_is_none_never_reaches_ssh(
    name: str, fake_ssh: FakeSsh, capsys: Captured
) -> None:
    for words in (["runs"], ["show", "last"], ["attach", "last"]):
        assert main([*words, f"--host={name}"]) in (1, 2)
        assert "host name" in capsys.readouterr().err
    assert fake_ssh.calls == []


def test_one_host_at_a_time_but_for_runs(fake_ssh: FakeSsh, capsys: Captured) -> None:
    assert main(["stop", "last", "--host", "a", "--host", "b"]) == 2
    assert "stop takes one --host" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        (["show", "--host", "gpu", "a"], ["show", "a"]),
        (["show", "--host=gpu", "a", "--json"], ["show", "a", "--json"]),
        (["show", "--hos", "gpu", "a"], ["show", "a"]),
        (["show", "--", "--host", "gpu"], ["show", "--", "--host", "gpu"]),
        (["start", "--force", "a reason", "-c", "x"], ["start", "--force", "a reason", "-c", "x"]),
    ],
)
def test_the_words_go_there_without_the_host(typed: list[str], left: list[str]) -> None:
    assert without_host(typed) == left
