"""The channels, against a real server, real commands and an apprise that is made up."""

from __future__ import annotations

import sys
import time
import types
from email.header import decode_header
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from runner.config.channels import Channels
from runner.notify import apprise_, command, ntfy
from runner.notify.channel import Result
from runner.notify.message import Message
from runner.notify.sender import send_all, send_by
from tests.hostile import HOSTILE
from tests.web import CLOSE, HANG, web

TOKEN = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"
MESSAGE = Message(
    "end-1", "finished", "spyke: finished", "succeeded, 920 of 920 steps", "run-1", "spyke",
    "/runs/run-1", 0.0, "succeeded", 1, True,
)  # fmt: skip


def post(channels: Channels, message: Message = MESSAGE, timeout_s: float = 2.0) -> Result:
    quick = partial(ntfy.send, timeout_s=timeout_s, back_off_s=(0.0, 0.0), sleep=lambda s: None)
    return send_by("ntfy", quick, channels, message)


# --------------------------------------------------------------------------- ntfy


def test_ntfy_gets_title_text_priority_and_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with web(200) as server:
        result = post(
            Channels(ntfy=f"{server.address}/topic", ntfy_token_file=str(tmp_path / "token"))
        )
    assert result == Result("ntfy", True, "sent to 127.0.0.1")
    (asked,) = server.asked
    assert asked.path == "/topic"
    assert asked.body == "succeeded, 920 of 920 steps"
    assert asked.headers["Title"] == "spyke: finished"
    assert asked.headers["Priority"] == "default"
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


def test_what_went_wrong_is_urgent_unless_the_file_says_otherwise() -> None:
    failed = Message("k", "failed", "t", "x", "i", "n", "/p", 0.0)
    with web(200) as server:
        post(Channels(ntfy=f"{server.address}/t"), failed)
        post(Channels(ntfy=f"{server.address}/t", ntfy_priority="low"), failed)
    assert [asked.headers["Priority"] for asked in server.asked] == ["high", "low"]
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.parametrize("name", ["naïve 模型 🦔", "a" * 300, *HOSTILE])
def test_any_name_arrives_as_one_header(name: str) -> None:
    from runner.notify.message import trial_message

    message = trial_message(name)
    with web(200) as server:
        assert post(Channels(ntfy=f"{server.address}/t"), message).ok
    text, charset = decode_header(server.asked[0].headers["Title"])[0]
    shown = text.decode(charset or "ascii") if isinstance(text, bytes) else text
    assert shown == message.title
    assert len(shown) <= 80


@pytest.mark.parametrize(
    ("answers", "ok", "said", "tries"),
    [
        ((500, 502, 200), True, "sent to 127.0.0.1", 3),
        ((CLOSE, 200), True, "sent to 127.0.0.1", 2),
        ((429, 200), True, "sent to 127.0.0.1", 2),
        ((401,), False, "127.0.0.1 answered 401: the token is missing or not accepted", 1),
        ((403,), False, "127.0.0.1 answered 403: the token may not write this topic", 1),
        ((503,), False, "127.0.0.1 answered 503: server error", 3),
        ((CLOSE,), False, "127.0.0.1 closed the connection without an answer", 3),
        ((HANG,), False, "127.0.0.1 did not answer within 0.2 s", 3),
    ],
)
def test_what_a_server_does_is_told_and_tried_again_where_that_helps(
    answers: tuple[object, ...], ok: bool, said: str, tries: int
) -> None:
    with web(*answers) as server:
        result = post(Channels(ntfy=f"{server.address}/t"), timeout_s=0.2)
    assert result == Result("ntfy", ok, said)
    assert len(server.asked) == tries


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    with web(200) as other, web((code, f"{other.address}/stolen")) as server:
        result = post(Channels(ntfy=f"{server.address}/t", ntfy_token_env="MY_TOKEN"))
    assert not result.ok and f"answered {code}: it redirects" in result.text
    assert len(server.asked) == 1 and other.asked == []


