"""All runs of this machine: letters are commands, `/` filters, Enter opens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer
from textual.worker import get_current_worker

from runner.model import RunListing, RunState
from runner.model.refusal import Refusal
from runner.model.units import count
from tui.asking import InTurn, ask, sentence_of
from tui.host_feed import HostFeed
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.filter_line import TYPING_FOOTER, FilterLine
from tui.kit.footer import FooterKey, KeyFooter, footer_of
from tui.kit.framed import FramedScreen
from tui.kit.paint import Row, Span
from tui.kit.painted import Lines
from tui.screens.run_list import DOWN, UP, Glance, ListLook, RunDetails, RunList, details, glance_of
from tui.text import capital, crop
from tui.words.hosts import host_lines, together
from tui.words.runs import Entry, RunBoard, name_of

if TYPE_CHECKING:
    from runner.control.remove import Removal
    from runner.model import Label

KEYS = (
    Key("enter", "open", RUN, "Open the run", "open", 90),
    Key("space,tab", "mark", RUN, "Mark the run, to compare or remove several", "mark", 76),
    Key("e,f2,ctrl+r", "label", RUN, "Edit name, tags and note", "edit label", 74),
    Key(
        "c,f6,ctrl+o",
        "compare",
        RUN,
        "Compare the marked runs, or the group of the run",
        "compare",
        75,
    ),
    Key("K,shift+up", "queue('up')", RUN, "Queued run: one place up"),
    Key("J,shift+down", "queue('down')", RUN, "Queued run: one place down"),
    Key("u", "queue('release')", RUN, "Held run: let it wait for its turn again"),
    Key("x,f8,delete", "remove", RUN, "Remove the run; shows first what is deleted", "remove", 64),
    Key("slash", "filter", VIEW, "Filter by words or fields: tag:good state:failed", "filter", 85),
    Key(
        "s,f4,ctrl+s",
        "order('sort')",
        VIEW,
        "Sort by when, name, loss, steps, took, outcome",
        "sort",
        65,
    ),
    Key("r,f3,ctrl+t", "order('turn')", VIEW, "Reverse sort order", "reverse", 40),
    Key("p,f5,ctrl+g", "order('group')", VIEW, "Group by project, then by sweep", "group", 62),
    Key("escape", "back", VIEW, "Clear the filter, then the marks, then go back", "back", 86),
    Key("down,j", "cursor(1)", MOVE, "Next run"),
    Key("up,k", "cursor(-1)", MOVE, "Previous run"),
    Key("pagedown", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home,g", "edge('start')", MOVE, "First run"),
    Key("end,G", "edge('end')", MOVE, "Last run"),
)
#: pointless without runs
_ON_RUNS = {key.action.partition("(")[0] for key in KEYS} - {"back"}

T = TypeVar("T")

REFRESH_S = 2.0
#: and the list is left alone so many times as long as reading it took
REST_TIMES = 10.0
#: a list that has not come after so long is asked for again
OVERDUE_S = 30.0
#: the cursor rests so long before the files of the runs in sight are read
REST_S = 0.2
#: a live run's losses are read again no sooner
LIVE_S = 10.0
#: of hosts that do not answer
MOST_HOST_LINES = 3


class RunGlanced(Message):
    def __init__(self, entry: Entry, glance: Glance) -> None:
        super().__init__()
        self.entry, self.glance = entry, glance


class RunsScreen(FramedScreen):
    BINDINGS: ClassVar = [*KEYS]
    #: the action that does nothing on this screen
    NOT_HERE: ClassVar[str] = "app.runs"

    def __init__(self) -> None:
        super().__init__()
        self.board = RunBoard()
        self._glances: dict[str, Glance] = {}
        #: by id: the entry that was read, and when
        self._read_at: dict[str, tuple[Entry, float]] = {}
        #: the runs of this machine; `_hosts` has those of others
        self._here: tuple[RunListing, ...] | None = None
        self._hosts: HostFeed | None = None
        self._rest: Timer | None = None
        self._asked_at: float | None = None
        self._not_before = 0.0
        #: the next list must show every change
        self._sure = True
        #: orders about the queue
        self._in_turn = InTurn()

    def body(self) -> ComposeResult:
        yield FilterLine("#runs", "words, or tag:good state:failed project:fox")
        yield RunList(id="runs")
        yield Lines(self._host_rows, id="hosts")
        yield RunDetails(id="details")

    def on_mount(self) -> None:
        runs = self.query_one(RunList)
        runs.focus()
        if self.plasma.run_path is not None:
            runs.point_to(self.plasma.run_path.name)
        self.query_one(KeyFooter).model = self._footer()
        self.set_interval(REFRESH_S, self._read)
        self._read()
        self._hosts = HostFeed(self.post_message, self.plasma.backend)
        self.call_after_refresh(self._hosts.start)

    def on_unmount(self) -> None:
        if self._hosts is not None:
            self._hosts.stop()

    def on_screen_suspend(self) -> None:
        if self._hosts is not None:
            self._hosts.watch(False)

    def on_screen_resume(self) -> None:
        if self._hosts is not None:
            self._hosts.watch(True)
        self._sure = True
        self._read()

    # ----------------------------------------------------------------- reading

    def _read(self) -> None:
        """One at a time: on a slow disk they would pile up."""
        now = time.monotonic()
        waiting = self._asked_at is not None and now - self._asked_at < OVERDUE_S
        if self.is_current and not waiting and now >= self._not_before:
            self._asked_at = now
            ask(self, self._listed, self._take, self._not_listed, alone="runs")

    def _listed(self) -> tuple[tuple[RunListing, ...], dict[str, Entry]]:
        """In a thread."""
        at_leisure, self._sure = not self._sure, False
        self._here = tuple(self.plasma.backend.list_runs(at_leisure=at_leisure))
        return self._all()

    def _all(self) -> tuple[tuple[RunListing, ...], dict[str, Entry]]:
        found = together(self._here or (), self._hosts.states() if self._hosts is not None else ())
        return found, self.board.entries_of(found)

    def on_hosts_answered(self) -> None:
        """Their runs among those of this machine, once those are known; nothing here is read again."""
        rows = len(self._host_lines())
        lines = self.query_one("#hosts", Lines)
        lines.styles.height, lines.display = rows, rows > 0
        lines.repaint()
        self.repaint_heading()
        if self._here is not None and self.board.take(*self._all()):
            self.query_one(RunList).empty = "No run matches."
        self._show()

    def _host_lines(self) -> list[str]:
        """The last one counts those for which there is no room."""
        if self._hosts is None:
            return []
        if self._hosts.problem:
            return [self._hosts.problem]
        found = host_lines(self._hosts.states(), self.plasma.clock())
        if len(found) > MOST_HOST_LINES:
            more = len(found) - MOST_HOST_LINES + 1
            found[MOST_HOST_LINES - 1 :] = [f"and {more} more hosts: `plasma-tui runs` lists them"]
        return found

    def _host_rows(self, width: int, height: int) -> Sequence[Row]:
        return [(Span(f"   {crop(line, width - 4)}", "dim"),) for line in self._host_lines()]

    def read_again(self) -> None:
        self._asked_at, self._not_before, self._sure = None, 0.0, True
        self._read()

    def _not_listed(self, problem: str) -> None:
        self._asked_at = None
        self.say(problem, "bad", None)
        self._show()

    def _take(self, found: tuple[tuple[RunListing, ...], dict[str, Entry]]) -> None:
        if self._asked_at is not None:
            now = time.monotonic()
            self._not_before = now + REST_TIMES * (now - self._asked_at)
        self._asked_at = None
        if self.board.take(*found):
            self.query_one(RunList).empty = "No run matches." if found[0] else "No runs yet."
        self._show()

    def _show(self, *, typed: bool = False) -> None:
        board, silent = self.board, self._silent()
        board.without(silent)
        look = ListLook(
            self.plasma.clock(), board.sort.name, board.down, frozenset(board.marks), board.columns,
            self._glances, silent,
        )  # fmt: skip
        self.query_one(RunList).show(board.lines(), look, typed=typed)
        self.repaint_heading()
        self.query_one(KeyFooter).model = self._footer()
        self.on_run_list_moved()

    def runs_title(self) -> str:
        others = self._hosts is not None and self._hosts.states()
        return "Runs, here and on your hosts" if others else "Runs on this machine"

    def _silent(self) -> frozenset[str]:
        states = self._hosts.states() if self._hosts is not None else ()
        return frozenset(one.host for one in states if one.problem)

    # ----------------------------------------------------------------- the run under the cursor

    def under_cursor(self) -> Entry | None:
        return self.query_one(RunList).entry

    def on_run_list_moved(self) -> None:
        self._show_details()
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_S, self._look_closer)

    def _show_details(self) -> None:
        shown, entry = self.query_one(RunDetails), self.under_cursor()
        if not shown.display:
            return
        if entry is None:
            shown.model = ("", "", ())
        else:
            found = details(entry, self._glances.get(entry.key))
            shown.model = (name_of(entry.listing), self.query_one(RunList).place, found)

    def _look_closer(self) -> None:
        """Read the runs in sight whose files have changed; those of other machines have none here."""
        seen = (one for one in self.query_one(RunList).in_sight() if not one.listing.remote)
        wanted = [one for one in seen if self._stale(one)]
        if wanted and self.is_current:
            self._read_glances(wanted)

    def _stale(self, entry: Entry) -> bool:
        seen, at = self._read_at.get(entry.key, (None, 0.0))
        waited = not entry.live or time.monotonic() - at >= LIVE_S
        return seen is None or (seen is not entry and waited)

    @work(thread=True, exclusive=True, group="glance", exit_on_error=False)
    def _read_glances(self, entries: Sequence[Entry]) -> None:
        backend, worker = self.plasma.backend, get_current_worker()
        for entry in entries:
            if worker.is_cancelled:
                return
            try:
                glance = glance_of(entry.key, backend.glance(backend.run_path(entry.key)))
            except Exception:  # border: the row itself says what is wrong with the run
                glance = Glance(entry.key)
            self.post_message(RunGlanced(entry, glance))

    def on_run_glanced(self, message: RunGlanced) -> None:
        key = message.entry.key
        self._read_at[key] = (message.entry, time.monotonic())
        if message.glance != self._glances.get(key):
            self._glances[key] = message.glance
            self._show_details()
            self.query_one(RunList).repaint()

    # ----------------------------------------------------------------- the rows around the list

    def heading(self, width: int) -> tuple[Row, Row]:
        return (Span("runs", "strong"),), self._counts(width)

    def _counts(self, width: int) -> Row:
        """How many, of how many; order, marks and live runs where there is room."""
        board = self.board
        if board.listings is None:
            return ()
        every = count(board.total, "run")
        spans = []
        if width >= 72:
            spans.append(Span(f"by {board.sort.name} {DOWN if board.down else UP}  ", "dim"))
        if board.marks:
            spans.append(Span(f"{glyphs.WRITTEN} {len(board.marks)} marked  ", "accent"))
        if width >= 60 and (live := board.live):
            spans.append(Span(f"{glyphs.ACTIVE} {live} live  ", "good"))
        text = every if board.found == board.total else f"{board.found} of {every}"
        return (*spans, Span(f"{text} ", "dim"))

    def on_descendant_focus(self) -> None:
        self.query_one(KeyFooter).model = self._footer()

    def _footer(self) -> tuple[FooterKey, ...]:
        """While a filter is typed, letters are text."""
        if self.query_one(FilterLine).typing:
            return TYPING_FOOTER
        return tuple(key for key in footer_of(self) if key.action != self.NOT_HERE)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if self.board.listings == () and action in _ON_RUNS else True

    # ----------------------------------------------------------------- keys: the list

    def on_filter_line_changed(self, message: FilterLine.Changed) -> None:
        self.board.type(message.text)
        self._show(typed=True)

    def action_filter(self) -> None:
        self.query_one(FilterLine).open()

    def on_run_list_chosen(self, message: RunList.Chosen) -> None:
        host, _, run_id = message.key.rpartition("\n")
        if host:
            from tui.far import open_there

            open_there(self.plasma, host, run_id)
        else:
            self.plasma.navigator.open_listed(message.key)

    def action_open(self) -> None:
        self.query_one(RunList).choose()

    def action_back(self) -> None:
        self.hush()
        if self.query_one(FilterLine).clear():
            return
        if self.board.marks:
            self.board.marks.clear()
            self._show()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_mark(self) -> None:
        """And on to the next run."""
        entry = self.under_cursor()
        if entry is not None:
            self.board.mark(entry.key)
            self.query_one(RunList).move(1)
            self._show()

    def action_order(self, how: str) -> None:
        {"sort": self.board.sort_on, "turn": self.board.turn, "group": self.board.group}[how]()
        self._show()

    def action_cursor(self, by: int) -> None:
        self.query_one(RunList).move(by)

    def action_page(self, pages: int) -> None:
        runs = self.query_one(RunList)
        runs.move(pages * runs.page())

    def action_edge(self, which: str) -> None:
        self.query_one(RunList).to_edge(end=which == "end")

    # ----------------------------------------------------------------- keys: label, compare, remove

    def _look(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """In a thread; the answer counts while this screen is in front."""
        ask(
            self, work, lambda it: then(it) if self.is_current else None, self._failed, alone="look"
        )

    def _failed(self, problem: str) -> None:
        self.say(problem, "bad")
        self.read_again()

    def action_label(self) -> None:
        entry = self.under_cursor()
        if entry is not None and not self.locked():
            backend, key, name = self.plasma.backend, entry.key, name_of(entry.listing)

            def read() -> tuple[Path, Label]:
                path = backend.run_path(key)
                return path, backend.label(path)

            self._open_label(name, read)

    def _open_label(self, name: str, read: Callable[[], tuple[Path, Label]]) -> None:
        """At once: what is typed next belongs to the form."""
        from tui.screens.questions import LabelScreen

        form = LabelScreen(read, name)
        self.app.push_screen(form, lambda kept: self.read_again() if kept else None)

    def action_compare(self) -> None:
        """The marked runs; with one mark, that run and the one under the cursor; without, its group."""
        keys, entry = list(self.board.marks), self.under_cursor()
        if entry is not None and not keys and (group := self.board.of_group(entry)):
            chosen = self.plasma.backend.chosen_of([one.listing for one in group])
            found = tuple(one.key for one in group if one.listing in chosen)
            self._compare(found, entry.listing.group)
            return
        if len(keys) == 1 and entry is not None and entry.key not in keys:
            keys.append(entry.key)
        if len(keys) < 2:
            self.say("Mark two or more runs with space, then compare them.", "dim", 6.0)
        else:
            self._compare(tuple(keys))

    def _compare(self, keys: tuple[str, ...], group: str = "") -> None:
        find = self.plasma.backend.run_path
        self._look(
            lambda: tuple(map(find, keys)), lambda paths: self._open_comparison(paths, group)
        )

    def _open_comparison(self, run_paths: tuple[Path, ...], group: str) -> None:
        from tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(run_paths, group))

    def action_queue(self, what: str) -> None:
        """Of the run under the cursor: its place, or its release."""
        entry = self.under_cursor()
        if entry is None or entry.listing.state is not RunState.QUEUED:
            self.say("This run is not queued.", "dim", 4.0)
        elif not self.locked():
            backend, key = self.plasma.backend, entry.key

            def order() -> str:
                path = backend.run_path(key)
                if what == "release":
                    return backend.release(path).text
                return backend.move_in_queue(path, what).text

            ask(self, self._in_turn(order), self._ordered, self._failed)

    def _ordered(self, text: str) -> None:
        self.say(f"{capital(text)}.", "text", 6.0)
        self.read_again()

    def action_remove(self) -> None:
        """The marked runs, else the one under the cursor."""
        entry = self.under_cursor()
        keys = tuple(self.board.marks) or ((entry.key,) if entry is not None else ())
        if keys and not self.locked():
            backend = self.plasma.backend

            def read() -> list[tuple[Path, Removal]]:
                return [(path, backend.removal(path)) for path in map(backend.run_path, keys)]

            self._look(read, self._ask_removal)

    def _ask_removal(self, found: list[tuple[Path, Removal]]) -> None:
        from tui.screens.questions import ConfirmScreen
        from tui.words.questions import WITH_CHECKPOINTS, remove_question, typed_word

        removals = [removal for _, removal in found]
        question = remove_question(removals)
        if not question.choices:
            self.say(" ".join(question.warnings), "bad")
            return
        going = tuple(path for path, removal in found if removal.refusal is None)

        def answered(mode: str | None) -> None:
            if mode is not None:
                self._remove(going, mode == WITH_CHECKPOINTS)

        safe = "Cancel" if len(going) == 1 else "Keep them"
        self.app.push_screen(ConfirmScreen(question, safe, typed_word(removals)), answered)

    def _remove(self, paths: Sequence[Path], with_checkpoints: bool) -> None:
        """One after the other; a refusal says how many are removed already."""
        remove = partial(self.plasma.backend.remove, with_checkpoints=with_checkpoints)

        def in_turn() -> str:
            answer = ""
            for done, path in enumerate(paths):
                try:
                    answer = remove(path).text
                except Exception as error:
                    before = f" ({done} of {len(paths)} are removed)" if done else ""
                    raise Refusal(f"{sentence_of(error)}{before}") from None
            return answer if len(paths) == 1 else f"removed {len(paths)} runs"

        def removed(answer: str) -> None:
            self.say(f"{capital(answer)}.", "text", 6.0)
            self.read_again()

        ask(self, in_turn, removed, self._failed)
