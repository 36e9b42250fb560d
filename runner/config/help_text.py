"""`SCRIPT --help`, as argparse prints it, back into flags: the last resort, because types are not in it.

Meant for a text without line breaks inside an option (COLUMNS=500).
"""

from __future__ import annotations

import re

from runner.config.catalog import Flag

#: `  -s S, --steps S   text`; a long invocation has its text on the next line
_OPTION = re.compile(r" {1,4}(?:-\w[^,]*, )*--(?P<name>[A-Za-z][\w-]*)(?P<rest>.*)")
_CHOICES = re.compile(r"\{([^}]*)\}")
_MANY = re.compile(r"\.\.\.")


def parse_help(text: str) -> tuple[Flag, ...]:
    """Every `--option` of the text but --help, in its order; empty when it is no such text."""
    found: list[Flag] = []
    lines = text.splitlines()
    for index, line in enumerate(lines):
        match = _OPTION.match(line)
        if match is None or match["name"] == "help":
            continue
        invocation, help_text = _split(match["rest"])
        if not help_text and index + 1 < len(lines) and lines[index + 1].startswith(" " * 10):
            help_text = lines[index + 1].strip()
        found.append(_flag(match["name"], invocation, help_text))
    return tuple(found)


def _split(rest: str) -> tuple[str, str]:
    """The metavar and the help behind it, two spaces or more apart."""
    metavar, _, help_text = rest.partition("  ")
    return metavar.strip(" ="), help_text.strip()


def _flag(name: str, metavar: str, help_text: str) -> Flag:
    choices = _CHOICES.match(metavar)
    many = bool(_MANY.search(metavar))
    nargs = "*" if many else "?" if metavar.startswith("[") else None
    return Flag(
        name=name,
        # Without its type a choice can only be compared as text.
        kind="str" if choices else None,
        nargs=0 if not metavar else nargs,
        bare=not metavar,
        choices=tuple(choices[1].split(",")) if choices else None,
        help=help_text,
        dest=name.replace("-", "_"),
    )