def test_nobody_there_is_told_without_the_topic() -> None:
    result = post(Channels(ntfy="http://127.0.0.1:9/secret-topic"))
    assert result == Result("ntfy", False, "127.0.0.1 cannot be reached: Connection refused")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "token cannot be read: No such file or directory"),
        (b" \n", "token is empty"),
        (b"two words", "the token contains invalid characters"),
        (b"a\r\nX: y", "the token contains invalid characters"),
        (b"\xff\xfe", "the token contains invalid characters"),
    ],
)
def test_a_token_that_cannot_be_had_sends_nothing(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with web(200) as server:
        result = post(Channels(ntfy=f"{server.address}/t", ntfy_token_file=str(path)))
    assert result == Result("ntfy", False, said)
    assert server.asked == []


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    result = post(Channels(ntfy="http://127.0.0.1:9/t", ntfy_token_env="NOT_THERE"))
    assert result.text == "the variable NOT_THERE is not set for this process"


# --------------------------------------------------------------------------- command


def script(folder: Path, body: str) -> str:
    path = folder / "tell.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def told(channels: Channels, timeout_s: float = 10.0, message: Message = MESSAGE) -> Result:
    return send_by("command", partial(command.send, timeout_s=timeout_s), channels, message)


def test_a_command_is_told_by_arguments_variables_and_stdin(tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = script(tmp_path, f'(echo "$1|$2|$3"; env; cat) > {out}')
    channels = Channels(command=(program, "$PLASMA_TITLE", "${PLASMA_EVENT}", "x $PLASMA_TEXT"))
    assert told(channels) == Result("command", True, "tell.sh succeeded")
    lines = out.read_text().splitlines()
    assert lines[0] == "spyke: finished|finished|x $PLASMA_TEXT"
    assert {
        "PLASMA_RUN_ID=run-1",
        "PLASMA_RUN_NAME=spyke",
        "PLASMA_RUN_PATH=/runs/run-1",
        "PLASMA_EVENT=finished",
        "PLASMA_OUTCOME=succeeded",
        "PLASMA_SUMMARY=/runs/run-1/summary.md",
        "PLASMA_TEXT=succeeded, 920 of 920 steps",
    } <= set(lines)
    assert lines[-2:] == ["spyke: finished", "succeeded, 920 of 920 steps"]


def test_a_command_sees_no_secret_of_the_other_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    monkeypatch.setenv("MY_URLS", "json://secret")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    out = tmp_path / "out"
    program = script(tmp_path, f"env > {out}")
    told(Channels((program,), ntfy_token_env="MY_TOKEN", apprise_env="MY_URLS"))
    assert TOKEN not in out.read_text() and "json://secret" not in out.read_text()
    assert "PYTHONPATH=/mine\n" in out.read_text()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 3", "tell.sh ended with exit code 3"),
        ("kill -9 $$", "tell.sh was killed by signal 9"),
        (f"echo {TOKEN} >&2; exit 1", "tell.sh ended with exit code 1"),
    ],
)
def test_a_command_that_fails_is_told_without_its_words(
    tmp_path: Path, body: str, said: str
) -> None:
    assert told(Channels((script(tmp_path, body),))) == Result("command", False, said)


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = script(tmp_path, f"sleep 600 & echo $! $$ > {pids}; trap '' TERM; sleep 600")
    started = time.monotonic()
    result = told(Channels((program,)), timeout_s=0.5)
    assert time.monotonic() - started < 5
    assert result == Result("command", False, "tell.sh did not finish within 0.5 s and was stopped")
    started_by_it = [int(pid) for pid in pids.read_text().split()]
    while any(map(lives, started_by_it)):  # a kill takes a moment on a busy machine
        assert time.monotonic() - started < 10
        time.sleep(0.01)
    assert not [c for c in psutil.Process().children() if c.name().startswith("tell")]


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_endless_words_of_a_command_block_nothing(tmp_path: Path) -> None:
    program = script(tmp_path, "head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2")
    assert told(Channels((program,))).ok


