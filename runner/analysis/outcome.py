"""How a run ended and why: one pure verdict over all known facts, by the first rule that applies.

The exit code alone proves nothing: sd-scripts exits with 0 on "No data found" and after a loss that was NaN
from the second step on; `accelerate launch` turns every failure of its child into 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from signal import SIGKILL

from runner.analysis.diagnosis.catalogue import UNKNOWN, entry_of
from runner.analysis.diagnosis.matcher import cause_of, diagnose, unknown_cause
from runner.analysis.expectations import held_to_expect
from runner.analysis.facts import NOT_FINITE, RunFacts
from runner.analysis.signals import EndSignal
from runner.model import Cause, CheckResult, Outcome, Phase
from runner.model.units import count
from runner.state.evidence import Evidence, is_interrupt
from runner.trainers.sd_scripts.parts import not_loaded

_LOOK_AT_FILES = (
    "Check the free space on that disk, then run `plasma-tui verify` again; complete checkpoints "
    "can be used."
)
_VERIFY_AGAIN = (
    "Run `plasma-tui verify` on the files before you use them: it is unknown whether they are "
    "complete and finite."
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
_LOOK_AT_EXPECT = "If the result is what you wanted, correct [expect] in plasma.toml."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, its cause (none for a success or a requested stop), and the reasons. `outcome` None: the
    log was not understood well enough to have one."""

    outcome: Outcome | None
    cause: Cause | None
    reasons: tuple[str, ...]


def judge(facts: RunFacts) -> Verdict:
    """The verdict on an ended run. `[expect]` is checked for every outcome."""
    facts = facts.completed()
    verdict = next(verdict_on(facts) for applies, verdict_on in _RULES if applies(facts))
    verdict = _of_what_is_known(facts, verdict)
    reasons = [*verdict.reasons, *_parts(facts)]
    if verdict.outcome is not Outcome.DIVERGED and facts.came_through:
        reasons.append(_few_bad_steps(facts.first_nonfinite_step, facts.recovered_steps))
    if facts.last_step:
        reasons += (point.evidence for point in held_to_expect(facts))
    return replace(verdict, reasons=tuple(dict.fromkeys((*reasons, *facts.faults))))


def _parts(facts: RunFacts) -> Iterator[str]:
    """Parts that silently did not load."""
    for text in facts.evidence.warnings:
        if (part := not_loaded(text)) is not None:
            yield part


def _few_bad_steps(first: int | None, number: int) -> str:
    """A note on a run that recovered from it."""
    if number == 1:
        return f"the loss of step {first} was NaN; all later losses and the files are finite"
    bad = f"{number} losses from step {first} on were NaN"
    return f"{bad}; all later ones and the files are finite"


def _of_what_is_known(facts: RunFacts, verdict: Verdict) -> Verdict:
    """Without its plan, a run that ended well may not have written all expected files."""
    if not facts.unreadable:
        return verdict
    unknown = f"{'; '.join(facts.unreadable)}: the files expected from this run are unknown"
    if verdict.outcome is not Outcome.SUCCEEDED:
        return replace(verdict, reasons=(*verdict.reasons, unknown))
    return _failed_for((unknown, *verdict.reasons), _LOOK_AT_FILES)


def _failed_for(reasons: tuple[str, ...], advice: str) -> Verdict:
    """For the first of these reasons, which is not in the catalogue."""
    return Verdict(Outcome.FAILED, Cause(UNKNOWN, reasons[0], advice), reasons)


# ----------------------------------------------------------------- questions


def _killed_from_outside(facts: RunFacts) -> bool:
    """Not if the trainer itself failed, for a known reason, before or with this signal: a crash (SIGABRT,
    SIGSEGV ...) may have printed why; a launcher ends its ranks after one of them failed."""
    signal, evidence = facts.ended_by, facts.evidence
    if signal is None or any(map(is_interrupt, evidence.exceptions)):
        return signal is not None
    crashed = signal.crashed and evidence.fatals
    return not (evidence.own_exceptions or crashed) or diagnose(evidence) is None


