"""Verdicts that must come, and be right, whatever happens to files and processes. Real processes."""

import contextlib
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import orders as control
from runner.control.launch import start_run
from runner.history.review.as_json import review_json
from runner.history.review.chosen import NotChosen, choose
from runner.history.review.gather import review_of
from runner.model import Forecast, KeeperRecord, Outcome
from runner.preflight.existing_files import NO_CONSENT, Consent
from runner.store.journal import read_json, step_rows
from runner.store.liveness import created_at, lock_held
from runner.store.registry import list_runs
from runner.store.rundir import RunDir
from tests.process.helpers import (
    clean_up,
    events,
    kill,
    kinds,
    look,
    processes_of,
    spec_for,
    wait_end,
    wait_for,
    wait_step,
)


class Stage:
    """One output folder with a folder of event files, and the runs that a test starts into it."""

    def __init__(self, folder: Path) -> None:
        self.output, self.logs = folder / "out", folder / "logs"
        self.runs: list[RunDir] = []

    def start(
        self, *flags: str, forecast: Forecast | None = None, consent: Consent = NO_CONSENT
    ) -> RunDir:
        words = (*flags, "--logging_dir", str(self.logs))
        spec, plan = spec_for(self.output, *words, forecast=forecast)
        self.logs.mkdir(exist_ok=True)
        run = start_run(
            replace(spec, logging_dir=str(self.logs)),
            replace(plan, logging_dir=str(self.logs)),
            consent=consent,
        )
        self.runs.append(run)
        return run


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    yield found
    for run in found.runs:
        clean_up(run, found.output)


def problem_of(run: RunDir, step: int) -> str:
    status = look(run).status
    assert status is not None
    return next(c.problem or "" for c in status.checkpoints if c.step == step)


def supervisor_of(run: RunDir) -> int:
    """The pid of the supervisor that lives now."""

    def living() -> int | None:
        born = [e for e in events(run) if e.kind in ("started", "adopted")]
        pid = born[-1].data["pid"] if born else None
        # one that was killed may still be a zombie
        lives = pid is not None and created_at(pid) is not None
        return pid if lives and run.steps.exists() else None

    return wait_for(living)


# --------------------------------------------------------------------------- files


def test_an_empty_state_folder_does_not_hide_a_cut_off_file(stage: Stage) -> None:
    run = stage.start("--empty_state_at", "10", "--truncate_at", "40")
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    assert "cut off" in problem_of(run, 40)


def test_a_header_that_nests_too_deeply_is_no_success(stage: Stage) -> None:
    run = stage.start("--deep_header_at", "20")
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.FAILED
    assert "not a safetensors file" in problem_of(run, 20)


# --------------------------------------------------------------------------- event files


def test_a_record_of_a_terabyte_and_a_folder_among_the_event_files_do_not_cost_the_verdict(
    stage: Stage,
) -> None:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    run = stage.start("--exact")
    head = struct.pack("<Q", 1 << 40)
    huge = head + struct.pack("<I", masked_crc32c(head)) + b"x" * 5000
    (stage.logs / "events.out.tfevents.1.host.1.0").write_bytes(huge)
    (stage.logs / "events.out.tfevents.2.host.1.0").mkdir()
    (stage.logs / "events.out.tfevents.3.host.1.0").write_bytes(b"garbage" * 1000)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.SUCCEEDED
    exact = {row[0] for row in step_rows(run.steps.read_bytes())[0] if row[2] is not None}
    assert exact == set(range(1, 41))
    assert snapshot.status is not None
    assert any("tfevents.3" in reason for reason in snapshot.status.reasons)


# --------------------------------------------------------------------------- many lives


def test_exact_losses_that_come_after_their_rows_are_those_of_the_checkpoints_in_the_end(
    stage: Stage,
) -> None:
    run = stage.start("--steps", "30", "--exact", "--exact_late", "25", "--delay", "0.1")
    snapshot = wait_end(run)
    assert snapshot.status is not None
    assert len(run.steps.read_text().splitlines()) > 40  # averages first, their exact losses later
    known = {c.name: c.loss for c in review_of(run.path, dataset=False).checkpoints}
    assert {c.name: c.loss for c in snapshot.status.checkpoints} == pytest.approx(known)


