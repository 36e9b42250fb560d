"""Runs as rows: columns, order, filter. Pure."""

from __future__ import annotations

import math
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.model import LossSeries, Outcome, RunListing, RunState
from runner.model.units import count, duration, finite, loss
from tui.text import clean, crop
from tui.words.state import StateLabel, label_of

# ---------------------------------------------------------------------------
# The loss of a run in a few points, for a row of a list.

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
    if not buckets:
        return Curve((), series.smooth)
    last = len(buckets) - 1
    picked = [buckets[round(i * last / (POINTS - 1))].smooth for i in range(POINTS)]
    known = sorted(value for value in picked if value is not None and math.isfinite(value))
    if not known:
        return Curve((), series.smooth)
    low, high = known[0], known[int((len(known) - 1) * SHARE_IN_SIGHT)]
    span = high - low
    points = tuple(
        None
        if value is None or not math.isfinite(value)
        else min(1.0, (value - low) / span)
        if span > 0
        else 0.0
        for value in picked
    )
    return Curve(points, series.smooth)


# ---------------------------------------------------------------------------
# One run of the list as words.

LIVE = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
DAY_S = 86_400
#: longer ago than this, a date says more than a number of days
WEEK_S = 7 * DAY_S
#: characters of a note in a row
NOTE_SHOWN = 200


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `key` is its complete id. `kind`: smoke test, imported from a log or from files;
    empty for a run as usual."""

    key: str
    name: str
    kind: str
    state: StateLabel
    steps: str
    loss: str
    files: str
    took: str
    age: str
    tags: str = ""
    device: str = ""
    project: str = ""
    note: str = ""
    id: str = ""
    #: 0 to 1 of the planned steps; None: unknown
    progress: float | None = None
    live: bool = False
    curve: Curve | None = None


def row_of(one: RunListing, now: float, curve: Curve | None = None) -> RunRow:
    """`curve`: where the run's losses have been read."""
    total = one.total_steps
    value = curve.smooth if curve is not None and curve.smooth is not None else shown_loss(one)
    return RunRow(
        key=one.id,
        name=name_of(one),
        kind=kind_of(one),
        state=label_of(one.state, one.outcome),
        steps=f"{one.step}/{total}" if total else str(one.step),
        loss=loss(value) if value is not None else "",
        files=count(one.checkpoints, "file") if one.checkpoints else "",
        took=duration(one.duration_s) if one.duration_s is not None else "",
        age=when(one.created_at, now),
        tags=tags_of(one, 120),
        device=clean(one.device, 40),
        project=short_path(one.project),
        note=clean(one.note[: NOTE_SHOWN * 2], NOTE_SHOWN),
        id=short_id(one.id),
        progress=min(1.0, one.step / total) if total else None,
        live=is_live(one),
        curve=curve,
    )


def short_id(run_id: str) -> str:
    """The part that tells runs of one name apart: `ab12` of 20261121-182911-spyke-ab12."""
    return clean(run_id.rpartition("-")[2], 8)


def is_live(one: RunListing) -> bool:
    return one.state in LIVE


def name_of(one: RunListing) -> str:
    return clean(one.name, 200).strip() or clean(one.id, 200)


def kind_of(one: RunListing) -> str:
    """The word that sets a run apart from those that were started to be kept."""
    return clean(one.origin, 20) or ("smoke" if one.smoke else "")


def tags_of(one: RunListing, limit: int) -> str:
    return crop(", ".join(clean(tag, 60) for tag in one.tags[:40]), limit)


def shown_loss(one: RunListing) -> float | None:
    """The smoothed loss where it is known, for a single step's says little; one that is not finite is
    never hidden by it."""
    if one.loss is not None and not math.isfinite(one.loss):
        return one.loss
    return one.smooth if one.smooth is not None else one.loss


def when(at: float, now: float) -> str:
    """One unit is enough in a list; what is older than a week gets its date. Empty: not known."""
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


