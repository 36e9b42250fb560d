"""docs/commands.md: every verb with its options, made from the tables of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from scripts.docs import FROM, code, table
from tui.cli.parser import GROUPS, RUN_HELP, SCREEN, VERBS, Option
from tui.themes import theme_names

INTRO = f"""\
# Commands

Without a verb, `plasma-tui` opens the screen for ./plasma.toml, or your runs. `RUN` is {RUN_HELP}.

Results go to stdout, messages to stderr; `--json` prints one JSON object. Exit codes: 0 yes, 1 no (a failed
check, a run that didn't succeed), 2 wrong use, 3 not found. `plasma-tui --print-completion bash` prints a
completion script (also zsh, fish, tcsh).
"""
SCREEN_INTRO = """
## Options of the screen

Of `plasma-tui` itself, `demo`, `attach` and `replay`, before or after the verb.
"""


def page() -> str:
    verbs = {name: (text, options) for name, _, text, options in VERBS}
    lines = [FROM.format("tui/cli/parser.py"), INTRO]
    for title, names in GROUPS.items():
        lines += ["", f"## {title}"]
        for name in names:
            text, options = verbs[name]
            lines += [
                "",
                f"### {name}",
                "",
                f"{text[0].upper()}{text[1:]}.",
                "",
                *_usage(name, options),
            ]
    return "\n".join([*lines, SCREEN_INTRO, *_options(SCREEN)])


def _flat(options: Iterable[Option | list[Option]]) -> Iterator[Option]:
    for one in options:
        yield from one if isinstance(one, list) else [one]


def _usage(name: str, options: tuple[Option | list[Option], ...]) -> Iterator[str]:
    given = [one for one in _flat(options) if not one[0][0].startswith("-")]
    shown = " ".join(_argument(*one) for one in given)
    rest = "[OPTIONS]" if len(given) < len(options) else ""
    yield from ("```sh", " ".join(filter(None, ("plasma-tui", name, shown, rest))), "```", "")
    yield from _options(one for one in _flat(options) if one not in SCREEN)
    if SCREEN[0] in options:
        yield from ("", "And the [options of the screen](#options-of-the-screen).")


def _argument(flags: tuple[str, ...], words: dict[str, Any]) -> str:
    name = words.get("metavar", flags[0])
    many = {"+": f"{name} [{name} ...]", "*": f"[{name} ...]", "?": f"[{name}]"}
    return many.get(words.get("nargs", ""), str(name))


def _options(options: Iterable[Option]) -> list[str]:
    rows = [(_named(flags, words), _help(words)) for flags, words in options]
    return table(("option", "meaning"), rows) if rows else []


def _named(flags: tuple[str, ...], words: dict[str, Any]) -> str:
    choices = words.get("choices")
    value = words.get("metavar") or ("|".join(choices) if choices else "")
    if not flags[0].startswith("-"):
        return code(value)
    shown = f"[{value}]" if words.get("nargs") == "?" else value
    return ", ".join(code(f"{flag} {shown}".rstrip()) for flag in flags)


def _help(words: dict[str, Any]) -> str:
    text = str(words["help"])
    if text == "theme":
        text += f": {', '.join(theme_names())}"
    return text
