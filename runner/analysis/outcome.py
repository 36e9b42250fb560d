"""How a run ended and why: one pure judgement over everything that is known.

The exit code alone proves nothing: sd-scripts leaves with 0 on "No data found" and after a loss
that was NaN from the second step on; `accelerate launch` turns every failure of its child into 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runner.analysis.diagnosis.catalogue import entry_of
from runner.analysis.diagnosis.cures import NOT_KNOWN, Setting
from runner.analysis.diagnosis.matcher import cause_of, diagnose, unknown_cause
from runner.analysis.expectations import held_to_expect
from runner.analysis.guard_words import bad_steps
from runner.analysis.machine_end import UNKNOWN_END, MachineEnd
from runner.analysis.signals import CRASHES, EndSignal, end_signal
from runner.model import Cause, Checkpoint, Expectation, Outcome, Phase
from runner.state.evidence import Evidence, is_interrupt
from runner.trainers.sd_scripts.names import unmarked_name

_SIGKILL = 9
_LOOK_AT_FILES = (
    "Check the free space on that disk, then look again with `plasma-tui verify`; the checkpoints "
    "that are complete can be used."
)
_VERIFY_AGAIN = (
    "Verify the files with `plasma-tui verify` before you use them: whether they are complete and finite is "
    "not known."
)
_RUN_DISK_FULL = (
    "Free space on the disk that holds PLASMA_HOME, or set PLASMA_HOME to another disk, then resume from the "
    "last saved state."
)
#: the key of the cause of a run whose trainer was never started
NOT_STARTED = "not_started"
_START_AGAIN = (
    "Start it again with `plasma-tui retry`; if an earlier attempt saved something, `plasma-tui resume` "
    "continues from there."
)
_LOOK_AT_EXPECT = "Correct [expect] in plasma.toml if the result is what you wanted."


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of an ended run. Steps are true steps; None is "not known", except that
    `last_step` None means that no step was trained.

    `exit_code` and `signal` both None: nobody saw the end. `expected`: file names that must be
    there. `checkpoints`: what was written, without what a later attempt trained again, and what verification
    found in it. `files_verified`: the files
    were at hand, so one with `complete` None could not be verified, and the run is no success; False (a log
    alone): such files prove nothing either way. `faults`: what failed in the supervision itself, in words.
    `machine`: memory and disk when it ended.
    `setting`: what the last attempt ran with.
    `guard_reason`: why the guard ordered the stop; None: it did not. `recovered_steps`: how many exact
    losses were not finite, if they were few and all later ones to the end were finite again; else 0.
    `stop_step`: the planned last step, where the trainer by itself would train past it: with the file of that
    step the run is complete, however the trainer ended after it; `past_step`: the last step it then trained.
    """

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
    #: the trainer of the last attempt was never started
    not_started: bool = False
    #: files that say what was asked for and cannot be read, a sentence each
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, its cause unless all is well or it was wished for, and the reasons in words."""

    outcome: Outcome
    cause: Cause | None
    reasons: tuple[str, ...]


def judge(facts: RunFacts) -> Verdict:
    """Judge an ended run.

    Order: a loss that is no number outweighs everything (unless the run came well through it); then
    the user's own stop; then nothing trained; then signals; then exceptions and exit codes; only then
    what was written. What `[expect]` says is listed with all of them.
    """
    facts = _completed(facts)
    verdict, told = _not_started(facts) if facts.not_started else _judged(facts), {}
    verdict = _of_what_is_known(facts, verdict)
    if facts.last_step:
        told = dict.fromkeys(point.evidence for point in held_to_expect(facts))
    came_through = [bad_steps(facts.first_nonfinite_step, facts.recovered_steps)]
    more = came_through if verdict.outcome is not Outcome.DIVERGED and _came_through(facts) else []
    reasons = dict.fromkeys((*verdict.reasons, *more, *told, *facts.faults))
    return replace(verdict, reasons=tuple(reasons))


def _completed(facts: RunFacts) -> RunFacts:
    """With what follows from the rest. `--console_log_file` takes the words `model saved.` away:
    an exit code 0 after the last file was begun says the same."""
    if facts.setting.device is None:
        facts = replace(facts, setting=replace(facts.setting, device=facts.device))
    if _planned_file(facts) is not None:
        facts = replace(
            facts,
            exit_code=0,
            signal=None,
            evidence=replace(facts.evidence, model_saved=True),
        )
    if facts.exit_code == 0 and facts.evidence.final_begun:
        facts = replace(facts, evidence=replace(facts.evidence, model_saved=True))
    return facts


def _judged(facts: RunFacts) -> Verdict:
    signal = end_signal(facts.evidence, facts.exit_code, facts.signal)
    if facts.first_nonfinite_step is not None and not _came_through(facts):
        return _diverged(facts, signal)
    if facts.stop_ordered and not _finished(facts):
        return Verdict(Outcome.STOPPED, None, (_who_stopped(facts), _progress(facts)))
    if _nothing_trained(facts, signal):
        return _nothing(facts)
    if signal is not None and not _own_doing(facts.evidence, signal):
        return _killed(facts, signal)
    if _wrote_to_a_full_disk(facts):
        return _disk_full(facts)
    if facts.exit_code is None and signal is None and not _explained(facts):
        return _vanished(facts)
    if facts.exit_code == 1 and _in_the_middle(facts) and not _explained(facts):
        return _broken_off(facts)
    if facts.exit_code not in (None, 0) or signal is not None or not facts.evidence.model_saved:
        return _failed(facts)
    return _finished_verdict(facts)


def _of_what_is_known(facts: RunFacts, verdict: Verdict) -> Verdict:
    """Without what was asked for, a run that ended well is not known to have written all that it should."""
    if not facts.unreadable:
        return verdict
    unknown = f"{'; '.join(facts.unreadable)}: what this run should have written is unknown"
    if verdict.outcome is not Outcome.SUCCEEDED:
        return replace(verdict, reasons=(*verdict.reasons, unknown))
    cause = Cause("unknown", unknown, _LOOK_AT_FILES)
    return Verdict(Outcome.FAILED, cause, (unknown, *verdict.reasons))


# ----------------------------------------------------------------- outcomes


def _not_started(facts: RunFacts) -> Verdict:
    cause = Cause(NOT_STARTED, "no trainer was started in this attempt", _START_AGAIN)
    why = "plasma-tui's own processes ended before they started the trainer"
    return Verdict(Outcome.FAILED, cause, (why, _progress(facts)))


def _diverged(facts: RunFacts, signal: EndSignal | None) -> Verdict:
    step = facts.first_nonfinite_step
    assert step is not None
    text = f"the loss is not a finite number from step {step} on"
    more = []
    if facts.stop_ordered and not _finished(facts):
        by_guard = facts.guard_reason is not None
        more.append(_who_stopped(facts) if by_guard else "stopped as ordered after that")
    elif signal is not None:
        more.append(f"ended by {signal.name} after that")
    elif facts.evidence.own_exceptions:
        more.append("an exception ended it after that")
    elif facts.evidence.model_saved:
        more.append("the trainer went on to its end and saved the model all the same")
    latents = diagnose(Evidence(warnings=facts.evidence.warnings), facts.setting)
    if latents is not None and latents.key == "nan_latents":
        cause = latents
    elif step <= (facts.first_step or 1):
        cause = cause_of(entry_of("nan_from_first_step"), text, facts.setting)
    else:
        cause = cause_of(entry_of("nan_during_training"), text, facts.setting)
    return Verdict(Outcome.DIVERGED, cause, (text, *more))


def _nothing(facts: RunFacts) -> Verdict:
    said = facts.evidence.nothing_to_train
    if said is not None:
        cause = cause_of(entry_of("no_data"), said)
    else:
        cause = diagnose(facts.evidence, facts.setting) or _left_early(facts)
    reasons = ("the trainer left without an error and without a single step",)
    return Verdict(Outcome.NOTHING_TRAINED, cause, (*reasons, *facts.evidence.warnings[:3]))


def _left_early(facts: RunFacts) -> Cause:
    """Exit code 0 before a model was asked for: without data sd-scripts does that, and where its
    log goes to a file it says so there only."""
    text = "exit code 0, no step"
    if facts.evidence.phase in (Phase.LAUNCHING, Phase.DATASET):
        return cause_of(entry_of("no_data"), text)
    return unknown_cause(facts.evidence, text)


def _killed(facts: RunFacts, signal: EndSignal) -> Verdict:
    text = signal.words
    entry = entry_of("killed_by_signal", "SIGKILL" if signal.number == _SIGKILL else "")
    loading = facts.evidence.phase is Phase.LOADING and not facts.last_step
    machine = facts.machine
    memory: tuple[str, ...] = ()
    if signal.number == _SIGKILL and machine.memory_short is not None:
        entry, text = entry_of("host_out_of_memory"), f"{text}; {machine.memory_short}"
    elif signal.number == _SIGKILL and machine.memory_free is not None:
        memory = (f"main memory was not short: {machine.memory_free}",)
    elif signal.number == _SIGKILL and loading:
        # the kernel's answer to a model that does not fit looks exactly like this
        entry = entry_of("host_out_of_memory")
    if signal.number in CRASHES and facts.evidence.fatals:
        text = f"{signal.name}: {facts.evidence.fatals[-1]}"
    starved = diagnose(Evidence(fatals=facts.evidence.fatals))
    if starved is not None and starved.key == "host_out_of_memory":
        entry, text = entry_of(starved.key), starved.evidence
    reasons = (
        f"{signal.name}, sent by nobody here", _progress(facts), *memory, *_torn_files(facts),
    )  # fmt: skip
    return Verdict(Outcome.KILLED, cause_of(entry, text, facts.setting), reasons)


def _disk_full(facts: RunFacts) -> Verdict:
    """The trainer's output is a file on that disk: a line that cannot be written raises OSError 28 in the
    trainer, whose traceback cannot be written either."""
    text = facts.machine.disk_full or ""
    cause = Cause("disk_full", text, _RUN_DISK_FULL)
    how = f"the trainer ended with exit code {facts.exit_code}" if facts.exit_code else "it ended"
    reasons = (text, f"{how}, and its last lines are missing", _progress(facts))
    return Verdict(Outcome.FAILED, cause, (*reasons, *_torn_files(facts)))


def _vanished(facts: RunFacts) -> Verdict:
    text = "the output ends without an error and without an end"
    reasons = (text, "nobody saw how the process ended", _progress(facts))
    return Verdict(Outcome.KILLED, cause_of(entry_of("killed_by_signal"), text), reasons)


def _broken_off(facts: RunFacts) -> Verdict:
    """Exit code 1 is what `accelerate launch --quiet` makes of any end of its child. Python prints a
    traceback before it leaves with 1; what ends in the middle of training without one was ended."""
    text = "exit code 1 but no exception: the output breaks off in the middle of training"
    reasons = (text, _progress(facts), *_torn_files(facts))
    return Verdict(
        Outcome.KILLED, cause_of(entry_of("killed_by_signal"), text, facts.setting), reasons
    )


def _failed(facts: RunFacts) -> Verdict:
    code = facts.exit_code
    cause = diagnose(facts.evidence, facts.setting, facts.exit_code) or unknown_cause(
        facts.evidence, _ending(facts)
    )
    reasons = []
    if code:
        reasons.append(f"the process ended with exit code {code}")
    if facts.machine.disk_full is not None:
        reasons.append(facts.machine.disk_full)
    if not facts.evidence.model_saved:
        reasons.append("the trainer never said that the model was saved")
    elif code:
        reasons.append("the model was saved before that")
    return Verdict(Outcome.FAILED, cause, (*reasons, _progress(facts), *_torn_files(facts)))


def _finished_verdict(facts: RunFacts) -> Verdict:
    """The trainer ended well by its own words: hold it to its files and to what was expected."""
    broken = _broken_files(facts)
    if broken:
        not_finite = [c.name for c in facts.checkpoints if c.finite is False]
        if not_finite:
            text = f"{not_finite[0]} holds values that are no finite numbers"
            cause = cause_of(entry_of("nan_during_training"), text, facts.setting)
            return Verdict(Outcome.DIVERGED, cause, broken)
        return Verdict(Outcome.FAILED, Cause("unknown", broken[0], _LOOK_AT_FILES), broken)
    unverified = _unverified_files(facts)
    if unverified:
        return Verdict(Outcome.FAILED, Cause("unknown", unverified[0], _VERIFY_AGAIN), unverified)
    unmet = [p for p in held_to_expect(facts) if p.status == "fail"]
    if unmet:
        text = unmet[0].evidence
        cause = Cause("unknown", text, _LOOK_AT_EXPECT)
        if unmet[0].name == "expect_device":
            cause = cause_of(entry_of("wrong_device"), text)
        return Verdict(Outcome.FAILED, cause, tuple(point.evidence for point in unmet))
    files = sum(1 for c in facts.checkpoints if not c.removed)
    reasons = ["the model was saved"]
    planned = _planned_file(facts)
    if planned is not None and facts.past_step is not None:
        reasons = [
            f"the run ends with step {facts.stop_step} as planned: {planned.name} is the file of that step; "
            f"what the trainer did after it, up to step {facts.past_step}, does not count"
        ]
    if facts.exit_code is None:
        reasons.append("the exit code is not known")
    if files and all(c.complete for c in facts.checkpoints if not c.removed):
        finite = all(c.finite for c in facts.checkpoints if not c.removed)
        found = "complete and finite" if finite else "complete, not all numbers checked"
        reasons.append(f"{files} checkpoint{'s' if files > 1 else ''} {found}")
    return Verdict(Outcome.SUCCEEDED, None, tuple(reasons))


# ----------------------------------------------------------------- questions


def _planned_file(facts: RunFacts) -> Checkpoint | None:
    """The verified file of the planned last step, where the trainer by itself would train past it."""
    if facts.stop_step is None:
        return None
    for one in facts.checkpoints:
        there = one.final and one.step == facts.stop_step and not (one.removed or one.missing)
        if there and one.complete and one.finite is not False:
            return one
    return None


def _finished(facts: RunFacts) -> bool:
    return facts.evidence.model_saved and facts.exit_code in (None, 0) and facts.signal is None


def _came_through(facts: RunFacts) -> bool:
    """A few losses were not finite, all later ones were, and so is every file that was kept: what the
    optimizer did with the bad gradients did not reach the weights."""
    kept = [c for c in facts.checkpoints if not c.removed and not c.missing]
    whole = [c for c in kept if c.complete is not False]
    return facts.recovered_steps > 0 and bool(whole) and all(c.finite for c in whole)


def _nothing_trained(facts: RunFacts, signal: EndSignal | None) -> bool:
    if facts.last_step or facts.evidence.model_saved or signal is not None:
        return False
    if facts.evidence.own_exceptions or facts.exit_code not in (None, 0):
        return False
    return facts.exit_code == 0 or facts.evidence.nothing_to_train is not None


def _explained(facts: RunFacts) -> bool:
    """With nobody to tell the exit code: does the log itself tell an end?"""
    evidence = facts.evidence
    return evidence.model_saved or bool(evidence.exceptions) or bool(evidence.fatals)


def _wrote_to_a_full_disk(facts: RunFacts) -> bool:
    """Did the trainer fail without a word while its words could not be written?"""
    if facts.machine.disk_full is None or facts.exit_code == 0 or facts.signal is not None:
        return False
    return diagnose(facts.evidence) is None and not facts.evidence.model_saved


def _in_the_middle(facts: RunFacts) -> bool:
    return bool(facts.last_step) and not facts.evidence.final_begun


def _own_doing(evidence: Evidence, signal: EndSignal) -> bool:
    """Did the trainer itself fail, for a reason that is known, before or by this signal? A crash
    (SIGABRT, SIGSEGV ...) may have said why; a launcher ends its ranks after one of them failed."""
    if any(map(is_interrupt, evidence.exceptions)):
        return False
    if evidence.own_exceptions or (signal.number in CRASHES and evidence.fatals):
        return diagnose(evidence) is not None
    return False


def _torn_files(facts: RunFacts) -> tuple[str, ...]:
    """Files whose writing the end of the process interrupted."""
    torn = [c.name for c in facts.checkpoints if c.complete is False and not c.removed]
    return (*(f"{name} is not complete" for name in torn), *_unverified_files(facts))


def _unverified_files(facts: RunFacts) -> tuple[str, ...]:
    """Kept files about which nothing is known, although they were to be verified."""
    if not facts.files_verified:
        return ()
    kept = [c for c in facts.checkpoints if not c.removed and not c.missing]
    return tuple(
        f"could not be verified: {c.name} ({c.problem or 'it was not verified'})"
        for c in kept
        if c.complete is None
    )


def _broken_files(facts: RunFacts) -> tuple[str, ...]:
    problems = []
    present = {unmarked_name(c.name) for c in facts.checkpoints}
    problems += [f"{name} was never written" for name in facts.expected if name not in present]
    for checkpoint in facts.checkpoints:
        if checkpoint.removed:
            continue
        if checkpoint.replaced is not None:
            problems.append(f"{checkpoint.name} was {checkpoint.replaced}")
        elif checkpoint.missing:
            problems.append(
                f"{checkpoint.name} was written and is gone, not deleted by the trainer"
            )
        elif checkpoint.complete is False:
            why = f": {checkpoint.problem}" if checkpoint.problem else ""
            problems.append(f"{checkpoint.name} is not complete{why}")
        elif checkpoint.finite is False:
            problems.append(f"{checkpoint.name} holds values that are no finite numbers")
    return tuple(problems)


# ----------------------------------------------------------------- words


def _who_stopped(facts: RunFacts) -> str:
    if facts.guard_reason is not None:
        return f"stopped by the guard: {facts.guard_reason}"
    return "stopped as ordered"


def _progress(facts: RunFacts) -> str:
    if not facts.last_step:
        return "no step was trained"
    if facts.total_steps is None:
        return f"{facts.last_step} steps trained"
    return f"step {facts.last_step} of {facts.total_steps}"


def _ending(facts: RunFacts) -> str:
    if facts.exit_code is None:
        return "no exit code and no exception"
    return f"exit code {facts.exit_code} without an exception"
