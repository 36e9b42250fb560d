"""How runs end: never by the exit code alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.analysis.facts import RunFacts
from runner.analysis.machine_end import MachineEnd
from runner.analysis.outcome import Verdict, judge
from runner.history.inspect import inspect_log
from runner.ingest.console.parser import ConsoleParser
from runner.model import Checkpoint, Expectation, Outcome, Phase
from runner.model.events import ExceptionSeen, FatalSeen
from runner.state.evidence import Evidence
from runner.state.flat_loss import Flat

OUT_OF_MEMORY = ExceptionSeen(0, "torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate")
UNHEARD_OF = ExceptionSeen(0, "FooError", "never heard of")
INTERRUPT = ExceptionSeen(0, "KeyboardInterrupt", "")
SAVED = Evidence(model_saved=True, phase=Phase.FINISHED)
TRAINING = Evidence(phase=Phase.TRAINING)
GOOD = RunFacts(SAVED, exit_code=0, first_step=1, last_step=920, total_steps=920, device="mps")


def launcher(words: str) -> ExceptionSeen:
    return ExceptionSeen(0, "subprocess.CalledProcessError", f"Command '['python']' {words}")


def checkpoint(name: str = "a.safetensors", **changes: object) -> Checkpoint:
    base = Checkpoint(name, f"out/{name}", 920, None, 1, 0.0, 100_000_000, True, True)
    return replace(base, **changes)


def short(verdict: Verdict) -> tuple[str, str | None]:
    return str(verdict.outcome), verdict.cause.key if verdict.cause else None


# ------------------------------------------------------------------ success and its limits


def test_saved_exit_0_and_whole_files_is_success() -> None:
    verdict = judge(replace(GOOD, checkpoints=(checkpoint(),), expected=("a.safetensors",)))
    assert short(verdict) == ("succeeded", None)
    assert "1 checkpoint complete and finite" in verdict.reasons


def test_exit_0_without_the_trainers_own_word_is_no_success() -> None:
    verdict = judge(replace(GOOD, evidence=TRAINING, last_step=400))
    assert short(verdict) == ("failed", "unknown")
    assert "the trainer did not report that the model was saved" in verdict.reasons


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (replace(GOOD, expected=("gone.safetensors",)), "failed", "gone.safetensors was never"),
        (
            replace(GOOD, checkpoints=(checkpoint(complete=False, problem="11 bytes short"),)),
            "failed",
            "a.safetensors is incomplete: 11 bytes short",
        ),
        (
            replace(GOOD, checkpoints=(checkpoint(finite=False),)),
            "diverged",
            "a.safetensors contains NaN or Inf",
        ),
    ],
)
def test_files_decide(facts: RunFacts, outcome: str, words: str) -> None:
    verdict = judge(facts)
    assert str(verdict.outcome) == outcome
    assert any(words in reason for reason in verdict.reasons)


def test_a_file_that_the_trainer_removed_itself_is_no_matter() -> None:
    removed = checkpoint("old.safetensors", removed=True, complete=False)
    assert judge(replace(GOOD, checkpoints=(removed,))).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("facts", "key", "words"),
    [
        (
            replace(GOOD, device="cpu", expect=Expectation(device="mps")),
            "wrong_device",
            "trained on cpu, expected mps",
        ),
        (
            replace(GOOD, last_step=900, expect=Expectation(steps=920)),
            "unknown",
            "900 steps trained, expected 920",
        ),
        (
            replace(
                GOOD,
                checkpoints=(checkpoint(size_bytes=3_000_000),),
                expect=Expectation(checkpoint_mb=(50, 200)),
            ),
            "unknown",
            "a.safetensors has 3.0 MB, expected 50 to 200",
        ),
    ],
)
def test_an_unmet_expectation_is_a_failure(facts: RunFacts, key: str, words: str) -> None:
    verdict = judge(facts)
    assert short(verdict) == ("failed", key)
    assert words in verdict.reasons


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(GOOD, device="cuda:0", expect=Expectation(device="cuda")), ""),
        (
            replace(GOOD, last_step=1840, expect=Expectation(steps=920)),
            "1840 steps trained, 920 were expected",
        ),
        (
            replace(GOOD, images=30, expect=Expectation(images=23)),
            "30 images used, 23 were expected",
        ),
        (replace(GOOD, device=None, expect=Expectation(device="mps")), "did not report its device"),
    ],
)
def test_what_a_person_may_have_wanted_is_only_remarked(facts: RunFacts, words: str) -> None:
    verdict = judge(facts)
    assert verdict.outcome is Outcome.SUCCEEDED
    assert words in " ".join(verdict.reasons)


def test_every_point_of_expect_is_listed_with_its_answer() -> None:
    expect = Expectation(device="mps", images=23, steps=920, checkpoint_mb=(50, 200))
    facts = replace(GOOD, images=23, expect=expect, checkpoints=(checkpoint(),))
    assert judge(facts).reasons[-4:] == (
        "trained on mps, as expected",
        "23 images used, as expected",
        "920 steps trained, as expected",
        "1 checkpoint of 50 to 200 MB, as expected",
    )


def test_expect_is_listed_with_a_stop_too_once_each() -> None:
    expect = Expectation(device="mps", steps=920)
    facts = replace(GOOD, evidence=TRAINING, signal=2, exit_code=None, last_step=412, expect=expect)
    reasons = judge(replace(facts, stop_ordered=True)).reasons
    assert reasons == (
        "stopped on request",
        "step 412 of 920",
        "trained on mps, as expected",
        "412 steps trained, expected 920",
    )
    broken = judge(replace(GOOD, device="cpu", expect=expect)).reasons
    assert broken == ("trained on cpu, expected mps", "920 steps trained, as expected")


# ------------------------------------------------------------------ divergence


@pytest.mark.parametrize(
    ("facts", "key", "words"),
    [
        (GOOD, "nan_during_training", "saved the model"),
        (replace(GOOD, evidence=TRAINING, exit_code=1), "nan_during_training", "from step 300"),
        (
            replace(GOOD, evidence=TRAINING, stop_ordered=True, exit_code=None, signal=2),
            "nan_during_training",
            "stopped on request after that",
        ),
        (
            replace(GOOD, evidence=TRAINING, exit_code=None, signal=9),
            "nan_during_training",
            "ended by SIGKILL after that",
        ),
        (replace(GOOD, first_step=300), "nan_from_first_step", "from step 300"),
        (
            replace(
                GOOD,
                evidence=replace(SAVED, warnings=("NaN found in latents, replacing with zeros",)),
            ),
            "nan_latents",
            "from step 300",
        ),
    ],
)
def test_a_loss_that_is_no_number_outweighs_everything(
    facts: RunFacts, key: str, words: str
) -> None:
    verdict = judge(replace(facts, first_nonfinite_step=300))
    assert short(verdict) == ("diverged", key)
    assert any(words in reason for reason in verdict.reasons)


ONE_BAD = replace(
    GOOD, first_nonfinite_step=300, recovered_steps=1, checkpoints=(checkpoint(), checkpoint("b"))
)


def test_one_bad_step_that_the_run_came_through_is_a_remark() -> None:
    verdict = judge(ONE_BAD)
    assert short(verdict) == ("succeeded", None)
    assert any("the loss of step 300 was NaN" in r for r in verdict.reasons)
    assert "the model was saved" in verdict.reasons


@pytest.mark.parametrize(
    "facts",
    [
        replace(ONE_BAD, recovered_steps=0),
        replace(ONE_BAD, checkpoints=()),
        replace(ONE_BAD, checkpoints=(checkpoint(), checkpoint("b", finite=False))),
        replace(ONE_BAD, checkpoints=(checkpoint(), checkpoint("b", finite=None))),
        replace(ONE_BAD, checkpoints=(checkpoint("b", removed=True),)),
        replace(ONE_BAD, checkpoints=(checkpoint("b", missing=True),)),
    ],
)
def test_in_every_other_case_a_bad_step_is_divergence(facts: RunFacts) -> None:
    assert short(judge(facts)) == ("diverged", "nan_during_training")


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (replace(ONE_BAD, evidence=TRAINING, exit_code=None, signal=9), "killed"),
        (
            replace(ONE_BAD, evidence=TRAINING, exit_code=None, signal=2, stop_ordered=True),
            "stopped",
        ),
        (replace(ONE_BAD, expected=("gone.safetensors",)), "failed"),
    ],
)
def test_one_bad_step_is_told_beside_another_end(facts: RunFacts, outcome: str) -> None:
    verdict = judge(facts)
    assert str(verdict.outcome) == outcome
    assert any("the loss of step 300" in reason for reason in verdict.reasons)


# ------------------------------------------------------------------ stops and signals


@pytest.mark.parametrize(
    "facts",
    [
        RunFacts(TRAINING, signal=2, last_step=4),
        RunFacts(replace(TRAINING, exceptions=(INTERRUPT,)), exit_code=1, last_step=4),
        RunFacts(TRAINING, exit_code=143, last_step=4),
        RunFacts(Evidence(), signal=15),
        RunFacts(Evidence()),
    ],
)
def test_a_stop_that_was_ordered_is_a_stop(facts: RunFacts) -> None:
    assert short(judge(replace(facts, stop_ordered=True))) == ("stopped", None)


def test_a_stop_by_the_guard_says_why() -> None:
    facts = RunFacts(
        TRAINING, signal=2, last_step=400, stop_ordered=True, guard_reason="it is slow"
    )
    verdict = judge(facts)
    assert short(verdict) == ("stopped", None)
    assert verdict.reasons[0] == "stopped by the guard: it is slow"
    bad = judge(replace(facts, first_nonfinite_step=390))
    assert short(bad)[0] == "diverged"
    assert "stopped by the guard: it is slow" in bad.reasons


def test_a_run_that_ended_well_before_the_stop_came_is_judged_as_usual() -> None:
    assert judge(replace(GOOD, stop_ordered=True)).outcome is Outcome.SUCCEEDED


def test_an_exit_code_of_the_trainer_itself_is_no_kill() -> None:
    behind_a_launcher = RunFacts(TRAINING, exit_code=1, last_step=4)
    assert judge(behind_a_launcher).outcome is Outcome.KILLED
    verdict = judge(replace(behind_a_launcher, direct=True))
    assert short(verdict) == ("failed", "unknown")
    full = MachineEnd(disk_full="the disk of the run folder is full")
    assert short(judge(replace(behind_a_launcher, direct=True, machine=full))) == (
        "failed", "disk_full",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (RunFacts(TRAINING, signal=15, last_step=4), "SIGTERM, not sent by plasma-tui"),
        (RunFacts(TRAINING, exit_code=137, last_step=4), "SIGKILL, not sent by plasma-tui"),
        (
            RunFacts(
                replace(TRAINING, exceptions=(launcher("died with <Signals.SIGKILL: 9>."),)),
                exit_code=1,
                last_step=4,
            ),
            "SIGKILL, not sent by plasma-tui",
        ),
        (
            RunFacts(replace(TRAINING, exceptions=(INTERRUPT,)), exit_code=1, last_step=4),
            "SIGINT, not sent by plasma-tui",
        ),
        (
            RunFacts(replace(TRAINING, fatals=("Killed",)), last_step=4),
            "SIGKILL, not sent by plasma-tui",
        ),
        (RunFacts(TRAINING, last_step=4), "the exit of the process was not observed"),
    ],
)
def test_a_signal_from_nowhere_kills(facts: RunFacts, words: str) -> None:
    verdict = judge(facts)
    assert short(verdict) == ("killed", "killed_by_signal")
    assert any(words in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("exceptions", "code", "outcome"),
    [
        (("died with <Signals.SIGKILL: 9>.",), 1, "killed"),
        ((), 137, "killed"),
        (("returned non-zero exit status 1.",), 1, "failed"),
    ],
)
def test_a_launcher_reports_a_signal_after_the_model_was_saved_as_before(
    exceptions: tuple[str, ...], code: int, outcome: str
) -> None:
    evidence = replace(SAVED, exceptions=tuple(launcher(text) for text in exceptions))
    assert str(judge(replace(GOOD, evidence=evidence, exit_code=code)).outcome) == outcome


def test_the_words_of_a_job_manager_after_the_model_was_saved_are_about_the_job() -> None:
    evidence = replace(
        SAVED, fatals=("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-21 ***",)
    )
    assert str(judge(replace(GOOD, evidence=evidence, exit_code=None)).outcome) != "killed"


def test_sigkill_while_loading_a_model_is_memory() -> None:
    facts = RunFacts(Evidence(phase=Phase.LOADING), signal=9)
    assert short(judge(facts)) == ("killed", "host_out_of_memory")
    assert short(judge(replace(facts, signal=15))) == ("killed", "killed_by_signal")


def test_a_cluster_that_names_memory_is_believed() -> None:
    facts = RunFacts(
        replace(TRAINING, fatals=("slurmstepd: error: Detected 1 oom_kill event in StepId=3.0",)),
        signal=9,
        last_step=40,
    )
    assert short(judge(facts)) == ("killed", "host_out_of_memory")


def test_a_crash_that_said_why_is_a_failure() -> None:
    said = ("terminate called after throwing", "what():  CUDA error: an illegal memory access")
    facts = RunFacts(replace(TRAINING, fatals=said), signal=6, last_step=4)
    assert short(judge(facts)) == ("failed", "cuda_hardware_error")
    assert short(judge(replace(facts, evidence=TRAINING))) == ("killed", "killed_by_signal")


def test_ranks_ended_by_their_launcher_after_one_of_them_failed() -> None:
    ended = ExceptionSeen(0, "x.ChildFailedError", "Root Cause: exitcode  : -15 (pid: 7)")
    facts = RunFacts(replace(TRAINING, exceptions=(OUT_OF_MEMORY, ended)), exit_code=1, last_step=4)
    assert short(judge(facts)) == ("failed", "cuda_out_of_memory")


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize("exit_code", [1, 0, None])
def test_an_exception_is_a_failure_whatever_the_exit_code(exit_code: int | None) -> None:
    facts = RunFacts(replace(TRAINING, exceptions=(OUT_OF_MEMORY,)), exit_code, last_step=4)
    assert short(judge(facts)) == ("failed", "cuda_out_of_memory")


def test_an_exception_nobody_knows_is_shown() -> None:
    wrapped = launcher("returned non-zero exit status 1.")
    facts = RunFacts(replace(TRAINING, exceptions=(UNHEARD_OF, wrapped)), 1, last_step=4)
    verdict = judge(facts)
    assert short(verdict) == ("failed", "unknown")
    assert verdict.cause is not None and verdict.cause.evidence == "FooError: never heard of"


def test_a_failure_after_the_model_was_saved_is_one() -> None:
    verdict = judge(replace(GOOD, exit_code=1))
    assert short(verdict) == ("failed", "unknown")
    assert "the model was saved before that" in verdict.reasons


def test_windows_access_violation_is_memory() -> None:
    wrapped = launcher("returned non-zero exit status 3221225477.")
    facts = RunFacts(replace(TRAINING, exceptions=(wrapped,)), exit_code=1)
    assert short(judge(facts)) == ("failed", "host_out_of_memory")


@pytest.mark.parametrize("exit_code", [0, None])
def test_no_data_and_exit_0_is_nothing_trained(exit_code: int | None) -> None:
    evidence = Evidence(nothing_to_train="No data found.", warnings=("ignore directory: x",))
    verdict = judge(RunFacts(evidence, exit_code))
    assert short(verdict) == ("nothing_trained", "no_data")
    assert "ignore directory: x" in verdict.reasons


def test_exit_0_without_a_step_is_nothing_trained() -> None:
    assert short(judge(RunFacts(Evidence(), exit_code=0))) == ("nothing_trained", "unknown")


def test_nothing_known_at_all_is_still_judged() -> None:
    assert judge(RunFacts()).outcome is Outcome.KILLED


def test_a_file_that_was_deleted_behind_the_trainers_back_is_not_a_success() -> None:
    gone = checkpoint("b.safetensors", missing=True)
    verdict = judge(replace(GOOD, checkpoints=(checkpoint(), gone)))
    assert short(verdict)[0] == "failed"
    assert (
        "b.safetensors was written but is missing (not deleted by the trainer)" in verdict.reasons
    )


# ------------------------------------------------------------------ crashes


@pytest.mark.parametrize("number", [4, 6, 8, 11])
def test_a_crash_comes_from_inside_the_process(number: int) -> None:
    verdict = judge(RunFacts(TRAINING, signal=number, last_step=4))
    assert short(verdict) == ("killed", "killed_by_signal")
    assert verdict.cause is not None
    assert "crashed by itself" in verdict.cause.advice
    assert "outside" not in " ".join((*verdict.reasons, verdict.cause.advice))
    assert any("crashed" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("number", [9, 15])
def test_a_kill_comes_from_outside(number: int) -> None:
    verdict = judge(RunFacts(TRAINING, signal=number, last_step=4))
    assert verdict.cause is not None and "from outside" in verdict.cause.advice


def test_the_name_of_a_signal_counts_and_not_its_number() -> None:
    """10 is SIGUSR1 on Linux and SIGBUS on macOS."""
    for name, crashed in (("SIGUSR1", False), ("SIGBUS", True)):
        words = launcher(f"died with <Signals.{name}: 10>.")
        verdict = judge(RunFacts(replace(TRAINING, exceptions=(words,)), 1, last_step=4))
        assert any("crashed" in reason for reason in verdict.reasons) is crashed


@pytest.mark.parametrize("code", [3221226505, -1073740791, 3221225725, 3221226356])
def test_windows_names_a_crash_in_its_exit_code(code: int) -> None:
    words = launcher(f"returned non-zero exit status {code}.")
    for facts in (
        RunFacts(replace(TRAINING, exceptions=(words,)), 1, last_step=4),
        RunFacts(TRAINING, code, last_step=4),
    ):
        verdict = judge(facts)
        assert short(verdict) == ("killed", "killed_by_signal")
        assert verdict.cause is not None and str(code) in verdict.cause.evidence


SEGV = launcher("died with <Signals.SIGSEGV: 11>.")


@pytest.mark.parametrize(
    "facts",
    [
        replace(GOOD, evidence=replace(SAVED, exceptions=(SEGV,)), exit_code=1),
        replace(GOOD, evidence=replace(SAVED, exceptions=(SEGV,)), exit_code=None),
        replace(GOOD, exit_code=None, signal=11),
        replace(GOOD, exit_code=139),
        replace(GOOD, exit_code=3221225477),
    ],
)
def test_a_crash_while_exiting_costs_a_run_nothing_if_its_files_are_good(facts: RunFacts) -> None:
    verdict = judge(facts)
    assert short(verdict) == ("killed", "killed_by_signal")
    assert verdict.cause is not None
    assert "verify" in verdict.cause.advice and "SIGSEGV" in verdict.cause.evidence
    assert any("the model was saved" in reason for reason in verdict.reasons)
    verified = judge(replace(facts, checkpoints=(checkpoint(),), files_verified=True))
    assert short(verified) == ("succeeded", None)
    assert any("crashed while exiting (SIGSEGV)" in reason for reason in verified.reasons)
    for bad in (checkpoint(complete=False), checkpoint(complete=None), checkpoint(finite=None)):
        broken = judge(replace(facts, checkpoints=(bad,), files_verified=True))
        assert broken.outcome is Outcome.KILLED


def test_a_signal_from_outside_after_the_save_is_as_before() -> None:
    ended = launcher("died with <Signals.SIGTERM: 15>.")
    facts = replace(GOOD, evidence=replace(SAVED, exceptions=(ended,)), exit_code=None)
    assert judge(facts).outcome is Outcome.SUCCEEDED


# ------------------------------------------------------------------ what cannot be, and is not understood

ZERO = Flat(0.0, 1, 920, exact=False)


def test_a_loss_of_exactly_zero_is_no_success() -> None:
    verdict = judge(replace(GOOD, flat=ZERO))
    assert short(verdict) == ("failed", "loss_never_changes")
    assert "the average loss was exactly 0 from step 1 to step 920" in verdict.reasons[0]
    dead = checkpoint(norm=0.0, norm_largest=0.0, remark="all weights add nothing")
    assert judge(replace(GOOD, flat=ZERO, checkpoints=(dead,))).outcome is Outcome.FAILED


def test_weights_that_changed_make_it_a_remark() -> None:
    verdict = judge(replace(GOOD, flat=ZERO, checkpoints=(checkpoint(norm=0.4),)))
    assert verdict.outcome is Outcome.SUCCEEDED
    assert any("cannot be the loss" in reason for reason in verdict.reasons)
    constant = judge(replace(GOOD, flat=Flat(0.08, 1, 920, exact=False)))
    assert constant.outcome is Outcome.SUCCEEDED
    assert any("exactly 0.08" in reason for reason in constant.reasons)


def test_a_remark_on_the_last_file_stands_beside_a_success() -> None:
    dead = checkpoint(norm=0.0, norm_largest=0.0, remark="all weights add nothing")
    verdict = judge(replace(GOOD, checkpoints=(dead,)))
    assert "a.safetensors: all weights add nothing" in verdict.reasons


STRANGE = RunFacts(Evidence(phase=Phase.PREPARING), total_steps=920, lines=200, unknown_lines=150)


@pytest.mark.parametrize(
    "facts",
    [
        STRANGE,
        replace(STRANGE, evidence=SAVED),
        replace(STRANGE, evidence=SAVED, exit_code=0),
        replace(STRANGE, exit_code=0),
        replace(STRANGE, total_steps=None),
        replace(STRANGE, evidence=TRAINING),
        replace(STRANGE, evidence=TRAINING, last_step=40),
    ],
)
def test_silence_of_a_log_that_was_not_understood_proves_nothing(facts: RunFacts) -> None:
    verdict = judge(facts)
    assert (verdict.outcome, verdict.cause) == (None, None)
    assert "format of this log was not understood: 150 of 200 lines" in verdict.reasons[0]
    assert "(75 %)" in verdict.reasons[0]


def test_planned_steps_of_which_none_is_in_the_log_have_no_end() -> None:
    cut = replace(STRANGE, lines=40, unknown_lines=0)
    assert judge(cut).outcome is None
    assert judge(cut).reasons == (
        "the end is unknown: no step was seen, although 920 steps were planned",
    )


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (replace(STRANGE, evidence=SAVED, last_step=920), "succeeded"),
        (replace(STRANGE, evidence=TRAINING, last_step=40, unknown_lines=20), "killed"),
        (replace(STRANGE, evidence=TRAINING, unknown_lines=0), "killed"),
        (replace(STRANGE, signal=9), "killed"),
        (replace(STRANGE, exit_code=1), "failed"),
        (
            replace(STRANGE, evidence=replace(TRAINING, exceptions=(OUT_OF_MEMORY,))),
            "failed",
        ),
        (replace(GOOD, last_step=None, files_verified=True), "succeeded"),
    ],
)
def test_what_is_known_is_judged_however_little_was_understood(
    facts: RunFacts, outcome: str
) -> None:
    assert str(judge(facts).outcome) == outcome


def test_a_part_that_did_not_load_is_a_remark_beside_any_end() -> None:
    warned = replace(SAVED, warnings=("create LoRA for U-Net: 0 modules", "another warning"))
    for facts in (replace(GOOD, evidence=warned), replace(GOOD, evidence=warned, exit_code=1)):
        assert any("no modules in the U-Net" in reason for reason in judge(facts).reasons)


@pytest.mark.parametrize(
    ("line", "key", "signal"),
    [
        ("slurmstepd: error: *** JOB 4711 ON g3 CANCELLED AT 2024-05-01T10:00:00 DUE TO TIME LIMIT ***",
         "killed_by_signal", "TIME LIMIT"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=4711.batch. Some of the step tasks have been "
         "OOM Killed.", "host_out_of_memory", "oom_kill"),
        ("srun: error: g3: task 0: Out Of Memory", "killed_by_signal", "Out Of Memory"),
        ("srun: error: g[3-4]: tasks 0-3: Killed", "killed_by_signal", "Killed"),
        ("=>> PBS: job killed: walltime 3641 exceeded limit 3600", "killed_by_signal", "walltime"),
    ],
)  # fmt: skip
def test_a_job_manager_that_ends_the_training_is_the_cause(
    tmp_path: Path, line: str, key: str, signal: str
) -> None:
    log = tmp_path / "slurm-4711.out"
    bar = "steps:   1%|1         | 2/240 [00:10<10:10,  1.20it/s, avr_loss=0.12]"
    log.write_text(f"running training\n{bar}\n{line}\n", encoding="utf-8")
    report = inspect_log(log)
    assert report.outcome is Outcome.KILLED
    assert report.cause is not None
    assert (report.cause.key, signal in report.cause.evidence) == (key, True)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Floating point exception (core dumped)", "SIGFPE"),
        ("Segmentation fault", "SIGSEGV"),
        ("zsh: segmentation fault  accelerate launch train_network.py", "SIGSEGV"),
        ("zsh: killed     python train_network.py", "SIGKILL"),
        ("zsh: illegal hardware instruction  python train_network.py", "SIGILL"),
        ("[1]    4711 abort      python train_network.py", "SIGABRT"),
        ("[2]  + 4711 bus error  python train_network.py", "SIGBUS"),
        ("train.sh: line 12: 24234 Segmentation fault (core dumped) accelerate launch", "SIGSEGV"),
        ("./a.sh: 3: 4711 Killed python train_network.py", "SIGKILL"),
        ("Fatal Python error: Segmentation fault", "SIGSEGV"),
        ("Windows fatal exception: access violation", "SIGSEGV"),
    ],
)
def test_a_shells_last_line_names_the_signal(line: str, name: str) -> None:
    parser = ConsoleParser()
    events = [*parser.feed(f"{line}\n".encode()), *parser.finish()]
    fatals = tuple(event.text for event in events if isinstance(event, FatalSeen))
    verdict = judge(RunFacts(replace(TRAINING, fatals=fatals), last_step=4))
    assert short(verdict) == ("killed", "killed_by_signal")
    assert verdict.reasons[0].startswith(name)


def test_words_of_a_log_are_no_signal() -> None:
    for line in ("killed", "terminated", "process 3 killed it", "aborted, try again"):
        parser = ConsoleParser()
        events = [*parser.feed(f"{line}\n".encode()), *parser.finish()]
        assert not [event for event in events if isinstance(event, FatalSeen)]
