"""What is known of an ended run, and the questions that its verdict asks of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runner.analysis.diagnosis.cures import NOT_KNOWN, Setting
from runner.analysis.machine_end import UNKNOWN_END, MachineEnd
from runner.analysis.signals import EndSignal, end_signal
from runner.model import Checkpoint, Expectation
from runner.state.evidence import Evidence
from runner.trainers.names import unmarked_name


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Steps are true steps; None is "not known", except that `last_step` None means that no step was
    trained.

    `exit_code` and `signal` both None: nobody saw the end. `expected`: names of files that must exist.
    `checkpoints`: what was written, without what a later attempt trained again, and what verification found
    in it. `files_verified`: the files were at hand, so one with `complete` None could not be verified, and
    the run is no success; False (a log alone): such files prove nothing either way. `faults`: what failed
    in the supervision itself, in words. `machine`: memory and disk when it ended. `setting`: what the last
    attempt ran with. `guard_reason`: why the guard ordered the stop; None: it did not. `recovered_steps`:
    how many exact losses were not finite, if they were few and all later ones to the end were finite again;
    else 0. `stop_step`: the planned last step, where the trainer by itself would train past it: with the
    file of that step the run is complete, however the trainer ended after it; `past_step`: the last step it
    then trained. `not_started`: the trainer of the last attempt was never started. `unreadable`: files that
    say what was asked for and cannot be read, a sentence each."""

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
    files_verified: bool = False
    faults: tuple[str, ...] = ()
    machine: MachineEnd = UNKNOWN_END
    not_started: bool = False
    unreadable: tuple[str, ...] = ()

    def completed(self) -> RunFacts:
        """With what follows from the rest. `--console_log_file` takes the words `model saved.` away: an exit
        code 0 after the last file was begun says the same."""
        facts, saved = self, replace(self.evidence, model_saved=True)
        if self.setting.device is None:
            facts = replace(facts, setting=replace(self.setting, device=self.device))
        if self.planned_file is not None:
            return replace(facts, exit_code=0, signal=None, evidence=saved)
        if self.exit_code == 0 and self.evidence.final_begun:
            return replace(facts, evidence=saved)
        return facts

    @property
    def ended_by(self) -> EndSignal | None:
        return end_signal(self.evidence, self.exit_code, self.signal)

    @property
    def finished(self) -> bool:
        """Did the trainer come to its own end?"""
        return self.evidence.model_saved and self.exit_code in (None, 0) and self.signal is None

    def nothing_trained(self) -> bool:
        """Did the trainer leave without an error before its first step?"""
        evidence = self.evidence
        if self.last_step or evidence.model_saved or self.ended_by or evidence.own_exceptions:
            return False
        said_so = self.exit_code is None and evidence.nothing_to_train is not None
        return self.exit_code == 0 or said_so

    def vanished(self) -> bool:
        """Is an exit neither known nor explained by the log?"""
        return self.exit_code is None and self.ended_by is None and not self._explained

    def broke_off(self) -> bool:
        """Exit code 1 is what `accelerate launch --quiet` makes of any end of its child. Python prints a
        traceback before it leaves with 1; what ends in the middle of training without one was ended."""
        in_the_middle = bool(self.last_step) and not self.evidence.final_begun
        return self.exit_code == 1 and in_the_middle and not self._explained

    def failed_by_itself(self) -> bool:
        return bool(self.exit_code) or self.ended_by is not None or not self.evidence.model_saved

    @property
    def _explained(self) -> bool:
        """Does the log itself tell an end?"""
        evidence = self.evidence
        return evidence.model_saved or bool(evidence.exceptions) or bool(evidence.fatals)

    @property
    def written(self) -> list[Checkpoint]:
        """Without those that the trainer deleted."""
        return [one for one in self.checkpoints if not one.removed]

    @property
    def kept(self) -> list[Checkpoint]:
        return [one for one in self.written if not one.missing]

    @property
    def planned_file(self) -> Checkpoint | None:
        """The verified file of the planned last step, where the trainer by itself would train past it."""
        last = [one for one in self.kept if one.final and one.step == self.stop_step is not None]
        return next((one for one in last if one.complete and one.finite is not False), None)

    @property
    def came_through(self) -> bool:
        """A few losses were not finite, all later ones were, and so is every file that was kept: what the
        optimizer did with the bad gradients did not reach the weights."""
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
        """Files whose writing the end of the process interrupted, a sentence each."""
        torn = [f"{one.name} is not complete" for one in self.written if one.complete is False]
        return (*torn, *self.unverified_files)

    @property
    def unverified_files(self) -> tuple[str, ...]:
        """Kept files about which nothing is known, although they were to be verified, a sentence each."""
        unknown = [one for one in self.kept if one.complete is None and self.files_verified]
        return tuple(
            f"could not be verified: {one.name} ({one.problem or 'it was not verified'})"
            for one in unknown
        )

    @property
    def broken_files(self) -> tuple[str, ...]:
        """Files that are not as they should be, a sentence each."""
        present = {unmarked_name(one.name) for one in self.checkpoints}
        never = [f"{name} was never written" for name in self.expected if name not in present]
        return (*never, *(f"{one.name} {what}" for one in self.written if (what := _fault(one))))


def _fault(one: Checkpoint) -> str:
    if one.replaced is not None:
        return f"was {one.replaced}"
    if one.missing:
        return "was written and is gone, not deleted by the trainer"
    if one.complete is False:
        return f"is not complete{f': {one.problem}' if one.problem else ''}"
    return NOT_FINITE if one.finite is False else ""


#: of a file
NOT_FINITE = "holds values that are no finite numbers"
