"""`--name value ...` as argparse reads it -> flags by plain name, with the exact text of each value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.flags import FlagScalar, FlagValue, plain_name, unpassable
from runner.config.paths import PATH_FLAGS, PATH_OR_NAME_FLAGS
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.model import Draft, Field, with_paths

#: argparse takes a word with a dash for a flag, unless it is a number or holds a blank
_FLAG = re.compile(r"--?[A-Za-z][^ ]*", re.S)
_OPTION = re.compile(r"--([A-Za-z][\w-]*)(=.*)?", re.S)
#: text even where it looks like a number: other parts of plasma-tui read them as text
_TEXT_FLAGS = frozenset(
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

    def put(self, name: str, texts: Sequence[str], shown: str) -> None:
        """The flag with this text, or `shown` with the reason why plasma.toml cannot hold it."""
        if name in PATH_FLAGS | PATH_OR_NAME_FLAGS and texts and not all(texts):
            self.unmapped.append(f"{shown}: the path is empty")
        elif word := unpassable(texts):
            self.unmapped.append(f"{shown}: a trainer would take {word} for a flag")
        else:
            self.flags[name] = flag_value(name, texts)


def read_flag_words(fields: Iterable[Field]) -> FlagWords:
    """Every flag of a command line, from behind the script's name."""
    told = FlagWords()
    for name, values in _by_flag(fields, told.unmapped):
        texts = [value.text for value in values]
        if reasons := [reason for value in values for reason in value.unknown]:
            told.unmapped.append(f"--{name}={' '.join(texts)}: {reasons[0]}")
            continue
        before = told.flags.get(name)
        told.put(name, texts, f"--{name} {' '.join(texts)}".rstrip())
        if before not in (None, told.flags.get(name)):
            told.flags[name] = told.flags.pop(name)  # where the last one stands
            told.notes.append(f"--{name} is given twice; the last one counts")
    return told


def _by_flag(fields: Iterable[Field], stray: list[str]) -> Iterator[tuple[str, list[Field]]]:
    """Each flag with the words behind it; what belongs to none goes to `stray`."""
    name, values, closed = "", list[Field](), True  # `--name=value` takes no further word
    for word in fields:
        if match := _OPTION.fullmatch(word.text):
            if name:
                yield name, values
            name, closed = plain_name(match[1]), match[2] is not None
            values = [Field(match[2][1:], word.unknown)] if closed else []
        elif word.text == "--" and not word.unknown:
            continue  # no script here takes words of its own behind it
        elif closed or (word.unknown and values):
            why = word.unknown[0] if word.unknown else "it belongs to no flag"
            stray.append(f"{word.text}: {why}")
        elif _FLAG.fullmatch(word.text):
            stray.append(f"{word.text}: a short flag, which is not understood here")
        else:
            values.append(word)
    if name:
        yield name, values


def flag_value(name: str, texts: Sequence[str]) -> FlagValue:
    """A flag's value from the words behind it: none is a switch, several are a list."""
    scalars = tuple(scalar(name, text) for text in texts)
    if not scalars:
        return True
    return scalars if len(scalars) > 1 or name.endswith("_args") else scalars[0]


def scalar(name: str, text: str) -> FlagScalar:
    """A number where its text would come back the same (`64`, `0.5`), else the text (`1e-4`)."""
    for convert in (int, float) if name not in _TEXT_FLAGS else ():
        try:
            number: int | float = convert(text)
        except ValueError:
            continue
        if str(number) == text and number - number == 0:  # neither infinite nor nan
            return number
    return text


def draft_of(told: FlagWords, source: str, folder: Path, found: Found, **more: Any) -> Draft:
    """Of a file that names neither its checkout nor an interpreter. `folder`: where its paths start."""
    checkout = found.sd_scripts[0].path if found.sd_scripts else None
    python = found.python_for(checkout)
    return Draft(
        source=source,
        train=with_paths(told.flags, folder),
        sd_scripts=checkout,
        python=None if python is None else str(python),
        smoke={"max_train_steps": 5},
        unmapped=tuple(told.unmapped),
        notes=tuple(told.notes),
        **more,
    )
