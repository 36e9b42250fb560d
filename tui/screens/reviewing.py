"""The keys of the monitor that open what comes after a run (summary, sample images, replay), and the test
of its notices."""

from __future__ import annotations

from textual.screen import Screen

from tui.screens.pointing import Pointing


class Reviewing(Pointing):
    """Opens the screens of a review, each imported with its first use."""

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
