"""True steps from the numbers that sd-scripts shows. Pure.

A trainer shows numbers that agree only in a run that was never resumed: `n` of its bar, its `global_step` (in
file names and as TensorBoard's x), and none is the step within the full training, the true step: the position
in the plan of `epochs x steps per epoch`. An epoch that a resume trains again counts once.

Facts (sd-scripts.md §4, run with v0.9.1 and v0.10.1): a resume starts with epoch
`initial_step // steps_per_epoch + 1` in either mode. Without `--skip_until_initial_step` it trains
that epoch from its start, bar and global_step from 0. With it, the bar counts from 0 at
initial_step, global_step from the remainder of initial_step within its epoch. With gradient
accumulation and skip the trainer mixes units, and none of its numbers can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.model.events import BannerSeen, ConsoleEvent, EpochStarted, ResumeSeen
from runner.trainers.sd_scripts.steps import steps_per_epoch


@dataclass(slots=True)
class StepMapper:
    """The numbers of one launch of the trainer. Feed it every console event of the attempt.

    `base_step`: the true step it was launched to continue from; only used until the console shows where it
    starts. `origin_step`: the true step of its own step 0. All results are true steps, None if unknown.
    """

    base_step: int = 0
    origin_step: int = 0
    _batches: int | None = None
    _accumulation: int = 1
    _first_epoch: int | None = None
    _state_step: int | None = None
    _skipped: int | None = None

    def on(self, event: ConsoleEvent) -> None:
        """Take one event; events without steps are fine."""
        match event:
            case BannerSeen(name="batches_per_epoch", value=value):
                self._batches = value
            case BannerSeen(name="accumulation", value=value):
                self._accumulation = max(1, value)
            case EpochStarted(epoch=epoch) if self._first_epoch is None:
                self._first_epoch = epoch
            case ResumeSeen():
                if event.state_step is not None:
                    self._state_step = event.state_step
                if event.skip_steps is not None:
                    self._skipped = event.skip_steps

    @property
    def steps_per_epoch(self) -> int | None:
        """Optimizer steps of an epoch: batches / accumulation, rounded up (per process)."""
        if self._batches is None:
            return None
        return steps_per_epoch(self._batches, self._accumulation)

    @property
    def begins_with_epoch_1(self) -> bool:
        """From the console, or before it has printed anything."""
        return self._first_epoch in (None, 1)

    @property
    def problem(self) -> str | None:
        """Why the steps are unknown, if so."""
        if self._skipped is not None and self._accumulation > 1:
            return (
                "sd-scripts mixes batches and steps when --skip_until_initial_step meets gradient "
                "accumulation: its step numbers are meaningless"
            )
        return None

    @property
    def _counts_anew(self) -> bool:
        """It was launched to continue, but only knows its own steps: it starts with epoch 1, step 0."""
        return self.origin_step > 0 and self.origin_step == self.base_step

    def average_factor(self, shown: int) -> float:
        """Factor that turns the bar's average into the mean of the losses.

        sd-scripts' LossRecorder (train_util.py, v0.9 to v0.10) numbers the losses of an epoch from 1 after
        a skip, and counts the empty place 0 as a loss of zero, except in the first epoch: after a resume
        the average starts at half of the loss and recovers within the epoch.
        """
        if shown < 1 or self._skipped is None or self.problem is not None:
            return 1.0
        per_epoch, first = self.steps_per_epoch, self._first_epoch
        if per_epoch is None or first is None or first == 1:
            return 1.0
        place = self._skipped - (first - 1) * per_epoch
        if place < 1 or shown > per_epoch - place:
            return 1.0
        return (shown + 1) / shown

    def true_from_bar(self, shown: int) -> int | None:
        """The true step when the bar shows `shown`."""
        base = self._bar_base()
        return None if base is None else base + shown

    def true_from_global(self, shown: int) -> int | None:
        """The true step of a TensorBoard x (the trainer's global_step)."""
        base = self._epoch_base()
        return None if base is None else base + shown

    def true_from_name(self, step: int) -> int | None:
        """The true step of a file `NAME-step<step>`: file names contain the global_step."""
        return self.true_from_global(step)

    def true_from_epoch(self, epoch: int) -> int | None:
        """The true step of a file `NAME-<epoch>`: epoch names stay correct after a resume."""
        per_epoch = self.steps_per_epoch
        return None if per_epoch is None else self.origin_step + epoch * per_epoch

    def _bar_base(self) -> int | None:
        """The true step at which the bar shows 0."""
        if self.problem is not None:
            return None
        return self._epoch_base() if self._skipped is None else self.origin_step + self._skipped

    def _epoch_base(self) -> int | None:
        """The true step at the start of the first epoch of this attempt: global_step is 0 there."""
        if self.problem is not None:
            return None
        per_epoch = self.steps_per_epoch
        if self._first_epoch is None:
            return self._expected_epoch_base(per_epoch)
        if self._first_epoch == 1:
            return self.origin_step
        if per_epoch is None:
            return self.base_step or None
        return self.origin_step + (self._first_epoch - 1) * per_epoch

    def _expected_epoch_base(self, per_epoch: int | None) -> int:
        """Before the first `epoch n/m`: from the resume's output, else from the plan."""
        begins_at = self._skipped
        if begins_at is None:
            # the state of a resumed attempt has its own number: the plan knows better
            begins_at = self.base_step - self.origin_step if self.base_step else self._state_step
        if begins_at is None or per_epoch is None or self._counts_anew:
            return self.base_step
        return self.origin_step + begins_at // per_epoch * per_epoch
