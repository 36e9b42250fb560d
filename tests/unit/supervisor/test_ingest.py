"""Console and event file together: which of them is read first must not matter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.analysis.guard import Guard
from runner.ingest.tfevents import Scalar
from runner.model import AttemptPlan, RunSpec
from runner.state.attempt_state import StepRow
from runner.state.translator import Translator
from runner.store.rundir import RunDir
from runner.supervisor import ingest as ingest_module
from runner.supervisor.context import AttemptContext
from runner.supervisor.ingest import Ingest
from runner.supervisor.trainer import TrainerProcess

RESUMED = (
    "  num batches per epoch / 1epochのバッチ数: 24\n"
    "  gradient accumulation steps / 勾配を合計するステップ数 = 1\n"
    "  total optimization steps / 学習ステップ数: 96\n"
    "skipping 40 steps / 40ステップをスキップします\n"
    "\nepoch 2/4\n"
)


class Tail:
    """An event file with the first loss after the resume: its x is counted within the epoch."""

    ended, problems, finder = True, (), SimpleNamespace(due=False)

    def __init__(self) -> None:
        self.scalars = [Scalar("loss/current", 17, time.time(), 0.008)]

    def poll(self, budget_s: float, *, find: bool = True) -> list[Scalar]:
        found, self.scalars = self.scalars, []
        return found


def ingest(run: RunDir, translator: Translator, flush: Callable[[], None]) -> Ingest:
    plan = AttemptPlan(1, (), {}, str(run.path), None, None, logging_dir="tensorboard")
    spec = RunSpec("r", "r", (), str(run.path), {}, 0.0, "host")
    context = AttemptContext(run, spec, 1, plan, None)
    trainer = TrainerProcess(context, lambda *_, **__: None)
    return Ingest(context, trainer, translator, Guard(), flush)


async def test_a_loss_is_placed_by_what_was_printed_before_it_and_not_read_yet(
    tmp_path: Path,
) -> None:
    (tmp_path / "tensorboard").mkdir()
    run = RunDir(tmp_path)
    run.console.write_text(RESUMED)
    rows: list[StepRow] = []
    progress = Translator(2, base_step=40)
    intake = ingest(run, progress, lambda: rows.extend(progress.take_rows()))
    intake._tail = Tail()  # type: ignore[assignment]
    await intake.read_losses()
    progress.finish()
    rows += progress.take_rows()
    assert [(row.step, row.loss) for row in rows] == [(41, 0.008)]


async def test_a_disk_that_hangs_costs_the_losses_on_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of event files may lie on a network disk that does not answer."""
    hangs = threading.Event()
    monkeypatch.setattr("runner.ingest.event_files.EventFiles._look", lambda *_: hangs.wait(20.0))
    monkeypatch.setattr("runner.supervisor.ingest.LOOK_LIMIT_S", 0.05)
    intake = ingest(RunDir(tmp_path), Translator(1), lambda: None)
    began = time.monotonic()
    for _ in range(3):
        assert not await intake.read_losses()
    assert time.monotonic() - began < 5.0
    hangs.set()


class Slow(Tail):
    """An event file on a machine with too much to do: `polls` that take 50 ms without the processor."""

    finder = SimpleNamespace(due=False, again=lambda: None)

    def __init__(self, polls: int) -> None:
        self.polls = polls

    def poll(self, budget_s: float, *, find: bool = True) -> list[Scalar]:
        time.sleep(0.05)
        self.polls -= 1
        self.ended = self.polls <= 0
        return []


async def test_a_busy_machine_does_not_cost_the_last_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "LAST_LOSSES_S", 0.2)
    made, slow = ingest(RunDir(tmp_path), Translator(1), lambda: None), Slow(10)
    made._tail = slow  # type: ignore[assignment]
    await made.finish_losses()
    assert slow.polls == 0
    assert made.problems == ()


async def test_losses_without_an_end_are_cut_off_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "LAST_LOSSES_WALL_S", 0.2)
    made = ingest(RunDir(tmp_path), Translator(1), lambda: None)
    made._tail = Slow(1000)  # type: ignore[assignment]
    await made.finish_losses()
    assert made.problems == ("the exact losses were not read to their end",)
