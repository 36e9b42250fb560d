"""What only the console tells, in the trainer's own numbers. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from runner.model.events import StepShown, SubsetSeen


@dataclass(slots=True)
class Bar:
    """What the trainer's bar has shown."""

    shown_step: int = 0
    average: float | None = None
    first_nonfinite: int | None = None

    def show(self, event: StepShown) -> None:
        if event.shown_step > self.shown_step:
            self.shown_step = event.shown_step
        if event.average is None:
            return
        self.average = event.average
        if self.first_nonfinite is None and not math.isfinite(event.average):
            self.first_nonfinite = event.shown_step


@dataclass(slots=True)
class Images:
    """Image files by folder: several processes describe the same ones."""

    subsets: dict[str, int] = field(default_factory=dict)
    reg_subsets: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)

    def see(self, event: SubsetSeen) -> None:
        if event.is_reg is None:
            self.folders[event.image_dir] = event.images
        else:
            subsets = self.reg_subsets if event.is_reg else self.subsets
            subsets[event.image_dir] = event.images

    @property
    def described(self) -> int | None:
        """To train on, without regularisation images and repeats."""
        return sum(self.subsets.values()) if self.subsets else None

    @property
    def regularisation(self) -> int:
        return sum(self.reg_subsets.values())

    @property
    def found(self) -> int | None:
        """The same; where the trainer did not describe its dataset, the files of all folders that it found."""
        return self.described if self.subsets or not self.folders else sum(self.folders.values())
