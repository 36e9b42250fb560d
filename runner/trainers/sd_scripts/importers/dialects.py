"""Scripts for other shells (cmd, PowerShell), notebooks and Python programs that start a command, as shell
text, so that one reader reads all of them. Runs nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.trainers.sd_scripts.importers.commands import Commands, without_marks
from runner.trainers.sd_scripts.importers.model import ImportRefused
from runner.trainers.sd_scripts.importers.python.notebook import cells_of, program_of
from runner.trainers.sd_scripts.importers.python.program import Program
from runner.trainers.sd_scripts.importers.windows.cmd import read_cmd
from runner.trainers.sd_scripts.importers.windows.powershell import read_powershell

#: start of a pasted text
_SIGNS_OF = {
    ".ipynb": re.compile(r'\A\s*\{\s*"(?:cells|nbformat|metadata)"'),
    ".bat": re.compile(r"^[ \t]*(?:@echo off|set \w+=|set \"\w+=)", re.I | re.M),
    ".ps1": re.compile(r"^[ \t]*\$(?:Env:)?\w+\s*=", re.I | re.M),
    "cell": re.compile(r"^[ \t]*(?:!(?=[\w./{])|%cd |%%(?:bash|shell|sh)\b)", re.M),
}
_TRAINING = re.compile(
    r"\bpython\S*\s[^\n;]*train\S*\.py\b|\baccelerate(?:-|\s+)launch\b|fine_tune\.py"
)
_FENCE = re.compile(
    r"^[ \t]*(?P<mark>```+|~~~+)[ \t]*(?P<language>\w*)[^\n]*\n(?P<code>.*?)^[ \t]*(?P=mark)",
    re.M | re.S,
)
#: language of a code block -> ending of such a file
_LANGUAGES = {
    "bat": ".bat", "cmd": ".bat", "batch": ".bat", "batchfile": ".bat", "dos": ".bat",
    "powershell": ".ps1", "ps1": ".ps1", "pwsh": ".ps1", "python": ".py", "py": ".py",
}  # fmt: skip
_CARETS = re.compile(r"\^[ \t]*$", re.M)
_BACKSLASHES = re.compile(r"\\[ \t]*$", re.M)


@dataclass(frozen=True, slots=True)
class ShellText:
    """`written`: what a program would write to files, by path; `configs`: the dicts that it turns into the text
    of a configuration, in order."""

    text: str
    notes: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)
    configs: tuple[dict[Any, Any], ...] = ()


def as_shell(text: str, suffix: str, source: str, here: str = ".") -> ShellText:
    """`here`: the folder of the file. Raises ImportRefused."""
    try:
        return _as_shell(text.replace("\r\n", "\n"), suffix, Commands(source, here))
    except OverflowError:
        raise ImportRefused(
            f"{source}: a variable grows beyond the limit of a command; use the command itself"
        ) from None


def _as_shell(text: str, suffix: str, commands: Commands) -> ShellText:
    source = commands.source
    if suffix not in (".ipynb", ".py") and (fenced := _fenced(text)):
        text, suffix = fenced
    kind = suffix
    if suffix in ("", ".txt", ".md"):
        kind = next((kind for kind, sign in _SIGNS_OF.items() if sign.search(text)), "")
    elif suffix not in (".ipynb", ".bat", ".cmd", ".ps1", ".py"):
        kind = "cell" if _SIGNS_OF["cell"].search(text) else ""
    if kind == "" and len(_CARETS.findall(text)) > 1 and not _BACKSLASHES.search(text):
        kind = ".bat"
    if kind in (".bat", ".cmd"):
        said = "read as a script of the Windows command prompt"
        return _shell_text(said, read_cmd(text, commands))
    if kind == ".ps1":
        return _shell_text("read as a PowerShell script", read_powershell(text, commands))
    if kind == ".py":
        said = "a Python program: only the commands it starts are read"
        cells = bool(_SIGNS_OF["cell"].search(text))
        body = program_of([without_marks(text)]) if cells else _tree(without_marks(text), source)
        return _python(body, commands, said)
    if kind == ".ipynb":
        said = "a notebook: its shell lines (!, %) and the values that Python gives them are read"
        return _python(program_of(cells_of(without_marks(text), source)), commands, said)
    if kind == "cell":
        return _python(program_of([without_marks(text)]), commands, "")
    return ShellText(text)


def _fenced(text: str) -> tuple[str, str] | None:
    """The code block with a training in a text of Markdown, after as many empty lines, and its kind."""
    for match in _FENCE.finditer(text):
        if _TRAINING.search(match["code"]) or "train_network.py" in match["code"]:
            kind = _LANGUAGES.get(match["language"].lower(), "")
            return "\n" * text.count("\n", 0, match.start("code")) + match["code"], kind
    return None


def _shell_text(
    said: str, commands: Commands, configs: tuple[dict[Any, Any], ...] = ()
) -> ShellText:
    notes = (*([said] if said else []), *commands.notes)
    return ShellText(commands.text(), notes, dict(commands.written), configs)


def _tree(text: str, source: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ImportRefused(f"{source}:{line}: not valid Python; use the command itself") from None


def _python(body: list[ast.stmt], begun: Commands, said: str) -> ShellText:
    """Unknown conditions are read as if true only if no training starts otherwise."""
    for trusting in (False, True):
        program = Program(Commands(begun.source, begun.here), trusting)
        program.read(body)
        if not _TRAINING.search(program.commands.text()):
            program.read_uncalled()
        if _TRAINING.search(program.commands.text()):
            break
    return _shell_text(said, program.commands, tuple(program.dumped))
