"""Strings from outside that have broken terminals, markup parsers and column widths elsewhere."""

from __future__ import annotations

HOSTILE = (
    "[/red]",
    "[/]",
    "[bold red]not red",
    "[@click=app.bell]press[/]",
    "\x1b[2J\x1b[H wiped",
    "\x1b]0;a title\x07after",
    "\x1b]52;c;aGFjaw==\x1b\\after",
    "\x1b]52;c;never closed",
    "\x1bPq#0;2;0;0;0\x1b\\sixel",
    "\x9b31mC1\x9c",
    "bell\x07 back\x08space \x00 nul",
    "steps:  45%|####      | 412/920 [00:10<01:30, 3.1s/it]",
    "line one\nline two\r\nthree",
    "tab\there",
    "\u202egnp.exe\u202c override",
    "zero\u200bwidth\ufeff",
    "wide 模型训练 文字",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 emoji",
    "lone \ud800 surrogate",
    "z\u0301\u0302\u0303\u0304algo",
    "x" * 20_000,
    "",
    " ",
    "{spyke} %s %(name)s \\",
)
