"""Log records laid out as rich lays them out for sd-scripts."""

from __future__ import annotations

import io
import logging
import random
from datetime import datetime

import pytest
from rich.console import Console
from rich.logging import RichHandler

from runner.embedded.console import TableHandler, cells, columns, format_row, wrap

WORDS = [
    "a",
    "steps",
    "/tmp/a/very/long/path/that/is/cut/mid/word.safetensors",
    "学習画像の数",
    "3",
]


def rich_lines(message: str, level: int, width: int) -> list[str]:
    """What rich's own handler writes for one record."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=False, color_system=None)
    handler = RichHandler(console=console)
    handler.setFormatter(logging.Formatter("%(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    handler.emit(logging.LogRecord("x", level, "/a/train.py", 123, message, (), None))
    return out.getvalue().splitlines()


def own_lines(message: str, level: int, width: int) -> list[str]:
    record = logging.LogRecord("x", level, "/a/train.py", 123, message, (), None)
    stamp = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
    return format_row(stamp, record.levelname, message, "train.py:123", width).split("\n")


@pytest.mark.parametrize("width", [80, 93, 160, 500])
def test_a_record_looks_as_rich_writes_it(width: int) -> None:
    chance = random.Random(width)
    for _ in range(60):
        message = " ".join(chance.choice(WORDS) for _ in range(chance.randint(1, 25)))
        ours, theirs = (
            [line[20:] for line in made(message, logging.INFO, width)]
            for made in (own_lines, rich_lines)
        )
        assert ours == theirs, message


def test_lines_of_one_record_keep_their_indent() -> None:
    message = "[Dataset 0]\n  batch_size: 1\n\n  resolution: (64, 64)\n"
    ours = [line[20:] for line in own_lines(message, logging.WARNING, 120)]
    assert ours == [line[20:] for line in rich_lines(message, logging.WARNING, 120)]
    assert len(ours) == 5
    assert all(len(line) == 100 for line in ours)


def test_a_repeated_time_is_left_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    handler = TableHandler()
    record = logging.LogRecord("x", logging.INFO, "/a/b.py", 7, "hello", (), None)
    first, second = handler.format(record), handler.format(record)
    assert first[:2] == "20"
    assert second[:20] == " " * 20
    assert first[20:] == second[20:]
    assert first.endswith(" b.py:7")


def test_columns_decide_the_width_else_80(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "123")
    assert columns() == 123
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("os.get_terminal_size", _no_terminal)
    assert columns() == 80


def _no_terminal(stream: int) -> object:
    raise OSError(stream)


def test_wide_characters_count_twice() -> None:
    assert cells("学習a") == 5
    assert wrap("学習 学習ab", 4) == ["学習", "学習", "ab"]
