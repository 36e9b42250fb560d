"""The forecast of a whole plasma.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.model import ExpectedCheckpoint
from runner.preflight.forecast import estimate, peak
from runner.trainers.accelerate import launched_processes
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.saves import expected_checkpoints
from runner.trainers.sd_scripts.steps import count_steps
from tests.unit.preflight.preflight_project import Project

LORA = 'network_module = "networks.lora"\nnetwork_dim = 32\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add_images("train", 23, "a")
    project.write_dataset()
    return project


def sd(project: Project, script: str = "train_network.py") -> str:
    return f'sd_scripts = "{project.checkout()}"\npython = "python3"\nscript = "{script}"'


def test_sizes_come_from_rank_and_script(project: Project) -> None:
    told = estimate(project.config(LORA + "save_every_n_epochs = 1", trainer=sd(project)))
    assert told.checkpoint_bytes is not None
    assert told.checkpoint_bytes == pytest.approx(75.6e6, rel=0.001)
    assert told.size_bytes == 2 * told.checkpoint_bytes
    assert told.sources["checkpoint_bytes"] == "rank 32 on SD 1.x, float"
    larger = estimate(project.config(LORA, trainer=sd(project, "sdxl_train_network.py")))
    assert larger.sources["checkpoint_bytes"] == "rank 32 on SDXL, float"
    other = estimate(project.config(LORA, trainer=sd(project, "my_own.py")))
    assert (other.checkpoint_bytes, other.size_bytes) == (None, None)


def test_an_unknown_state_makes_the_disk_unknown(project: Project) -> None:
    flags = LORA + 'save_state = true\noptimizer_type = "Prodigy"'
    told = estimate(project.config(flags, trainer=sd(project)))
    assert told.checkpoint_bytes is not None
    assert (told.state_bytes, told.size_bytes) == (None, None)
    assert told.sources["state_bytes"] == "unknown for Prodigy"


def test_every_number_says_where_it_comes_from(project: Project) -> None:
    told = estimate(project.config("save_every_n_steps = 100"))
    assert told.sources == {
        "images": "dataset.toml: 23 files x 10 repeats",
        "reg_images": "dataset.toml: no regularisation subset",
        "batches_per_epoch": "230 images with repeats, batch size 1",
        "epochs": "flag max_train_epochs",
        "steps": "2 epochs x 230 steps per epoch",
        "checkpoints": "flag save_every_n_steps 100, the end",
        "final": "flag output_name",
        "samples": "no sample_every_n_* flag",
    }


def test_flags_of_a_config_file_count_and_the_command_line_wins(project: Project) -> None:
    (project.root / "settings.toml").write_text(
        "[a]\nmax_train_epochs = 9\ntrain_batch_size = 4\n[b]\nsave_every_n_epochs = 1\n"
    )
    told = estimate(project.config('config_file = "settings"'))
    assert (told.epochs, told.batches_per_epoch, told.steps) == (2, 58, 116)
    assert [c.name for c in told.checkpoints] == ["hero-000001.safetensors", "hero.safetensors"]
    assert told.sources["checkpoints"] == "settings.toml: save_every_n_epochs 1, the end"
    assert told.sources["epochs"] == "flag max_train_epochs"


def test_a_config_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    read = trainer_flags({"config_file": "none", "seed": 1}, tmp_path)
    assert read.values == {"config_file": "none", "seed": 1}
    assert read.problem == f"{tmp_path}/none.toml: file not found: correct config_file"


def test_a_dataset_that_is_not_written_yet_is_read_from_plasma_toml(project: Project) -> None:
    (project.root / "dataset.toml").unlink()
    rest = (
        '[[dataset.datasets]]\nresolution = 64\n[[dataset.datasets.subsets]]\nimage_dir = "train"\n'
        "num_repeats = 3\n"
    )
    assert estimate(project.config(rest=rest)).steps == 2 * 69
    wrong = estimate(project.config(rest=rest + "repeats = 3\n"))
    assert wrong.steps is None
    assert "[dataset]: extra keys not allowed" in wrong.warnings[0]


def test_cached_latents_tell_sizes_to_the_script_that_made_them(project: Project) -> None:
    (project.train / "0007_0256x0064_sdxl.npz").touch()
    project.write_dataset("enable_bucket = true\nmin_bucket_reso = 64")
    file = project.root / "dataset.toml"
    file.write_text(file.read_text().replace("resolution = 64", "resolution = 128"))
    one = estimate(project.config(trainer=sd(project)))
    two = estimate(project.config(trainer=sd(project, "sdxl_train_network.py")))
    assert "in 1 bucket," in one.sources["batches_per_epoch"]
    assert "in 2 buckets," in two.sources["batches_per_epoch"]


def test_bucket_steps_of_32_are_for_sdxl(project: Project) -> None:
    project.write_dataset("enable_bucket = true\nmin_bucket_reso = 32\nbucket_reso_steps = 32")
    assert estimate(project.config(trainer=sd(project))).steps is None
    assert estimate(project.config(trainer=sd(project, "sdxl_train_network.py"))).steps == 460


# ------------------------------------------------------------------ disk


def written(**flags: object) -> tuple[ExpectedCheckpoint, ...]:
    return expected_checkpoints(
        {"output_name": "x", **flags}, count_steps({"max_train_steps": 50}, 50)
    )


def test_the_fullest_moment_is_before_the_old_is_deleted() -> None:
    assert peak(written(save_every_n_steps=10), 3, 0) == (18, 6, 0)
    assert peak(written(save_every_n_steps=10, save_last_n_steps=0), 3, 0) == (6, 2, 0)
    assert peak(written(save_every_n_steps=10, save_last_n_steps=10), 3, 0) == (9, 3, 0)
    kept = written(save_every_n_steps=10, save_last_n_steps=10, save_state=True)
    assert peak(kept, 3, 10) == (39, 3, 3)
    assert peak(written(save_state_on_train_end=True), 3, 10) == (13, 1, 1)


# ------------------------------------------------------------------ processes


@pytest.mark.parametrize(
    ("flags", "file", "count"),
    [
        ("num_processes = 2", None, 2),
        ("num_processes = 2\nmulti_gpu = true", "distributed_type: 'NO'", 2),
        ("num_processes = 2", "distributed_type: MULTI_GPU", 2),
        ("num_processes = 2", "distributed_type: NO\nnum_processes: 1", 1),
        ("num_processes = 2\ncpu = true", None, 1),
        ("num_machines = 1", None, 1),
    ],
)
def test_the_launchers_own_file_may_start_fewer_processes(
    project: Project, monkeypatch: pytest.MonkeyPatch, flags: str, file: str | None, count: int
) -> None:
    monkeypatch.setenv("HF_HOME", str(project.root / "hf"))
    if file is not None:
        path = project.root / "hf" / "accelerate" / "default_config.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(file + "\n")
    found = launched_processes(project.config(rest=f"[accelerate]\n{flags}\n"))
    assert found.count == count
    assert (found.warning is not None) == (count == 1 and "2" in flags)


def test_a_launcher_file_of_ones_own_tells_the_number(project: Project) -> None:
    (project.root / "a.yaml").write_text("distributed_type: MULTI_GPU\nnum_processes: 3\n")
    config = project.config(rest='[accelerate]\nconfig_file = "a.yaml"\n')
    assert launched_processes(config).count == 3
    assert estimate(config).batches_per_epoch == 77


def test_python_starts_one_process(project: Project) -> None:
    trainer = 'sd_scripts = "embedded"\nlauncher = "python"'
    config = project.config(trainer=trainer, rest="[accelerate]\nnum_processes = 4\n")
    assert launched_processes(config).count == 1
