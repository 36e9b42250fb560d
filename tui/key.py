"""What one key is: its name for keymaps, its action, and the words that footer, help and palette say of it."""

from __future__ import annotations

from textual.binding import Binding

from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """`where`: app, monitor, runs, flags, welcome or form. `worth`: the footer drops the smallest first;
    0 is never in the footer."""

    id: str
    key: str
    action: str
    label: str
    where: str
    group: str
    tooltip: str
    worth: int = 0
    shown_as: str = ""
    priority: bool = False

    @property
    def display(self) -> str:
        return self.shown_as or self.key.split(",")[0]

    def binding(self) -> Binding:
        return Binding(
            self.key,
            self.action,
            self.label,
            show=self.worth > 0,
            key_display=self.display,
            priority=self.priority,
            tooltip=self.tooltip,
            id=self.id,
        )


RUN, VIEW, MOVE, LEAVE = "The run", "The view", "Moving", "Leaving"
