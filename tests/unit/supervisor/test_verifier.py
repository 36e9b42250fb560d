"""What becomes of a checkpoint after it was announced: looked at, compared, placed, watched."""

import asyncio
import errno
import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.analysis.facts import RunFacts
from runner.analysis.outcome import judge
from runner.checkpoints import atomic_link
from runner.checkpoints.atomic_link import place_file
from runner.checkpoints.verify import Verification, verify
from runner.model import (
    AttemptPlan,
    AttemptStatus,
    Checkpoint,
    Expectation,
    ExpectedCheckpoint,
    Forecast,
    Outcome,
    RunSpec,
    RunState,
    Status,
)
from runner.model.events import CheckpointRemoved, CheckpointSaving, StepShown, ValidationSeen
from runner.state.evidence import Evidence
from runner.state.translator import Translator
from runner.store.rundir import RunDir
from runner.supervisor.context import AttemptContext
from runner.supervisor.verifier import Verifier
from runner.supervisor.verifying_process import NotVerified, VerifyingProcess


class Run:
    """A verifier with what it works on; as its journals, what it reported."""

    def __init__(self, folder: Path, attempt: int = 1, **more: Any) -> None:
        self.folder, self.attempt = folder, attempt
        self.run = RunDir(folder / "runs" / "20261129-run")
        own = folder if attempt == 1 else folder / f"a-attempt{attempt}"
        own.mkdir(parents=True, exist_ok=True)
        self.own = own
        spec = RunSpec(
            "run", "run", ("python", "train_network.py"), str(folder), {}, 0.0, "host", str(folder), "a",
            expect=more.get("expect", Expectation()), forecast=more.get("forecast"),
        )  # fmt: skip
        plan = AttemptPlan(attempt, (), {}, str(folder), str(own), "a")
        context = AttemptContext(self.run, spec, attempt, plan, more.get("before"))
        self.translator = Translator(attempt)
        trainer: Any = SimpleNamespace(started_at=time.time() - 5)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.verifier = Verifier(context, trainer, self.translator, self)  # type: ignore[arg-type]

    def emit(self, kind: str, **data: object) -> None:
        self.told.append((kind, dict(data)))

    async def guarded(self, part: str, work: Any) -> bool:
        await work()
        return True

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]

    def step(self, number: int) -> None:
        self.translator.on_console(StepShown(0, number, 100, 0.1), time.time())

    def save(self, step: int, value: float = 0.5) -> Path:
        self.step(step)
        path = self.own / f"a-step{step:08d}.safetensors"
        write(path, value)
        self.translator.on_console(CheckpointSaving(0, str(path)), time.time())
        self.step(step + 1)
        return path

    def look_before(self) -> None:
        """With nothing saved yet."""
        self.verifier._watched_at = -1e9
        asyncio.run(self.verifier.once())

    def look(self, times: int = 1) -> Checkpoint:
        for _ in range(times):
            self.verifier._watched_at = -1e9
            asyncio.run(self.verifier.once())
        return self.translator.checkpoints[-1]


def write(path: Path, value: float) -> None:
    up = np.full((3, 2), value, np.float32)
    down = np.ones((2, 4), np.float32)
    save_file({"m.lora_down.weight": down, "m.lora_up.weight": up}, path)


def test_the_table_says_what_the_file_says_and_what_changed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(10)
    run.look()
    run.save(20, 0.75)
    one = run.look()
    assert (one.complete, one.finite, one.rank) == (True, True, 2)
    assert one.norm == pytest.approx(0.75 * 2 * 12**0.5)
    assert one.norm_change == pytest.approx(0.5)
    assert [b.modules for b in one.norms] == [1]
    assert one.remark is None
    run.save(30, 75000.0)
    assert (run.look().remark or "").startswith("blow-up in m")


