"""Scripts for other shells (cmd, PowerShell), cells and notebooks, and Python programs that start a
command -> the same in shell text, line by line, so that one reader reads all of them. Runs nothing."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from runner.trainers.sd_scripts.importers.model import ImportRefused

Replacement = str | Callable[[re.Match[str]], str]
Rules = Sequence[tuple[re.Pattern[str], Replacement]]

_WINDOWS_PATH = re.compile(r"\w:\\")
_QUOTED_OR_WORD = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'|[^\s"\']+')
#: what a pasted text begins with
_SIGNS_OF = (
    (".ipynb", re.compile(r'\A\s*\{\s*"(?:cells|nbformat|metadata)"')),
    (".bat", re.compile(r"^[ \t]*(?:@echo off|set \w+=|set \"\w+=)", re.I | re.M)),
    (".ps1", re.compile(r"^[ \t]*\$(?:Env:)?\w+\s*=", re.I | re.M)),
)
_CONDITIONS = re.compile(r"^[ \t]*(?:if|for|goto)\b", re.I | re.M)
_STARTS = frozenset(
    {"system", "run", "call", "check_call", "check_output", "Popen", "getoutput", "popen", "execvp"}
)


def as_shell(text: str, suffix: str, source: str) -> tuple[str, list[str]]:
    """Shell text and what to say about it. Raises ImportRefused."""
    text = text.replace("\r\n", "\n")
    if suffix in ("", ".txt", ".md"):
        suffix = next((kind for kind, sign in _SIGNS_OF if sign.search(text)), "")
    if suffix == ".ipynb":
        return _cells(_notebook(text, source)), [
            "a notebook: only its shell lines (!, %) and plain values are read"
        ]
    if suffix in (".bat", ".cmd"):
        skipped = [text.count("\n", 0, match.start()) + 1 for match in _CONDITIONS.finditer(text)]
        notes = [f"line {line}: `if`, `for` and `goto` of cmd are not followed" for line in skipped]
        return _translated(text, _CMD), ["read as a script of the Windows command prompt", *notes]
    if suffix == ".ps1":
        return _power_shell(text, source), ["read as a PowerShell script"]
    if suffix == ".py":
        return _python(text, source), ["a Python program: only the commands it starts are read"]
    if re.search(r"^[ \t]*(?:!(?=[\w./])|%cd |%%(?:bash|shell|sh)\b)", text, re.M):
        return _cells(text), []
    return text, []


def _rule(pattern: str, shell: Replacement) -> tuple[re.Pattern[str], Replacement]:
    return re.compile(pattern, re.I), shell


def _slashes(line: str) -> str:
    """`\\` of relative paths as `/`, of `C:\\...` as itself."""

    def word(match: re.Match[str]) -> str:
        text = match[0]
        if text[0] == "'":
            return text if _WINDOWS_PATH.search(text) else text.replace("\\", "/")
        return text.replace("\\", "\\\\" if _WINDOWS_PATH.search(text) else "/")

    end = "\\" if line.endswith("\\") else ""
    return _QUOTED_OR_WORD.sub(word, line.removesuffix(end)) + end


def _translated(text: str, rules: Rules) -> str:
    """Every line by every rule that fits it."""
    lines = []
    for line in text.split("\n"):
        for pattern, shell in rules:
            line = pattern.sub(shell, line)
        lines.append(line)
    return "\n".join(lines)


def _activation(match: re.Match[str]) -> str:
    folder = match[1].replace("\\", "/").strip("\"'")
    return f"source {folder or '.'}/bin/activate"


_ACTIVATION = _rule(
    r"^\s*(?:call\s+|&\s*|\.\s+)?[\"']?(.*?)[\\/]Scripts[\\/]activate(?:\.\w+)?[\"']?\s*$",
    _activation,
)
_CMD: Rules = (
    _rule(r"^\s*@", ""),
    _rule(r"^\s*(?:(?:rem|echo|pause|title|chcp|setlocal|endlocal|goto|if|for|exit)\b|::|:\w).*", ""),
    _rule(r"(?<!\s)\s*\^\s*$", " \\\\"),
    _rule(r"\^(.)", r"\1"),
    _ACTIVATION,
    _rule(r"^\s*call\s+", ""),
    _rule(r"^\s*(?:cd|chdir|pushd)\s+(?:/d\s+)?", "cd "),
    _rule(r"%~dp0[\\/]?", '$(dirname "$0")/'),
    _rule(r".+", lambda match: _slashes(match[0])),
    _rule(r'^\s*set\s+"?(\w+)=([^"]*)"?\s*$', lambda match: f'{match[1]}="{match[2]}"'),
    _rule(r"[%!](\w+)[%!]", r"${\1}"),
    _rule(r"%(\d)", r"${\1}"),
)  # fmt: skip


def _if(match: re.Match[str]) -> str:
    return "elif" if match[0].lstrip().startswith("}") else "if"


def _to_run(source: str) -> str:
    """An expression that only a running program could work out."""
    return f"$({re.sub(r'[^a-zA-Z0-9_. ]', '', source)[:60].strip() or 'expression'})"


_SIGNS = {"eq": "==", "ne": "!="}
_VALUE = r"""("[^"]*"|'[^']*'|[\w.:/\\-]+|\$\w+)"""
_POWER_SHELL: Rules = (
    _rule(r"(?<!\s)\s*`\s*$", " \\\\"),
    _ACTIVATION,
    _rule(r"^\s*(?:Write-\w+|Read-Host|pause|Clear-Host|chcp|param)\b.*", ":"),
    _rule(r"^\s*(?:Set-Location|Push-Location)\s+", "cd "),
    _rule(r"^\s*&\s*", ""),
    _rule(r"\$PSScriptRoot\b", '$(dirname "$0")'),
    _rule(r"\bScripts[\\/](python|accelerate)(?:\.exe)?\b", r"bin/\1"),
    _rule(r"\$true\b", "1"),
    _rule(r"\$(?:false|null)\b", '""'),
    _rule(rf"^\s*\$Env:(\w+)\s*=\s*{_VALUE}\s*(?:#.*)?$", r"export \1=\2"),
    _rule(r"\$\{?Env:(\w+)\}?", r"${\1}"),
    _rule(r"^\s*(\$\w+\s*=\s*)?\[[\w.]*ArrayList\]::new\(\)\s*$", lambda m: f"{m[1] or ''}@()"),
    _rule(r"^\s*\$(\w+)\s*(\+?=)\s*@\(([^()]*)\)\s*$", lambda m: f"{m[1]}{m[2]}({m[3].replace(',', ' ')})"),
    _rule(rf"^\s*(?:\[void\])?\s*\$(\w+)\.Add\(\s*{_VALUE}\s*\)(?:\s*\|\s*Out-Null)?\s*$", r"\1+=(\2)"),
    _rule(rf"^\s*\$(\w+)\s*(\+?=)\s*{_VALUE}\s*(?:#.*)?$", r"\1\2\3"),
    _rule(r"^\s*\$(\w+)\s*\+?=\s*(.+)$", lambda m: f"{m[1]}={_to_run(m[2])}"),
    _rule(rf"^\s*(?:\}}\s*else)?if\s*\(\s*{_VALUE}\s+-(eq|ne|gt|lt|ge|le)\s+{_VALUE}\s*\)\s*\{{\s*$",
          lambda m: f"{_if(m)} [[ {m[1]} {_SIGNS.get(m[2].lower(), '-' + m[2])} {m[3]} ]]; then"),
    _rule(r"^\s*(?:\}\s*else)?if\s*\(\s*(\$\w+)\s*\)\s*\{\s*$",
          lambda m: f"{_if(m)} [[ -n {m[1]} && {m[1]} != 0 ]]; then"),
    _rule(r"^\s*\}?\s*else\s*\{\s*$", "else"),
    _rule(r"^\s*\}\s*$", "fi"),
    _rule(r".+", lambda match: _slashes(match[0])),
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
            f"{source}:{line}: this PowerShell script computes its command (`{match[0].strip()[:40]}`), "
            "which is not read; give the command that it starts"
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
_MAGICS: Rules = (
    _rule(r"^\s*%env\s+(\w+)[= ]\s*(.*)$", r"export \1=\2"),
    _rule(r"^\s*%cd\s+", "cd "),
    _rule(r"^\s*!\s*", ""),
    _rule(r"^\s*%.*", ""),
    _rule(r"(?<![${])\{(\w+)\}", r"${\1}"),
)  # fmt: skip


def _cells(text: str) -> str:
    """The lines for the shell, and values that Python sets; all other Python becomes empty lines."""
    lines, shell, continued = [], False, False
    for line in text.split("\n"):
        start = line.lstrip()[:1]
        if line.startswith("%%"):
            shell = bool(re.match(r"%%(?:bash|shell|sh)\b", line))
            line = ""
        if shell:
            pass
        elif continued or (start and start in "!%"):
            for pattern, replacement in _MAGICS:
                line = pattern.sub(replacement, line)
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
        raise ImportRefused(f"{source} is no whole notebook; save it again") from None


def _python(text: str, source: str) -> str:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ImportRefused(f"{source}:{line}: no valid Python; give the command itself") from None
    lines = [""] * (text.count("\n") + 2)
    lists = {
        target.id
        for one in ast.walk(tree)
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.List)
        for target in one.targets
        if isinstance(target, ast.Name)
    }
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
        if isinstance(one, ast.Assign | ast.AugAssign | ast.AnnAssign) and one.value is not None:
            target = one.targets[0] if isinstance(one, ast.Assign) else one.target
            sign = "+=" if isinstance(one, ast.AugAssign) else "="
            if isinstance(target, ast.Name):
                yield one.lineno, f"{target.id}{sign}{_shell_value(one.value)}"
        for call in (node for node in ast.walk(one) if isinstance(node, ast.Call)):
            if not isinstance(one, ast.Expr | ast.Assign | ast.Return):
                break
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            owner = getattr(getattr(call.func, "value", None), "id", "")
            if name in ("append", "extend") and owner and call.args:
                value = _shell_value(call.args[0])
                yield one.lineno, f"{owner}+={value if name == 'extend' else f'({value})'}"
            elif name in _STARTS and call.args:
                yield one.lineno, _shell_command(call.args[0], lists)


