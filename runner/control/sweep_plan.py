"""The runs of a sweep: settings with several values, every combination of them, a name for each. Pure.

`--set learning_rate=1e-4,5e-5`: a comma separates values unless it is inside quotes or brackets, so
`'optimizer_args="a=1,b=2","a=2"'` and `'optimizer_args=["a=1","b=2"],["a=2"]'` have two values each.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from runner.config.flags import FlagValue, plain_name
from runner.config.hiding import is_secret, shown_value
from runner.control.changes import ACCELERATE, ENV, flag_text, flag_value_of

#: a longer list is likelier a typo than a plan for the night
MOST_RUNS = 200
#: characters of one value, and of all of them, in a run's name; bytes of the name before them
VALUE_CHARACTERS, SUFFIX_CHARACTERS, BASE_BYTES = 16, 48, 120
#: what a sweep sets itself, and why it takes one value
_FOLDER = "all runs of a sweep write into one folder"
OWN = {
    "output_name": "each run's name begins with it", "output_dir": _FOLDER, "logging_dir": _FOLDER
}  # fmt: skip
#: how users abbreviate these flags; others are cut to SHORT_CHARACTERS
SHORT = {
    "learning_rate": "lr", "unet_lr": "unet", "text_encoder_lr": "te", "network_dim": "dim",
    "network_alpha": "alpha", "network_dropout": "drop", "max_train_steps": "steps",
    "max_train_epochs": "ep", "train_batch_size": "batch", "gradient_accumulation_steps": "accum",
    "lr_scheduler": "sched", "lr_warmup_steps": "warmup", "optimizer_type": "opt",
    "optimizer_args": "args", "network_args": "netargs",
    "noise_offset": "noise", "min_snr_gamma": "snr", "resolution": "res", "network_module": "net",
    "pretrained_model_name_or_path": "base", "dataset_config": "data", "mixed_precision": "mp",
    "caption_dropout_rate": "capdrop", "max_grad_norm": "grad", "prior_loss_weight": "prior",
}  # fmt: skip
SHORT_CHARACTERS = 12
_UNFIT = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True, slots=True)
class Setting:
    """One `--set`: `values` as typed, without the quotes around them."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """`suffix`: what its name adds to the base name; `settings`: those with several values, (name, value) in
    the order given; `words`: all settings, each as `read_changes` reads it."""

    suffix: str
    settings: tuple[tuple[str, str], ...]
    words: tuple[str, ...]


def read_sweep(words: Sequence[str]) -> tuple[Setting, ...]:
    """`FLAG=VALUE,VALUE`; also env.NAME and accelerate.NAME. Raises ValueError with a sentence."""
    found: dict[str, Setting] = {}
    for word in words:
        typed, sign, text = word.partition("=")
        name = _name(typed.strip())
        if not sign or not name:
            raise ValueError(
                f"{word!r} is not a setting: write FLAG=VALUE,VALUE, for example learning_rate=1e-4,5e-5"
            )
        if name in found:
            raise ValueError(f"{name} is set twice: give all of its values in one --set")
        setting = Setting(name, _values(name, text))
        if len(setting.values) > 1 and name in OWN:
            raise ValueError(f"{name} has one value: {OWN[name]}")
        if len(setting.values) > 1 and is_secret(name.rpartition(".")[2]):
            raise ValueError(
                f"{name} is a secret, and its values would be in the names of the runs"
            )
        found[name] = setting
    if all(len(one.values) == 1 for one in found.values()):
        raise ValueError(
            "nothing to combine: give a setting two or more values, for example --set learning_rate=1e-4,5e-5"
        )
    return tuple(found.values())


def _name(typed: str) -> str:
    if typed.startswith(ENV):
        return typed if typed != ENV else ""
    prefix = ACCELERATE if typed.startswith(ACCELERATE) else ""
    name = plain_name(typed.removeprefix(prefix))
    return f"{prefix}{name}" if name else ""


def _values(name: str, text: str) -> tuple[str, ...]:
    parts = [part.strip() for part in split_values(name, text)]
    if not all(parts):
        raise ValueError(
            f"{name} has an empty value: remove a comma, or write false to remove the flag"
        )
    seen: dict[object, str] = {}
    for part in parts:
        key = shown(part) if name.startswith(ENV) else _key(flag_value_of(part))
        if key in seen:
            both = " and ".join(shown_value(name, one) for one in (seen[key], part))
            raise ValueError(f"{name} has the same value twice: {both}")
        seen[key] = part
    return tuple(parts)


def _key(value: FlagValue) -> object:
    """Equal if the trainer gets the same: 1e-4 and 0.0001; 16, "16" and ["16"]."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        value = flag_value_of(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else flag_text(value)


