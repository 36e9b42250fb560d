"""`plasma-tui notify`, with a real server and a real command; and the line of the preflight."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.config.channels import Channels
from runner.notify import apprise_
from runner.preflight.checks.reporting import judge_notices as judge
from tests.web import web
from tui.cli.main import main

SECRET = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"
LEAST = 'name = "spyke [/x]"\n[trainer]\nsd_scripts = "embedded"\n[notify]\n'


@pytest.fixture(autouse=True)
def unknown_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY", "SSH_CONNECTION", "KITTY_WINDOW_ID", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "foot")


def config(folder: Path, notify: str) -> str:
    path = folder / "plasma.toml"
    path.write_text(LEAST + notify)
    return str(path)


def tell(folder: Path, code: int) -> str:
    path = folder / "tell.sh"
    path.write_text(f"#!/bin/sh\necho {SECRET}\ncat > {folder}/told\nexit {code}\n")
    path.chmod(0o755)
    return "./tell.sh"


def test_a_test_tries_all_and_says_per_channel_what_came_of_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    with web(200) as server:
        path = config(
            tmp_path,
            f'command = "{tell(tmp_path, 3)}"\nntfy = "{server.address}/my-topic"\n'
            'ntfy_token_env = "MY_TOKEN"\n',
        )
        assert main(["notify", "--test", "--config", path]) == 1
        assert server.asked[0].headers["Authorization"] == f"Bearer {SECRET}"
        assert server.asked[0].headers["Title"] == "spyke [/x]: test notification"
    out, err = capfd.readouterr()
    assert out.splitlines() == [
        "command   FAILED  tell.sh ended with exit code 3",
        "ntfy      ok      sent to 127.0.0.1",
    ]
    assert SECRET not in out + err and "my-topic" not in out + err
    assert (
        (tmp_path / "told").read_text().startswith("spyke [/x]: test notification\nThis is a test")
    )


def test_all_well_is_exit_0_and_no_channel_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, f'command = "{tell(tmp_path, 0)}"\n')
    assert main(["notify", "--test", "--config", path]) == 0
    assert main(["notify", "--test", "--config", config(tmp_path, "")]) == 0
    assert "no channel configured" in capfd.readouterr().err


def test_without_test_nothing_is_sent_and_nothing_secret_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = config(
        tmp_path,
        f'command = "{tell(tmp_path, 0)} --hush-hush"\nntfy = "https://ntfy.sh/my-topic"\n'
        'ntfy_token_file = "t"\napprise_env = "URLS"\n',
    )
    assert main(["notify", "--config", path]) == 0
    out = capfd.readouterr().out
    assert out.splitlines() == [
        "events    finished, failed, diverged, killed, stalled, waiting",
        "terminal  bell and OSC 777",
        "command   tell.sh",
        f"ntfy      a topic of ntfy.sh, token from {tmp_path}/t",
        "apprise   addresses from URLS",
    ]
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize("verb", [["notify"], ["notify", "--test"]])
def test_a_broken_file_is_one_sentence(
    tmp_path: Path, verb: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb, "--config", config(tmp_path, f'ntfy_token = "{SECRET}"\n')]) == 1
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and "ntfy_token_env" in err and SECRET not in err
    assert main([*verb, "--config", str(tmp_path / "no/plasma.toml")]) == 1


# --------------------------------------------------------------------------- preflight


def test_what_would_not_arrive_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setattr(apprise_, "installed", lambda: False)
    plain = tmp_path / "plain.sh"
    plain.write_text("")
    for channels, said in (
        (Channels(("no-such-program-here",)), "no-such-program-here is not found on PATH"),
        (Channels((str(tmp_path / "x.sh"),)), "x.sh is not there"),
        (Channels((str(plain),)), "plain.sh is not executable"),
        (Channels(ntfy="https://n/t", ntfy_token_file=str(tmp_path / "t")), "t cannot be read"),
        (Channels(ntfy="https://n/t", ntfy_token_env="NOT_SET"), "NOT_SET is not set"),
        (Channels(apprise_file=str(plain)), "plain.sh is empty"),
        (Channels(apprise_env="PATH"), "apprise is not installed"),
    ):
        found = judge(channels)
        assert found.status == "warn" and said in found.detail, channels
        assert found.detail.endswith(".") and "notify --test" in found.advice


def test_what_will_arrive_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    assert judge(Channels()).status == "skip"
    good = judge(Channels((sys.executable,), ntfy="https://n/t", ntfy_token_env="MY_TOKEN"))
    assert (good.status, good.evidence) == ("pass", "command, ntfy")
    clear = judge(Channels(ntfy="http://n/t", ntfy_token_env="MY_TOKEN"))
    assert clear.status == "warn" and "unencrypted" in clear.detail
