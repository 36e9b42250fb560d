"""`[notify]` of plasma.toml: what it means, what is refused, and what of it is kept with a run."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.catalog import FlagCatalog
from runner.config.channels import Channels, read_channels, write_channels
from runner.config.errors import ConfigError
from runner.config.hiding import without_addresses
from runner.config.load import load_config
from runner.config.model import Config
from runner.model import NotifyRules
from runner.store.rundir import RunDir

LEAST = '[trainer]\nsd_scripts = "sd"\n'
TOKEN = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"


def read(folder: Path, notify: str, more: str = "") -> Config:
    path = folder / "plasma.toml"
    path.write_text(f"{LEAST}{more}[notify]\n{notify}", encoding="utf-8")

    def no_flags(trainer: object) -> FlagCatalog | None:
        return None

    return load_config(path, known_flags=no_flags)


def refused(folder: Path, notify: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, notify)
    return str(caught.value)


def test_all_of_it(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        'on = ["failed", "waiting"]\nbell = false\nterminal = "osc777"\nper_hour = 3\n'
        "command = \"notify-send 'plasma tui' $PLASMA_TEXT\"\n"
        'ntfy = "https://ntfy.sh/my-topic/"\nntfy_token_file = "token"\nntfy_priority = 4\n'
        'apprise_env = "APPRISE_URLS"\n',
        "[smoke]\ngate = true\n",
    )
    assert config.notify == NotifyRules(("failed", "waiting"), False, "osc777", 3, True)
    assert config.channels == Channels(
        command=("notify-send", "plasma tui", "$PLASMA_TEXT"),
        ntfy="https://ntfy.sh/my-topic",
        ntfy_token_file=str(tmp_path / "token"),
        ntfy_priority="high",
        apprise_env="APPRISE_URLS",
    )
    assert config.channels.names == ("command", "ntfy", "apprise")


def test_without_a_word_ends_that_matter_are_told_and_nothing_is_sent(tmp_path: Path) -> None:
    config = read(tmp_path, "")
    assert config.notify == NotifyRules()
    assert "stopped" not in config.notify.on
    assert config.channels.names == ()
    assert read(tmp_path, "on = []\n").notify.on == ()


def test_a_command_beside_the_file_is_found_from_anywhere(tmp_path: Path) -> None:
    assert read(tmp_path, 'command = ["./tell.sh", "a b"]\n').channels.command == (
        str(tmp_path / "tell.sh"),
        "a b",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'ntfy_token = "{TOKEN}"\n', 'ntfy_token_env = "NTFY_TOKEN"'),
        (f'token = "{TOKEN}"\n', "ntfy_token_file ="),
        ('apprise = "tgram://123456/abcdef"\n', "apprise_file ="),
        ('apprise_urls = ["mailto://me:pass@x"]\n', 'apprise_env = "APPRISE_URLS"'),
        ('ntfy = "https://me:hunter2@ntfy.sh/topic"\n', "ntfy_token_env"),
        (f'ntfy = "https://ntfy.sh/topic?auth={TOKEN}"\n', "ntfy_token_env"),
        (f'ntfy = "https://ntfy.sh/t"\nntfy_token_env = "{TOKEN}"\n', "is not a variable name"),
        (f'ntfy = "https://ntfy.sh/t"\nntfy_token_file = "{TOKEN}"\n', "is not a file path"),
        (f"command = \"curl -H 'Authorization: Bearer {TOKEN}' https://x\"\n", "process list"),
        ('command = ["send", "--token", "hunter2hunter2"]\n', "process list"),
        ('command = "curl https://api.telegram.org/bot123456:hunter2/send"\n', "process list"),
        ('command = "curl https://hooks.slack.com/services/T0/B0/hunter2"\n', "process list"),
    ],
)
def test_a_secret_in_the_file_is_refused_with_the_way_out_and_not_repeated(
    tmp_path: Path, text: str, said: str
) -> None:
    told = refused(tmp_path, text)
    assert told.count("\n") == 0 and "plasma.toml:" in told
    assert said in told
    for secret in (TOKEN, "hunter2", "abcdef", "me:pass"):
        assert secret not in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('ntfy = "ntfy.sh/topic"\n', 'write it as "https://ntfy.sh/your-own-topic"'),
        ('ntfy = "https://ntfy.sh/"\n', "is not a topic address"),
        ('ntfy = "ftp://ntfy.sh/topic"\n', "is not a topic address"),
        ('ntfy = "https://ntfy.sh:port/topic"\n', "is not a topic address"),
        ('ntfy_priority = "high"\n', "does nothing without ntfy"),
        (
            'ntfy = "https://ntfy.sh/t"\nntfy_priority = 6\n',
            "ntfy_priority is 6; use an integer of 1 to 5",
        ),
        ('ntfy = "https://ntfy.sh/t"\nntfy_priority = "loud"\n', 'choose one of "min", "low"'),
        ('command = "say \'never closed"\n', "has a quote that is never closed"),
        ("command = []\n", "is empty"),
        ('command = ["a", 1]\n', "must be text, or a list of text"),
        ('command = "a\\u0000b"\n', "contains a null byte"),
        ('terminal = "kitty"\n', 'choose one of "auto", "osc9"'),
        ("per_hour = 0\n", "at least 1"),
        ('apprise_file = "a"\napprise_env = "B"\n', "are both given; remove one of them"),
        ('comand = "x"\n', "did you mean command?"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    told = refused(tmp_path, text)
    assert told.count("\n") == 0 and said in told


# --------------------------------------------------------------------------- what is kept

SECRETS = """\
name = "spyke" # a name
[notify] # my secret-topic-a
on = ["failed", # secret-b
  "finished"]
