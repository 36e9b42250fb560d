"""The operations of `${name...}` on known text: cutting, replacing, upper and lower case. Pure."""

from __future__ import annotations

import re
from fnmatch import translate

#: `${X%pattern}` tries every length
MOST_TRIMMED = 4_096
#: tries of a pattern with several stars
MOST_TRIES = 5_000_000
#: name with an optional index, and what follows
PARAMETER = re.compile(
    r"(?P<count>\#(?=[\w@*]))?(?P<indirect>!(?=[A-Za-z_]))?(?P<name>[A-Za-z_]\w*|\d{1,9}|[@*\#?$!-])"
    r"(?:\[(?P<index>[^\[\]]*)\])?(?P<rest>.*)",
    re.S | re.X,
)
OPERATION = re.compile(r"(:?[-=?+]|%%?|##?|/[/#%]?|,,?|\^\^?|:|@)(.*)", re.S)
_SED = re.compile(r"s([/|#,@:%])(.*?)\1(.*?)\1(g?)", re.S)
#: without the signs of a regular expression
_PLAIN = re.compile(r"[^\\^$*\[\]+?()]+")
_CASES = {",,": str.lower, "^^": str.upper}
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))", re.S
)
_ESCAPED = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
}  # fmt: skip


def unescaped(text: str) -> str:
    """The text of `$'...'`, and of `printf` and `echo -e`."""

    def one(match: re.Match[str]) -> str:
        number = match[1] or match[2] or match[3]
        if number or match[4]:
            code = int(number, 16) if number else int(match[4], 8)
            return chr(code) if code < 0x110000 else ""
        return _ESCAPED.get(match[5], match[5] if match[5] in "\\'\"?" else match[0])

    return _ESCAPE.sub(one, text)


def edited(text: str, script: str) -> str | None:
    """`sed 's/old/new/'` of plain text; None for any other script."""
    match = _SED.fullmatch(script)
    if match is None or not _PLAIN.fullmatch(match[2]) or re.search(r"[&\\]", match[3]):
        return None
    times = -1 if match[4] else 1
    return "\n".join(one.replace(match[2], match[3], times) for one in text.split("\n"))


def literal(text: str) -> str:
    """As a pattern that matches only itself."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def changed(text: str, sign: str, pattern: str, new: str = "") -> str | None:
    """`${X%pattern}`, `${X/pattern/new}`, `${X^^}` ...; None: too long to be computed."""
    if sign in _CASES:
        return _CASES[sign](text)
    if sign in (",", "^"):
        return (text[:1].lower() if sign == "," else text[:1].upper()) + text[1:]
    if max(len(text), len(pattern)) > MOST_TRIMMED:
        return None
    return _replaced(text, sign, pattern, new) if sign[0] == "/" else _trimmed(text, sign, pattern)


def _trimmed(value: str, sign: str, pattern: str) -> str:
    matches = re.compile(translate(pattern)).match
    lengths = range(len(value) + 1)
    for length in reversed(lengths) if len(sign) == 2 else lengths:
        if sign[0] == "#" and matches(value[:length]):
            return value[length:]
        if sign[0] == "%" and matches(value[len(value) - length :]):
            return value[: len(value) - length]
    return value


def _replaced(text: str, sign: str, pattern: str, new: str) -> str | None:
    if not pattern:
        return {"/#": new + text, "/%": text + new}.get(sign, text)
    stars = pattern.count("*")
    if (len(text) + 1) ** (stars + 1) > MOST_TRIES and stars:
        return None
    found = re.escape(pattern) if not re.search(r"[*?\[]", pattern) else _searched(pattern)
    found = {"/#": rf"\A(?:{found})", "/%": rf"(?:{found})\Z"}.get(sign, found)
    try:
        if not text and re.fullmatch(found, ""):
            return new
        put = re.compile(found, re.S)
        return put.sub(lambda match: new if match[0] else "", text, count=sign != "//")
    except re.error:
        return None


def _searched(pattern: str) -> str:
    """A pattern of the shell as a regular expression that takes the longest match."""
    parts = re.findall(r"\*|\?|\[[!^]?\]?[^\]]*\]|.", pattern, re.S)
    signs = {"*": ".*", "?": "."}
    return "".join(
        signs.get(one)
        or (re.sub(r"^\[!", "[^", one.replace("\\", "\\\\")) if len(one) > 1 else re.escape(one))
        for one in parts
    )


def halves(rest: str) -> tuple[str, str, str]:
    """Pattern and new text of `${X/old/new}`; a quoted slash belongs to the pattern."""
    match = re.match(r"((?:\\.|'[^']*'|\"[^\"]*\"|[^/])*)(/?)(.*)", rest, re.S)
    return (match[1], match[2], match[3]) if match else (rest, "", "")


def part(size: int, start: int, length: int | None) -> slice:
    """`${X:start:length}`; negative ones count from the end."""
    if start < 0:
        start += size
    if start < 0:
        return slice(0)
    end = size if length is None else start + length if length >= 0 else size + length
    return slice(start, max(start, end))
