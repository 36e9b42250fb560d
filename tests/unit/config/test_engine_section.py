"""`[engine]` of plasma.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config.errors import ConfigError
from runner.model import Engine
from runner.trainers.registry import load_config

HEAD = '[trainer]\nsd_scripts = "embedded"\n[train]\n[engine]\n'


def engine_of(tmp_path: Path, text: str) -> Engine:
    (tmp_path / "plasma.toml").write_text(HEAD + text)
    return load_config(tmp_path / "plasma.toml").engine


def test_it_is_this_machine_unless_set(tmp_path: Path) -> None:
    assert engine_of(tmp_path, "").is_local


def test_every_key_is_read(tmp_path: Path) -> None:
    text = (
        'kind = "slurm"\npartition = "gpu"\ngres = "gpu:a100:1"\ntime = "2-12:00"\naccount = "p1"\n'
        'cpus = 8\nmemory = "32G"\nextra = ["--qos=high", "#SBATCH --constraint=a100&ib"]\n'
        "requeue = true\nsignal_s = 300\n"
    )
    assert engine_of(tmp_path, text) == Engine(
        "slurm", "gpu", "gpu:a100:1", "2-12:00", "p1", 8, "32G",
        ("#SBATCH --qos=high", "#SBATCH --constraint=a100&ib"), True, 300,
    )  # fmt: skip


def test_minutes_are_a_number(tmp_path: Path) -> None:
    assert engine_of(tmp_path, 'kind = "slurm"\ntime = 90\n').time == "90"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kind = "pbs"', "choose one of"),
        ('partition = "a b"', 'write it like "gpu"'),
        ('gres = "gpu:1; rm"', 'write it like "gpu:1"'),
        ('time = "soon"', 'write minutes, "hours:minutes:seconds"'),
        ("time = 0", "write minutes"),
        ("cpus = 0", "an integer"),
        ('memory = "lots"', 'write it like "32G"'),
        ('extra = "--qos=high"', "is no list"),
        ('extra = ["rm -rf /"]', "options of sbatch"),
        ('extra = ["--qos=a\\nrm"]', "options of sbatch"),
        ('extra = ["--array=0-3"]', "which plasma-tui sets"),
        ('extra = ["--arr=0-3"]', "which plasma-tui sets"),
        ('extra = ["-p gpu"]', "which plasma-tui sets"),
        # sbatch reads every option of a line
        ('extra = ["--qos=a --array=0-3"]', "contains --array, which plasma-tui sets"),
        ('extra = ["--qos a -a 0-3"]', "contains -a, which plasma-tui sets"),
        ('extra = ["--help"]', "submits no job"),
        ('extra = ["--qos=a --usage"]', "submits no job"),
        ("signal_s = 1", "an integer"),
        ('gpus = "1"', "is unknown"),
    ],
)
def test_what_slurm_cannot_read_is_refused_with_its_line(
    tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=r"plasma.toml:5: \[engine\]") as found:
        engine_of(tmp_path, line)
    assert said in str(found.value)


def test_keys_without_a_cluster_are_noted(tmp_path: Path) -> None:
    (tmp_path / "plasma.toml").write_text(HEAD + 'partition = "gpu"\n')
    (note,) = load_config(tmp_path / "plasma.toml").notes
    assert "[engine] partition is not used" in note