ntfy = "https://ntfy.sh/secret-topic-c" # secret-d
# ntfy = "https://ntfy.sh/secret-topic-e"
command = [
  "tell",
  "secret-f", # secret-g

  '''secret-h
= secret-i'''
]
bell = true
ntfy_token_env = "NTFY_TOKEN"
ntfy_token_file = "secret-j"

[train] # kept
output_name = "ntfy"
"""


def test_what_is_kept_of_the_file_has_its_lines_and_none_of_its_addresses() -> None:
    kept = without_addresses(SECRETS)
    assert "secret" not in kept
    assert kept.count("\n") == SECRETS.count("\n")
    before, after = tomllib.loads(SECRETS), tomllib.loads(kept)
    assert {k: v for k, v in after.items() if k != "notify"} == {
        k: v for k, v in before.items() if k != "notify"
    }
    assert after["notify"]["bell"] is True
    assert after["notify"]["ntfy_token_env"] == "NTFY_TOKEN"
    assert kept.splitlines()[16:] == SECRETS.splitlines()[16:]


@pytest.mark.parametrize(
    "text",
    [
        'notify = { on = ["failed"], ntfy = "https://ntfy.sh/secret-a", command = "secret-b" }\n',
        'notify.ntfy = "https://ntfy.sh/secret-a"\nname = "x"\n',
        '"notify"."ntfy" = "https://ntfy.sh/secret-a"\n',
        '[ notify ]\n"ntfy"="https://ntfy.sh/secret-a"\n[train]\na = 1\n',
        '[notify]\nntfy = """\\\n  https://ntfy.sh/secret-a"""\n[train]\nb = "x"\n',
        '[notify]\ncommand = ["secret-a",\n"secret-b"] # secret-c\nbell = true # secret-d\n',
        '[notify]\r\nntfy = "https://ntfy.sh/secret-a"\r\n[train]\r\nb = 1\r\n',
        '[notify]\ncommand = [\n"a",\n"secret-a=",\n"secret-b\\"="\n]\n[train]\nb = 1\n',
        '# the topic secret-x is fine above\n[notify]\nntfy = "secret-a"\n'.replace(
            "secret-x", "x"
        ),
        '[notify]\nntfy = "https://ntfy.sh/secret-a"\nntfy = broken',
    ],
)
def test_every_way_of_writing_it_is_hidden(text: str) -> None:
    kept = without_addresses(text)
    assert "secret" not in kept
    assert kept.count("\n") == text.count("\n")


def test_a_file_without_notices_is_kept_as_it_is() -> None:
    text = 'name = "notify" # [notify]\r\n[train]\noutput_name = "a"\n'
    assert without_addresses(text) == text


_WORDS = st.text(st.sampled_from("abc =#[]{}'\"\\\n,."), min_size=0, max_size=12)


@given(st.lists(_WORDS, min_size=1, max_size=4), st.booleans())
def test_no_quoting_brings_a_secret_out(words: list[str], inline: bool) -> None:
    values = ["SECRET123" + word for word in words]

    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'

    listed = ("," if inline else ",\n").join(quoted(value) for value in values)
    text = f"[notify]\ncommand = [{listed}]\n[train]\na = 1\n"
    kept = without_addresses(text)
    assert "SECRET123" not in kept
    assert tomllib.loads(kept)["train"] == {"a": 1}


def test_where_notices_go_is_for_its_owner_alone(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert read_channels(run) == Channels()
    before = os.umask(0)
    try:
        write_channels(run, Channels(ntfy="https://ntfy.sh/topic", command=("a", "b")))
    finally:
        os.umask(before)
    assert stat.S_IMODE(run.notify.stat().st_mode) == 0o600
    assert read_channels(run) == Channels(ntfy="https://ntfy.sh/topic", command=("a", "b"))
    assert [path.name for path in tmp_path.iterdir()] == ["notify.json"]


def test_a_prepared_run_keeps_the_rules_and_hands_the_addresses_on_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    from runner.control import begin as preparing

    monkeypatch.setattr(preparing, "trainer_versions", lambda *where: {})
    notify = 'on = ["failed"]\nntfy = "https://ntfy.sh/secret-topic"\ncommand = "tell secret-b"\n'
    prepared = preparing.prepare(read(tmp_path, notify))
    assert prepared.channels.ntfy == "https://ntfy.sh/secret-topic"
    assert prepared.spec.notify.on == ("failed",)
    assert b"secret" not in msgspec.json.encode(prepared.spec)
    assert 'ntfy = "(hidden)"' in (prepared.spec.config_text or "")