def _wrote_to_a_full_disk(facts: RunFacts) -> bool:
    """Did the trainer fail silently while its output could not be written?"""
    if facts.machine.disk_full is None or facts.exit_code == 0 or facts.signal is not None:
        return False
    return diagnose(facts.evidence) is None and not facts.evidence.model_saved


def _unmet(facts: RunFacts) -> list[CheckResult]:
    return [point for point in held_to_expect(facts) if point.status == "fail"]


# ----------------------------------------------------------------- verdicts


def _not_started(facts: RunFacts) -> Verdict:
    cause = Cause(NOT_STARTED, "no trainer was started in this attempt", _START_AGAIN)
    if facts.stop_ordered:
        return Verdict(
            Outcome.STOPPED, cause, ("removed from the queue before its start", facts.progress)
        )
    why = "plasma-tui's own processes ended before starting the trainer"
    return Verdict(Outcome.FAILED, cause, (why, facts.progress))


def _diverged(facts: RunFacts) -> Verdict:
    step = facts.first_nonfinite_step
    assert step is not None
    text = f"the loss is NaN from step {step} on"
    latents = diagnose(Evidence(warnings=facts.evidence.warnings), facts.setting)
    first = step <= (facts.first_step or 1)
    key = "nan_from_first_step" if first else "nan_during_training"
    cause = cause_of(entry_of(key), text, facts.setting)
    if latents is not None and latents.key == "nan_latents":
        cause = latents
    end = _end_of_diverged(facts, facts.ended_by)
    return Verdict(Outcome.DIVERGED, cause, (text, end) if end else (text,))


def _end_of_diverged(facts: RunFacts, signal: EndSignal | None) -> str:
    if facts.stop_ordered and not facts.finished:
        by_guard = facts.guard_reason is not None
        return _who_stopped(facts) if by_guard else "stopped on request after that"
    if signal is not None:
        return f"ended by {signal.name} after that"
    if facts.evidence.own_exceptions:
        return "an exception ended it after that"
    saved = facts.evidence.model_saved
    return "the trainer still finished and saved the model" if saved else ""


def _who_stopped(facts: RunFacts) -> str:
    if facts.guard_reason is not None:
        return f"stopped by the guard: {facts.guard_reason}"
    if facts.job_reason is not None:
        return f"stopped for Slurm: {facts.job_reason}"
    return "stopped on request"


def _ended_with_job(facts: RunFacts) -> Verdict:
    assert facts.job is not None
    cause = cause_of(entry_of(facts.job.cause), facts.job.text)
    reasons = (facts.job.text, facts.progress, *facts.torn_files)
    return Verdict(Outcome.KILLED, cause, reasons)


def _job_not_started(facts: RunFacts) -> Verdict:
    """Its job ended before a trainer was started."""
    assert facts.job is not None
    text, outcome = f"{facts.job.text}; the training never started", Outcome.FAILED
    if facts.stop_ordered:
        text, outcome = "removed from Slurm's queue before its start", Outcome.STOPPED
    return Verdict(outcome, Cause(NOT_STARTED, text, _START_AGAIN), (text, facts.progress))


def _stopped(facts: RunFacts) -> Verdict:
    return Verdict(Outcome.STOPPED, None, (_who_stopped(facts), facts.progress))


def _not_understood(facts: RunFacts) -> Verdict:
    """An honest unknown: silence of a log in an unknown format proves neither success nor a kill."""
    unknown, lines, total = facts.unknown_lines, facts.lines, facts.total_steps
    seen = facts.progress if facts.last_step else "no step was seen"
    if total and not facts.last_step:
        seen += f", although {count(total, 'step')} were planned"
    if not unknown:
        return Verdict(None, None, (f"the end is unknown: {seen}",))
    share = f"{unknown} of {lines} lines are unknown" if lines else f"{unknown} unknown lines"
    if lines:
        share += f" ({round(100 * unknown / lines)} %)"
    return Verdict(None, None, (f"the format of this log was not understood: {share}", seen))


def _end_was_cut(facts: RunFacts) -> Verdict:
    text = "console.log was cut or deleted: what the trainer printed at its end is unknown"
    end = f"the process ended with exit code {facts.exit_code}"
    reasons = (text, *((end,) if facts.exit_code is not None else ()), facts.progress)
    return _failed_for((*reasons, *facts.torn_files), _VERIFY_AGAIN)


