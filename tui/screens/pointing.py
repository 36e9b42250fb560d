"""Left and right in the focused loss chart of the monitor: the loss of one step."""

from __future__ import annotations

from tui.screens.planning import PlanOrders
from tui.viewmodel.pointing import next_step, pointed_words
from tui.widgets.loss_chart import LossChart


class Pointing(PlanOrders):
    """Nothing is pointed at until a key asks for it; escape ends it."""

    WHERE = "monitor"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "point":
            chart = self._pointing_chart()
            return chart is not None and bool(chart.model.buckets)
        return super().check_action(action, parameters)

    def _pointing_chart(self) -> LossChart | None:
        """Where a screen is made of this one, these keys are its own."""
        focused = self.focused
        return focused if isinstance(focused, LossChart) and self.WHERE == "monitor" else None

    def action_point(self, by: int) -> None:
        chart = self._pointing_chart()
        if chart is not None:
            step = next_step(chart.model, chart.cursor, by, chart.plot_width)
            chart.point(step, pointed_words(chart.model, step))

    def unpoint(self) -> bool:
        """Was there something to end?"""
        chart = self._pointing_chart()
        if chart is None or chart.cursor is None:
            return False
        chart.point(None)
        return True
