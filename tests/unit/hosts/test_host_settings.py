"""`[hosts]` of config.toml: what is understood, and every refusal with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config.errors import ConfigError
from runner.hosts.settings import Host, known_hosts, named_hosts, read_hosts
from runner.model.refusal import Refusal


def written(text: str, home: Path) -> Path:
    path = home / "config" / "plasma-tui" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_a_file_there_are_no_hosts() -> None:
    assert read_hosts() == ()


def test_a_host_is_a_name_of_ssh_with_an_optional_command_and_home(isolated_home: Path) -> None:
    written(
        '[hosts.gpu1]\n[hosts."me@box.example.org"]\ncommand = "~/venv/bin/plasma-tui --ascii"\n'
        'home = "/data/plasma"\n',
        isolated_home,
    )
    assert known_hosts() == (
        Host("gpu1"),
        Host("me@box.example.org", ("~/venv/bin/plasma-tui", "--ascii"), "/data/plasma"),
    )


REFUSED = {
    'hosts = "gpu"': ":1: hosts is text, not a table; write [hosts] on its own line",
    "\n[host.gpu]": ":2: host is unknown; did you mean hosts?",
    '[hosts]\ngpu = "x"': ":2: [hosts] gpu is not a table; write [hosts.gpu] on its own line",
    '[hosts]\n\n[hosts."-oProxyCommand=x"]': ":3: [hosts] -oProxyCommand=x begins with `-`",
    '[hosts."a b"]': ":1: [hosts] a b contains a space or a control character",
    '[hosts."a;b"]': ":1: [hosts] a;b contains ;",
    '[hosts.""]': ":1: [hosts]  is empty",
    "[hosts.box.example.org]": ':1: [hosts] box holds a table; put a name with dots in quotes',
    "[hosts.gpu]\ncomand = 'x'": ":2: [hosts.gpu] comand is unknown; did you mean command?",
    "[hosts.gpu]\ncommand = 3": ":2: [hosts.gpu] command is an integer",
    "[hosts.gpu]\ncommand = '-x'": ":2: [hosts.gpu] command begins with no program",
    "[hosts.gpu]\ncommand = \"a 'b\"": ":2: [hosts.gpu] command cannot be read as words",
    "[hosts.gpu]\nhome = 'data'": ':2: [hosts.gpu] home is "data"; use an absolute path',
    "[hosts.gpu]\nhome = \"/a\\nb\"": ":2: [hosts.gpu] home contains a control character",
    "[hosts.gpu\n": ":1: not valid TOML",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_file_is_refused_with_its_line(text: str, isolated_home: Path) -> None:
    path = written(text, isolated_home)
    with pytest.raises(ConfigError) as refused:
        read_hosts()
    assert f"{path}{REFUSED[text]}" in str(refused.value)


def test_all_problems_are_named_at_once(isolated_home: Path) -> None:
    written("[hosts.gpu]\nhome = 'data'\ncommand = 3\n", isolated_home)
    with pytest.raises(Refusal, match=r":2: .*\(and 1 more\)"):
        known_hosts()


def test_a_named_host_needs_no_file_and_has_what_the_file_says(isolated_home: Path) -> None:
    written("[hosts.gpu]\nhome = '/data'\n", isolated_home)
    assert named_hosts(["other", "gpu", "other"]) == (Host("other"), Host("gpu", home="/data"))
