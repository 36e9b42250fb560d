"""`--name value ...` as argparse reads it -> flags by plain name, with the exact text of each value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from runner.config.flags import FlagScalar, FlagValue, plain_name, unpassable
from runner.config.paths import PATH_FLAGS, PATH_OR_NAME_FLAGS
from runner.trainers.sd_scripts.importers.model import Field

#: argparse takes a word with a dash for a flag, unless it is a number or holds a blank
_FLAG = re.compile(r"--?[A-Za-z]")
_OPTION = re.compile(r"--([A-Za-z][\w-]*)(=.*)?", re.S)
#: text even where it looks like a number: other parts of plasma-tui read them as text
TEXT_FLAGS = frozenset(
    {
        *PATH_FLAGS, *PATH_OR_NAME_FLAGS, "output_name", "resolution", "log_prefix", "comment",
        "training_comment", "wandb_run_name", "log_tracker_name", "metadata_title",
    }
)  # fmt: skip


@dataclass(slots=True)
class FlagWords:
    """`flags` in their order; `unmapped`: what could not be read, a sentence each."""

    flags: dict[str, FlagValue] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A flag whose values are still being collected."""

    name: str
    values: list[Field]
    closed: bool = False  # `--name=value` takes no further word


def read_flag_words(fields: Iterable[Field]) -> FlagWords:
    """Every flag of a command line, from behind the script's name."""
    told = FlagWords()
    current: _Open | None = None
    for word in fields:
        match = _OPTION.fullmatch(word.text)
        if word.text == "--" and not word.unknown:
            continue  # no script here takes words of its own behind it
        if match:
            _close(told, current)
            current = _Open(plain_name(match[1]), [])
            if match[2] is not None:
                current.values.append(Field(match[2][1:], word.unknown))
                current.closed = True
        elif current is None or current.closed or (word.unknown and current.values):
            told.unmapped.append(_stray(word))
        elif _FLAG.match(word.text) and " " not in word.text:
            told.unmapped.append(f"{word.text}: a short flag, which is not understood here")
        else:
            current.values.append(word)
    _close(told, current)
    return told


def _stray(word: Field) -> str:
    why = word.unknown[0] if word.unknown else "it belongs to no flag"
    return f"{word.text}: {why}"


def _close(told: FlagWords, flag: _Open | None) -> None:
    if flag is None:
        return
    unknown = [reason for value in flag.values for reason in value.unknown]
    if unknown:
        shown = " ".join(value.text for value in flag.values)
        told.unmapped.append(f"--{flag.name}={shown}: {unknown[0]}")
        return
    texts = [value.text for value in flag.values]
    if refusal := unwritable(flag.name, texts):
        told.unmapped.append(f"--{flag.name} {' '.join(texts)}".rstrip() + f": {refusal}")
        return
    value = flag_value(flag.name, texts)
    if flag.name in told.flags and told.flags[flag.name] != value:
        told.notes.append(f"--{flag.name} is given twice; the last one counts")
        del told.flags[flag.name]
    told.flags[flag.name] = value


def unwritable(name: str, texts: Sequence[str]) -> str | None:
    """Why plasma.toml cannot hold this flag; None: it can."""
    if name in PATH_FLAGS | PATH_OR_NAME_FLAGS and texts and not all(texts):
        return "the path is empty"
    if word := unpassable(texts):
        return f"a trainer would take {word} for a flag"
    return None


def flag_value(name: str, texts: Sequence[str]) -> FlagValue:
    """A flag's value from the words behind it: none is a switch, several are a list."""
    if not texts:
        return True
    scalars = tuple(scalar(name, text) for text in texts)
    return scalars if len(scalars) > 1 or name.endswith("_args") else scalars[0]


def scalar(name: str, text: str) -> FlagScalar:
    """A number where its text would come back the same (`64`, `0.5`), else the text (`1e-4`)."""
    if name in TEXT_FLAGS:
        return text
    for convert in (int, float):
        try:
            number: int | float = convert(text)
        except ValueError:
            continue
        if str(number) == text and number - number == 0:  # neither infinite nor nan
            return number
    return text