def date_of(at: float, with_time: bool = False) -> str:
    """`2026-11-21`, local; empty for what is no time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M" if with_time else "%Y-%m-%d", time.localtime(at))
    except (ValueError, OverflowError, OSError):
        return ""


def short_path(path: str) -> str:
    """A folder as people write it: home is `~`."""
    home = str(Path.home())
    if path == home or path.startswith(home + "/"):
        path = "~" + path[len(home) :]
    return clean(path, 400)


# ---------------------------------------------------------------------------
# What typing keeps of the list of runs: every word must occur; `tag:good` asks one field.

#: characters of a note that are searched; notes may be long, and there may be thousands
NOTE_SEARCHED = 2000

Match = Callable[[str, RunListing], bool]


def search_text(one: RunListing) -> str:
    """All that words are looked for in, made once a listing."""
    parts = (one.id, one.name, _state(one), _kind(one), *one.tags, one.project,
             one.device or "", one.host, one.note[:NOTE_SEARCHED])  # fmt: skip
    return folded("\n".join(parts))


def folded(text: str) -> str:
    """Without case; composed, because macOS writes file names decomposed."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).casefold()


def _state(one: RunListing) -> str:
    """The word on the screen, those of the files, and `live`."""
    words = [label_of(one.state, one.outcome).word, one.state.value]
    if one.outcome is not None and one.state is RunState.ENDED:
        words.append(one.outcome.value)
    if is_live(one):
        words.append("live")
    return " ".join(words)


def _kind(one: RunListing) -> str:
    return f"{one.origin} {'smoke' if one.smoke else ''}".strip()


FIELDS: dict[str, Callable[[RunListing], str]] = {
    "id": lambda one: one.id,
    "name": lambda one: one.name,
    "state": _state,
    "kind": _kind,
    "tag": lambda one: "\n".join(one.tags),
    "note": lambda one: one.note[:NOTE_SEARCHED],
    "project": lambda one: one.project,
    "device": lambda one: one.device or "",
    "host": lambda one: one.host,
}


def matcher(typed: str) -> Match | None:
    """What decides whether a run is shown; None: everything is. `field:` alone asks that it holds
    anything; a word with a colon that names no field is a word like others."""
    words: list[str] = []
    asked: list[tuple[Callable[[RunListing], str], str]] = []
    for word in folded(typed).split():
        name, colon, value = word.partition(":")
        field = FIELDS.get(name.removesuffix("s")) or FIELDS.get(name)
        if colon and field is not None:
            asked.append((field, value))
        else:
            words.append(word)
    if not words and not asked:
        return None

    def matches(text: str, one: RunListing) -> bool:
        return all(word in text for word in words) and all(
            value in folded(field(one)) if value else bool(field(one).strip())
            for field, value in asked
        )

    return matches


