"""Fixes as data: sets of changes in the order to try them, and which one is next.

A change is spelled as `retry --set` takes it: `cache_latents=true`, `env.NAME=VALUE` for a variable,
`accelerate.NAME=VALUE` for a flag of the launcher; `false` leaves a flag out. A value in capitals (`PATH`) is
a placeholder for the user: shown as advice, never applied.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from msgspec import Struct

from runner.analysis.diagnosis.needs import Platform, any_ruled_out
from runner.config.flags import FlagValue, flags_begin, launcher_flags, read_flags
from runner.model import AttemptPlan
from runner.trainers.registry import program_of, recorded_trainer

_PLACEHOLDER = re.compile(r"=[A-Z]{4,}$")
_ENV, _ACCELERATE = "env.", "accelerate."

#: What sd-scripts uses when a flag is not given (train_util.py, same in v0.6 to v0.11).
_DEFAULTS: Mapping[str, str] = {
    "train_batch_size": "1",
    "max_data_loader_n_workers": "8",
    "max_grad_norm": "1.0",
    "mixed_precision": "no",
    "optimizer_type": "AdamW",
    "bucket_reso_steps": "64",
    "min_bucket_reso": "256",
    "caption_extension": ".caption",
    "lr_scheduler": "constant",
    "lr_warmup_steps": "0",
    "accelerate.num_processes": "1",
    "accelerate.main_process_port": "29500",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a training ran with, as far as known. `flags`: of the script, without those not given; None:
    unknown. `device`: as the trainer reported it, `cuda:0`, `mps`, `cpu`. `runs_on`: the rest of the
    platform."""

    flags: Mapping[str, FlagValue] | None = None
    launcher: Mapping[str, FlagValue] = field(default_factory=dict)
    env: Mapping[str, str | None] = field(default_factory=dict)
    device: str | None = None
    runs_on: Platform = field(default_factory=Platform)

    @property
    def device_kind(self) -> str | None:
        """`cuda:0` -> `cuda`."""
        return self.device.split(":")[0].lower() if self.device else None

    @property
    def platform(self) -> Platform:
        return replace(self.runs_on, device=self.device_kind)


NOT_KNOWN = Setting()


def setting_of(plan: AttemptPlan, device: str | None = None) -> Setting:
    """What an attempt ran with; a command without a script yields no flags."""
    try:
        flags = read_flags(plan.command)
    except ValueError:
        return Setting(None, {}, plan.env, device)
    launched = launcher_flags(plan.command)
    script = plan.command[flags_begin(plan.command) - 1]
    runs_on = Platform(
        launcher="accelerate" if launched else "python",
        failures=program_of(recorded_trainer(plan.command, plan.cwd)).failures,
        script=PurePath(script).name,
    )
    return Setting(flags, launched, plan.env, device, runs_on)


class Cure(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes that belong together; which platform each needs is in `runner.analysis.diagnosis.needs`.

    `needs`: what else this fix needs to help with this cause; `only_with`: only where one of these flags is
    set (or no flag is known); `without`: not where one of these flags is set, which conflicts with it or
    already does the same; `halved`: numbers to halve as well, if set; `raised`: numbers to raise by one, from
    their default if not set."""

    changes: tuple[str, ...] = ()
    only_with: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    halved: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """`fix`: the first change, perhaps with a placeholder; `changes`: what can be applied directly, without
    what is already set."""

    fix: str | None = None
    changes: tuple[str, ...] = ()


def next_cure(cures: Sequence[Cure], setting: Setting) -> Offer:
    """The first fix that fits and is not already set; an empty offer when none is left."""
    for one in cures:
        if not _fits(one, setting):
            continue
        changes = (
            *_halved(one.halved, setting),
            *_raised(one.raised, setting),
            *(change for change in one.changes if not in_force(change, setting)),
        )
        if changes and not any_ruled_out(changes, setting.platform):
            return Offer(changes[0], () if any(map(is_placeholder, changes)) else changes)
    return Offer()


def is_placeholder(change: str) -> bool:
    """Must the user fill in the value?"""
    return _PLACEHOLDER.search(change) is not None


def in_force(change: str, setting: Setting) -> bool:
    """Did the training already run with this? False if unknown."""
    name, _, wanted = change.partition("=")
    if name.startswith(_ENV):
        return (setting.env.get(name.removeprefix(_ENV)) or "") == wanted
    if setting.flags is None:
        return False
    value = _given(name, setting)
    if wanted == "false":
        return value is False
    if value is False or value == "":
        value = _DEFAULTS.get(name, "")
    if value is True or wanted == "true":
        return value is True and wanted == "true"
    try:
        return float(str(value)) == float(wanted)
    except ValueError:
        return str(value).lower() == wanted.lower()


def _given(name: str, setting: Setting) -> FlagValue:
    """False: not given."""
    flags = setting.launcher if name.startswith(_ACCELERATE) else setting.flags or {}
    return flags.get(name.removeprefix(_ACCELERATE), False)


def _fits(one: Cure, setting: Setting) -> bool:
    if not all(map(setting.platform.meets, one.needs)):
        return False
    if setting.flags is None:
        return True
    if one.only_with and not any(_is_set(name, setting) for name in one.only_with):
        return False
    return not any(_is_set(name, setting) for name in one.without)


def _is_set(name: str, setting: Setting) -> bool:
    """`name`, or `name=value` for one value of it."""
    return in_force(name, setting) if "=" in name else _given(name, setting) is not False


def _halved(names: Sequence[str], setting: Setting) -> Sequence[str]:
    halves = []
    for name in names:
        with contextlib.suppress(ValueError):
            if half := float(str(_given(name, setting))) / 2:
                halves.append(f"{name}={half:g}")
    return halves or [f"{name}=LOWER" for name in names[:1]]


def _raised(names: Sequence[str], setting: Setting) -> Iterator[str]:
    for name in names:
        with contextlib.suppress(ValueError):  # only numbers can be raised
            before = _given(name, setting) or _DEFAULTS[name]
            yield f"{name}={int(str(before)) + 1}"