def test_over_many_lives_each_step_has_its_exact_loss_once_and_each_event_comes_once(
    stage: Stage,
) -> None:
    run = stage.start(
        "--exact", "--steps", "800", "--one_nan_at", "15", "--save_every_n_steps", "50"
    )
    lives = 0
    while not run.exit.exists():
        pid = supervisor_of(run)
        seen = run.steps.stat().st_size
        wait_for(lambda: run.steps.stat().st_size > seen or run.exit.exists())  # noqa: B023
        kill(pid)
        wait_for(lambda: not lock_held(run.lock))
        control.adopt(run.path)
        lives += 1
    snapshot = wait_end(run, 60)
    assert lives >= 2
    assert snapshot.status is not None
    assert snapshot.status.step == 800
    exact = Counter(r[0] for r in step_rows(run.steps.read_bytes())[0] if r[2] is not None)
    assert exact == Counter(range(1, 801))
    derived = Counter(
        (e.kind, e.offset, e.data.get("name"), e.data.get("path"))
        for e in events(run)
        if e.kind not in ("adopted", "gpu_user", "hardware")
    )
    assert {key: number for key, number in derived.items() if number > 1} == {}
    for kind, number in (
        ("loss_not_finite", 1), ("epoch", 40), ("checkpoint_saving", 17), ("checkpoint_verified", 17),
        ("ended", 1),
    ):  # fmt: skip
        assert kinds(run).count(kind) == number, kind


# --------------------------------------------------------------------------- another run's files


def test_an_old_run_says_which_run_replaced_its_files_and_exports_none_of_them(
    stage: Stage, tmp_path: Path
) -> None:
    old = stage.start("--save_state")
    assert wait_end(old).outcome is Outcome.SUCCEEDED
    wait_for(lambda: not lock_held(old.lock))
    assert list_runs()[0].checkpoints == 5
    new = stage.start("--save_state", "--steps", "30", consent=Consent(everything=True))
    assert wait_end(new).outcome is Outcome.SUCCEEDED
    wait_for(lambda: not lock_held(new.lock))
    snapshot = look(old)
    assert snapshot.status is not None
    found = {c.name: c for c in snapshot.status.checkpoints}
    kept = found.pop("fake-step00000040.safetensors")
    assert (kept.replaced, kept.complete) == (None, True)
    for one in found.values():
        assert one.replaced == f"replaced by run {new.id}"
        assert (one.complete, one.loss, one.missing) == (False, None, True)
    assert [c.replaced for c in look(new).status.checkpoints] == [None] * 4  # type: ignore[union-attr]
    assert {run.id: run.checkpoints for run in list_runs()} == {old.id: 1, new.id: 4}
    with pytest.raises(NotChosen, match=f"replaced by run {new.id}"):
        choose(old.path, "final")
    assert choose(old.path).checkpoint.step == 40
    assert choose(new.path, "final").checkpoint.step == 30
    document = review_json(review_of(old.path))
    gone = [c for c in document["checkpoints"] if c["replaced"]]
    assert [(c["complete"], c["loss"], c["place"]) for c in gone] == [(False, None, None)] * 4


# --------------------------------------------------------------------------- killed


def test_after_a_kill_with_memory_free_resume_leads_and_the_summary_says_that_it_was_killed(
    stage: Stage,
) -> None:
    run = stage.start("--steps", "5000", "--save_state")
    wait_for(lambda: run.hardware.exists() and run.hardware.stat().st_size)
    wait_step(run, 15)
    kill(read_json(run.keeper, KeeperRecord).pid)
    snapshot = wait_end(run)
    assert snapshot.outcome is Outcome.KILLED
    assert snapshot.status is not None
    cause = snapshot.status.cause
    assert cause is not None
    assert (cause.key, cause.fix, cause.changes) == ("killed_by_signal", None, ())
    assert any("main memory was not short" in reason for reason in snapshot.status.reasons)
    summary = run.summary_md.read_text()
    assert "but the run was killed" in summary
    assert "out of the ordinary" not in summary


def test_a_full_disk_below_the_run_folder_is_named(stage: Stage, tmp_path: Path) -> None:
    home = tmp_path / "small"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(home)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PLASMA_HOME", str(home))
            run = stage.start("--steps", "5000", "--delay", "0.01")
            wait_step(run, 20)
            filler = home / "filler"
            with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
                while True:
                    stream.write(b"x" * 1024)
            wait_for(lambda: not processes_of(stage.output), 30)
            # full for some beats of the supervisor, which can write nothing that could be waited for
            time.sleep(2.5)
            filler.unlink()
            snapshot = wait_end(run, 60)
        assert snapshot.outcome is Outcome.FAILED
        assert snapshot.status is not None and snapshot.status.cause is not None
        assert snapshot.status.cause.key == "disk_full"
        assert str(home) in snapshot.status.cause.evidence
        wait_for(lambda: not lock_held(run.lock))
    finally:
        subprocess.run(["umount", "-l", str(home)], check=False)


def test_a_crash_after_everything_was_saved_costs_the_run_nothing(stage: Stage) -> None:
    run = stage.start("--steps", "20", "--exit_code", "139")
    ended = wait_end(run)
    assert ended.outcome is Outcome.SUCCEEDED and ended.status is not None
    assert any("crashed while exiting (SIGSEGV)" in why for why in ended.status.reasons)
