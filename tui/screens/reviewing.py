"""The keys of the monitor that open what comes after a run (summary, sample images, replay), and the test
of its notices."""

from __future__ import annotations

from textual.screen import Screen

from runner.model import RunSnapshot, RunState
from tui.screens.pointing import Pointing

REVIEWS = ("summary", "samples", "replay")
OVER = (RunState.ENDED, RunState.LOST)


class Reviewing(Pointing):
    """Opens the screens of a review, each imported with its first use."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "test_notice":
            return None if self.plasma.read_only else True
        if action not in REVIEWS:
            return super().check_action(action, parameters)
        return can_review(action, self.snapshot)

    def action_summary(self) -> None:
        from tui.screens.summary import SummaryScreen

        self._open(SummaryScreen)

    def action_samples(self) -> None:
        from tui.screens.samples import SamplesScreen

        self._open(SamplesScreen)

    def action_replay(self) -> None:
        from tui.screens.replay import ReplayScreen

        self._open(ReplayScreen)

    def action_test_notice(self) -> None:
        self.say("A test notice is on its way; what comes of it shows here.", "dim")
        self.plasma.test_notice()

    def _open(self, screen: type[Screen[None]]) -> None:
        """Each takes the folder of a run."""
        path = self.plasma.run_path
        if path is not None:
            self.app.push_screen(screen(path))  # type: ignore[arg-type]


def can_review(action: str, snapshot: RunSnapshot | None) -> bool:
    """Images may be looked at while a run goes on; the rest is for a run that is over."""
    if snapshot is None or snapshot.status is None:
        return False
    return action == "samples" or snapshot.state in OVER
