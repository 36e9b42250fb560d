"""Runs as screen and command list them: words of one run, filter, order, groups. Pure."""

from __future__ import annotations

import math
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.model import LossSeries, Outcome, RunListing, RunState
from runner.model.units import finite
from tui.text import clean, crop
from tui.words.state import label_of

# ---------------------------------------------------------------------------
# Words of one run.

LIVE = (RunState.QUEUED, RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
DAY_S = 86_400
#: longer ago than this, a date says more than a number of days
WEEK_S = 7 * DAY_S


def is_live(one: RunListing) -> bool:
    return one.state in LIVE


def name_of(one: RunListing) -> str:
    return clean(one.name, 200).strip() or clean(one.id, 200)


def short_id(run_id: str) -> str:
    """What distinguishes runs of one name: `ab12` of 20261121-182911-spyke-ab12."""
    return clean(run_id.rpartition("-")[2], 8)


def kind_of(one: RunListing) -> str:
    """Smoke test, imported from a log or from files; empty for other runs."""
    return clean(one.origin, 20) or ("smoke" if one.smoke else "")


def tags_of(one: RunListing, limit: int) -> str:
    return crop(", ".join(clean(tag, 60) for tag in one.tags[:40]), limit)


def shown_loss(one: RunListing) -> float | None:
    """The smoothed loss, of live and ended runs alike; a last loss of NaN is never hidden by it."""
    if one.loss is not None and not math.isfinite(one.loss):
        return one.loss
    return one.smooth if one.smooth is not None else one.loss


def progress_of(one: RunListing) -> float | None:
    """0 to 1 of the planned steps; None: unknown."""
    return min(1.0, one.step / one.total_steps) if one.total_steps else None


def when(at: float, now: float) -> str:
    """In one unit; the date of what is older than a week. Empty: unknown."""
    if not at or not math.isfinite(at):
        return ""
    passed = now - at
    if passed < 5:
        return "now"
    if passed >= WEEK_S:
        return date_of(at)
    for unit_s, name in ((DAY_S, "d"), (3600, "h"), (60, "min")):
        if passed >= unit_s:
            return f"{int(passed // unit_s)} {name} ago"
    return f"{int(passed // 5) * 5} s ago"


def date_of(at: float | None, with_time: bool = False) -> str:
    """`2026-11-21`, local; empty for no time at all."""
    try:
        shape = "%Y-%m-%d %H:%M" if with_time else "%Y-%m-%d"
        return time.strftime(shape, time.localtime(at)) if at else ""
    except (ValueError, OverflowError, OSError):
        return ""


def short_path(path: str) -> str:
    """With `~` for the home folder."""
    home = str(Path.home())
    if path == home or path.startswith(home + "/"):
        path = "~" + path[len(home) :]
    return clean(path, 400)


# ---------------------------------------------------------------------------
# The loss of a run in a few points.

POINTS = 20
#: this share of the points fits the height; the first steps of a run are often far above the rest
SHARE_IN_SIGHT = 0.9


@dataclass(frozen=True, slots=True)
class Curve:
    """`points`: 0 (lowest) to 1 over the trained steps, None where the loss is unknown or not finite.
    `smooth`: the smoothed loss at the last step, as the monitor shows it."""

    points: tuple[float | None, ...] = ()
    smooth: float | None = None


def curve_of(series: LossSeries) -> Curve:
    buckets = series.buckets
    last = len(buckets) - 1
    picked = [
        finite(buckets[round(i * last / (POINTS - 1))].smooth)
        for i in range(POINTS if buckets else 0)
    ]
    known = sorted(value for value in picked if value is not None)
    if not known:
        return Curve((), series.smooth)
    low, high = known[0], known[int((len(known) - 1) * SHARE_IN_SIGHT)]
    span = math.inf if math.isclose(low, high) else high - low
    points = tuple(None if value is None else min(1.0, (value - low) / span) for value in picked)
    return Curve(points, series.smooth)


# ---------------------------------------------------------------------------
# The filter: every word must occur somewhere, `tag:good` in that field.

#: characters of a note that are searched
NOTE_SEARCHED = 2000


def _state_words(one: RunListing) -> str:
    """The word on the screen, those of the files, and `live`."""
    outcome = one.outcome.value if one.outcome and one.state is RunState.ENDED else ""
    live = "live" if is_live(one) else ""
    return f"{label_of(one.state, one.outcome).word} {one.state.value} {outcome} {live}"


_FIELDS: dict[str, Callable[[RunListing], str]] = {
    "id": lambda one: one.id,
    "name": lambda one: one.name,
    "state": _state_words,
    "kind": lambda one: f"{one.origin} {'smoke' if one.smoke else ''}",
    "group": lambda one: one.group,
    "tag": lambda one: " ".join(one.tags),
    "note": lambda one: one.note[:NOTE_SEARCHED],
    "project": lambda one: one.project,
    "device": lambda one: one.device or "",
    "host": lambda one: f"{one.remote} {one.host}",
}
#: each field is a line of the searched text, after a sign of its own from Unicode's private use area
_SIGNS = {name: chr(0xE000 + at) for at, name in enumerate(_FIELDS)}


def search_text(one: RunListing) -> str:
    lines = (_SIGNS[name] + read(one).strip().replace("\n", " ") for name, read in _FIELDS.items())
    return folded("\n".join(lines)) + "\n"


def folded(text: str) -> str:
    """Without case; composed, because macOS writes file names decomposed."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).casefold()


def parsed(typed: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Words, and (sign of a field, value). An unknown field is part of a word."""
    words, fields = [], []
    for word in folded(typed).split():
        name, colon, value = word.partition(":")
        sign = _SIGNS.get(name) or _SIGNS.get(name.removesuffix("s"))
        if colon and sign:
            fields.append((sign, value))
        else:
            words.append(word)
    return words, fields


def _holds(text: str, sign: str, value: str) -> bool:
    """Does that field hold the value? An empty value: anything."""
    start = text.index(sign) + 1
    end = text.index("\n", start)
    return text.find(value, start, end) >= 0 if value else end > start


# ---------------------------------------------------------------------------
# All runs in their order. Thousands are listed every two seconds and nearly all are as before: nothing is
# made twice.


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A run, with the text that a filter searches."""

    listing: RunListing
    text: str
    live: bool

    @property
    def key(self) -> str:
        return self.listing.key


@dataclass(frozen=True, slots=True)
class Head:
    """The line above the runs of one project, or sweep."""

    title: str
    runs: int
    live: int


Line = Head | Entry

_OUTCOMES = (Outcome.SUCCEEDED, Outcome.STOPPED, Outcome.FAILED, Outcome.DIVERGED,
             Outcome.KILLED, Outcome.NOTHING_TRAINED)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sort:
    """`value`: None comes last; `down`: the largest first, unless reversed."""

    name: str
    value: Callable[[RunListing], str | float | None]
    down: bool = False


def _outcome(one: RunListing) -> float | None:
    if one.state is RunState.LOST:
        return float(len(_OUTCOMES))
    return float(_OUTCOMES.index(one.outcome)) if one.outcome in _OUTCOMES else None


SORTS: tuple[Sort, ...] = (
    Sort("when", lambda one: one.created_at or None, down=True),
    Sort("name", lambda one: folded(name_of(one))),
    Sort("loss", lambda one: finite(shown_loss(one))),
    Sort("steps", lambda one: float(one.step), down=True),
    Sort("took", lambda one: one.duration_s, down=True),
    Sort("outcome", _outcome),
)


@dataclass(slots=True)
class RunBoard:
    """`lines()`: what is shown."""

    listings: tuple[RunListing, ...] | None = None
    typed: str = ""
    #: by what there are heads, "" for none
    grouped: str = ""
    turned: bool = False
    sort: Sort = SORTS[0]
    #: keys, in the order they were marked
    marks: dict[str, None] = field(default_factory=dict)
    #: optional columns with something to show
    columns: frozenset[str] = frozenset()
    #: hosts that do not answer: whether their runs are live is unknown
    silent: frozenset[str] = frozenset()
    _entries: dict[str, Entry] = field(default_factory=dict)
    #: what `sort` compares
    _values: dict[Entry, str | float | None] = field(default_factory=dict)
    _ordered: list[Entry] | None = None
    #: (filter, the entries that match it)
    _matched: tuple[str, list[Entry]] | None = None
    _lines: tuple[Line, ...] | None = None

    def entries_of(self, listings: Sequence[RunListing]) -> dict[str, Entry]:
        """Changes nothing: the screen calls it in the thread that reads."""
        known = self._entries
        return {one.key: _entry(known.get(one.key), one) for one in listings}

    def take(self, listings: Sequence[RunListing], entries: dict[str, Entry] | None = None) -> bool:
        """Another list of runs; False: it is the same."""
        taken = tuple(listings)
        if taken == self.listings:
            return False
        self.listings = taken
        self._entries = self.entries_of(taken) if entries is None else entries
        self.marks = {key: None for key in self.marks if key in self._entries}
        self.columns = _columns(taken)
        self._forget()
        return True

    def _forget(self) -> None:
        self._ordered = self._matched = self._lines = None

    def type(self, typed: str) -> None:
        self.typed, self._lines = typed, None

    def sort_on(self) -> None:
        """The next order, in its usual direction."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.turned, self._values = False, {}
        self._forget()

    def turn(self) -> None:
        self.turned = not self.turned
        self._forget()

    def group(self) -> None:
        """By project, then by sweep if there is one, then not at all."""
        ways = [way for way in HEADS if way == "project" or "sweep" in self.columns]
        places = ["", *ways]
        at = places.index(self.grouped) if self.grouped in places else 0
        self.grouped = places[(at + 1) % len(places)]
        self._lines = None

    def without(self, silent: frozenset[str]) -> None:
        """These hosts do not answer now."""
        if silent != self.silent:
            self.silent, self._lines = silent, None

    @property
    def live(self) -> int:
        return _live(self._entries.values(), self.silent)

    def mark(self, key: str) -> None:
        """Mark or unmark."""
        if key in self.marks:
            del self.marks[key]
        elif key in self._entries:
            self.marks[key] = None

    def of_group(self, of: Entry) -> list[Entry]:
        """The runs of the same group on the same machine, oldest first; empty: it belongs to none."""
        group, host = of.listing.group, of.listing.remote
        found = [
            one
            for one in self._entries.values()
            if group and (one.listing.group, one.listing.remote) == (group, host)
        ]
        return sorted(found, key=lambda one: (one.listing.created_at, one.key))

    @property
    def down(self) -> bool:
        """Does the largest come first?"""
        return self.sort.down != self.turned

    @property
    def total(self) -> int:
        return len(self._entries)

    @property
    def found(self) -> int:
        return len(self._matching())

    def entry(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def lines(self) -> tuple[Line, ...]:
        if self._lines is None:
            shown = self._matching()
            self._lines = (
                _under_heads(shown, self.grouped, self.silent) if self.grouped else tuple(shown)
            )
        return self._lines

    def _matching(self) -> list[Entry]:
        if self._matched is None or self._matched[0] != self.typed:
            before, found = self._matched or ("", self._all())
            added = self.typed.removeprefix(before)
            if not self.typed.startswith(before) or ":" in added:
                found = self._all()  # else more letters only narrow what was found
            words, fields = parsed(self.typed)
            for word in words:
                found = [one for one in found if word in one.text]
            for sign, value in fields:
                found = [one for one in found if _holds(one.text, sign, value)]
            self._matched = self.typed, found
        return self._matched[1]

    def _all(self) -> list[Entry]:
        """Live runs first, then the queue in its order; equal ones newest first; without a value last."""
        if self._ordered is None:
            entries = list(self._entries.values())
            entries.sort(key=lambda one: (one.listing.created_at, one.listing.id), reverse=True)
            before, value = self._values, self.sort.value
            self._values = {o: before[o] if o in before else value(o.listing) for o in entries}
            values = self._values
            known = [one for one in entries if values[one] is not None]
            known.sort(key=values.__getitem__, reverse=self.down)  # type: ignore[arg-type]
            found = known + [one for one in entries if values[one] is None]
            queued = [o for o in found if o.listing.state is RunState.QUEUED]
            queued.sort(key=lambda one: _queue_place(one.listing))
            live = [o for o in found if o.live and o.listing.state is not RunState.QUEUED]
            self._ordered = live + queued + [o for o in found if not o.live]
        return self._ordered


def _queue_place(one: RunListing) -> float:
    """Those without one last."""
    place = one.waiting.place if one.waiting is not None else None
    return place if place is not None else math.inf


def _entry(before: Entry | None, one: RunListing) -> Entry:
    if before is not None and (before.listing is one or before.listing == one):
        return before
    return Entry(one, search_text(one), is_live(one))


def _columns(listings: Sequence[RunListing]) -> frozenset[str]:
    wanted = {
        "tags": any(one.tags for one in listings),
        "note": any(one.note for one in listings),
        "device": any(one.device for one in listings),
        "project": len({one.project for one in listings}) > 1,
        "host": any(one.remote for one in listings),
        "sweep": any(one.group for one in listings),
    }
    return frozenset(name for name, used in wanted.items() if used)


#: what the list is grouped by: the key of a run, and the title of its head
HEADS: dict[str, tuple[Callable[[RunListing], str], Callable[[str], str]]] = {
    "project": (lambda one: one.project, lambda key: short_path(key) or "no project"),
    "group": (lambda one: one.group, lambda key: clean(key, 200) or "no sweep"),
}


def _live(entries: Iterable[Entry], silent: frozenset[str]) -> int:
    return sum(one.live and one.listing.remote not in silent for one in entries)


def _under_heads(entries: list[Entry], by: str, silent: frozenset[str]) -> tuple[Line, ...]:
    """Groups in the order of their first run, so that those with a live one come first. One path is two
    projects on two machines."""
    key, title = HEADS[by]
    groups: dict[tuple[str, str], list[Entry]] = {}
    for one in entries:
        groups.setdefault((one.listing.remote, key(one.listing)), []).append(one)
    lines: list[Line] = []
    for (host, name), members in groups.items():
        shown = (f"{clean(host, 60)}: " if host else "") + title(name)
        lines.append(Head(shown, len(members), _live(members, silent)))
        lines += members
    return tuple(lines)