def _nothing(facts: RunFacts) -> Verdict:
    """Without data sd-scripts exits with 0 before loading a model, and if it logs to a file it reports that
    only there."""
    evidence, text = facts.evidence, "exit code 0, no step"
    if evidence.nothing_to_train is not None:
        cause: Cause | None = cause_of(entry_of("no_data"), evidence.nothing_to_train)
    else:
        cause = diagnose(evidence, facts.setting)
    if cause is None and evidence.phase in (Phase.LAUNCHING, Phase.DATASET):
        cause = cause_of(entry_of("no_data"), text)
    reasons = ("the trainer exited without an error and without a single step",)
    cause = cause or unknown_cause(evidence, text)
    return Verdict(Outcome.NOTHING_TRAINED, cause, (*reasons, *evidence.warnings[:3]))


def _killed(facts: RunFacts) -> Verdict:
    signal, machine, fatals = facts.ended_by, facts.machine, facts.evidence.fatals
    assert signal is not None
    outright, text = signal.number == SIGKILL, signal.words
    key, memory = "killed_by_signal", []
    if outright and machine.memory_short is not None:
        key, text = "host_out_of_memory", f"{text}; {machine.memory_short}"
    elif outright and machine.memory_free is not None:
        memory = [f"main memory was not short: {machine.memory_free}"]
    elif outright and facts.evidence.phase is Phase.LOADING and not facts.last_step:
        key = "host_out_of_memory"  # a model that does not fit makes the kernel do this
    if signal.crashed and fatals:
        text = f"{signal.name}: {fatals[-1]}"
    starved = diagnose(Evidence(fatals=fatals))
    if starved is not None and starved.key == "host_out_of_memory":
        key, text = starved.key, starved.evidence
    saved, name = facts.evidence.model_saved, signal.name
    if key != "killed_by_signal":
        when = ""
    elif signal.crashed:
        when = "crash after save" if saved else "crash"
    else:
        when = "SIGKILL" if outright else ""
    who = f"{name}, not sent by plasma-tui"
    if signal.crashed:
        who = f"{name}: the trainer crashed by itself"
    if saved:
        who += "; the model was saved before that"
    reasons = (who, facts.progress, *memory, *facts.torn_files)
    return Verdict(Outcome.KILLED, cause_of(entry_of(key, when), text, facts.setting), reasons)


def _disk_full(facts: RunFacts) -> Verdict:
    """The trainer's output is a file on that disk: a failed write raises OSError 28 in the trainer, and its
    traceback cannot be written either."""
    text = facts.machine.disk_full or ""
    how = f"the trainer ended with exit code {facts.exit_code}" if facts.exit_code else "it ended"
    reasons = (text, f"{how}, and its last lines are missing", facts.progress, *facts.torn_files)
    return Verdict(Outcome.FAILED, Cause("disk_full", text, _RUN_DISK_FULL), reasons)


def _vanished(facts: RunFacts) -> Verdict:
    text = "the output stops without an error and without finishing"
    reasons = (text, "the exit of the process was not observed", facts.progress)
    entry = entry_of("killed_by_signal", "silence")
    return Verdict(Outcome.KILLED, cause_of(entry, text, facts.setting), reasons)


def _broken_off(facts: RunFacts) -> Verdict:
    text = "exit code 1 without an exception: the output stops in the middle of training"
    cause = cause_of(entry_of("killed_by_signal"), text, facts.setting)
    return Verdict(Outcome.KILLED, cause, (text, facts.progress, *facts.torn_files))


def _failed(facts: RunFacts) -> Verdict:
    code, saved = facts.exit_code, facts.evidence.model_saved
    ending = "no exit code and no" if code is None else f"exit code {code} without an"
    cause = diagnose(facts.evidence, facts.setting, code)
    cause = cause or unknown_cause(facts.evidence, f"{ending} exception")
    reasons = [f"the process ended with exit code {code}"] if code else []
    if facts.machine.disk_full is not None:
        reasons.append(facts.machine.disk_full)
    if not saved:
        reasons.append("the trainer did not report that the model was saved")
    elif code:
        reasons.append("the model was saved before that")
    return Verdict(Outcome.FAILED, cause, (*reasons, facts.progress, *facts.torn_files))


