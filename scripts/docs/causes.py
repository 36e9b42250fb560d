"""docs/causes.md: the catalogue of known failures, each with sign, reason and fix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from runner.analysis.diagnosis.catalogue import Company, Entry, entries
from runner.analysis.diagnosis.cures import Cure
from runner.analysis.diagnosis.needs import needs_of
from runner.analysis.diagnosis.titles import cause_title
from scripts.docs import FROM, code, codes, table

INTRO = """\
# Known failures

When a training fails, plasma-tui looks for its cause in the console log. The screen, `plasma-tui show` and the
summary name it by the keys below. Each has the reason, what to do, the changes that `plasma-tui retry` offers,
and the signs by which it is found.

- Of the changes, `retry` offers the first that fits the run and isn't set yet. `env.NAME` is a variable of
  the trainer's environment, `accelerate.NAME` a flag of `accelerate launch`, `false` removes a flag. A value in
  capitals, such as `PATH`, only you can know.
- In the signs, `…` means any text and `N` a number; `(a|b)` is a choice, `(a)?` is optional.
"""
DEVICES = {"cuda": "CUDA", "mps": "Apple GPU"}


def page() -> str:
    by_key: dict[str, list[Entry]] = {}
    for entry in entries():
        by_key.setdefault(entry.key, []).append(entry)
    lines = [FROM.format("runner/analysis/diagnosis/causes/*.toml"), INTRO]
    lines += table(
        ("key", "title on the screen"),
        ((f"[{key}](#{key})", cause_title(key)) for key in sorted(by_key)),
    )
    for key, rows in sorted(by_key.items()):
        lines += ["", f"## {key}"]
        for advice, same in groupby(rows, lambda row: (row.advice, row.hints)):
            reason, cure = _split(advice[0])
            lines += ["", f"**Reason:** {reason}", ""]
            lines += [f"**What to do:** {cure}", ""] if cure else []
            lines += [f"On {DEVICES.get(need, need)}: {hint}\n" for need, hint in advice[1].items()]
            for row in same:
                lines += [*_fixes(row), *_signs(row)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _split(advice: str) -> tuple[str, str]:
    """The first sentence, which is the reason, and the others."""
    reason, _, cure = advice.partition(". ")
    return reason.rstrip(".") + ".", cure


def _fixes(row: Entry) -> Iterator[str]:
    cures = [text for one in row.fixes if (text := _cure(one))]
    if len(cures) == 1:
        yield from (f"`retry` offers {cures[0]}.", "")
    elif cures:
        yield from (
            "`retry` offers, in this order:",
            "",
            *(f"{n}. {c}" for n, c in enumerate(cures, 1)),
            "",
        )


def _cure(cure: Cure) -> str:
    parts = [codes(cure.changes, " ")] if cure.changes else []
    parts += [f"half of {codes(cure.halved)}"] if cure.halved else []
    parts += [f"{code(name)} raised by 1" for name in cure.raised]
    needs = {need for change in cure.changes for need in needs_of(change)} | set(cure.needs)
    only = [DEVICES[need] for need in ("cuda", "mps") if need in needs]
    only += [f"{need.replace('|', ' or ')}" for need in sorted(needs) if need.endswith(".py")]
    only += ["a model in main memory"] if "main memory" in needs else []
    notes = [f"only for {' and '.join(only)}"] if only else []
    notes += [f"only with {_either(cure.only_with)}"] if cure.only_with else []
    notes += [f"not with {_either(cure.without)}"] if cure.without else []
    return ", ".join(parts) + (f" ({'; '.join(notes)})" if notes else "")


def _signs(row: Entry) -> Iterator[str]:
    found = [
        ("Signs in an error or in the last lines of the trainer:", row.said),
        ("Signs in an exception:", row.raised),
        ("Signs in a warning, if no error says more:", row.warned),
        *(
            (f"{f'Signs in an exception {_company(one)}'.rstrip()}:", one.raised)
            for one in row.when_raised
        ),
    ]
    for head, pattern in found:
        if pattern is not None and not pattern.pattern:
            yield from (head.replace("Signs in an", "Any").replace(":", "."), "")
        elif pattern is not None:
            signs = map(readable, alternatives(pattern.pattern))
            yield from (head, "", "```text", *signs, "```", "")
    if all(pattern is None for _, pattern in found):
        by = f", for {row.when}" if row.when else ""
        yield from (
            f"Found from steps, losses, device and exit code, not from a line of the log{by}.",
            "",
        )


def _company(one: Company) -> str:
    parts = [
        f"{word} {_either(name.replace('?*', '…').replace('*', '…') for name in names)}"
        for word, names in (("in", one.within), ("raised in", one.raised_in))
        if names
    ]
    if one.beside:
        parts.append(
            f"after a warning with {_either(map(readable, alternatives(one.beside.pattern)))}"
        )
    if one.during:
        parts.append(f"in the phase {_either(one.during)}")
    if one.resumed:
        parts.append("of a resumed run")
    return " ".join(parts)


def _either(names: Iterable[str]) -> str:
    *others, last = map(code, names)
    return f"{', '.join(others)} or {last}" if others else last


# ------------------------------------------------------------------ regular expressions for people


def alternatives(pattern: str) -> list[str]:
    """The parts between the `|` that are in no group."""
    outer = re.fullmatch(r"\(\?:((?:[^()\\]|\\.|\([^()]*\))*)\)", pattern, re.DOTALL)
    parts, depth, text = [], 0, outer[1] if outer else pattern
    last = 0
    for found in re.finditer(r"\\.|\[[^\]]*\]|[()|]", text, re.DOTALL):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[0] == "|" and not depth:
            parts.append(text[last : found.start()])
            last = found.end()
    return [*parts, text[last:]]


_READABLE = (
    (r"\(\?[!=][^()]*\)", ""),  # what must not follow
    (r"\(\?:\\w\+\\\.\)\*", ""),  # the modules of an exception
    (r"(?<![\\\[])\^|(?<!\\)\$|\\b", ""),
    (r"\[\\d[^\]]*\][*+]|\\d\+?", "N"),
    (r"(?:\\[wS]|\[[^\]]*\\w[^\]]*\]|\[\^[^\]]*\]|(?<!\\)\.)(?:[*+]\??|\{\d+,\d*\})", "…"),
    (r"\[(\w)(\w)\]", r"(\1|\2)"),
    (r"\(\?:", "("),
    (r"(\\.|[^)\\])\?(?!\w*\))", r"\1"),  # one optional character
    (r"\\(.)", r"\1"),
)


def readable(pattern: str) -> str:
    for found, instead in _READABLE:
        pattern = re.sub(found, instead, pattern)
    return pattern.strip("… ")
