"""Orders, and looks at what an order would do: each in a thread, the answer as a message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from tui.asking import told
from tui.backend.door import Backend
from tui.backend.results import Sent
from tui.feed import Feed
from tui.messages import OrderAnswered, PreviewMade
from tui.planning import Planning

if TYPE_CHECKING:
    from runner.model.preview import Preview

#: after so long without an answer it is said that there is none yet
SLOW_S = 0.4


class Orders(Planning, inherit_bindings=False):
    """An app that gives orders about runs."""

    feed: Feed

    def __init__(self, backend: Backend, config_path: Path | None) -> None:
        super().__init__(backend, config_path)
        self._unanswered: set[str] = set()
        #: the run that was opened from a list of runs last
        self._listed: Path | None = None

    def show_run(self, path: Path) -> bool:
        raise NotImplementedError

    @work(thread=True, group="orders", exit_on_error=False)
    def open_by_id(self, run_id: str) -> None:
        self._answer(lambda: Sent("", self.backend.run_path(run_id)), "open")

    # ----------------------------------------------------------------- orders

    def give(self, name: str, order: Callable[[], Sent]) -> None:
        """Carry out one order in a thread; what came back is told, what comes of it will show. The
        same order is not given again before its answer: a start takes a while."""
        if name in self._unanswered:
            self.say("That is already asked for; the answer is still to come.", "dim", 4.0)
            return
        self._unanswered.add(name)
        self._carry_out(name, order)

    @work(thread=True, group="orders", exit_on_error=False)
    def _carry_out(self, name: str, order: Callable[[], Sent]) -> None:
        self._answer(order, name)

    def _answer(self, order: Callable[[], Sent], name: str = "") -> None:
        try:
            sent = order()
        except Exception as error:  # border, as above
            self.post_message(OrderAnswered(told(error), ok=False, name=name))
        else:
            self.post_message(OrderAnswered(sent.text, True, sent.run_path, name, sent.config_path))
        self.feed.wake()

    def on_order_answered(self, message: OrderAnswered) -> None:
        self._unanswered.discard(message.name)
        if message.name in ("start", "smoke"):
            self.end_start_checks()
        if message.name == "approve" and message.ok:
            self.make_plan(fresh=False)
            if self.run_path is not None:
                self.read_approval(self.run_path)
        if message.config_path is not None:
            self.config_path = message.config_path
            self.watch_config()
            self.make_plan()
        said = message.text[:1].upper() + message.text[1:] + "." if message.text else ""
        if message.ok and message.run_path is not None:
            self._listed = message.run_path if message.name == "open" else None
            if not self.show_run(message.run_path):
                said = f"{said} It opens when this form is closed.".strip()
        if not message.ok:
            self.say(message.text, "bad")
        elif said:
            self.say(said, "text", fade_s=6.0)

    # ----------------------------------------------------------------- looking ahead

    def look_ahead(self, order: str, ask: Callable[[], Preview]) -> None:
        """Ask what `order` would do; `PreviewMade` brings the answer."""
        name = f"preview {order}"
        if name in self._unanswered:
            self.say("That is being looked at already.", "dim", 4.0)
            return
        self._unanswered.add(name)
        # most answers come at once: nothing should flash up before them
        self.set_timer(SLOW_S, lambda: self._say_it_takes_long(name))
        self._look_ahead(order, self.run_path, ask)

    def _say_it_takes_long(self, name: str) -> None:
        if name in self._unanswered:
            self.say("Looking at what it would do.", "dim")

    @work(thread=True, group="orders", exit_on_error=False)
    def _look_ahead(self, order: str, run_path: Path | None, ask: Callable[[], Preview]) -> None:
        try:
            preview = ask()
        except Exception as error:  # border: a refusal, or whatever the runner met
            self.post_message(PreviewMade(order, run_path, None, told(error)))
        else:
            self.post_message(PreviewMade(order, run_path, preview))

    def preview_is_here(self, message: PreviewMade) -> None:
        """It may be asked for again."""
        self._unanswered.discard(f"preview {message.order}")
