"""What is known about an ended run, and the questions that its verdict depends on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runner.analysis.diagnosis.cures import NOT_KNOWN, Setting
from runner.analysis.machine_end import UNKNOWN_END, MachineEnd
from runner.analysis.signals import EndSignal, end_signal
from runner.model import Checkpoint, Expectation, Phase
from runner.state.evidence import Evidence
from runner.state.flat_loss import Flat
from runner.trainers.names import unmarked_name


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a cluster ended the job of the training. `cause`: a key of the catalogue; `text`: one phrase."""

    cause: str
    text: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Steps are true steps; None means unknown, except that `last_step` None means that no step was trained.

    `exit_code` and `signal` both None: the exit was not observed. `expected`: names of files that must exist.
    `checkpoints`: what was written, without what a later attempt trained again, with the results of
    verification. `files_verified`: the files were available, so one with `complete` None could not be
    verified, and the run is not a success; False (a log alone): such files prove nothing either way.
    `faults`: what failed in the supervision itself, one phrase each. `machine`: memory and disk when it
    ended. `setting`: what the last attempt ran with. `guard_reason`: why the guard ordered the stop; None: it
    did not. `recovered_steps`: how many exact losses were non-finite, if few, with all later ones finite;
    else 0. `stop_step`: the planned last step, if the trainer on its own would train past it: with the file
    of that step the run is complete, however the trainer ended later; `past_step`: the last step it then
    trained. `flat`: the loss, if it was the same number from the first step to the last. `lines`: read from
    the console, `unknown_lines` of them not understood. `left_by`: the signal of a crash after everything was
    saved. `not_started`: the trainer of the last attempt was never started. `unreadable`: unreadable files of
    the run's plan, a sentence each. `console_damaged`: part of what the trainer printed is missing. `direct`:
    the recorded exit code is the trainer's, not that of a launcher. `job_reason`: why the end of a cluster's
    job ordered the stop; None: it did not. `job`: how its cluster ended the job; None: it did not."""

    evidence: Evidence = field(default_factory=Evidence)
    exit_code: int | None = None
    signal: int | None = None
    stop_ordered: bool = False
    first_step: int | None = None
    last_step: int | None = None
    total_steps: int | None = None
    first_nonfinite_step: int | None = None
    device: str | None = None
    images: int | None = None
    expected: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    expect: Expectation = field(default_factory=Expectation)
    setting: Setting = NOT_KNOWN
    guard_reason: str | None = None
    recovered_steps: int = 0
    stop_step: int | None = None
    past_step: int | None = None
    flat: Flat | None = None
    lines: int | None = None
    unknown_lines: int = 0
    left_by: EndSignal | None = None
    files_verified: bool = False
    faults: tuple[str, ...] = ()
    machine: MachineEnd = UNKNOWN_END
    not_started: bool = False
    unreadable: tuple[str, ...] = ()
    console_damaged: bool = False
    direct: bool = False
    job_reason: str | None = None
    job: JobEnd | None = None

    def completed(self) -> RunFacts:
        """With what follows from the rest. `--console_log_file` hides the line `model saved.`: exit code 0
        after the last file was started means the same."""
        facts, saved = self, replace(self.evidence, model_saved=True)
        if self.setting.device is None:
            facts = replace(facts, setting=replace(self.setting, device=self.device))
        if self.planned_file is not None:
            return replace(facts, exit_code=0, signal=None, evidence=saved)
        ended = self.ended_by
        if ended is not None and ended.crashed and self.all_saved:
            return replace(facts, exit_code=0, signal=None, left_by=ended)
        if self.exit_code == 0 and self.evidence.final_begun:
            return replace(facts, evidence=saved)
        return facts

    @property
    def ended_by(self) -> EndSignal | None:
        return end_signal(self.evidence, self.exit_code, self.signal)

    @property
    def finished(self) -> bool:
        """Did the trainer finish on its own?"""
        return self.evidence.model_saved and self.exit_code in (None, 0) and self.signal is None

    @property
    def all_saved(self) -> bool:
        """The model was saved, and every file was verified: nothing was left to do but to exit."""
        good = self.files_verified and all(one.complete and one.finite for one in self.kept)
        return self.evidence.model_saved and good and bool(self.kept) and not self.broken_files

    def nothing_trained(self) -> bool:
        """Did the trainer exit without an error before its first step?"""
        evidence = self.evidence
        if self.last_step or evidence.model_saved or self.ended_by or evidence.own_exceptions:
            return False
        said_so = self.exit_code is None and evidence.nothing_to_train is not None
        return self.exit_code == 0 or said_so

    def vanished(self) -> bool:
        """Is an exit neither known nor explained by the log?"""
        return self.exit_code is None and self.ended_by is None and not self._explained

    def not_understood(self) -> bool:
        """Would the verdict be concluded from the log's silence, although the log was hardly understood? Steps
        were planned and none was seen, or most lines are unknown. Observed exits and verified files are
        facts of their own."""
        evidence = self.evidence
        if self.files_verified or self.exit_code or self.ended_by is not None:
            return False
        if evidence.exceptions or evidence.fatals or evidence.nothing_to_train is not None:
            return False
        mostly = self.lines is not None and 2 * self.unknown_lines > self.lines
        if self.last_step:
            return mostly and self.vanished()
        # a bar at 0 was understood, if nothing else in the log is strange
        begun = evidence.phase is Phase.TRAINING and not self.unknown_lines
        return mostly or (bool(self.total_steps) and not begun)

    def end_was_cut(self) -> bool:
        """Is what the trainer printed at its end unknown? Then a missing step or error proves nothing."""
        return self.console_damaged and self.ended_by is None and not self._explained

    @property
    def weights_changed(self) -> bool:
        """Do the files prove that something was trained?"""
        return any(one.complete and one.norm for one in self.kept)

    def learned_nothing(self) -> bool:
        """The error can only be exactly 0 if nothing was compared."""
        return self.flat is not None and self.flat.value == 0 and not self.weights_changed

    def broke_off(self) -> bool:
        """`accelerate launch --quiet` turns any end of its child into exit code 1. Python prints a traceback
        before it exits with 1; a training that ends without one was killed. Not so without a launcher: its
        own exit code shows that it was not, for example if it could not print on a full disk."""
        if self.direct:
            return False
        in_the_middle = bool(self.last_step) and not self.evidence.final_begun
        return self.exit_code == 1 and in_the_middle and not self._explained

    def ended_with_job(self) -> bool:
        """Did the cluster end it together with its job? Not what a person stopped, and not what ended on its
        own before."""
        if self.job is None or self.finished or (self.stop_ordered and self.job_reason is None):
            return False
        return self.stop_ordered or self.vanished() or self.ended_by is not None

    def failed_by_itself(self) -> bool:
        return bool(self.exit_code) or self.ended_by is not None or not self.evidence.model_saved

    @property
    def _explained(self) -> bool:
        """Does the log itself show an end?"""
        evidence = self.evidence
        return evidence.model_saved or bool(evidence.exceptions) or bool(evidence.fatals)

    @property
    def written(self) -> list[Checkpoint]:
        """Without those deleted by the trainer."""
        return [one for one in self.checkpoints if not one.removed]

    @property
    def kept(self) -> list[Checkpoint]:
        return [one for one in self.written if not one.missing]

    @property
    def planned_file(self) -> Checkpoint | None:
        """The verified file of the planned last step, if the trainer on its own would train past it."""
        last = [one for one in self.kept if one.final and one.step == self.stop_step is not None]
        return next((one for one in last if one.complete and one.finite is not False), None)

    @property
    def came_through(self) -> bool:
        """A few losses were non-finite, all later ones and every kept file are finite: the bad gradients did
        not reach the weights."""
        whole = [one for one in self.kept if one.complete is not False]
        return self.recovered_steps > 0 and bool(whole) and all(one.finite for one in whole)

    @property
    def progress(self) -> str:
        if not self.last_step:
            return "no step was trained"
        if self.total_steps is None:
            return f"{self.last_step} steps trained"
        return f"step {self.last_step} of {self.total_steps}"

    @property
    def torn_files(self) -> tuple[str, ...]:
        """Files that were being written when the process ended, a sentence each."""
        torn = [f"{one.name} is not complete" for one in self.written if one.complete is False]
        return (*torn, *self.unverified_files)

    @property
    def unverified_files(self) -> tuple[str, ...]:
        """Kept files that should have been verified but were not, a sentence each."""
        unknown = [one for one in self.kept if one.complete is None and self.files_verified]
        return tuple(
            f"could not be verified: {one.name} ({one.problem or 'not verified'})"
            for one in unknown
        )

    @property
    def broken_files(self) -> tuple[str, ...]:
        """What is wrong with files, a sentence each."""
        present = {unmarked_name(one.name) for one in self.checkpoints}
        never = [f"{name} was never written" for name in self.expected if name not in present]
        return (*never, *(f"{one.name} {what}" for one in self.written if (what := _fault(one))))


def _fault(one: Checkpoint) -> str:
    if one.replaced is not None:
        return f"was {one.replaced}"
    if one.missing:
        return "was written but is missing (not deleted by the trainer)"
    if one.complete is False:
        return f"is incomplete{f': {one.problem}' if one.problem else ''}"
    return NOT_FINITE if one.finite is False else ""


#: of a file
NOT_FINITE = "contains NaN or Inf"
