"""The list of runs as it is looked at: order, groups, filter, marks. Nothing is made twice: thousands
of runs are listed again every two seconds, and nearly always they are the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from runner.model import Outcome, RunListing, RunState
from runner.model.units import finite
from tui.viewmodel.run_search import folded, matcher, search_text
from tui.viewmodel.runs import is_live, name_of, short_path, shown_loss


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
