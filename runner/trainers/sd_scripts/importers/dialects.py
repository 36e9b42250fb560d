"""Converts scripts for other shells (cmd, PowerShell), notebooks, and Python programs that start a command to
shell text, line by line, so that one reader reads all of them. Runs nothing."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from runner.trainers.sd_scripts.importers.model import ImportRefused
from runner.trainers.sd_scripts.importers.powershell import read_powershell
from runner.trainers.sd_scripts.importers.windows_cmd import read_cmd

Rules = Sequence[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]

#: start of a pasted text
_SIGNS_OF = (
    (".ipynb", re.compile(r'\A\s*\{\s*"(?:cells|nbformat|metadata)"')),
    (".bat", re.compile(r"^[ \t]*(?:@echo off|set \w+=|set \"\w+=)", re.I | re.M)),
    (".ps1", re.compile(r"^[ \t]*\$(?:Env:)?\w+\s*=", re.I | re.M)),
    ("cell", re.compile(r"^[ \t]*(?:!(?=[\w./])|%cd |%%(?:bash|shell|sh)\b)", re.M)),
)
_STARTS = frozenset(
    {"system", "run", "call", "check_call", "check_output", "Popen", "getoutput", "popen", "execvp"}
)


def as_shell(text: str, suffix: str, source: str) -> tuple[str, list[str]]:
    """Shell text and notes about it. Raises ImportRefused."""
    try:
        return _as_shell(text, suffix, source)
    except OverflowError:
        raise ImportRefused(
            f"{source}: a variable grows beyond the limit of a command; use the command itself"
        ) from None


def _as_shell(text: str, suffix: str, source: str) -> tuple[str, list[str]]:
    text = text.replace("\r\n", "\n")
    kind = suffix
    if suffix in ("", ".txt", ".md"):
        kind = next((kind for kind, sign in _SIGNS_OF if sign.search(text)), "")
    elif suffix not in (".ipynb", ".bat", ".cmd", ".ps1", ".py"):
        kind = "cell" if dict(_SIGNS_OF)["cell"].search(text) else ""
    if kind in (".bat", ".cmd"):
        commands = read_cmd(text, source)
        return commands.text(), ["read as a script of the Windows command prompt", *commands.notes]
    if kind == ".ps1":
        commands = read_powershell(text, source)
        return commands.text(), ["read as a PowerShell script", *commands.notes]
    if kind == ".py":
        return _python(text, source), ["a Python program: only the commands it starts are read"]
    if kind == ".ipynb":
        said = "a notebook: only its shell lines (!, %) and plain values are read"
        return _cells(_notebook(text, source)), [said]
    return _cells(text) if kind == "cell" else text, []


def _rules(*rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> Rules:
    return [(re.compile(pattern, re.I), shell) for pattern, shell in rules]


def _translated(text: str, rules: Rules) -> str:
    """Apply every matching rule to every line."""
    lines = text.split("\n")
    for pattern, shell in rules:
        lines = [pattern.sub(shell, line) for line in lines]
    return "\n".join(lines)


def _to_run(source: str) -> str:
    """An expression that only a running program could evaluate."""
    return f"$({re.sub(r'[^a-zA-Z0-9_. ]', '', source)[:60].strip() or 'expression'})"


_ASSIGNED = re.compile(
    r"\s*(\w+)\s*=\s*(\"[^\"]*\"|'[^']*'|-?[\d.]+(?:e-?\d+)?)\s*(?:;|#.*)?$", re.I
)
_MAGICS = _rules(
    (r"^\s*%env\s+(\w+)[= ]\s*(.*)$", r"export \1=\2"),
    (r"^\s*%cd\s+", "cd "),
    (r"^\s*!\s*", ""),
    (r"^\s*%.*", ""),
    (r"(?<![${])\{(\w+)\}", r"${\1}"),
)  # fmt: skip


def _cells(text: str) -> str:
    """Shell lines, and values set by Python; all other Python becomes empty lines."""
    lines, shell, continued = [], False, False
    for line in text.split("\n"):
        start = line.lstrip()[:1]
        if line.startswith("%%"):
            shell = bool(re.match(r"%%(?:bash|shell|sh)\b", line))
            line = ""
        if shell:
            pass
        elif continued or (start and start in "!%"):
            line = _translated(line, _MAGICS)
            continued = line.rstrip().endswith("\\")
        elif match := _ASSIGNED.match(line):
            line = f"{match[1]}={match[2]}"
        elif start != "#":
            line = ""
        lines.append(line)
    return "\n".join(lines)


def _notebook(text: str, source: str) -> str:
    """The code cells, one below the other."""
    try:
        cells = json.loads(text)["cells"]
        return "\n%%\n".join(
            "".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ImportRefused(f"{source} is not a complete notebook; save it again") from None


def _python(text: str, source: str) -> str:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ImportRefused(f"{source}:{line}: not valid Python; use the command itself") from None
    lines = [""] * (text.count("\n") + 2)
    assigned = [one for one in ast.walk(tree) if isinstance(one, ast.Assign)]
    targets = [t for one in assigned if isinstance(one.value, ast.List) for t in one.targets]
    lists = {target.id for target in targets if isinstance(target, ast.Name)}
    for number, shell in _statements(tree.body, lists):
        lines[min(number, len(lines)) - 1] += f"{shell}; "
    return "\n".join(lines)


def _statements(body: Iterable[ast.stmt], lists: Collection[str]) -> Iterator[tuple[int, str]]:
    """Line and shell text of each statement that sets a value or starts a program."""
    for one in body:
        if isinstance(one, ast.If) and "__name__" not in ast.unparse(one.test):
            yield one.lineno, "if python_condition; then :"
            yield from _statements(one.body, lists)
            yield one.body[-1].end_lineno or one.lineno, "fi"
            continue
        for name in ("body", "finalbody"):
            yield from _statements(getattr(one, name, ()), lists)
        match one:
            case ast.Assign([ast.Name(name), *_], value) | ast.AnnAssign(ast.Name(name), _, value):
                yield one.lineno, f"{name}={_shell_value(value)}" if value else ":"
            case ast.AugAssign(ast.Name(name), _, value):
                yield one.lineno, f"{name}+={_shell_value(value)}"
        if isinstance(one, ast.Expr | ast.Assign | ast.Return):
            for call in (node for node in ast.walk(one) if isinstance(node, ast.Call)):
                if shell := _shell_call(call, lists):
                    yield one.lineno, shell


def _shell_call(call: ast.Call, lists: Collection[str]) -> str:
    """A list grows; a list of words starts a program; a text is read by a shell."""
    match call:
        case ast.Call(ast.Attribute(ast.Name(owner), "append"), [first, *_]):
            return f"{owner}+=({_shell_value(first)})"
        case ast.Call(ast.Attribute(ast.Name(owner), "extend"), [first, *_]):
            return f"{owner}+={_shell_value(first)}"
        case ast.Call(ast.Attribute(attr=name) | ast.Name(name), [first, *_]) if name in _STARTS:
            if isinstance(first, ast.Name) and first.id in lists:
                return f'"${{{first.id}[@]}}"'
            value = _shell_value(first)
            return value[1:-1] if isinstance(first, ast.List | ast.Tuple) else f"eval {value}"
    return ""


def _shell_value(tree: ast.expr) -> str:
    """An expression as a shell word or array; what would have to run stays unknown."""
    match tree:
        case ast.List(items) | ast.Tuple(items):
            return f"({' '.join(map(_shell_value, items))})"
        case ast.Starred(ast.Name(name)):
            return f'"${{{name}[@]}}"'
        case ast.Constant(str() | int() | float() as value):
            return shlex.quote(str(value))
        case ast.Name(name):
            return f'"${{{name}}}"'
        case ast.JoinedStr(parts):
            return "".join(map(_shell_value, parts)) or "''"
        case ast.FormattedValue(value) | ast.Call(ast.Name("str"), [value, *_]):
            return _shell_value(value)
        case ast.BinOp(left, ast.Add(), right):
            return _shell_value(left) + _shell_value(right)
        case ast.Call(ast.Attribute(attr="join"), [_, *_] as parts):
            return "/".join(map(_shell_value, parts))
    return _to_run(ast.unparse(tree))
