"""A field to write in, with a caret, and what each key does to it. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class TextField:
    """`at`: characters before the caret. `most`: it takes no more. `lines`: it may hold line breaks."""

    name: str
    value: str = ""
    at: int = 0
    most: int = 1000
    lines: bool = False
    label: str = ""
    hint: str = ""

    def typed(self, text: str) -> TextField:
        kept = "".join(c for c in text if self._takes(c))[: max(0, self.most - len(self.value))]
        value = self.value[: self.at] + kept + self.value[self.at :]
        return replace(self, value=value, at=self.at + len(kept))

    def _takes(self, character: str) -> bool:
        line = self.lines and character == "\n"
        return line or unicodedata.category(character) not in ("Cc", "Cs")

    def erased(self) -> TextField:
        """Without the character before the caret."""
        if not self.at:
            return self
        return self.filled(self.value[: self.at - 1] + self.value[self.at :], self.at - 1)

    def deleted(self) -> TextField:
        """Without the one after it."""
        return self.filled(self.value[: self.at] + self.value[self.at + 1 :], self.at)

    def moved(self, by: int) -> TextField:
        return replace(self, at=max(0, min(len(self.value), self.at + by)))

    def filled(self, value: str, at: int | None = None) -> TextField:
        return replace(self, value=value, at=len(value) if at is None else at)

    def pressed(self, key: str, character: str | None) -> TextField | None:
        """After a key by its Textual name; `character`: what it prints. None: it means nothing here."""
        match key:
            case "backspace":
                return self.erased()
            case "delete":
                return self.deleted()
            case "ctrl+u":
                return self.filled("")
            case "left" | "right":
                return self.moved(-1 if key == "left" else 1)
            case "home" | "end":
                return replace(self, at=0 if key == "home" else len(self.value))
            case "ctrl+j" if self.lines:
                return self.typed("\n")
        return self.typed(character) if character else None
