"""Pages of docs/ made from the program's own tables. `make docs` writes them, a test compares them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FROM = "<!-- Written by `make docs`. Edit the source named here instead: {} -->"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Of Markdown; rows in which only the last cell varies in length stay readable in an editor."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines]


def code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def codes(texts: Iterable[str], between: str = ", ") -> str:
    return between.join(map(code, texts))


def pages() -> Mapping[str, Callable[[], str]]:
    """File name below docs/ -> its text. Imports here, so that one page needs only its own part."""
    from scripts.docs import causes, checks, commands, plasma_toml, screens

    return {
        "causes.md": causes.page,
        "checks.md": checks.page,
        "commands.md": commands.page,
        "plasma-toml.md": plasma_toml.page,
        "plasma.schema.json": lambda: json.dumps(plasma_toml.schema(), indent=2),
        "screens.md": screens.page,
    }


def write_pages(folder: Path = ROOT / "docs") -> list[Path]:
    """Returns the files that changed."""
    changed = []
    for name, page in pages().items():
        path, text = folder / name, page().rstrip("\n") + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            changed.append(path)
    return changed