def _broken(facts: RunFacts) -> Verdict:
    broken = facts.broken_files
    bad = next((one.name for one in facts.checkpoints if one.finite is False), None)
    if bad is None:
        return _failed_for(broken, _LOOK_AT_FILES)
    cause = cause_of(entry_of("nan_during_training"), f"{bad} {NOT_FINITE}", facts.setting)
    return Verdict(Outcome.DIVERGED, cause, broken)


def _not_as_expected(facts: RunFacts) -> Verdict:
    unmet = _unmet(facts)
    verdict = _failed_for(tuple(point.evidence for point in unmet), _LOOK_AT_EXPECT)
    if unmet[0].name != "expect_device":
        return verdict
    return replace(verdict, cause=cause_of(entry_of("wrong_device"), unmet[0].evidence))


def _learned_nothing(facts: RunFacts) -> Verdict:
    assert facts.flat is not None
    text = f"{facts.flat.words}, which cannot be: nothing was learned"
    cause = cause_of(entry_of("loss_never_changes"), text, facts.setting)
    saved = "the trainer finished and saved the model"
    return Verdict(Outcome.FAILED, cause, (text, saved))


def _succeeded(facts: RunFacts) -> Verdict:
    reasons, written, planned = ["the model was saved"], facts.written, facts.planned_file
    if planned is not None and facts.past_step is not None:
        reasons = [
            f"the run ends at step {facts.stop_step} as planned: {planned.name} is its file; "
            f"steps after it, up to step {facts.past_step}, do not count"
        ]
    if facts.left_by is not None:
        crash = (
            f"the trainer crashed while exiting ({facts.left_by.name}), after everything was saved"
        )
        reasons.append(crash)
    elif facts.exit_code is None:
        reasons.append("exit code unknown")
    if facts.total_steps and not facts.last_step:
        reasons.append(f"no step was seen in its output, of {facts.total_steps}")
    if facts.flat is not None:
        reasons.append(f"{facts.flat.words}: this cannot be the loss of a training")
    if written and written[-1].remark is not None:
        reasons.append(f"{written[-1].name}: {written[-1].remark}")
    if written and all(one.complete for one in written):
        finite = all(one.finite for one in written)
        found = "complete and finite" if finite else "complete, not all numbers checked"
        reasons.append(f"{len(written)} checkpoint{'s' if len(written) > 1 else ''} {found}")
    return Verdict(Outcome.SUCCEEDED, None, tuple(reasons))


#: in this order; the last one always applies
_RULES: tuple[tuple[Callable[[RunFacts], object], Callable[[RunFacts], Verdict]], ...] = (
    (lambda facts: facts.not_started and facts.job is not None, _job_not_started),
    (lambda facts: facts.not_started, _not_started),
    # a NaN loss outweighs everything, unless the run recovered from it
    (lambda facts: facts.first_nonfinite_step is not None and not facts.came_through, _diverged),
    (RunFacts.ended_with_job, _ended_with_job),
    (lambda facts: facts.stop_ordered and not facts.finished, _stopped),
    (RunFacts.not_understood, _not_understood),
    (RunFacts.end_was_cut, _end_was_cut),
    (RunFacts.nothing_trained, _nothing),
    (_killed_from_outside, _killed),
    (_wrote_to_a_full_disk, _disk_full),
    (RunFacts.vanished, _vanished),
    (RunFacts.broke_off, _broken_off),
    (RunFacts.failed_by_itself, _failed),
    # the trainer reported success: its files and `[expect]` decide
    (lambda facts: facts.broken_files, _broken),
    (
        lambda facts: facts.unverified_files,
        lambda facts: _failed_for(facts.unverified_files, _VERIFY_AGAIN),
    ),
    (_unmet, _not_as_expected),
    (RunFacts.learned_nothing, _learned_nothing),
    (lambda facts: True, _succeeded),
)
