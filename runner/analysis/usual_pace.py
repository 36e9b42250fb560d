"""How fast this machine trained before, by earlier runs that are comparable step by step."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from runner.config.flags import flags_begin, read_flags
from runner.config.hiding import hidden_command
from runner.files.toml_text import parse_toml
from runner.model import RunSpec, RunState, Status
from runner.store.journal import readable
from runner.store.registry import LOOK_BACK_RUNS, run_paths
from runner.trainers.sd_scripts.settings_key import FREE_FLAGS

#: of an earlier run: its first steps include the warm-up
LEAST_STEPS = 30
#: the median of so many, the newest
MOST_RUNS = 5
#: flags that change what is learned, not how long a step takes (besides FREE_FLAGS)
_SAME_PACE = frozenset(
    {
        "learning_rate", "unet_lr", "text_encoder_lr", "lr_scheduler", "lr_warmup_steps", "seed",
        "lr_scheduler_num_cycles", "lr_scheduler_power", "network_alpha", "network_weights", "noise_offset",
        "min_snr_gamma", "max_grad_norm", "caption_extension", "shuffle_caption", "keep_tokens", "loss_type",
        "train_data_dir", "reg_data_dir", "dataset_config", "timestep_sampling", "discrete_flow_shift",
        "guidance_scale", "model_prediction_type", "caption_dropout_rate", "prior_loss_weight",
    }
)  # fmt: skip
#: keys of a dataset configuration that change the size of a step
_SIZES = ("resolution", "batch_size", "enable_bucket", "max_bucket_reso", "min_bucket_reso")


@dataclass(frozen=True, slots=True)
class UsualPace:
    """Median over comparable runs; `run_id`: the newest of them."""

    run_id: str
    seconds_per_step: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """What must be equal for steps to be comparable: machine, script, flags that change a step, sizes."""

    host: str
    script: str
    flags: tuple[tuple[str, str], ...]
    sizes: tuple[str, ...]

    @classmethod
    def of(cls, spec: RunSpec, command: Sequence[str]) -> Likeness | None:
        """None: the command is not understood, or its settings are in files that may have changed since."""
        try:
            script = Path(command[flags_begin(command) - 1]).name
        except (ValueError, IndexError):
            return None
        given = read_flags(hidden_command(command))  # as stored in spec.json
        if "config_file" in given or ("dataset_config" in given and spec.dataset_text is None):
            return None
        free = FREE_FLAGS | _SAME_PACE
        flags = sorted((name, str(value)) for name, value in given.items() if name not in free)
        return cls(spec.host, script, tuple(flags), tuple(sorted(_sizes(spec.dataset_text))))


def _sizes(dataset: str | None) -> Iterator[str]:
    try:
        yield from _found(parse_toml(dataset or ""))
    except tomllib.TOMLDecodeError:
        yield f"unread {dataset}"


def _found(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            if name in _SIZES:
                yield f"{name}={one}"
            else:
                yield from _found(one)
    elif isinstance(value, list):
        for one in value:
            yield from _found(one)


def usual_pace(
    mine: Likeness | None, device: str | None, gpu: str | None, run: Path
) -> UsualPace | None:
    """By the newest runs like `mine` on the same device, other than `run`. Never raises for their content."""
    found: list[tuple[str, float]] = []
    for path in run_paths()[:LOOK_BACK_RUNS]:
        if mine is None or len(found) >= MOST_RUNS:
            break
        spec = readable(path / "spec.json", RunSpec) if path.name != run.name else None
        if spec is None or spec.origin or Likeness.of(spec, spec.command) != mine:
            continue
        status = readable(path / "status.json", Status)
        if status is None or not _measured(status, device, gpu) or status.attempt != 1:
            continue
        assert status.seconds_per_step is not None
        found.append((spec.id, status.seconds_per_step))
    if not found:
        return None
    return UsualPace(found[0][0], median(seconds for _, seconds in found))


def _measured(status: Status, device: str | None, gpu: str | None) -> bool:
    """Did it train long enough, on this device?"""
    other = status.hardware.gpu_name
    same_card = gpu is None or other is None or gpu == other
    used, wanted = ((one or "").split(":")[0] for one in (status.device, device))
    done = status.state is RunState.ENDED and status.step >= LEAST_STEPS
    return done and bool(status.seconds_per_step) and used == wanted and same_card
