"""Settings that differ between two launches, in the syntax of `retry --set` and of the catalogue's fixes:
`cache_latents=true`, `env.PYTORCH_ENABLE_MPS_FALLBACK=1`, `accelerate.num_processes=1`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.config.flags import (
    Flags,
    FlagValue,
    launcher_flags,
    merged,
    plain_name,
    read_flags,
    typed_value,
    with_flags,
    with_launcher_flags,
)
from runner.config.hiding import shown_value
from runner.config.model import Config
from runner.model import AttemptPlan
from runner.model.preview import FlagChange

ENV, ACCELERATE = "env.", "accelerate."
#: not settable by `accelerate.X`: set by plasma-tui itself, or not a launcher flag
_BAD = "{!r} is not a setting: write FLAG=VALUE, for example cache_latents=true"


@dataclass(frozen=True, slots=True)
class Changes:
    """`train`: flags of the script, False removes one; `env`: variables, None removes one;
    `accelerate`: flags of the launcher."""

    train: Mapping[str, FlagValue] = field(default_factory=dict)
    env: Mapping[str, str | None] = field(default_factory=dict)
    accelerate: Mapping[str, FlagValue] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.train or self.env or self.accelerate)

    @property
    def words(self) -> tuple[str, ...]:
        """As `read_changes` reads them back."""
        return (
            *(f"{name}={flag_text(value)}" for name, value in self.train.items()),
            *(f"{ENV}{name}={value or ''}" for name, value in self.env.items()),
            *(f"{ACCELERATE}{name}={flag_text(value)}" for name, value in self.accelerate.items()),
        )

    def over(self, earlier: Changes) -> Changes:
        """These applied after `earlier`; the later one wins."""
        return Changes(
            {**earlier.train, **self.train},
            {**earlier.env, **self.env},
            {**earlier.accelerate, **self.accelerate},
        )


def read_changes(words: Sequence[str]) -> Changes:
    """Raises ValueError with a sentence for an invalid setting."""
    train: dict[str, FlagValue] = {}
    env: dict[str, str | None] = {}
    accelerate: dict[str, FlagValue] = {}
    for word in words:
        name, sign, text = word.partition("=")
        name = name.strip()
        if not sign or not plain_name(name):
            raise ValueError(_BAD.format(word))
        if name.startswith(ENV):
            env[name.removeprefix(ENV)] = text or None
        elif name.startswith(ACCELERATE):
            accelerate[plain_name(name.removeprefix(ACCELERATE))] = flag_value_of(text)
        else:
            train[plain_name(name)] = flag_value_of(text)
    return Changes(train, env, accelerate)


def flag_value_of(text: str) -> FlagValue:
    """As `typed_value`, items of a list as text or numbers."""
    value: FlagValue | list[Any] = typed_value(text)
    if isinstance(value, list):
        return tuple(one if isinstance(one, int | float | str) else str(one) for one in value)
    return value


def flag_text(value: FlagValue) -> str:
    """A value as typed after `=`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        inner = ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in value)
        return f"[{inner}]"
    return str(value)


def applied(plan: AttemptPlan, changes: Changes) -> AttemptPlan:
    """The plan with these settings. Raises ValueError if the command cannot take them."""
    command = plan.command
    if changes.train:
        command = with_flags(command, changes.train)
    if changes.accelerate:
        command = with_launcher_flags(command, changes.accelerate)
    return replace(plan, command=command, env={**plan.env, **changes.env})


def changed_config(config: Config, changes: Changes) -> Config:
    """The configuration with these settings."""
    changed = config.changed(changes.train)
    env = {**changed.trainer.env, **changes.env}
    kept = {name: value for name, value in env.items() if value is not None}
    return replace(
        changed,
        trainer=replace(changed.trainer, env=kept),
        accelerate=merged(changed.accelerate, changes.accelerate),
    )


def differences(
    before: AttemptPlan, after: AttemptPlan, hidden: Sequence[str] = ()
) -> tuple[FlagChange, ...]:
    """What `after` sets differently, script flags first; `hidden`: names not worth a line."""
    sides: tuple[tuple[str, Flags, Flags], ...] = (
        ("", read_flags(before.command), read_flags(after.command)),
        (ACCELERATE, launcher_flags(before.command), launcher_flags(after.command)),
        (ENV, _variables(before), _variables(after)),
    )
    found = (
        _change(f"{prefix}{name}", old.get(name), new.get(name))
        for prefix, old, new in sides
        for name in dict.fromkeys((*old, *new))
    )
    return tuple(one for one in found if one is not None and one.name not in hidden)


def _variables(plan: AttemptPlan) -> Flags:
    return {name: value for name, value in sorted(plan.env.items()) if value is not None}


def _change(name: str, before: FlagValue | None, after: FlagValue | None) -> FlagChange | None:
    """With secrets hidden, for display; None: no change."""
    was, is_now = (
        None if one is None or one is False else flag_text(one) for one in (before, after)
    )
    if was == is_now:
        return None
    was, is_now = (None if one is None else shown_value(name, one) for one in (was, is_now))
    return FlagChange(name, was, is_now)
