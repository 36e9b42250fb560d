"""State of a shell script at one place: variables, exports, folder, written files. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from runner.trainers.sd_scripts.importers.model import Field

#: one value, or an array by index; values that only a running shell knows are unknown
Value = Field | dict[str, Field]
#: of a job: the folder in which it was submitted
_SUBMITTED = ("SLURM_SUBMIT_DIR", "PBS_O_WORKDIR", "SGE_O_WORKDIR")
#: beginning of the file that `mktemp` creates
UNNAMED = "/tmp/of-the-script-"
#: a part that only a running shell knows, as shown
SHOWN = re.compile(r"\$\{[^{}]*\}")
_WORD = re.compile(r"(?:\$\{[^{}]*\}|\S)+")


@dataclass(slots=True)
class State:
    """`cwd`: where the script is; None after a `cd` to an unknown folder; `moved`: it went there
    itself. `arguments`: of the function it is in, or of `set --`; None: of the script, so unknown.
    `environ`: the importing user's shell; variables taken from it are listed in `borrowed`. `files`: those
    written by the script. `lines`: what `read` gets, last one first; None: unknown. `assumptions`: what a
    machine or a caller could change. `exporting`: `set -a`. `within`: the file being read, if not the
    script. `assigning`: the variable being set, empty if it had no value (`PYTHONPATH=x:$PYTHONPATH`).
    `start`: the first `cwd`."""

    environ: Mapping[str, str]
    home: str
    script: str | None = None
    cwd: Path | None = None
    moved: bool = False
    python: str | None = None
    arguments: tuple[Field, ...] | None = None
    variables: dict[str, Value] = field(default_factory=dict)
    maps: set[str] = field(default_factory=set)
    exported: set[str] = field(default_factory=set)
    locals: set[str] = field(default_factory=set)
    folders: list[Path | None] = field(default_factory=list)
    files: dict[Path, Field] = field(default_factory=dict)
    lines: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    borrowed: set[str] = field(default_factory=set)
    exporting: bool = False
    within: str = ""
    assigning: str | None = None
    start: Path | None = None

    def __post_init__(self) -> None:
        self.start = self.start or self.cwd

    def say(self, line: int, text: str) -> None:
        """Record what was not followed or assumed."""
        if (note := f"{self.place(line)}: {text}") not in self.notes:
            self.notes.append(note)

    def place(self, line: int) -> str:
        return f"line {line} of {self.within}" if self.within else f"line {line}"

    def put(self, name: str, value: Value) -> None:
        self.variables[name] = value

    def subshell(self) -> Self:
        """A copy for `( ... )`, with local changes."""
        return replace(
            self,
            variables=dict(self.variables),
            exported=set(self.exported),
            folders=list(self.folders),
        )

    def environment(self) -> dict[str, str]:
        """Exported variables, as far as known."""
        known = {name: self.variables.get(name) for name in sorted(self.exported)}
        return {n: v.text for n, v in known.items() if isinstance(v, Field) and not v.unknown}

    def source_of(self, one: Field) -> str:
        """Its text, to be read again: for a partly unknown variable, the known part."""
        value = self.variables.get(one.text[2:-1]) if one.unknown else None
        return value.text if isinstance(value, Field) else one.text

    def special(self, name: str) -> str | None:
        """A variable of the shell itself."""
        if name in _SUBMITTED and self.start is not None:
            if (note := f"{name} is read as {self.start}") not in self.notes:
                self.notes.append(note)
            return str(self.start)
        return {
            "#": str(len(self.arguments or ())),
            "?": "0",
            "0": self.script,
            "BASH_SOURCE": self.script,
            "HOME": self.home,
            "PWD": None if self.cwd is None else str(self.cwd),
        }.get(name)

    def signs(self) -> str:
        """The characters at which a value is split."""
        ifs = self.variables.get("IFS", Field(" \t\n"))
        return ifs.text if isinstance(ifs, Field) else ""

    def parts(self, text: str, most: int = 0) -> list[str]:
        """The text at the characters of IFS; with `most`, the last part is the rest."""
        signs = self.signs()
        if not signs:
            return [text] if text else []
        if signs.isspace():
            text = text.strip(signs)
        if not text or most == 1:
            return [text] if text else []
        repeated = "+" if signs.isspace() else ""
        parts = re.split(f"[{re.escape(signs)}]{repeated}", text, maxsplit=max(0, most - 1))
        return parts if parts[-1] else parts[:-1]

    def split(self, value: Field) -> list[Field]:
        """An unquoted value at the characters of IFS."""
        if value.unknown:
            parts = _WORD.findall(value.text)
            return [Field(one, _reasons(one, value)) for one in parts]
        return [Field(one) for one in self.parts(value.text)]


def _reasons(part: str, value: Field) -> tuple[str, ...]:
    """Those of the unknown pieces in this part of the value."""
    names = [one[2:-1] for one in SHOWN.findall(part)]
    if not names:
        return ()
    return (
        tuple(why for why in value.unknown if any(name in why for name in names)) or value.unknown
    )


def one_of(fields: list[Field], between: str = " ") -> Field:
    reasons = tuple(reason for one in fields for reason in one.unknown)
    return Field(between.join(one.text for one in fields), reasons)


def elements_of(value: Value | None) -> dict[str, Field]:
    """A copy, as an array."""
    if isinstance(value, dict):
        return dict(value)
    return {"0": value} if value is not None and (value.text or value.unknown) else {}
