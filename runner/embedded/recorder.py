"""The running average behind `avr_loss`."""

from __future__ import annotations


class LossRecorder:
    """The mean over one epoch's slots, with sd-scripts' habits: in the first epoch every loss is appended;
    later ones replace the loss of the same place; positions skipped by a resume count as 0, which lowers the
    average at first; a NaN stays in the sum forever."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._total = 0.0

    def add(self, epoch: int, step: int, loss: float) -> None:
        """`epoch` and `step` (within the epoch) count from 0."""
        if epoch == 0:
            self._losses.append(loss)
        else:
            self._losses += [0.0] * (step + 1 - len(self._losses))
            self._total -= self._losses[step]
            self._losses[step] = loss
        self._total += loss

    @property
    def average(self) -> float:
        return self._total / len(self._losses) if self._losses else 0.0