def test_a_file_written_twice_for_one_step_is_no_dead_network(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(10)
    path = run.own / "a.safetensors"
    write(path, 0.5)
    run.translator.on_console(CheckpointSaving(0, str(path)), time.time())
    run.step(12)
    book = run.translator.book
    book.change(book.own_keys[-1], lambda one: replace(one, step=10))
    assert run.look().remark is None


def test_a_size_that_is_not_expected_is_a_problem_of_a_whole_file(tmp_path: Path) -> None:
    run = Run(tmp_path, expect=Expectation(checkpoint_mb=(50, 200)))
    run.save(10)
    one = run.look()
    assert one.complete is True
    assert one.problem == "complete, but 0.0 MB: expected 50 to 200 MB"


def test_a_file_deleted_behind_our_back_is_told_once_and_looked_at_when_it_is_back(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path)
    path = run.save(10)
    run.look()
    path.rename(tmp_path / "aside")
    assert run.look().missing is False  # the trainer's word may still be on its way
    assert run.look(3).missing is True
    assert run.kinds().count("checkpoint_missing") == 1
    (tmp_path / "aside").rename(path)
    one = run.look()
    assert (one.missing, one.complete) == (False, True)
    assert run.kinds()[-2:] == ["checkpoint_back", "checkpoint_verified"]


def test_what_the_trainer_deletes_is_not_missing(tmp_path: Path) -> None:
    run = Run(tmp_path)
    path = run.save(10)
    run.look()
    run.translator.on_console(CheckpointRemoved(0, str(path)), time.time())
    path.unlink()
    one = run.look(3)
    assert (one.removed, one.missing) == (True, False)


def test_a_file_that_was_replaced_is_looked_at_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    path = run.save(10)
    run.look()
    path.write_bytes(path.read_bytes()[:-4])
    one = run.look()
    assert one.complete is False
    assert "cut off" in (one.problem or "")
    run.look(2)
    assert run.kinds().count("checkpoint_verified") == 2


def test_its_fate_is_told_until_the_attempt_is_over(tmp_path: Path) -> None:
    files = (ExpectedCheckpoint("a-step00000010.safetensors", 10, None, None, 40, 30),)
    run = Run(tmp_path, forecast=Forecast(checkpoints=files))
    run.save(10)
    one = run.look()
    assert (one.removed_at_step, one.state_removed_at_step) == (40, 30)
    asyncio.run(run.verifier.finish())
    one = run.translator.checkpoints[0]
    assert (one.removed_at_step, one.state_removed_at_step) == (None, None)


def test_validation_and_sample_of_its_step_come_with_it(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.step(5)
    run.translator.on_console(ValidationSeen(0, 0.3, False), time.time())
    run.save(10)
    run.translator.on_console(ValidationSeen(0, 0.2, False), time.time())
    folder = tmp_path / "sample"
    folder.mkdir()
    for name in (
        "a_000010_01_20261121120000_42.png", "a_000010_00_20261121120000_42.png",
        "a_000010_00_20261121120001_42.png", "a_000020_00_20261121120001_42.png",
        "b_000010_00_20261121120009_42.png",
    ):  # fmt: skip
        (folder / name).touch()
    old = folder / "a_000010_00_20251121120001_7.png"
    old.touch()
    os.utime(old, (1, 1))
    one = run.look()
    assert one.validation_loss == 0.3
    assert one.sample_path == str(folder / "a_000010_00_20261121120001_42.png")


# --------------------------------------------------------------------------- states


def test_a_save_in_progress_is_no_torn_state(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.step(10)
    path = run.own / "a-step00000010.safetensors"
    write(path, 0.5)
    run.translator.on_console(CheckpointSaving(0, str(path)), time.time())
    state = run.own / "a-step00000010-state"
    state.mkdir()
    (state / "train_state.json").write_text(json.dumps({"current_step": 10}))
    one = run.look()
    assert (one.complete, one.state_complete, one.state_problem) == (None, None, None)
    asyncio.run(run.verifier.finish())
    one = run.translator.checkpoints[0]
    assert one.state_complete is False
    assert one.state_problem == "no weights (model.safetensors): the save was interrupted"


def test_the_state_of_an_earlier_training_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    run = Run(tmp_path)
    state = run.own / "a-step00000010-state"
    state.mkdir()
    (state / "train_state.json").write_text("{}")
    os.utime(state / "train_state.json", (1, 1))
    run.save(10)
    asyncio.run(run.verifier.finish())
    assert run.translator.checkpoints[0].state_path is None


def test_an_empty_state_folder_is_a_cut_off_state(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(10)
    (run.own / "a-step00000010-state").mkdir()
    asyncio.run(run.verifier.finish())
    one = run.translator.checkpoints[0]
    assert (one.complete, one.state_complete) == (True, False)


# --------------------------------------------------------------------------- what comes between


def test_a_removal_reported_while_its_state_folder_is_checked_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path)
    path = run.save(10)
    run.look()
    state = tmp_path / "a-step00000010-state"
    state.mkdir()
    book = run.translator.book
    book.update(book.own_keys[0], state_path=str(state), state_complete=True)
    isdir = os.path.isdir

    def slow(asked: Any) -> bool:
        if str(asked) == str(state) and path.exists():
            path.unlink()
            run.translator.on_console(CheckpointRemoved(0, str(path)), time.time())
        return isdir(asked)

    monkeypatch.setattr("runner.supervisor.filewatch.os.path.isdir", slow)
    run.look(2)
    asyncio.run(run.verifier.finish())
    one = run.translator.checkpoints[0]
    assert (one.removed, one.missing) == (True, False)
    assert "checkpoint_missing" not in run.kinds()


def test_a_removal_reported_while_its_file_is_looked_for_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runner.supervisor import filewatch

    run = Run(tmp_path)
    path = run.save(10)
    run.look()

    def slow(asked: Path) -> os.stat_result | None:
        run.translator.on_console(CheckpointRemoved(0, str(path)), time.time())
        return None

    monkeypatch.setattr(filewatch, "_stat", slow)
    asyncio.run(run.verifier.finish())
    one = run.translator.checkpoints[0]
    assert (one.removed, one.missing) == (True, False)
    assert "checkpoint_missing" not in run.kinds()


# --------------------------------------------------------------------------- verification that fails itself


def test_a_file_that_could_not_be_verified_is_called_so_and_the_others_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runner.supervisor import verifier

    monkeypatch.setattr(verifier, "RETRY_PAUSES_S", (0.0,))
    run = Run(tmp_path)
    bad = run.save(10)
    run.save(20)
    ask = VerifyingProcess._ask

    async def refuse(*words: Any, **more: Any) -> Any:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    async def full(process: VerifyingProcess, path: str) -> Verification:
        if path != str(bad):
            return await ask(process, path)
        await process.close()
        with monkeypatch.context() as no_room:
            no_room.setattr(asyncio, "create_subprocess_exec", refuse)
            return await ask(process, path)

    monkeypatch.setattr(VerifyingProcess, "_ask", full)
    asyncio.run(run.verifier.finish())
    one, other = run.translator.checkpoints
    assert (one.complete, one.finite, other.complete) == (None, None, True)
    assert "could not be started: Resource temporarily unavailable" in (one.problem or "")
    assert run.kinds().count("checkpoint_unverified") == 1
    facts = RunFacts(
        evidence=Evidence(model_saved=True), exit_code=0, last_step=21, files_verified=True,
        checkpoints=run.translator.checkpoints,
    )  # fmt: skip
    verdict = judge(facts)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.cause is not None
    assert verdict.cause.evidence.startswith("could not be verified: a-step00000010.safetensors")


def test_a_process_that_died_while_verifying_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runner.supervisor import verifier, verifying_process

    monkeypatch.setattr(verifier, "RETRY_S", 0.0)
    run = Run(tmp_path)
    run.save(10)
    with monkeypatch.context() as broken:
        broken.setattr(verifying_process, "module_command", lambda *words: ["/bin/false", *words])
        assert run.look().complete is None
    assert run.look().complete is True


def test_many_files_are_verified_by_one_process_and_the_status_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path)
    for step in range(10, 130, 10):
        run.save(step)
    real, started, said = asyncio.create_subprocess_exec, [], []
    ask = VerifyingProcess._ask

    async def counted(*words: Any, **more: Any) -> Any:
        started.append(words)
        return await real(*words, **more)

    async def noted(process: VerifyingProcess, path: str) -> Verification:
        said.append(run.verifier.doing)
        return await ask(process, path)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", counted)
    monkeypatch.setattr(VerifyingProcess, "_ask", noted)
    asyncio.run(run.verifier.finish())
    assert all(one.complete and one.finite for one in run.translator.checkpoints)
    assert len(started) == 1
    assert said[0] == "verifying checkpoints: 0 of 12"
    assert said[-1] == "verifying checkpoints: 11 of 12"


def test_a_verifying_process_that_is_killed_costs_one_file_one_try(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.safetensors", 0.5)

    async def work() -> None:
        process = VerifyingProcess()
        assert (await process.verify(str(tmp_path / "a.safetensors"))).complete
        assert process._process is not None
        process._process.kill()
        with pytest.raises(NotVerified, match="signal 9"):
            await process.verify(str(tmp_path / "b.safetensors"))
        assert (await process.verify(str(tmp_path / "c.safetensors"))).path.endswith(
            "c.safetensors"
        )
        await process.close()

    asyncio.run(work())


@pytest.mark.parametrize("text", [b"[" * 200_000, b'{"t":' * 200_000])
def test_a_header_that_nests_too_deeply_is_a_broken_file(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    found = verify(path)
    assert (found.complete, found.finite) == (False, None)
    assert "not a safetensors file" in (found.problem or "")


# --------------------------------------------------------------------------- a new supervisor


def test_a_new_supervisor_looks_at_nothing_twice(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(10)
    one = run.look()
    again = Run(tmp_path, before=Status(RunState.RUNNING, 1, 1.0, checkpoints=(one,)))
    again.save(10)
    os.utime(one.path, (one.saved_at, one.saved_at))
    again.verifier.restore()
    assert again.look() == one
    assert again.kinds() == []


def test_a_placed_file_keeps_its_place_over_a_restart(tmp_path: Path) -> None:
    run = Run(tmp_path, attempt=2)
    source = run.save(10)
    one = run.look()
    placed = tmp_path / source.name
    assert one.path == str(placed)
    assert placed.samefile(source)
    run.translator.on_console(CheckpointRemoved(0, str(source)), time.time())
    source.unlink()
    one = run.look(3)
    assert (one.removed, one.missing) == (False, False)
    # killed between the link and the note of it: the next one finds it placed
    again = Run(tmp_path, attempt=2)
    os.link(placed, source)
    again.translator.book.add(replace(one, path=str(source), complete=None))
    assert again.look().path == str(placed)
    assert "checkpoint_not_placed" not in again.kinds()


def test_a_file_of_that_name_is_never_replaced(tmp_path: Path) -> None:
    run = Run(tmp_path, attempt=2)
    other = tmp_path / "a-step00000010.safetensors"
    other.write_text("mine")
    source = run.save(10)
    one = run.look(2)
    assert other.read_text() == "mine"
    assert one.path == str(tmp_path / "a-step00000010.attempt2.safetensors")
    assert Path(one.path).samefile(source)
    assert run.kinds().count("checkpoint_not_placed") == 1


# --------------------------------------------------------------------------- steps trained again


def trained_again(tmp_path: Path, *names: tuple[int, float]) -> tuple[Run, Run]:
    """Files of attempt 1 by (step, value of the weights), and attempt 2, which trains from step 11 on."""
    first = Run(tmp_path)
    for step, value in names:
        first.save(step, value)
        first.look()
    before = Status(RunState.ENDED, 1, 1.0, attempts=(AttemptStatus(1, 1.0, 1, 40),))
    second = Run(tmp_path, attempt=2, before=before)
    second.translator.book.load_earlier(first.translator.checkpoints)
    second.step(11)
    return first, second


def earlier(run: Run) -> list[tuple[int | None, str]]:
    for one in run.translator.book.earlier:
        assert Path(one.path).name == one.name
        assert Path(one.path).exists()
    return [(one.step, one.name) for one in run.translator.book.earlier]


def test_bad_files_of_steps_trained_again_get_a_name_that_says_so(tmp_path: Path) -> None:
    _, run = trained_again(tmp_path, (10, 0.5), (20, math.nan), (30, 0.5), (40, math.nan))
    (tmp_path / "a-step00000040.nan.safetensors").write_text("of somebody else")
    one = run.save(20) and run.look()
    assert earlier(run) == [
        (10, "a-step00000010.safetensors"),
        (20, "a-step00000020.nan.safetensors"),
        (30, "a-step00000030.safetensors"),
        (40, "a-step00000040.nan-2.safetensors"),
    ]
    assert (one.name, one.path) == (
        "a-step00000020.safetensors",
        str(tmp_path / "a-step00000020.safetensors"),
    )
    assert one.finite


def test_the_newest_training_of_a_step_gets_its_name_and_the_older_one_its_attempts_number(
    tmp_path: Path,
) -> None:
    _, run = trained_again(tmp_path, (20, 0.5))
    run.save(20, 0.75)
    assert run.look().name == "a-step00000020.safetensors"
    assert earlier(run) == [(20, "a-step00000020.attempt1.safetensors")]


def test_a_bad_file_of_a_resumed_attempt_gets_no_good_name(tmp_path: Path) -> None:
    _, run = trained_again(tmp_path, (20, 0.5))
    run.save(20, math.nan)
    assert run.look().name == "a-step00000020.nan.safetensors"
    assert earlier(run) == [(20, "a-step00000020.safetensors")]


def test_a_file_that_another_run_wrote_since_is_not_renamed(tmp_path: Path) -> None:
    first, run = trained_again(tmp_path, (20, math.nan))
    path = Path(first.translator.checkpoints[0].path)
    write(path, 1.0)
    os.utime(path, (1.0, 1.0))
    run.look_before()
    assert path.exists() and not list(tmp_path.glob("*.nan.*"))


@pytest.mark.parametrize("linked", [True, False])
def test_a_supervisor_killed_while_it_renames_leaves_nothing_lost(
    tmp_path: Path, linked: bool
) -> None:
    first, run = trained_again(tmp_path, (20, math.nan))
    path = Path(first.translator.checkpoints[0].path)
    os.link(path, tmp_path / "a-step00000020.nan.safetensors")
    if not linked:
        path.unlink()
    run.look_before()
    assert earlier(run) == [(20, "a-step00000020.nan.safetensors")]
    assert not path.exists()
    assert "checkpoint_missing" not in run.kinds()


# --------------------------------------------------------------------------- placing


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("no_links")
def test_without_links_a_whole_copy_gets_the_name(tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "to" / "t"
    source.write_bytes(b"x" * 3_000_000)
    os.utime(source, (1000, 1000))
    place_file(source, target, "run")
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mtime == 1000
    assert [p.name for p in target.parent.iterdir()] == ["t"]
    place_file(source, target, "run")  # it lies there already
    source.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        place_file(source, target, "run")
    assert target.stat().st_size == 3_000_000


@pytest.mark.usefixtures("no_links")
def test_a_full_disk_leaves_nothing_under_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    source.write_bytes(b"x" * 100)

    def full(data: Any, out: Any, length: int) -> None:
        out.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_link.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        place_file(source, target, "run")
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


@pytest.mark.usefixtures("no_links")
def test_a_copy_killed_halfway_is_begun_anew(tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    source.write_bytes(b"whole")
    (tmp_path / ".t.run.part").write_bytes(b"ha")
    place_file(source, target, "run")
    assert target.read_bytes() == b"whole"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s", "t"]


def test_another_disk_means_a_copy(tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk only")
    source = shm / f"plasma-test-{os.getpid()}"
    try:
        source.write_bytes(b"far away")
        place_file(source, tmp_path / "t", "run")
        assert (tmp_path / "t").read_bytes() == b"far away"
        assert [p.name for p in tmp_path.iterdir()] == ["t"]
    finally:
        source.unlink()


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, attempt=2)
    source = run.save(10)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "link", read_only)
    monkeypatch.setattr(atomic_link, "_copy", read_only)
    one = run.look()
    assert (one.path, one.complete) == (str(source), True)
    assert ("checkpoint_not_placed", "Read-only file system") in [
        (kind, data.get("why")) for kind, data in run.told
    ]
