"""Exact validation losses with true steps, and the single ones out of sd-scripts' means."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from runner.embedded.recorder import LossRecorder
from runner.history.validation import EPOCH_TAG, STEP_TAG, exact_validations, placed
from runner.ingest.tfevents import Scalar
from runner.model import AttemptPlan, AttemptStatus, JournalEvent
from runner.model.events import BannerSeen, EpochStarted, ResumeSeen
from runner.state.step_mapper import StepMapper
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from tests import builders

ATTEMPTS_AT = (1000.0, 5000.0)


def ledger(batches: int, *events: object, base: int = 0) -> StepMapper:
    made = StepMapper(base)
    made.on(BannerSeen(0, "batches_per_epoch", batches))
    for event in events:
        made.on(event)  # type: ignore[arg-type]
    return made


def mixed(singles: list[float], every: int, per_epoch: int, batches: int = 3) -> list[Scalar]:
    """As the trainer writes them: through its own recorder, `batches` losses a validation."""
    recorder, found = LossRecorder(), []
    for number, single in enumerate(singles, start=1):
        step = number * every
        for at in range(batches):
            recorder.add((step - 1) // per_epoch, at, single + (at - 1) * 0.01)
        found.append(Scalar(STEP_TAG, step, 0.0, recorder.average))
    return found


@pytest.mark.parametrize(("every", "per_epoch"), [(50, 230), (230, 230), (100, 60), (20, 1000)])
def test_each_validation_is_told_apart_from_those_of_the_first_epoch(
    every: int, per_epoch: int
) -> None:
    singles = [0.5 - 0.02 * n + 0.003 * (n % 3) for n in range(12)]
    scalars = mixed(singles, every, per_epoch)
    if every < per_epoch:
        assert scalars[-1].value != pytest.approx(singles[-1], abs=1e-3)  # the trap is real
    found = placed(scalars, ledger(per_epoch, EpochStarted(0, 1, 20)), 1, None)
    assert [v.step for v in found] == [every * (n + 1) for n in range(12)]
    assert [v.loss for v in found] == pytest.approx(singles)


def test_a_resumed_attempt_begins_beyond_the_first_epoch_and_mixes_nothing() -> None:
    later = ledger(230, EpochStarted(0, 3, 4), ResumeSeen(0, skip_steps=500), base=500)
    scalars = [Scalar(STEP_TAG, 100, 0.0, 0.3), Scalar(STEP_TAG, 200, 0.0, 0.2)]
    found = placed(scalars, later, 2, None)
    assert [(v.step, v.loss) for v in found] == [(560, 0.3), (660, 0.2)]


def test_means_with_a_gap_are_not_guessed_at() -> None:
    scalars = [s for s in mixed([0.5, 0.4, 0.3, 0.2], 50, 230) if s.step != 100]
    assert placed(scalars, ledger(230), 1, None) == []


def test_the_last_epoch_is_validated_where_the_training_ended() -> None:
    scalars = [Scalar(EPOCH_TAG, 1, 0.0, 0.3), Scalar(EPOCH_TAG, 2, 0.0, 0.2)]
    found = placed(scalars, ledger(230), 1, 400)
    assert [(v.step, v.whole_epoch) for v in found] == [(230, True), (400, True)]


def _write_run(path: Path) -> RunDir:
    run = RunDir(path)
    path.mkdir()
    attempts = (
        AttemptStatus(1, ATTEMPTS_AT[0], 1, 620),
        AttemptStatus(2, ATTEMPTS_AT[1], 461, 920),
    )
    write_json(run.spec, builders.spec(logging_dir="logs", cwd=str(path)))
    write_json(run.status, builders.status(920, attempts=attempts))
    for attempt, base in ((1, 0), (2, 460)):
        plan = AttemptPlan(
            attempt, ("python",), {}, str(path), None, None, base, logging_dir="logs"
        )
        write_json(run.attempt(attempt), plan)
    events = [
        JournalEvent(1.0, "banner", 1, 1, {"batches_per_epoch": 230, "total_steps": 920}),
        JournalEvent(1.0, "epoch", 1, 2, {"epoch": 1, "epochs": 4}),
        JournalEvent(2.0, "banner", 2, 3, {"batches_per_epoch": 230, "total_steps": 920}),
        JournalEvent(2.0, "epoch", 2, 4, {"epoch": 3, "epochs": 4}),
    ]
    run.events.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in events))
    return run


def _log(folder: Path, values: list[tuple[str, int, float, float]]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for tag, step, at, value in values:
        made = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(Event(step=step, wall_time=at, summary=made))
    writer.close()


def test_true_steps_over_two_attempts_that_share_a_folder(tmp_path: Path) -> None:
    run = _write_run(tmp_path / "run")
    logs = run.path / "logs"
    _log(logs / "a", [
        ("loss/current", 1, 1001.0, 0.9),
        (EPOCH_TAG, 1, 10.0, 0.99),  # an earlier training in the same folder
        (EPOCH_TAG, 1, 1200.0, 0.31),
        (EPOCH_TAG, 2, 1400.0, 0.25),
        (STEP_TAG, 600, 1500.0, 0.77),  # trained again by the second attempt
    ])  # fmt: skip
    _log(logs / "b", [(EPOCH_TAG, 3, 5200.0, 0.2), (EPOCH_TAG, 4, 5400.0, math.nan)])
    found = exact_validations(run.path)
    assert {step: pytest.approx(loss) for step, loss in found.items()} == {
        230: 0.31,
        460: 0.25,
        690: 0.2,
    }


def test_a_run_without_event_files_or_without_a_status_has_none(tmp_path: Path) -> None:
    assert exact_validations(tmp_path) == {}
    run = _write_run(tmp_path / "run")
    assert exact_validations(run.path) == {}
