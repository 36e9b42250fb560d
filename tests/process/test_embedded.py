"""The built-in trainer as a process: real trainings of a few dozen steps."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from runner.ingest.console.parser import ConsoleParser
from runner.model.events import BannerSeen, CheckpointSaving, ConsoleEvent, ModelSaved, StepShown
from runner.trainers.sd_scripts.forecast import forecast
from tests.unit.trainers.dataset.dataset_images import write_png

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.slow]

DATASET = """
[general]
caption_extension = ".txt"
shuffle_caption = true
keep_tokens = 1
[[datasets]]
resolution = 64
[[datasets.subsets]]
image_dir = "train"
num_repeats = 2
[[datasets.subsets]]
is_reg = true
image_dir = "reg"
"""


@dataclass(frozen=True)
class Ran:
    code: int
    console: str
    folder: Path

    @property
    def events(self) -> list[ConsoleEvent]:
        parser = ConsoleParser()
        return [*parser.feed(self.console.encode()), *parser.finish()]

    def banner(self, name: str) -> int:
        (value,) = (e.value for e in self.events if isinstance(e, BannerSeen) and e.name == name)
        return value

    @property
    def averages(self) -> list[float]:
        shown = {e.shown_step: e.average for e in self.events if isinstance(e, StepShown)}
        return [average for _, average in sorted(shown.items()) if average is not None]

    @property
    def saved(self) -> list[str]:
        return [Path(e.path).name for e in self.events if isinstance(e, CheckpointSaving)]


def train(folder: Path, *flags: str, env: dict[str, str] | None = None) -> Ran:
    command = [sys.executable, "-m", "runner.embedded", "--network_module", "networks.lora"]
    command += ["--output_dir", "out", "--seed", "42", "--max_data_loader_n_workers", "0", *flags]
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "300", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    return Ran(ran.returncode, ran.stdout.decode(), folder)


def make_dataset(folder: Path) -> Path:
    for name, count, caption in (("train", 4, "spyke, red, grin"), ("reg", 3, "someone, blue")):
        for number in range(count):
            image = write_png(folder / name / f"{number}.png", shade=40 + 50 * number)
            image.with_suffix(".txt").write_text(f"{caption}, number {number}")
    (folder / "d.toml").write_text(DATASET)
    (folder / "prompts.txt").write_text(
        "# comment\nspyke, red --w 64 --h 128 --s 3 --d 5\nspyke --n bad --s 2 --w 64 --h 64 --l 1\n"
    )
    return folder


FIRST = [
    *("--dataset_config", "d.toml", "--output_name", "x", "--max_train_epochs", "3"),
    *("--network_dim", "8", "--network_alpha", "4", "--learning_rate", "2e-3"),
    *("--lr_scheduler", "cosine", "--save_every_n_steps", "10", "--save_every_n_epochs", "1"),
    *("--save_state", "--logging_dir", "tb", "--sample_prompts", "prompts.txt"),
    *("--sample_every_n_epochs", "2"),
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """16 batches an epoch, 48 steps, a state at 10, 16, 20, 30, 32, 40 and the end."""
    return train(make_dataset(tmp_path_factory.mktemp("embedded")), *FIRST)


def tensorboard(folder: Path) -> dict[str, list[Any]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = folder.glob("*/network_train")
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}


def tensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


def test_a_training_runs_as_forecast(first: Ran) -> None:
    assert first.code == 0, first.console[-2000:]
    flags = {
        "dataset_config": "d.toml",
        "output_name": "x",
        "max_train_epochs": 3,
        "save_every_n_steps": 10,
        "save_every_n_epochs": 1,
        "save_state": True,
    }
    told = forecast(flags, first.folder)
    assert first.banner("total_steps") == told.steps == 48
    assert first.banner("batches_per_epoch") == told.batches_per_epoch == 16
    assert first.banner("train_images") == 8
    assert first.banner("reg_images") == 3
    assert first.saved == [c.name for c in told.checkpoints]
    assert max(e.shown_step for e in first.events if isinstance(e, StepShown)) == 48
    assert any(isinstance(e, ModelSaved) for e in first.events)


def test_the_rate_of_the_bar_is_that_of_the_steps(first: Ran) -> None:
    rates = [float(one) for one in re.findall(r"([\d.]+)it/s, avr_loss", first.console)]
    assert rates
    assert max(rates) < 5_000.0


def test_the_loss_falls(first: Ran) -> None:
    losses = [event.value for event in tensorboard(first.folder / "tb")["loss/current"]]
    assert len(losses) == 48
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-16:]) < 0.8 * sum(losses[:16])


def test_a_checkpoint_holds_lora_weights_that_were_trained(first: Ran) -> None:
    values, metadata = tensors(first.folder / "out" / "x.safetensors")
    names = {key.partition(".")[0] for key in values}
    assert "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q" in names
    assert "lora_te_text_model_encoder_layers_0_self_attn_q_proj" in names
    for name in names:
        down, up = values[f"{name}.lora_down.weight"], values[f"{name}.lora_up.weight"]
        assert down.shape[0] == up.shape[1] == 8
        assert float(values[f"{name}.alpha"]) == 4.0
        if "lora_unet" in name:
            assert abs(up).sum() > 0
    assert metadata["ss_steps"] == "48"
    assert metadata["ss_epoch"] == "3"
    assert metadata["ss_network_dim"] == "8"
    assert metadata["ss_num_batches_per_epoch"] == "16"
    assert json.loads(metadata["ss_tag_frequency"])["train"]["spyke"] == 4
    assert len(metadata["sshs_model_hash"]) == 64


def test_the_epoch_in_the_metadata_counts_from_0_in_step_files(first: Ran) -> None:
    assert tensors(first.folder / "out" / "x-step00000010.safetensors")[1]["ss_epoch"] == "0"
    assert tensors(first.folder / "out" / "x-000001.safetensors")[1]["ss_epoch"] == "1"


def test_a_state_is_whole_and_knows_its_step(first: Ran) -> None:
    state = first.folder / "out" / "x-step00000020-state"
    assert sorted(path.name for path in state.iterdir()) == [
        "model.safetensors",
        "optimizer.bin",
        "random_states_0.pkl",
        "scheduler.bin",
        "train_state.json",
    ]
    told = json.loads((state / "train_state.json").read_text())
    assert told == {"current_epoch": 2, "current_step": 20}
    said = re.findall(r"x-step00000020-state/(\w+)\.", first.console)
    assert [name for name in said if "sampler" not in name] == [
        "train_state",
        "model",
        "optimizer",
        "scheduler",
        "random_states_0",
    ]


def test_sample_images_have_the_asked_sizes(first: Ran) -> None:
    from PIL import Image

    found = sorted((first.folder / "out" / "sample").glob("*.png"))
    assert [re.sub(r"_\d{14}", "", path.name) for path in found] == [
        "x_e000002_00_5.png",
        "x_e000002_01.png",
    ]
    with Image.open(found[0]) as image:
        assert image.size == (64, 128)
        assert len(image.getcolors() or []) > 20


def test_tensorboard_gets_the_tags_of_sd_scripts(first: Ran) -> None:
    logged = tensorboard(first.folder / "tb")
    assert set(logged) == {
        "loss/current", "loss/average", "loss/epoch_average", "lr/textencoder", "lr/unet",
        "lr/group1",
    }  # fmt: skip
    assert [event.step for event in logged["loss/current"]] == list(range(1, 49))
    assert logged["lr/unet"][-1].value == pytest.approx(0.0, abs=1e-9)
    assert [event.step for event in logged["loss/epoch_average"]] == [1, 2, 3]


def test_a_skipping_resume_trains_the_rest_and_counts_within_the_epoch(first: Ran) -> None:
    state = "out/x-step00000020-state"
    ran = train(
        first.folder, *FIRST, "--output_name", "r", "--resume", state, "--skip_until_initial_step",
        "--logging_dir", "tb2",
    )  # fmt: skip
    assert ran.code == 0, ran.console[-2000:]
    assert "skipping 20 steps" in ran.console
    assert "skipping epoch 1 because initial_step (multiplied) is 20" in ran.console
    assert re.search(r"\| 0/44 \[", ran.console)
    steps = [event.step for event in tensorboard(first.folder / "tb2")["loss/current"]]
    assert steps == list(range(5, 33))
    assert ran.saved == [
        "r-step00000010.safetensors", "r-000002.safetensors", "r-step00000020.safetensors",
        "r-step00000030.safetensors", "r.safetensors",
    ]  # fmt: skip
    assert ran.averages[0] < 0.75 * ran.averages[8]  # the skipped place counts as 0


def test_a_resume_without_skipping_restarts_the_count(first: Ran) -> None:
    state = "out/x-step00000020-state"
    flags = [*FIRST, "--output_name", "n", "--resume", state, "--logging_dir", "tb3"]
    ran = train(first.folder, *flags)
    assert ran.code == 0
    steps = [event.step for event in tensorboard(first.folder / "tb3")["loss/current"]]
    assert steps == list(range(1, 33))
    rates = [event.value for event in tensorboard(first.folder / "tb3")["lr/unet"]]
    assert rates[0] < 2e-3 * 0.7  # the schedule goes on from step 20


def test_a_nan_poisons_the_average_and_the_process_still_ends_well(tmp_path: Path) -> None:
    ran = train(
        make_dataset(tmp_path), "--dataset_config", "d.toml", "--max_train_steps", "12",
        "--learning_rate", "1e-3", env={"PLASMA_EMBEDDED_NAN_AT": "5"},
    )  # fmt: skip
    assert ran.code == 0
    assert [math.isnan(average) for average in ran.averages] == [False] * 4 + [True] * 8
    assert ran.saved == ["last.safetensors"]


def test_no_images_is_said_with_exit_code_0(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    ran = train(tmp_path, "--train_data_dir", ".", "--resolution", "64")
    assert ran.code == 0
    assert "No data found" in ran.console
    assert "ignore directory without repeats" in ran.console


@pytest.mark.parametrize(
    ("flags", "last_line"),
    [
        (
            ["--pretrained_model_name_or_path", "none.safetensors"],
            r"OSError: Cannot load model none",
        ),
        (["--resume", "nowhere"], r"ValueError: Tried to find nowhere but folder does not exist"),
        (["--optimizer_type", "AdamW8bit"], r"ImportError: No bitsandbytes"),
        (["--lr_warmup_steps", "5"], r"ValueError: constant does not require `num_warmup_steps`"),
        (["--resolution", "128"], r"AssertionError: image size is small: train/"),
    ],
)
def test_failures_end_with_a_traceback_and_code_1(
    tmp_path: Path, flags: list[str], last_line: str
) -> None:
    folder = make_dataset(tmp_path)
    text = (folder / "d.toml").read_text()
    if "--resolution" in flags:
        (folder / "d.toml").write_text(text.replace("resolution = 64", ""))
    ran = train(folder, "--dataset_config", "d.toml", "--max_train_steps", "2", *flags)
    assert ran.code == 1
    assert "Traceback (most recent call last)" in ran.console
    assert re.search(rf"^\S*{last_line}", ran.console, re.MULTILINE), ran.console[-800:]


def test_two_processes_share_the_batches(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--standalone", "-m", "runner.embedded", "--network_module", "networks.lora"]
    command += ["--dataset_config", "d.toml", "--output_dir", "out", "--max_train_epochs", "1"]
    command += ["--max_data_loader_n_workers", "0", "--learning_rate", "1e-3", "--seed", "42"]
    launcher = subprocess.Popen(
        command,
        cwd=make_dataset(tmp_path),
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "COLUMNS": "300"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        console, errors = launcher.communicate(timeout=90)
    finally:
        if launcher.poll() is None:  # its ranks live in sessions of their own
            top = psutil.Process(launcher.pid)
            for process in [*top.children(recursive=True), top]:
                process.kill()
    assert launcher.returncode == 0, errors[-2000:]
    assert "num batches per epoch / 1epochのバッチ数: 8" in console
    assert console.count("accelerator device: cpu") == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["last.safetensors"]


def test_a_written_base_model_trains_like_the_built_in_one(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    written = subprocess.run(
        [sys.executable, "-m", "runner.embedded", "--write-base", "base.safetensors"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    assert written.stdout == "wrote the built-in base model: base.safetensors\n"
    flags = ["--dataset_config", "d.toml", "--max_train_steps", "3", "--learning_rate", "1e-3"]
    first = train(folder, *flags, "--output_name", "a")
    second = train(
        folder, *flags, "--output_name", "b", "--pretrained_model_name_or_path", "base.safetensors"
    )
    assert first.averages == second.averages
    names = {tensors(folder / "out" / f"{n}.safetensors")[1]["ss_sd_model_name"] for n in "ab"}
    assert names == {"builtin", "base.safetensors"}
