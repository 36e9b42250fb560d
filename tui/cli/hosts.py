"""`--host`: the same command on another machine, and the runs of several."""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from runner.hosts.answer import NO_CONNECTION, NO_PROGRAM, Answer, pump
from runner.hosts.runs import HostRuns, ask, remembered, why_not
from runner.hosts.settings import Host, known_hosts, named_hosts
from runner.hosts.ssh import attach_command, ssh_command
from tui.cli.common import say
from tui.cli.exits import NO, OK, WRONG_USE, Fail
from tui.cli.runs import Lines

#: how long `runs` waits for the hosts of config.toml; one named by --host may take as long as it needs
PATIENCE_S = 3.0
#: of a host's answer to `show` or `start`
LIMIT_BYTES = 64 << 20


def there(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Run this command on the one host that it names; its exit code is ours."""
    hosts = named_hosts(options.host)
    if len(hosts) != 1:
        raise Fail(f"{options.verb} takes one --host", WRONG_USE)
    words = without_host(arguments)
    if options.verb == "start" and not (options.config or getattr(options, "files", ())):
        raise Fail("--host needs --config FILE, a plasma.toml on that machine", WRONG_USE)
    if options.verb == "attach":
        return _attach(hosts[0], words)
    code = _relay(hosts[0], words)
    if options.verb == "start" and code == OK and not options.wait:
        say(f"from here: `plasma-tui attach --host {hosts[0].name} last`")
    return code


def without_host(arguments: Sequence[str]) -> list[str]:
    """The words of the command without `--host NAME`, however it was written."""
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*found, word, *words]
        name, sign, _ = word.partition("=")
        if len(name) > 3 and "--host".startswith(name):
            if not sign:
                next(words, None)
        else:
            found.append(word)
    return found


def _attach(host: Host, words: Sequence[str]) -> int:
    from tui.cli.screen import need_terminal

    need_terminal(f"`plasma-tui show --host {host.name} RUN` works without one")
    at = words.index("attach")
    try:
        code = subprocess.call(attach_command(host, [*words[:at], *words[at + 1 :]]))
    except OSError as error:
        raise Fail(f"ssh cannot be started: {error.strerror}") from None
    return _code(host, Answer(code))


def _relay(host: Host, words: Sequence[str]) -> int:
    """Lines as they come, cleaned: what a host prints must not drive this terminal."""
    streams = {"out": (sys.stdout, Lines()), "err": (sys.stderr, Lines())}
    kept, errors = 0, b""

    def take(name: str, data: bytes) -> str:
        nonlocal kept, errors
        kept += len(data)
        stream, lines = streams[name]
        if name == "err":
            errors = (errors + data)[-4096:]
        stream.write(lines.feed(data))
        stream.flush()
        return "" if kept <= LIMIT_BYTES else f"sent more than {LIMIT_BYTES >> 20} MiB"

    code, problem = pump(ssh_command(host, words), take)
    for stream, lines in streams.values():
        stream.write(lines.finish())
        stream.flush()
    return _code(host, Answer(code, error=errors, problem=problem))


def _code(host: Host, answer: Answer) -> int:
    code = answer.code
    if code is None or code < 0 or code in (NO_CONNECTION, NO_PROGRAM):
        raise Fail(f"{host.name}: {why_not(host.name, answer)}", NO)
    return code


# --------------------------------------------------------------------------- runs of several


def runs_of(names: Sequence[str]) -> tuple[HostRuns, ...]:
    """Of the named hosts, each waited for; without names of those in config.toml, as far as they answer at
    once. All are asked at the same time."""
    hosts = named_hosts(names) if names else known_hosts()
    found = {host.name: remembered(host.name) for host in hosts}
    over = threading.Event()

    def read(host: Host) -> None:
        answer = ask(host, found[host.name], cancelled=over)
        if not over.is_set():
            found[host.name] = answer

    threads = [threading.Thread(target=read, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_S
    for thread in threads:
        thread.join(None if names else max(0.0, deadline - time.monotonic()))
    slow = [host.name for host, thread in zip(hosts, threads, strict=True) if thread.is_alive()]
    over.set()
    for thread in threads:  # each ends its ssh
        thread.join(1.0)
    late = f"no answer within {PATIENCE_S:.0f} s; --host waits for it"
    return tuple(
        one.failed(late, time.time()) if one.host in slow else one for one in found.values()
    )
