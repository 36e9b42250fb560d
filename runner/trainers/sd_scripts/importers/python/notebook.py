"""The code cells of a notebook as one Python program; lines with `!` and `%` become calls, as in IPython."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from runner.files.json_text import parse_json
from runner.trainers.sd_scripts.importers.model import ImportRefused
from runner.trainers.sd_scripts.importers.python.calls import SHELL_CELL, SHELL_LINE

_SHELL_CELL = re.compile(r"%%(?:bash|shell|sh|script)\b|%%!")
_WRITE_CELL = re.compile(r"%%writefile\s+(?:-a\s+)?(\S+)")
_MAGIC = re.compile(r"(?P<indent>\s*)(?:(?P<target>\w+)\s*=\s*)?(?P<sign>!!?|%)(?P<rest>(?!=).*)")
_ENVIRONMENT = re.compile(r"(?:set_)?env\s+(\w+)[= ]\s*(.*)")
_TOP_LEVEL_AWAIT = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def cells_of(text: str, source: str) -> list[str]:
    """The code cells of an .ipynb. Raises ImportRefused."""
    try:
        cells = parse_json(text)["cells"]
        found = [cell["source"] for cell in cells if cell.get("cell_type") == "code"]
        return ["".join(one) for one in found]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ImportRefused(f"{source} is not a complete notebook; save it again") from None


def program_of(cells: list[str]) -> list[ast.stmt]:
    """The statements of all cells; of one that is not valid Python only its simple lines. Lines are counted
    through all cells."""
    body: list[ast.stmt] = []
    line = 0
    for cell in cells:
        statements = _parsed(cell)
        if statements is None:
            statements = _parsed("\n".join(_lines(cell)))
        if statements is None:
            statements = list(_simple_lines(cell))
        for one in statements:
            ast.increment_lineno(one, line)
        body += statements
        line += cell.count("\n") + 1
    return body


def _parsed(source: str) -> list[ast.stmt] | None:
    try:
        tree = compile(source, "cell", "exec", flags=_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree.body if isinstance(tree, ast.Module) else None


def _simple_lines(cell: str) -> Iterator[ast.stmt]:
    lines = list(_lines(cell))
    for at, line in enumerate(lines):
        for one in _parsed(line.strip()) or ():
            if isinstance(one, ast.Assign | ast.Expr):
                ast.increment_lineno(one, at)
                yield one


def _lines(cell: str) -> Iterator[str]:
    """The cell as Python, with as many lines."""
    if _SHELL_CELL.match(cell.lstrip()):
        yield f"{SHELL_CELL}({cell.lstrip().partition(chr(10))[2]!r})"
        return
    if match := _WRITE_CELL.match(cell.lstrip()):
        yield f"open({match[1]!r}, 'w').write({cell.lstrip().partition(chr(10))[2]!r})"
        return
    lines = cell.split("\n")
    at, quoted = 0, ""
    while at < len(lines):
        line, begun = lines[at], at
        at += 1
        match = None if quoted else _MAGIC.fullmatch(line)
        if match is None:
            yield line if not line.startswith("%%") else ""
            quoted = _open_quote(line, quoted)
            continue
        rest = match["rest"]
        while rest.endswith("\\") and at < len(lines):
            rest = f"{rest[:-1]} {lines[at]}"
            at += 1
        target = f"{match['target']} = " if match["target"] else ""
        yield f"{match['indent']}{target}{_call(match['sign'], rest)}"
        yield from [""] * (at - begun - 1)


def _open_quote(line: str, quoted: str) -> str:
    """The triple quotes that are still open after the line."""
    for mark in re.findall(r'"""|\'\'\'', line):
        quoted = mark if not quoted else "" if mark == quoted else quoted
    return quoted


def _call(sign: str, rest: str) -> str:
    if sign[0] == "!":
        return f"{SHELL_LINE}({rest.strip()!r})"
    rest = rest.strip()
    if match := _ENVIRONMENT.match(rest):
        return f"{SHELL_LINE}({f'export {match[1]}={match[2]}'!r})"
    if re.match(r"(?:cd|pushd|sx|system|run)\b", rest):
        text = re.sub(r"^(?:sx|system)\s+", "", re.sub(r"^run\b", "python", rest))
        return f"{SHELL_LINE}({text!r})"
    return "None"
