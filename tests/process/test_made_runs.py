"""Runs made of logs and of folders: the same again is found again, and nothing that is there is touched."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.control.retry import plan_retry
from runner.history.imported_runs import log_bytes
from runner.history.imported_runs.from_files import import_training
from runner.history.imported_runs.from_log import run_of_log
from runner.history.imported_runs.log_bytes import NoLog, copy_log
from runner.history.imported_runs.trainings import look_for_trainings
from runner.history.review.gather import review_of
from runner.model import Label, Outcome, RunSnapshot, RunSpec, RunState
from runner.store.journal import read_json, write_json
from runner.store.labels import write_label
from runner.store.reader import RunReader
from runner.store.registry import list_runs, run_paths
from runner.store.rundir import RunDir, runs_root
from tests import DATA, ROOT, builders

LOGS = sorted((DATA / "runs").glob("*.log"))
STARTED = 1_795_000_000.0


def read(path: Path) -> RunSnapshot:
    return RunReader(path).read_all()


def state_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file."""
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


# --------------------------------------------------------------------------- logs


@pytest.mark.parametrize("log", LOGS, ids=lambda p: p.stem)
def test_every_recorded_log_becomes_a_run_that_can_be_reviewed(log: Path) -> None:
    from runner.history.inspect import inspect_log

    path = run_of_log(log)
    made, told = read(path), inspect_log(log)
    assert made.spec is not None and made.spec.origin == "inspected" and made.status is not None
    assert made.state is RunState.ENDED and made.problems == ()
    assert made.outcome is told.outcome
    assert made.status.total_steps == told.total_steps
    assert (path / "console.log").read_bytes() == log.read_bytes()
    assert {c.name for c in made.status.checkpoints} == set(told.checkpoints)
    assert review_of(path).snapshot.id == path.name
    assert not control.needs_adoption(path)


def test_the_same_bytes_are_the_same_run_whatever_they_are_packed_in(tmp_path: Path) -> None:
    plain = tmp_path / "nohup.out"
    plain.write_bytes(LOGS[0].read_bytes())
    packed = tmp_path / "old.log.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    wide = tmp_path / "power.log"
    wide.write_bytes(codecs.BOM_UTF16_LE + plain.read_bytes().decode().encode("utf-16-le"))
    first = run_of_log(plain)
    assert run_of_log(packed) == first == run_of_log(wide)
    assert run_of_log(tmp_path / "-", stream=io.BytesIO(plain.read_bytes())) == first
    assert len(list_runs()) == 1


