"""A script of the Windows command prompt: which programs it would start. Nothing is run."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from runner.trainers.sd_scripts.importers.commands import (
    Commands,
    from_environment,
    is_known,
    unknown,
    within_limit,
    without_marks,
)

#: %NAME%, %NAME:a=b%, %NAME:~0,3%, !NAME!, %1, %~dp0, %%i
_VARIABLE = re.compile(
    r"%%~?\w+|%(?:~[a-z]*)?(?P<argument>[0-9*])|(?P<sign>[%!])(?P<name>[A-Za-z_]\w*)(?::(?P<change>[^%!\n]*))?(?P=sign)",
    re.I,
)
MOST_LEVELS = 15
_SILENT = frozenset(
    {
        "chcp", "cls", "color", "copy", "del", "echo", "echo.", "endlocal", "exit", "md", "mkdir", "move",
        "pause", "rd", "rem", "ren", "rmdir", "setlocal", "shift", "timeout", "title", "type", "ver", "where",
        "xcopy",
    }
)  # fmt: skip
_SET = re.compile(r"\s*(/[ap]\s+)?(?:\"([^=\"]+)=([^\"]*)\".*|([^=\"]+?)=(.*))", re.I)
_IF = re.compile(
    r"(?P<i>/i\s+)?(?P<not>not\s+)?(?:/i\s+)?(?:(?P<kind>exist|defined|errorlevel|cmdextversion)\s+(?P<what>\"[^\"]*\"|\S+)"
    r"|(?P<left>\"[^\"]*\"|[^\s=]+)\s*(?P<sign>==|\bEQU\b|\bNEQ\b|\bLSS\b|\bLEQ\b|\bGTR\b|\bGEQ\b)\s*"
    r"(?P<right>\"[^\"]*\"|\S+))\s*(?P<then>.*)",
    re.I | re.S,
)
_NUMBER = re.compile(r"[0-9]{1,18}")
_ORDERS = {"LSS": operator.lt, "LEQ": operator.le, "GTR": operator.gt, "GEQ": operator.ge}
_WORD = re.compile(r"(?:\ue000[^\ue001]*\ue001|\"[^\"]*\"?|\^.|[^\s\"^])+", re.S)
#: every variable of cmd is one of the environment; those that programs know
_ENVIRONMENT = re.compile(
    r"(?:CUDA|PYTORCH|TORCH|HF|HUGGINGFACE|TRANSFORMERS|NCCL|OMP|MKL|PYTHON(?=[A-Z])|HIP|HSA|ROCR|WANDB|ACCELERATE|TF|XDG|TRITON"
    r"|TOKENIZERS|BITSANDBYTES|KMP|USE_LIBUV)\w*"
)


def read_cmd(text: str, commands: Commands) -> Commands:
    """Raises ImportRefused."""
    _Reader(commands).block(list(_statements(without_marks(text))))
    return commands


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of each statement: `^` continues a line, brackets hold several lines together."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        begun, parts, depth = at + 1, list[str](), 0
        while at < len(lines):
            line = lines[at].strip()
            at += 1
            while (stripped := line.rstrip()).endswith("^") and not stripped.endswith("^^"):
                line = f"{stripped[:-1]} {lines[at].strip() if at < len(lines) else ''}"
                at += 1
            parts.append(line)
            if not _is_comment(line):
                depth += _depth(line, opened=bool(depth))
            if depth <= 0 and not re.match(r"\s*\)\s*else\b", "".join(lines[at : at + 1]), re.I):
                break
        yield begun, "\n".join(parts)


def _is_comment(line: str) -> bool:
    return bool(re.match(r"@?\s*(?:rem\b|::|:)", line, re.I))


def _depth(line: str, *, opened: bool) -> int:
    """Brackets that the line opens; only `if`, `else` and `for` open them, and a line that begins with one."""
    bare = re.sub(r"\"[^\"]*\"?|\^.", "", line)
    if opened or re.match(r"@?\s*(?:if|for|\(|\)|else)", bare, re.I):
        return bare.count("(") - bare.count(")")
    return 0


@dataclass(slots=True)
class _Reader:
    """Names of variables are compared without case."""

    commands: Commands
    variables: dict[str, str] = field(default_factory=dict)
    levels: int = 0

    def block(self, statements: list[tuple[int, str]]) -> None:
        self.levels += 1
        for line, text in statements if self.levels < MOST_LEVELS else ():
            if statement := text.strip().lstrip("@").strip():
                self.commands.step(line)
                self.statement(line, statement)
        self.levels -= 1

    def statement(self, line: int, text: str) -> None:
        if _is_comment(text):
            return
        word = re.split(r"[\s(/;,=]", text, maxsplit=1)[0].lower()
        if word == "if":
            self.condition(line, text[2:].strip())
        elif word in ("for", "goto"):
            self.commands.say(line, f"`{word}` of cmd is not followed")
        elif text.startswith("("):
            self.branch(line, text)
        else:
            for part in _chained(text):
                self.command(line, part.strip())

    def condition(self, line: int, text: str) -> None:
        match = _IF.fullmatch(text)
        if match is None:
            self.commands.say(line, "`if` of cmd is not followed")
            return
        holds, then = self.holds(match), match["then"]
        body, rest = _bracketed(then) if then.startswith("(") else (then, "")
        otherwise = re.sub(r"^\s*else\b", "", rest, flags=re.I).strip()
        shown = f"if {text[: len(text) - len(then)].strip()}"
        if holds is not None:
            self.branch(line, body if holds else otherwise)
            return
        before = dict(self.variables)
        self.commands.in_doubt.append(shown)
        self.branch(line, body)
        self.commands.in_doubt.pop()
        changed = {name for name, value in self.variables.items() if before.get(name) != value}
        changed |= {one[1].lower() for one in re.finditer(r"\bset\s+\"?(\w+)=", otherwise, re.I)}
        self.variables |= dict.fromkeys(changed, unknown(shown))

    def branch(self, line: int, text: str) -> None:
        """Reads `( ... )` or a statement."""
        if text.startswith("("):
            text = _bracketed(text)[0]
        self.block([(line + at - 1, one) for at, one in _statements(text)])

    def holds(self, match: re.Match[str]) -> bool | None:
        if match["kind"]:
            name = match["what"].lower()
            if match["kind"].lower() != "defined" or not is_known(self.variables.get(name, "")):
                return None
            return (name in self.variables) != bool(match["not"]) or None
        left, right = (self.expanded(match[side]).strip('"') for side in ("left", "right"))
        if not (is_known(left) and is_known(right)):
            return None
        if match["i"]:
            left, right = left.lower(), right.lower()
        sign = match["sign"].upper()
        if sign in ("==", "EQU", "NEQ"):
            return ((left == right) == (sign != "NEQ")) != bool(match["not"])
        if not (_NUMBER.fullmatch(left) and _NUMBER.fullmatch(right)):
            return None
        holds: bool = _ORDERS[sign](int(left), int(right))
        return holds != bool(match["not"])

    def command(self, line: int, text: str) -> None:
        text = text.lstrip("@").strip()
        if match := re.match(r"set\s+(.*)", text, re.I | re.S):
            self.set(line, match[1])
            return
        text = _without_redirection(self.expanded(text))
        words = [_word(one) for one in _WORD.findall(text)]
        while words and words[0].lower() in ("call", "start", "cmd", "cmd.exe"):
            first = words.pop(0).lower()
            while words and (words[0].startswith("/") or (first == "start" and " " in words[0])):
                del words[0]
            if first == "start" and words and words[0] == "":
                del words[0]
        if not words or words[0].lower() in _SILENT:
            return
        if words[0].startswith(":"):
            self.commands.say(line, f"`call {words[0]}` of cmd is not followed")
        elif words[0].lower() in ("cd", "chdir", "pushd"):
            folders = [word for word in words[1:] if word.lower() != "/d"]
            if folders:
                self.commands.change_folder(line, " ".join(folders))
        elif " " in words[0] and not words[1:]:
            self.command(line, words[0])  # cmd /c "..."
        else:
            self.commands.windows(line, words)

    def set(self, line: int, text: str) -> None:
        match = _SET.fullmatch(text)
        if match is None:
            return
        name = (match[2] or match[4] or "").strip()
        value = self.expanded(match[3] if match[2] else match[5] or "").strip()
        if match[1] and not value.isdigit():
            value = unknown(f"set {name}")
        self.variables[name.lower()] = re.sub(r"\^(.)", r"\1", value)
        if _ENVIRONMENT.fullmatch(name.upper()) and not name.upper().startswith("PYTHONPATH"):
            self.commands.export(line, name.upper(), value.strip('"'))

    def expanded(self, text: str) -> str:
        return within_limit(_VARIABLE.sub(self.value, text))

    def value(self, match: re.Match[str]) -> str:
        if match["argument"]:
            folder = match[0].lower().startswith("%~dp")
            return f"{self.commands.here}/" if folder else unknown(f"argument {match['argument']}")
        if match["name"] is None:
            return unknown(f"loop variable {match[0]}")
        name, change = match["name"], match["change"]
        value = self.variables.get(name.lower())
        if value is None:
            return "." if name.lower() == "cd" else from_environment(name)
        if change is None:
            return value
        if not is_known(value) or "=" not in change:
            return unknown(match[0])
        old, _, new = change.partition("=")
        return value.replace(old, new) if old and not old.startswith("~") else unknown(match[0])


def _word(text: str) -> str:
    """One word without its quotes and carets."""
    return re.sub(r"\"([^\"]*)\"?|\^(.)", lambda m: m[1] if m[1] is not None else m[2], text)


def _chained(text: str) -> list[str]:
    """The commands between `&`, `&&` and `||`; what a pipe leads to is left out."""
    parts, quoted, at, begun = list[str](), False, 0, 0
    while at < len(text):
        char = text[at]
        if char == "^":
            at += 1
        elif char == '"':
            quoted = not quoted
        elif char in "&|" and not quoted and text[at - 1 : at] not in (">", "<"):
            parts.append(text[begun:at])
            double = text[at + 1 : at + 2] == char
            if char == "|" and not double:
                return parts
            at += double
            begun = at + 1
        at += 1
    return [*parts, text[begun:]]


def _without_redirection(text: str) -> str:
    return re.sub(r"(\"[^\"]*\")|\s\d?>>?\s*(?:&\d|\S+)|\s<\s*\S+", lambda m: m[1] or "", text)


def _bracketed(text: str) -> tuple[str, str]:
    """Inside of the first bracket, and what follows it."""
    depth, quoted = 0, False
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif not quoted and char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return text[1:at], text[at + 1 :]
    return text[1:], ""