def _shell_command(tree: ast.expr, lists: Collection[str]) -> str:
    """A list of words starts a program; a text is read by a shell."""
    if isinstance(tree, ast.Name) and tree.id in lists:
        return f'"${{{tree.id}[@]}}"'
    value = _shell_value(tree)
    return value[1:-1] if isinstance(tree, ast.List | ast.Tuple) else f"eval {value}"


def _shell_value(tree: ast.expr) -> str:
    """An expression as a shell word or array; what has to be run stays unknown."""
    if isinstance(tree, ast.List | ast.Tuple):
        return f"({' '.join(_shell_value(item) for item in tree.elts)})"
    if isinstance(tree, ast.Starred):
        return f'"${{{tree.value.id}[@]}}"' if isinstance(tree.value, ast.Name) else "$(python)"
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str | int | float):
        return shlex.quote(str(tree.value)) or "''"
    if isinstance(tree, ast.Name):
        return f'"${{{tree.id}}}"'
    if isinstance(tree, ast.JoinedStr):
        return "".join(map(_shell_value, tree.values)) or "''"
    if isinstance(tree, ast.FormattedValue):
        return _shell_value(tree.value)
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return _shell_value(tree.left) + _shell_value(tree.right)
    if isinstance(tree, ast.Call) and tree.args and getattr(tree.func, "id", "") == "str":
        return _shell_value(tree.args[0])
    if isinstance(tree, ast.Call) and tree.args and getattr(tree.func, "attr", "") == "join":
        return "/".join(map(_shell_value, tree.args))
    return _to_run(ast.unparse(tree))