def test_a_log_that_has_grown_takes_the_place_of_its_earlier_making(tmp_path: Path) -> None:
    whole = next(p for p in LOGS if p.stem == "tiny_two_workers").read_bytes()
    log = tmp_path / "nohup.out"
    log.write_bytes(whole[: len(whole) // 2])
    before = run_of_log(log)
    write_label(before, Label("my run", ("keep",), ""))
    log.write_bytes(whole)
    after = run_of_log(log)
    assert len(run_paths()) == 1
    assert read(after).outcome is Outcome.SUCCEEDED
    assert list_runs()[0].name == "my run"


def test_logs_that_begin_alike_are_two_runs(tmp_path: Path) -> None:
    head = b"usage: train_network.py\n" * 400
    for name, end in (
        ("a.log", b"train_network.py: error: unrecognized arguments: --one\n"),
        ("b.log", b"train_network.py: error: unrecognized arguments: --two\n"),
    ):
        (tmp_path / name).write_bytes(head + end)
    assert run_of_log(tmp_path / "a.log") != run_of_log(tmp_path / "b.log")
    assert run_of_log(tmp_path / "b.log") == run_of_log(tmp_path / "b.log")
    assert len(run_paths()) == 2


def test_exact_losses_come_from_the_event_files() -> None:
    log = next(p for p in LOGS if p.stem == "seed_full")
    path = run_of_log(log, tensorboard=DATA / "tensorboard" / "seed_full")
    made = read(path)
    assert made.loss.exact and made.loss.last_step == 40
    assert made.loss.buckets[-1].elapsed_s is not None


def test_a_run_that_is_not_kept_is_in_no_list(tmp_path: Path) -> None:
    path = run_of_log(LOGS[0], root=tmp_path)
    assert run_paths() == [] and read(path).status is not None
    shutil.rmtree(path)


def test_nothing_can_be_started_for_it() -> None:
    log = next(p for p in LOGS if "killed" in p.stem)
    made = read(run_of_log(log))
    for order in (plan_resume, plan_retry):
        with pytest.raises(control.Refused, match="imported from a console log"):
            order(made)
    with pytest.raises(control.Refused, match="already ended"):
        control.stop(Path(made.path))


def test_a_file_that_the_log_names_is_looked_at_and_a_broken_one_is_no_success(
    tmp_path: Path,
) -> None:
    log = next(p for p in LOGS if p.stem == "tiny_two_workers")
    mine = tmp_path / "nohup.out"
    mine.write_bytes(log.read_bytes())
    name = read(run_of_log(mine, root=tmp_path / "apart")).status.checkpoints[-1].name  # type: ignore[union-attr]
    file = tmp_path / name
    save_file({"lora_unet_x.lora_up.weight": np.full((4, 4), np.nan, np.float32)}, str(file))
    ended = read(run_of_log(mine, root=tmp_path / "again")).status.ended_at  # type: ignore[union-attr]
    assert ended is not None
    os.utime(file, (ended, ended))
    made = read(run_of_log(mine))
    assert made.status is not None
    assert made.status.checkpoints[-1].finite is False
    assert made.outcome is Outcome.DIVERGED
    os.utime(file, (ended + 9000, ended + 9000))  # written long after: another training's
    again = run_of_log(mine, exit_text="code:0")
    assert read(again).status.checkpoints[-1].finite is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08\x00broken", "cannot decompress"),
        (b"# Read me\n\nNothing here was trained.\n", "does not look like"),
    ],
)
def test_what_is_no_log_is_refused_and_leaves_nothing(
    tmp_path: Path, data: bytes, why: str
) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(data)
    with pytest.raises(NoLog, match=why):
        run_of_log(log)
    assert run_paths() == []


def test_any_bytes_make_a_run_that_can_be_shown(tmp_path: Path) -> None:
    log = tmp_path / "noise.log"
    log.write_bytes(bytes(range(256)) * 50 + b"\nsteps: 5%| | 1/20 [00:01<00:10, avr_loss=nan]\r\n")
    assert review_of(run_of_log(log)).snapshot.status is not None


def test_of_a_very_long_log_the_beginning_and_the_end_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_bytes, "HEAD_BYTES", 2 << 20)
    monkeypatch.setattr(log_bytes, "TAIL_BYTES", 1 << 20)
    log, copy = tmp_path / "long.log", tmp_path / "copy.log"
    log.write_bytes(b"".join(b"line %08d\n" % n for n in range(700_000)))
    told = copy_log(log, copy)
    text = copy.read_bytes()
    assert told.left_out_bytes > 0 and told.size_bytes == len(text)
    assert text.startswith(b"line 00000000\n") and text.endswith(b"line 00699999\n")
    assert f"--- {told.left_out_bytes} bytes of the log are left out here ---".encode() in text
    note = f"\n--- {told.left_out_bytes} bytes of the log are left out here ---\n"
    assert len(text) - len(note) + told.left_out_bytes == log.stat().st_size


# --------------------------------------------------------------------------- folders


