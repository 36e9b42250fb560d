"""A training in time slots ends with the checkpoints of an unbroken one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runner.control import begin
from runner.model import Checkpoint, Outcome, RunSnapshot
from runner.store.rundir import RunDir
from tests.process.helpers import kinds, wait_end, wait_for
from tests.slurm.conftest import ended
from tests.unit.trainers.dataset.dataset_images import write_png

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.slow]

PROJECT = """
name = "slots"
[trainer]
sd_scripts = "embedded"
python = {python}
launcher = "python"
[train]
pretrained_model_name_or_path = "builtin"
dataset_config = "dataset.toml"
output_dir = "out-{name}"
output_name = "slots"
save_precision = "float"
save_every_n_steps = {every}
save_state = true
max_train_steps = {steps}
network_module = "networks.lora"
network_dim = 4
optimizer_type = "AdamW"
learning_rate = 2e-3
lr_scheduler = "cosine"
max_data_loader_n_workers = 0
seed = 42
{engine}
"""
DATASET = """
[general]
caption_extension = ".txt"
[[datasets]]
resolution = 256
[[datasets.subsets]]
image_dir = "train"
"""
#: Slurm counts in minutes: all of the slot is lead time, so each lasts to its first save on any machine
SLOTS = '[engine]\nkind = "slurm"\ngres = "gpu:1"\ntime = 1\nsignal_s = 59\nrequeue = {requeue}\n'


def started(tmp_path: Path, name: str, steps: int, engine: str = "", every: int = 20) -> RunDir:
    write_png(tmp_path / "train" / "a.png", (256, 256))
    (tmp_path / "train" / "a.txt").write_text("spyke")
    (tmp_path / "dataset.toml").write_text(DATASET)
    file = tmp_path / f"{name}.toml"
    python = json.dumps(sys.executable)
    text = PROJECT.format(python=python, name=name, steps=steps, engine=engine, every=every)
    file.write_text(text)
    return begin.start(begin.load(file), force="a test")


def weights(snapshot: RunSnapshot) -> dict[tuple[int | None, bool], bytes]:
    """The tensors of each checkpoint: their headers differ in times and session ids."""
    assert snapshot.status is not None
    return {
        (one.step, one.final): _tensors(one) for one in snapshot.status.checkpoints if not one.removed
    }  # fmt: skip


def _tensors(one: Checkpoint) -> bytes:
    data = Path(one.path).read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def test_slots_give_the_same_checkpoints(output: Path, tmp_path: Path) -> None:
    unbroken = wait_end(started(tmp_path, "unbroken", 160), 180)
    run = started(tmp_path, "slots", 160, SLOTS.format(requeue="true"))
    done = ended(run, 420)
    assert done.outcome is Outcome.SUCCEEDED
    assert done.status is not None and done.status.attempt >= 3
    expected = weights(unbroken)
    assert len(expected) == 9
    assert weights(done) == expected
    wait_for(lambda: not run.job_env.exists())
    bases = [attempt.first_step for attempt in done.status.attempts]
    assert bases == sorted(set(bases), key=lambda step: step or 0)
    assert kinds(run).count("ended") == done.status.attempt


def test_without_requeue_the_slot_ends_the_run_at_its_newest_save(
    output: Path, tmp_path: Path
) -> None:
    run = started(tmp_path, "slots", 4000, SLOTS.format(requeue="false"))
    done = ended(run, 120)
    assert done.outcome is Outcome.STOPPED
    assert done.status is not None and done.status.stop_by == "Slurm"
    assert any("stopped for Slurm" in reason for reason in done.status.reasons)
    assert done.status.safe_step >= 20


def test_a_slot_that_saved_nothing_is_not_repeated(output: Path, tmp_path: Path) -> None:
    run = started(tmp_path, "slots", 40000, SLOTS.format(requeue="true"), every=20000)
    done = ended(run, 180)
    assert done.outcome is Outcome.STOPPED
    assert done.status is not None and done.status.attempt == 1
    assert "not continued in another job: nothing was saved" in str(done.status.reasons)
