"""What a log collector put in front of every line: a time, a level, a stream, a rank, a container's name.

There are too many formats to list, so none is listed: the beginnings of the lines are cut into kinds of
tokens (`2024-09-16 12:00:00` is number, `-`, number ...), and the longest sequence that most lines share is
followed. Where it ends is decided by what is left: the cut after which most lines are known lines of a
trainer. A log whose lines are known as they are has no prefix, whatever they have in common. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: no prefix is longer
PREFIX_BYTES = 300
#: of the lines: how many must share it, and how many known ones prove that there is none
_SHARE, _KNOWN_SHARE = 0.6, 0.9
_LINES, _TOKENS = 240, 60

#: kinds of tokens, in the order of trying; any other word or character is its own kind
_KINDS = {
    "escape": rb"\x1b\[[\d;]*m",
    "level": rb"(?i:debug|info|notice|warn(?:ing)?|error|critical|fatal)(?![A-Za-z])",
    "stream": rb"(?i:std(?:out|err)|out|err)(?![A-Za-z])",
    "name": rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
    rb"|AM|PM)(?![A-Za-z])",
    "number": rb"\d{1,20}",
    "space": rb"[ \t]{1,40}",
}
_BAR = re.compile(rb"\r? *(?:steps: *)?\d{1,3}%[| ]")
_WORD = rb"[A-Za-z\x80-\xff]{1,60}"
_TOKEN = re.compile(
    b"|".join(b"(?P<%s>%s)" % (kind.encode(), known) for kind, known in _KINDS.items())
    + b"|"
    + _WORD
    + b"|[^\r\n]"
)
#: a prefix ends behind one of these
_ENDS = (b"]", b":", b"|", b">", b")", b"-", b"\xe2\x94\x82")
#: in place of a program's or container's name that is not the same in all lines
_ANY_NAME = rb"[\w.+@/-]{1,80}"
#: parts of a pattern that are part of a name, as `python3` and `train-1` have several
_NAMED = re.compile(_WORD + rb"|\\[.+/-]|[_@/]|" + re.escape(_KINDS["number"]))
_COLOURS = rb"(?:\x1b\[[\d;]*m){0,4}"

#: Is it a line of a trainer? SURE: yes, 1: it may be, 0: no.
Known = Callable[[bytes], int]
SURE = 1000


@dataclass(frozen=True, slots=True)
class Prefix:
    """`pattern` matches it at the beginning of a line. `flat`: the lines behind it have lost their indents."""

    pattern: re.Pattern[bytes]
    flat: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """One token: its kind, "" for its own."""

    kind: str
    text: bytes

    @property
    def key(self) -> object:
        return self.kind or self.text


def find_prefix(sample: bytes, known: Known) -> Prefix | None:
    """The prefix of the lines of `sample`, the beginning of a log, or of its last part: two logs in one file,
    or a collector that began later. Behind it there may be another one: a log is quoted in an issue, or a
    container's output goes through two collectors."""
    first = _find(sample, known)
    if first is None:
        lines = sample.split(b"\n")
        parts = (b"\n".join(lines[len(lines) * k // 4 :]) for k in (1, 2, 3))
        first = next((found for part in parts if (found := _find(part, known))), None)
    if first is None:
        return None
    line = re.compile(rb"(?m:^)(?:" + first.pattern.pattern + b")")
    second = _find(line.sub(b"", sample), known)
    if second is None:
        return first
    pattern = re.compile(first.pattern.pattern + b"(?:" + second.pattern.pattern + b")?")
    return Prefix(pattern, second.flat)


def _find(sample: bytes, known: Known) -> Prefix | None:
    # a collector has no say in the states of a bar behind the first
    lines = _spread([line for line in sample.split(b"\n") if line.strip() and not _BAR.match(line)])
    scores = list(map(known, lines))
    if sum(map(bool, scores)) >= _KNOWN_SHARE * len(lines):
        return None
    best, found = sum(scores) + SURE + (2 if len(lines) >= 6 else -1), list[bytes]()
    for template in _templates([_parts(line[:PREFIX_BYTES]) for line in lines]):
        score = _score(template, lines, known)
        # the space behind it makes no difference to what is known
        if score > best or (score == best and found and template[: len(found)] == found):
            best, found = score, template
    if not found or (len(lines) < 3 and _KINDS["number"] not in found):
        return None
    pattern = re.compile(b"".join(_with_any_names(best, found, lines, known)))
    rests = [line[match.end() :] for line in lines if (match := pattern.match(line))]
    return Prefix(pattern, is_flat(rests))


def is_flat(lines: Sequence[bytes]) -> bool:
    """Have the lines lost their indents? Only if some had one: frames, the banner, further records."""
    return not any(line[:1] in (b" ", b"\t") and line.strip() for line in lines) and any(
        map(_INDENTED.match, lines)
    )


_INDENTED = re.compile(rb'File ".*", line \d|num [a-z ]+\*?|(?:INFO {5}|WARNING {2}|ERROR {4})\S')


def _spread(lines: list[bytes]) -> list[bytes]:
    """Some of them, from all over, not always the same one of two writers in turn."""
    step = max(1, -(-len(lines) // _LINES))
    places = (k * step + 7 * k % step for k in range(-(-len(lines) // step)))
    return [lines[place] for place in places if place < len(lines)]


def _parts(line: bytes) -> list[_Part]:
    found = []
    for match in _TOKEN.finditer(line.lstrip(b" ")):
        if match.lastgroup != "escape":
            found.append(_Part(match.lastgroup or "", match.group()))
        if len(found) == _TOKENS:
            break
    return found


def _templates(lines: list[list[_Part]]) -> list[list[bytes]]:
    """The patterns of all beginnings that most lines share and that end as a prefix does."""
    active, found = [(parts, 0) for parts in lines], list[list[bytes]]()
    pattern: list[bytes] = [rb"(?: {1,8}(?=\d))?"]
    names = 2
    while len(pattern) < 2 * _TOKENS:
        active = [(parts, place) for parts, place in active if place < len(parts)]
        keys = Counter(parts[place].key for parts, place in active)
        key, count = keys.most_common(1)[0] if keys else (None, 0)
        if count < _SHARE * len(lines):
            # programs and containers have names
            active, names = (
                [(p, _behind_name(p, i)) for p, i in active if _in_name(p[i])],
                names - 1,
            )
            if len(active) < _SHARE * len(lines) or names < 0:
                break
            pattern += [_COLOURS, _ANY_NAME]
            continue
        active = [(parts, place) for parts, place in active if parts[place].key == key]
        part = active[0][0][active[0][1]]
        if part.kind == "space":
            # the indent of the text behind it is not part of it; blank lines have lost their end
            rooms = [len(p[i].text) for p, i in active if i + 1 < len(p)]
            end = rb"(?:[ \t]{%d}|(?=[\r\n]|\Z))" % min(rooms, default=1)
            found.append([*pattern, _COLOURS, end])
        pattern += [_COLOURS, _KINDS[part.kind] if part.kind else re.escape(part.text)]
        if part.text in _ENDS:
            found.append([*pattern, _COLOURS])
        active = [(parts, place + 1) for parts, place in active]
    return found


def _in_name(part: _Part) -> bool:
    return part.kind not in ("space", "escape") and re.fullmatch(_ANY_NAME, part.text) is not None


def _behind_name(parts: list[_Part], place: int) -> int:
    while place < len(parts) and _in_name(parts[place]):
        place += 1
    return place


def _score(template: Sequence[bytes], lines: Sequence[bytes], known: Known) -> int:
    pattern = re.compile(b"".join(template))
    return sum(known(line[m.end() :] if (m := pattern.match(line)) else line) for line in lines)


def _with_any_names(
    score: int, template: list[bytes], lines: Sequence[bytes], known: Known
) -> list[bytes]:
    """Any name in place of one, where that finds the prefix in more lines: a program or a container with few
    of them."""
    for place, part in enumerate(template):
        if re.fullmatch(_WORD, part):
            end = place
            while end < len(template) and (
                template[end] == _COLOURS or _NAMED.fullmatch(template[end])
            ):
                end += 1
            other = [*template[:place], _ANY_NAME, *template[end:]]
            more = _score(other, lines, known)
            if more > score:
                return _with_any_names(more, other, lines, known)
    return template