def weights(path: Path, step: int, *, bad: bool = False, **more: str) -> Path:
    """A small LoRA as sd-scripts would have written it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    value = np.full((4, 4), np.nan if bad else 0.1 * step, np.float32)
    metadata = {
        "ss_session_id": "77", "ss_training_started_at": str(STARTED), "ss_steps": str(step),
        "ss_output_name": "spyke", "ss_max_train_steps": "20", "ss_num_epochs": "2", "ss_epoch": "1",
        "ss_training_finished_at": str(STARTED + step), **more,
    }  # fmt: skip
    save_file({"lora_unet_a.lora_up.weight": value}, str(path), metadata=metadata)
    return path


def folder(root: Path, *, bad: bool = False) -> Path:
    weights(root / "spyke-step00000010.safetensors", 10)
    weights(root / "spyke.safetensors", 20, bad=bad)
    return root


def imported(root: Path, **how: Any) -> RunSnapshot:
    (training,) = look_for_trainings(root).trainings
    return read(import_training(training, root, **how)[0])


def test_files_of_one_training_become_one_run_and_stay_as_they_are(tmp_path: Path) -> None:
    before = state_of(folder(tmp_path))
    made = imported(tmp_path)
    assert state_of(tmp_path) == before
    assert made.spec is not None and made.spec.origin == "imported" and made.spec.name == "spyke"
    assert made.status is not None
    assert [(c.step, c.final, c.complete) for c in made.status.checkpoints] == [
        (10, False, True), (20, True, True),
    ]  # fmt: skip
    assert made.outcome is None  # nobody has looked at the numbers
    assert review_of(Path(made.path)).snapshot.status is not None


def test_good_is_said_only_after_every_number_was_looked_at(tmp_path: Path) -> None:
    assert imported(folder(tmp_path), verify=True).outcome is Outcome.SUCCEEDED


def test_broken_numbers_and_broken_files_are_never_good(tmp_path: Path) -> None:
    assert imported(folder(tmp_path / "a", bad=True), verify=True).outcome is Outcome.DIVERGED
    cut = folder(tmp_path / "b") / "spyke.safetensors"
    cut.write_bytes(cut.read_bytes()[:-7])
    made = imported(tmp_path / "b")
    assert made.outcome is Outcome.FAILED
    assert made.status is not None and any("spyke.safetensors" in r for r in made.status.reasons)


def test_twice_makes_nothing_twice_and_a_new_file_is_taken_in(tmp_path: Path) -> None:
    first = imported(folder(tmp_path))
    assert imported(tmp_path).id == first.id and len(run_paths()) == 1
    weights(tmp_path / "spyke-step00000015.safetensors", 15)
    again = imported(tmp_path)
    assert again.id == first.id and len(run_paths()) == 1
    assert again.status is not None and len(again.status.checkpoints) == 3


def test_a_file_under_two_names_counts_once_and_state_folders_are_left(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "spyke-attempt2").mkdir()
    os.link(tmp_path / "spyke.safetensors", tmp_path / "spyke-attempt2" / "spyke.safetensors")
    weights(tmp_path / "spyke-state" / "model.safetensors", 20)
    (tmp_path / "loop").symlink_to(tmp_path)
    (training,) = look_for_trainings(tmp_path).trainings
    names = [one.path.relative_to(tmp_path).as_posix() for one in training.files]
    assert names == ["spyke-step00000010.safetensors", "spyke.safetensors"]


def test_what_is_no_training_is_passed_over_with_a_reason(tmp_path: Path) -> None:
    save_file({"model.x": np.ones(3, np.float32)}, str(tmp_path / "base.safetensors"))
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "old.ckpt").write_bytes(b"x")
    findings = look_for_trainings(tmp_path)
    assert findings.trainings == []
    assert {path.name for path, _ in findings.passed_over} == {
        "base.safetensors", "empty.safetensors", "old.ckpt",
    }  # fmt: skip


def test_event_files_of_the_same_time_bring_the_losses(tmp_path: Path) -> None:
    source = DATA / "tensorboard" / "seed_full"
    shutil.copytree(source, tmp_path / "logs")
    (event,) = (tmp_path / "logs").rglob("*tfevents*")
    began = float(event.name.split(".")[3])
    weights(tmp_path / "out" / "spyke.safetensors", 40, ss_training_started_at=str(began + 9))
    made = imported(tmp_path)
    assert made.loss.exact and made.loss.last_step == 40
    alone = look_for_trainings(tmp_path / "logs").trainings
    assert len(alone) == 1 and alone[0].files == ()


def test_hostile_names_in_the_metadata_make_a_run_like_others(tmp_path: Path) -> None:
    name = "[red]x\x1b[2J\u202e" + "n" * 10_000
    weights(tmp_path / "x.safetensors", 20, ss_output_name=name)
    made = imported(tmp_path)
    assert made.spec is not None and len(made.id) < 80
    assert read_json(Path(made.path) / "spec.json", RunSpec).name == name
    assert "\x1b" not in review_text(Path(made.path))


def review_text(path: Path) -> str:
    from runner.history.summary import summary_text

    return summary_text(path)


def test_hundreds_of_files_are_read_by_their_headers(tmp_path: Path) -> None:
    for n in range(300):
        weights(tmp_path / f"spyke-step{n:08}.safetensors", n)
    began = time.monotonic()
    (training,) = look_for_trainings(tmp_path).trainings
    assert len(training.files) == 300
    assert time.monotonic() - began < 20


# --------------------------------------------------------------------------- the commands


def tui(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *words],
        input=stdin, capture_output=True, cwd=ROOT,
    )  # fmt: skip


def test_inspect_prints_as_ever_and_names_the_run() -> None:
    done = tui("inspect", str(LOGS[0]), "--json")
    told = json.loads(done.stdout)
    assert told["run"] == list_runs()[0].id
    assert b"plasma-tui attach" in done.stderr
    assert json.loads(tui("inspect", str(LOGS[0]), "--json", "--no-keep").stdout)["run"] is None


def test_inspect_reads_stdin() -> None:
    told = json.loads(tui("inspect", "-", "--json", stdin=LOGS[0].read_bytes()).stdout)
    assert told["run"] == list_runs()[0].id and list_runs()[0].origin == "inspected"


def test_a_home_that_cannot_be_written_costs_the_run_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    if sys.platform == "linux":  # permissions do not bind root, /proc does
        home = Path("/proc/plasma")
    monkeypatch.setenv("PLASMA_HOME", str(home))
    done = tui("inspect", str(LOGS[0]), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["run"] is None
    assert b"not added to the runs" in done.stderr


def test_import_says_what_it_does_and_does_nothing_in_a_dry_run(tmp_path: Path) -> None:
    folder(tmp_path)
    done = tui("import", str(tmp_path), "--dry-run")
    assert done.returncode == 0 and b"would be imported" in done.stdout and run_paths() == []
    told = json.loads(tui("import", str(tmp_path), "--json", "--name", "old spyke").stdout)
    assert told["trainings"][0]["made"] is True
    assert list_runs()[0].name == "old spyke" and list_runs()[0].origin == "imported"
    assert b"already imported" in tui("import", str(tmp_path)).stdout


def test_import_of_nothing_is_a_no_with_a_sentence(tmp_path: Path) -> None:
    done = tui("import", str(tmp_path))
    assert done.returncode == 1 and b"nothing to import" in done.stderr
    assert tui("import", str(tmp_path / "none")).returncode == 3


def test_import_leaves_what_was_watched_from_here(tmp_path: Path) -> None:
    folder(tmp_path / "out")
    files = sorted((tmp_path / "out").glob("*.safetensors"))
    run = RunDir(runs_root() / "20261121-182911-spyke-7f3a")
    run.path.mkdir(parents=True)
    written = tuple(builders.checkpoint(n, path=str(f)) for n, f in enumerate(files, 1))
    write_json(run.spec, builders.spec())
    write_json(run.status, replace(builders.status(), checkpoints=written))
    done = tui("import", str(tmp_path / "out"))
    assert done.returncode == 0 and b"already the run" in done.stdout
    assert [path.name for path in run_paths()] == ["20261121-182911-spyke-7f3a"]


def test_looked_at_again_without_a_word_it_forgets_nothing(tmp_path: Path) -> None:
    log = tmp_path / "nohup.out"
    log.write_bytes((DATA / "runs" / "seed_full.log").read_bytes())
    events = DATA / "tensorboard" / "seed_full"
    path = run_of_log(log, exit_text="code:0", tensorboard=events)
    assert run_of_log(log) == path
    assert read(path).loss.exact
    assert run_of_log(log, exit_text="code:1") == path
    made = read(path)
    assert made.loss.exact and made.outcome is Outcome.FAILED
