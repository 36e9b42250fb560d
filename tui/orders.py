"""Orders and previews of orders: each in a thread, the same one never twice at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tui.asking import ask
from tui.kit.notice import take_back
from tui.text import capital

if TYPE_CHECKING:
    from runner.model.preview import Preview
    from tui.app import PlasmaApp
    from tui.backend.results import Sent

#: a preview that takes longer than this says so
SLOW_S = 0.4
#: how long an answer stays on the screen
ANSWER_S = 6.0
CHECKING = "Checking what it would do…"
ALREADY = "Already requested; waiting for the answer."


class Orders:
    """`unanswered`: names of the orders and previews that are under way."""

    def __init__(self, app: PlasmaApp) -> None:
        self._app = app
        self.unanswered: set[str] = set()

    def give(self, name: str, order: Callable[[], Sent]) -> None:
        """The answer is a sentence; what it changes shows by itself."""
        if self._begin(name):
            ask(self._app, order, partial(self._done, name), partial(self._refused, name))

    def preview(
        self, name: str, work: Callable[[], Preview], then: Callable[[Preview], object]
    ) -> None:
        """What the order `name` would do, before anyone is asked for it. `then` is not called if another run or
        screen has been opened in the meantime."""
        app, key = self._app, f"preview {name}"
        screen, run_path = app.screen, app.run_path
        if not self._begin(key):
            return

        def here() -> bool:
            self.unanswered.discard(key)
            take_back(app.screen_stack, CHECKING)
            return app.screen is screen and app.run_path == run_path

        def found(preview: Preview) -> None:
            if here():
                then(preview)

        def failed(problem: str) -> None:
            here()
            app.say(problem, "bad")

        # most answers come at once: nothing should flash up before them
        app.set_timer(SLOW_S, partial(self._say_slow, key))
        ask(app, work, found, failed)

    def _begin(self, name: str) -> bool:
        if name in self.unanswered:
            self._app.say(ALREADY, "dim", 4.0)
            return False
        self.unanswered.add(name)
        return True

    def _say_slow(self, name: str) -> None:
        if name in self.unanswered:
            self._app.say(CHECKING, "dim")

    def _done(self, name: str, sent: Sent) -> None:
        self._ended(name)
        app, said = self._app, ""
        if sent.text:
            said = f"{_capital(sent.text)}."
        if name == "approve":
            app.planner.read(fresh=False)
            app.planner.read_approval()
        if sent.config_path is not None:
            app.config_path = sent.config_path
            app.planner.watch()
            app.planner.read()
        if sent.run_path is not None and not app.navigator.show_run(sent.run_path):
            said = f"{said} It opens when this form is closed.".strip()
        if said:
            app.say(said, "text", ANSWER_S)

    def _refused(self, name: str, problem: str) -> None:
        self._ended(name)
        self._app.say(_capital(problem), "bad")

    def _ended(self, name: str) -> None:
        self.unanswered.discard(name)
        if name in ("start", "smoke", "enqueue"):
            self._app.planner.end_start_checks()
        self._app.feed.wake()


def _capital(text: str) -> str:
    """A name such as `ntfy:` stays as it is."""
    return text if text.partition(" ")[0].endswith(":") else capital(text)
