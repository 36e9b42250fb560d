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

    @property
    def typed_display(self) -> str:
        """The same where letters are text; empty: only a letter does it."""
        others = [one for one in self.key.split(",") if len(one) > 1 and one != "question_mark"]
        if len(others) == len(self.key.split(",")):
            return self.display
        return others[0].capitalize() if others and others[0][1:].isdigit() else "".join(others[:1])

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