def split_values(name: str, text: str) -> list[str]:
    """At commas outside quotes and brackets. A quote counts at the start of a value or in brackets only: an
    apostrophe is text. Raises ValueError for a quote or bracket without its end."""
    parts, part, closing = [""], "", list[str]()
    escaped = False
    for character in text:
        quoted = bool(closing) and closing[-1] in "\"'"
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\" and closing[-1] == '"'
            if character == closing[-1]:
                closing.pop()
        elif character in "\"'" and (closing or not part.strip()):
            closing.append(character)
        elif character == "[":
            closing.append("]")
        elif closing and character == closing[-1]:
            closing.pop()
        elif character == "," and not closing:
            parts.append("")
            part = ""
            continue
        part += character
        parts[-1] = part
    if closing:
        value = shown_value(name, parts[-1].strip())
        raise ValueError(f"{name} has a value without its closing {closing[-1]}: {value}")
    return parts


def combinations(settings: Sequence[Setting]) -> tuple[Combination, ...]:
    """Every combination, the last setting changing first. Raises ValueError if there are too many."""
    number = math.prod(len(one.values) for one in settings)
    if number > MOST_RUNS:
        sizes = " x ".join(str(len(one.values)) for one in settings if len(one.values) > 1)
        raise ValueError(f"{sizes} values are {number} runs: a sweep has at most {MOST_RUNS}")
    chosen = [
        tuple(zip(settings, values, strict=True))
        for values in itertools.product(*(one.values for one in settings))
    ]
    varied = [
        tuple((setting.name, shown(value)) for setting, value in one if len(setting.values) > 1)
        for one in chosen
    ]
    suffixes = _suffixes(varied)
    return tuple(
        Combination(suffix, some, tuple(_word(setting.name, value) for setting, value in one))
        for suffix, some, one in zip(suffixes, varied, chosen, strict=True)
    )


def _word(name: str, value: str) -> str:
    """A variable's value is taken as it is, quotes included; a flag's is read as TOML."""
    return f"{name}={shown(value) if name.startswith(ENV) else value}"


def shown(value: str) -> str:
    """A value without the quotes that kept its commas together."""
    if value[:1] not in ("'", '"'):
        return value
    return flag_text(flag_value_of(value))


# ----------------------------------------------------------------- names


def named(base: str, suffix: str) -> str:
    """A file name: long ones lose the end of their base, never what distinguishes the runs."""
    kept = base.encode()[:BASE_BYTES].decode(errors="ignore").rstrip()
    return f"{kept}-{suffix}" if kept else suffix


def _suffixes(varied: Sequence[tuple[tuple[str, str], ...]]) -> list[str]:
    """One for each combination. Those that are cut or would be equal, also on a disk that ignores case, get a
    short digest of their settings: the same one each time, so a second sweep finds the files of the first."""
    plain = ["-".join(_part(name, value) for name, value in one) for one in varied]
    often = Counter(text.casefold() for text in plain)
    for digits in (4, 8, 16):
        found = [
            f"{text[:SUFFIX_CHARACTERS].rstrip('-.')}-{_digest(one, digits)}"
            if len(text) > SUFFIX_CHARACTERS or often[text.casefold()] > 1
            else text
            for text, one in zip(plain, varied, strict=True)
        ]
        if len({text.casefold() for text in found}) == len(found):
            break
    return found


def _part(name: str, value: str) -> str:
    """`lr1e-4`, `sched-cosine`, `flip-true`."""
    plain = name.rpartition(".")[2]
    short = SHORT.get(name) or _UNFIT.sub("", plain.replace("_", ""))[:SHORT_CHARACTERS]
    text = PurePath(value).stem if "/" in value else value
    text = _UNFIT.sub("-", text).strip("." if text.startswith("-") else "-.")
    text = text[:VALUE_CHARACTERS].rstrip("-.") or "x"
    return f"{short}{'' if text[0].isdigit() or text[0] == '-' else '-'}{text}"


def _digest(settings: tuple[tuple[str, str], ...], digits: int) -> str:
    text = "\n".join(f"{name}={value}" for name, value in settings)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