# ---------------------------------------------------------------------------
# The list of runs as it is looked at: order, groups, filter, marks. Nothing is made twice: thousands
# of runs are listed again every two seconds, and nearly always they are the same ones.


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A run with what is looked for in it."""

    listing: RunListing
    text: str
    live: bool

    @property
    def key(self) -> str:
        return self.listing.id


@dataclass(frozen=True, slots=True)
class Head:
    """The line over the runs of one project."""

    title: str
    runs: int
    live: int


Line = Head | Entry
#: the text of a name, a number; None: it has none, and stands last
Value = str | float | None

_OUTCOMES = (Outcome.SUCCEEDED, Outcome.STOPPED, Outcome.FAILED, Outcome.DIVERGED,
             Outcome.KILLED, Outcome.NOTHING_TRAINED)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sort:
    """`down`: the largest comes first, unless turned round."""

    name: str
    value: Callable[[RunListing], Value]
    down: bool = False


def _outcome(one: RunListing) -> float | None:
    if one.state is RunState.LOST:
        return float(len(_OUTCOMES))
    return float(_OUTCOMES.index(one.outcome)) if one.outcome in _OUTCOMES else None


def _loss(one: RunListing) -> float | None:
    return finite(shown_loss(one))


SORTS: tuple[Sort, ...] = (
    Sort("when", lambda one: one.created_at or None, down=True),
    Sort("name", lambda one: folded(name_of(one))),
    Sort("loss", _loss),
    Sort("steps", lambda one: float(one.step), down=True),
    Sort("took", lambda one: one.duration_s, down=True),
    Sort("outcome", _outcome),
)


@dataclass(slots=True)
class RunBoard:
    """`lines()` is what is shown; it is made anew only after something was changed."""

    listings: tuple[RunListing, ...] | None = None
    typed: str = ""
    grouped: bool = False
    turned: bool = False
    sort: Sort = SORTS[0]
    #: ids, in the order they were marked
    marks: dict[str, None] = field(default_factory=dict)
    #: columns that have something to show
    columns: frozenset[str] = frozenset()
    live: int = 0
    _entries: dict[str, Entry] = field(default_factory=dict)
    _ordered: list[Entry] | None = None
    _lines: tuple[Line, ...] | None = None
    _found: int = 0

    def take(self, listings: Sequence[RunListing]) -> bool:
        """Another listing; False: nothing has changed."""
        taken = tuple(listings)
        if taken == self.listings:
            return False
        before, self.listings = self._entries, taken
        self._entries = {one.id: _kept(before.get(one.id), one) for one in taken}
        self.marks = {key: None for key in self.marks if key in self._entries}
        self.columns = _columns(taken)
        self.live = sum(map(is_live, taken))
        self._ordered = self._lines = None
        return True

    def type(self, typed: str) -> None:
        self.typed, self._lines = typed, None

    def sort_on(self) -> None:
        """The next order, in its usual direction."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.turned, self._ordered, self._lines = False, None, None

    def turn(self) -> None:
        self.turned = not self.turned
        self._ordered = self._lines = None

    def group(self) -> None:
        self.grouped = not self.grouped
        self._lines = None

    def mark(self, key: str) -> None:
        """Mark, or take the mark back."""
        if key in self.marks:
            del self.marks[key]
        elif key in self._entries:
            self.marks[key] = None

    @property
    def down(self) -> bool:
        """Does the largest come first?"""
        return self.sort.down != self.turned

    @property
    def total(self) -> int:
        return len(self._entries)

    @property
    def found(self) -> int:
        self.lines()
        return self._found

    def entry(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def lines(self) -> tuple[Line, ...]:
        if self._lines is None:
            if self._ordered is None:
                self._ordered = _in_order(list(self._entries.values()), self.sort, self.down)
            shown = self._ordered
            matches = matcher(self.typed)
            if matches is not None:
                shown = [one for one in shown if matches(one.text, one.listing)]
            self._found = len(shown)
            self._lines = _under_heads(shown) if self.grouped else tuple(shown)
        return self._lines


def _kept(before: Entry | None, one: RunListing) -> Entry:
    if before is not None and before.listing == one:
        return before
    return Entry(one, search_text(one), is_live(one))


def _columns(listings: Sequence[RunListing]) -> frozenset[str]:
    shown = {"state", "steps", "loss", "curve", "age", "id", "files", "took"}
    if any(one.tags for one in listings):
        shown.add("tags")
    if any(one.note for one in listings):
        shown.add("note")
    if any(one.device for one in listings):
        shown.add("device")
    if len({one.project for one in listings}) > 1:
        shown.add("project")
    return frozenset(shown)


def _in_order(entries: list[Entry], sort: Sort, down: bool) -> list[Entry]:
    """What is equal stands newest first; what has no value last; live runs above all others."""
    entries.sort(key=lambda one: (one.listing.created_at, one.listing.id), reverse=True)
    valued: list[tuple[Value, Entry]] = [(sort.value(one.listing), one) for one in entries]
    known = [pair for pair in valued if pair[0] is not None]
    known.sort(key=lambda pair: pair[0], reverse=down)  # type: ignore[arg-type,return-value]
    found = [one for _, one in known] + [one for value, one in valued if value is None]
    return [one for one in found if one.live] + [one for one in found if not one.live]


def _under_heads(entries: list[Entry]) -> tuple[Line, ...]:
    """Projects in the order of their first run, so that those with a live one come first."""
    groups: dict[str, list[Entry]] = {}
    for one in entries:
        groups.setdefault(one.listing.project, []).append(one)
    live = Counter(one.listing.project for one in entries if one.live)
    lines: list[Line] = []
    for project, members in groups.items():
        title = short_path(project) or "no project"
        lines.append(Head(title, len(members), live[project]))
        lines += members
    return tuple(lines)
