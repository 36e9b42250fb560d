"""Command line flags by their own names: what a value may be, and how it is written for argparse.

`true` is a bare flag, `false` leaves it out, a list is several values, numbers and text are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

FlagScalar = int | float | str
FlagValue = bool | int | float | str | tuple[FlagScalar, ...]
Flags = Mapping[str, FlagValue]

# argparse takes a dash for the start of the next flag unless the rest is a plain number.
_NEGATIVE_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


def plain_name(name: str) -> str:
    """`--max-train-epochs` as sd-scripts spells it: `max_train_epochs`."""
    return name.lstrip("-").replace("-", "_")


def scalar_text(value: FlagScalar) -> str:
    """As argparse's int and float read it back."""
    return str(value)


def unpassable(values: Sequence[FlagScalar]) -> str | None:
    """The value of a list that argparse would take for a flag; None when all can be passed."""
    if len(values) < 2:
        return None
    for value in map(scalar_text, values):
        if value.startswith("-") and not _NEGATIVE_NUMBER.match(value):
            return value
    return None


def to_arguments(flags: Flags) -> list[str]:
    """`--name=value`, because a value after a space may not begin with a dash; lists of several
    values as `--name a b`."""
    arguments: list[str] = []
    for name, value in flags.items():
        if isinstance(value, bool):
            arguments += [f"--{name}"] if value else []
        elif isinstance(value, tuple):
            if len(value) == 1:
                arguments.append(f"--{name}={scalar_text(value[0])}")
            elif value:
                arguments += [f"--{name}", *map(scalar_text, value)]
        else:
            arguments.append(f"--{name}={scalar_text(value)}")
    return arguments


def merged(flags: Flags, changes: Flags) -> dict[str, FlagValue]:
    """`changes` over `flags`; a change to `false` takes the flag out."""
    result = {**flags, **changes}
    return {name: value for name, value in result.items() if value is not False}


def with_flags(command: Sequence[str], changes: Flags) -> tuple[str, ...]:
    """A recorded command line with other flags of the script; the launcher's are not touched.

    Raises ValueError when the command names no script.
    """
    split = flags_begin(command)
    kept = _without(command[split:], changes.keys())
    return (*command[:split], *kept, *to_arguments(changes))


def flags_begin(command: Sequence[str]) -> int:
    """Index of the first flag of the script: behind the first `*.py` or `-m` module that is no
    launcher."""
    for index, word in enumerate(command):
        if index and not word.startswith("-") and (word.endswith(".py") or word in _MODULES):
            return index + 1
    raise ValueError(f"no script in the command: {' '.join(command)}")


_MODULES = frozenset({"runner.embedded"})


def _without(arguments: Sequence[str], names: Iterable[str]) -> list[str]:
    doomed = {f"--{name}" for name in names}
    kept: list[str] = []
    dropping = False
    for word in arguments:
        if word.startswith("--"):
            dropping = word.partition("=")[0] in doomed
        if not dropping:
            kept.append(word)
    return kept