def test_a_command_that_reads_nothing_or_leaves_somebody_behind_is_fine(tmp_path: Path) -> None:
    program = script(tmp_path, "exec 0<&-; sleep 5 & exit 0")
    started = time.monotonic()
    assert told(Channels((program,))).ok
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/no/such/program", "program cannot be started: No such file or directory"),
        ("/", "cannot be started: Permission denied"),
    ],
)
def test_a_program_that_is_not_there_is_named(program: str, said: str) -> None:
    assert told(Channels((program,))).text.strip() == said


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_can_be_handed_to_a_command(tmp_path: Path, name: str) -> None:
    from runner.notify.message import trial_message

    out = tmp_path / "out"
    program = script(tmp_path, f'printf "%s" "$1" > {out}')
    message = trial_message(name)
    assert told(Channels((program, "$PLASMA_RUN_NAME")), message=message).ok
    assert out.read_text() == message.run_name
    assert "\n" not in message.run_name and "\x1b" not in message.run_name


# --------------------------------------------------------------------------- apprise


def by_apprise(channels: Channels) -> Result:
    return send_by("apprise", apprise_.send, channels, MESSAGE)


class FakeApprise(types.ModuleType):
    """Takes what it is told; `outcome` is what notify() returns or raises."""

    def __init__(self, outcome: object) -> None:
        super().__init__("apprise")
        self.outcome, self.added, self.sent = outcome, [], []  # type: ignore[var-annotated]
        module = self

        class Apprise:
            def add(self, what: Any) -> None:
                module.added += [what] if isinstance(what, AppriseConfig) else what

            def __len__(self) -> int:
                return len(module.added)

            def notify(self, **words: str) -> object:
                module.sent.append(words)
                if isinstance(module.outcome, Exception):
                    raise module.outcome
                return module.outcome

        class AppriseConfig:
            def add(self, path: str) -> None:
                self.path = path

        self.Apprise, self.AppriseConfig = Apprise, AppriseConfig


@pytest.mark.parametrize(
    ("outcome", "ok", "said"),
    [
        (True, True, "sent"),
        (False, False, "an address did not accept the notification"),
        (None, False, "an address did not accept the notification"),
        (RuntimeError("tgram://secret"), False, "it failed (RuntimeError)"),
    ],
)
def test_apprise_gets_its_addresses_from_a_variable(
    outcome: object, ok: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeApprise(outcome)
    monkeypatch.setitem(sys.modules, "apprise", fake)
    monkeypatch.setenv("MY_URLS", "tgram://secret/1\nmailto://a:b@c")
    assert by_apprise(Channels(apprise_env="MY_URLS")) == Result("apprise", ok, said)
    assert fake.added == ["tgram://secret/1", "mailto://a:b@c"]
    assert fake.sent == [
        {"title": "spyke: finished", "body": MESSAGE.text, "notify_type": "success"}
    ]


def test_apprise_gets_its_addresses_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeApprise(True)
    monkeypatch.setitem(sys.modules, "apprise", fake)
    path = tmp_path / "apprise.yml"
    missing = by_apprise(Channels(apprise_file=str(path)))
    assert missing.text == "apprise.yml cannot be read: No such file or directory"
    path.write_text("urls: []")
    assert by_apprise(Channels(apprise_file=str(path))).ok
    assert fake.added[0].path == str(path)


def test_without_apprise_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert by_apprise(Channels(apprise_env="X")).text == apprise_.MISSING


# --------------------------------------------------------------------------- all of them


def test_a_channel_that_hangs_or_breaks_does_not_keep_the_others() -> None:
    def hangs(channels: Channels, message: Message) -> str:
        time.sleep(60)
        raise AssertionError

    def breaks(channels: Channels, message: Message) -> str:
        raise RuntimeError("https://ntfy.sh/secret-topic")

    def works(channels: Channels, message: Message) -> str:
        return "sent"

    channels = Channels(("x",), ntfy="http://x/t", apprise_env="X")
    senders = {"command": hangs, "ntfy": breaks, "apprise": works}
    started = time.monotonic()
    results = send_all(channels, MESSAGE, senders=senders, patience_s=0.3)
    assert time.monotonic() - started < 5
    assert results == (
        Result("command", False, "did not finish within 0.3 s"),
        Result("ntfy", False, "it failed (RuntimeError)"),
        Result("apprise", True, "sent"),
    )
