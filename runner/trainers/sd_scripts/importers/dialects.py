"""Converts scripts for other shells (cmd, PowerShell), notebooks, and Python programs that start a command to
shell text, line by line, so that one reader reads all of them. Runs nothing."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from runner.trainers.sd_scripts.importers.model import ImportRefused

Rules = Sequence[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]

_WINDOWS_PATH = re.compile(r"\w:\\")
_QUOTED_OR_WORD = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'|[^\s"\']+')
#: start of a pasted text
_SIGNS_OF = (
    (".ipynb", re.compile(r'\A\s*\{\s*"(?:cells|nbformat|metadata)"')),
    (".bat", re.compile(r"^[ \t]*(?:@echo off|set \w+=|set \"\w+=)", re.I | re.M)),
    (".ps1", re.compile(r"^[ \t]*\$(?:Env:)?\w+\s*=", re.I | re.M)),
    ("cell", re.compile(r"^[ \t]*(?:!(?=[\w./])|%cd |%%(?:bash|shell|sh)\b)", re.M)),
)
_CONDITIONS = re.compile(r"^[ \t]*(?:if|for|goto)\b", re.I | re.M)
_STARTS = frozenset(
    {"system", "run", "call", "check_call", "check_output", "Popen", "getoutput", "popen", "execvp"}
)


def as_shell(text: str, suffix: str, source: str) -> tuple[str, list[str]]:
    """Shell text and notes about it. Raises ImportRefused."""
    text = text.replace("\r\n", "\n")
    kind = suffix
    if suffix in ("", ".txt", ".md"):
        kind = next((kind for kind, sign in _SIGNS_OF if sign.search(text)), "")
    elif suffix not in (".ipynb", ".bat", ".cmd", ".ps1", ".py"):
        kind = "cell" if dict(_SIGNS_OF)["cell"].search(text) else ""
    if kind in (".bat", ".cmd"):
        lines = [text.count("\n", 0, match.start()) + 1 for match in _CONDITIONS.finditer(text)]
        notes = [f"line {line}: `if`, `for` and `goto` of cmd are not followed" for line in lines]
        return _translated(text, _CMD), ["read as a script of the Windows command prompt", *notes]
    if kind == ".ps1":
        return _power_shell(text, source), ["read as a PowerShell script"]
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


def _slashes(line: str) -> str:
    """`\\` of relative paths as `/`, of `C:\\...` as itself."""

    def word(match: re.Match[str]) -> str:
        text = match[0]
        if text[0] == "'":
            return text if _WINDOWS_PATH.search(text) else text.replace("\\", "/")
        return text.replace("\\", "\\\\" if _WINDOWS_PATH.search(text) else "/")

    end = "\\" if line.endswith("\\") else ""
    return _QUOTED_OR_WORD.sub(word, line.removesuffix(end)) + end


def _activation(match: re.Match[str]) -> str:
    folder = match[1].replace("\\", "/").strip("\"'")
    return f"source {folder or '.'}/bin/activate"


_ACTIVATION = (
    r"^\s*(?:call\s+|&\s*|\.\s+)?[\"']?(.*?)[\\/]Scripts[\\/]activate(?:\.\w+)?[\"']?\s*$",
    _activation,
)
_CMD = _rules(
    (r"^\s*@", ""),
    (r"^\s*(?:(?:rem|echo|pause|title|chcp|setlocal|endlocal|goto|if|for|exit)\b|::|:\w).*", ""),
    (r"(?<!\s)\s*\^\s*$", " \\\\"),
    (r"\^(.)", r"\1"),
    _ACTIVATION,
    (r"^\s*call\s+", ""),
    (r"^\s*(?:cd|chdir|pushd)\s+(?:/d\s+)?", "cd "),
    (r"%~dp0[\\/]?", '$(dirname "$0")/'),
    (r".+", lambda match: _slashes(match[0])),
    (r'^\s*set\s+"?(\w+)=([^"]*)"?\s*$', lambda match: f'{match[1]}="{match[2]}"'),
    (r"[%!](\w+)[%!]", r"${\1}"),
    (r"%(\d)", r"${\1}"),
)  # fmt: skip


def _if(match: re.Match[str]) -> str:
    return "elif" if match[0].lstrip().startswith("}") else "if"


def _to_run(source: str) -> str:
    """An expression that only a running program could evaluate."""
    return f"$({re.sub(r'[^a-zA-Z0-9_. ]', '', source)[:60].strip() or 'expression'})"


_SIGNS = {"eq": "==", "ne": "!="}
_VALUE = r"""("[^"]*"|'[^']*'|[\w.:/\\-]+|\$\w+)"""
_POWER_SHELL = _rules(
    (r"(?<!\s)\s*`\s*$", " \\\\"),
    _ACTIVATION,
    (r"^\s*(?:Write-\w+|Read-Host|pause|Clear-Host|chcp|param)\b.*", ":"),
    (r"^\s*(?:Set-Location|Push-Location)\s+", "cd "),
    (r"^\s*&\s*", ""),
    (r"\$PSScriptRoot\b", '$(dirname "$0")'),
    (r"\bScripts[\\/](python|accelerate)(?:\.exe)?\b", r"bin/\1"),
    (r"\$true\b", "1"),
    (r"\$(?:false|null)\b", '""'),
    (rf"^\s*\$Env:(\w+)\s*=\s*{_VALUE}\s*(?:#.*)?$", r"export \1=\2"),
    (r"\$\{?Env:(\w+)\}?", r"${\1}"),
    (r"^\s*(\$\w+\s*=\s*)?\[[\w.]*ArrayList\]::new\(\)\s*$", lambda m: f"{m[1] or ''}@()"),
    (r"^\s*\$(\w+)\s*(\+?=)\s*@\(([^()]*)\)\s*$", lambda m: f"{m[1]}{m[2]}({m[3].replace(',', ' ')})"),
    (rf"^\s*(?:\[void\])?\s*\$(\w+)\.Add\(\s*{_VALUE}\s*\)(?:\s*\|\s*Out-Null)?\s*$", r"\1+=(\2)"),
    (rf"^\s*\$(\w+)\s*(\+?=)\s*{_VALUE}\s*(?:#.*)?$", r"\1\2\3"),
    (r"^\s*\$(\w+)\s*\+?=\s*(.+)$", lambda m: f"{m[1]}={_to_run(m[2])}"),
    (rf"^\s*(?:\}}\s*else)?if\s*\(\s*{_VALUE}\s+-(eq|ne|gt|lt|ge|le)\s+{_VALUE}\s*\)\s*\{{\s*$",
          lambda m: f"{_if(m)} [[ {m[1]} {_SIGNS.get(m[2].lower(), '-' + m[2])} {m[3]} ]]; then"),
    (r"^\s*(?:\}\s*else)?if\s*\(\s*(\$\w+)\s*\)\s*\{\s*$",
          lambda m: f"{_if(m)} [[ -n {m[1]} && {m[1]} != 0 ]]; then"),
    (r"^\s*\}?\s*else\s*\{\s*$", "else"),
    (r"^\s*\}\s*$", "fi"),
    (r".+", lambda match: _slashes(match[0])),
)  # fmt: skip
_NOT_POWER_SHELL = re.compile(
    r"^[ \t]*(?:(?:function|foreach|for|while|switch|try)\b|\}?\s*(?:else)?if\b(?! \[\[))[^\n]*$",
    re.M | re.I,
)


def _one_line(match: re.Match[str]) -> str:
    lines = [line.strip().rstrip(",") for line in match[0].split("\n")]
    return ",".join(lines).replace("(,", "(").replace(",)", ")") + "\n" * (len(lines) - 1)


def _power_shell(text: str, source: str) -> str:
    text = re.sub(r"<#.*?(?:#>|\Z)", lambda match: "\n" * match[0].count("\n"), text, flags=re.S)
    text = re.sub(r"@\([^()]*\)", _one_line, text)
    shell = _translated(text, _POWER_SHELL)
    if match := _NOT_POWER_SHELL.search(shell):
        line = shell.count("\n", 0, match.start()) + 1
        raise ImportRefused(
            f"{source}:{line}: this PowerShell script computes its command "
            "(`{match[0].strip()[:40]}`), which is not supported; use the command it starts"
        )
    lists = set(re.findall(r"^(\w+)\+?=\(", shell, re.M))
    return re.sub(
        r"(?<=\s)[$@](\w+)(?![\w\[])",
        lambda match: f'"${{{match[1]}[@]}}"' if match[1] in lists else match[0],
        shell,
    )


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
