"""The heartbeat goes on while a long log is read, and says how far it is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import AttemptPlan, KeeperRecord, RunSpec, RunState, Status
from runner.store.journal import read_json, write_json
from runner.store.rundir import RunDir
from runner.supervisor import ingest, main
from runner.supervisor.main import Supervisor

LINE = b"some debug print of a tensor with a shape and more words than anybody will ever read\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """With a console of 20 MB that is not read yet, and a heartbeat every 20 ms."""
    monkeypatch.setattr(ingest, "READ_BYTES", 1 << 16)
    run = RunDir(tmp_path)
    write_json(run.spec, RunSpec("r", "r", (), str(tmp_path), {}, time.time() - 30, "host"))
    write_json(run.attempt(1), AttemptPlan(1, (), {}, str(tmp_path), str(tmp_path), "r"))
    run.console.write_bytes(LINE * (4_000_000 // len(LINE)))
    found = Supervisor(run)
    found.trainer.keeper = KeeperRecord(1, 1, 2, 2, time.time() - 22)
    return found


async def beats_during(made: Supervisor, work: object) -> list[Status]:
    """Every status that was written meanwhile."""
    seen: list[Status] = []
    real = made.status.write

    async def noted() -> None:
        real()
        seen.append(read_json(made.context.run.status, Status))

    made._beat = noted  # type: ignore[method-assign]
    beating = made._every(0.02, "status", made._beat)
    await work()  # type: ignore[operator]
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    return seen


async def test_a_long_log_at_the_end_is_read_with_a_heartbeat(made: Supervisor) -> None:
    seen = await beats_during(made, made._evaluate)
    assert len(seen) > 5
    assert "reading the console: 1 of 4 MB" in {one.evaluating for one in seen}
    assert made.ingest.console.offset == made.context.run.console.stat().st_size
    assert made.status.now().evaluating == ""


async def test_while_the_past_is_read_again_the_status_is_that_of_before(made: Supervisor) -> None:
    before = Status(RunState.RUNNING, 1, time.time() - 60, step=4711, trainer_pid=2)
    write_json(made.context.run.status, before)
    made = Supervisor(made.context.run)
    seen = await beats_during(made, made._catch_up)
    meanwhile = [one for one in seen if one.evaluating]
    assert len(meanwhile) > 5
    assert {one.step for one in meanwhile} == {4711}
    assert meanwhile[-1].heartbeat_at > before.heartbeat_at + 59
    assert meanwhile[-1] == replace(
        before, heartbeat_at=meanwhile[-1].heartbeat_at, evaluating=meanwhile[-1].evaluating,
        supervisor_pid=meanwhile[-1].supervisor_pid,
    )  # fmt: skip


async def test_from_its_first_beat_a_new_supervisor_shows_the_status_of_before(
    made: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not step 0 until it has begun to read the past."""
    before = Status(RunState.RUNNING, 1, time.time() - 60, step=4711, trainer_pid=2)
    made.context = made.status.context = replace(made.context, before=before)
    seen: list[int] = []

    class Enough(Exception):
        pass

    async def found(*_: object) -> bool:
        return True

    async def beat() -> None:
        seen.append(made.status.now().step)

    async def enough() -> None:
        raise Enough

    monkeypatch.setattr(made.trainer, "take_over", found)
    monkeypatch.setattr(made, "_continue_smoothing", beat)
    monkeypatch.setattr(made, "_catch_up", enough)
    with pytest.raises(Enough):
        await made.supervise()
    assert seen == [4711]


async def test_a_summary_that_takes_long_is_written_with_a_heartbeat(
    made: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of ten thousand checkpoints takes half a minute on a busy machine."""
    made.trainer.exit_unseen = True
    monkeypatch.setattr(main, "write_summary", lambda run, final: time.sleep(0.5))
    found: list[Status] = []

    async def finish() -> None:
        found.append(await made._finish())

    seen = await beats_during(made, finish)
    assert len(seen) > 5
    assert {one.evaluating for one in seen[1:]} >= {"writing the summary"}
    assert read_json(made.context.run.status, Status).outcome is None
    made._leave(found[0])
    ended = read_json(made.context.run.status, Status)
    assert (ended.state, ended.evaluating) == (RunState.ENDED, "")


async def test_one_poll_of_the_console_is_bounded(
    made: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "CONSOLE_WORK_S", 0.05)
    made.trainer.exit_unseen = True
    began = time.monotonic()
    await made._read_console()
    assert time.monotonic() - began < 5.0
    assert made.trainer.ended.is_set()
    assert 0 < made.ingest.console.offset < made.context.run.console.stat().st_size
