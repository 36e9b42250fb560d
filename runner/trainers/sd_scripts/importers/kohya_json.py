"""A kohya_ss configuration (the JSON its window saves) as a draft of plasma.toml.

kohya_ss v26 turns the fields into a TOML for --config_file: what is empty, false or 0 is left out,
and some fields decide about others. The same is done here, with flags.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.flags import FlagValue
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.flag_words import flag_value, read_flag_words, unwritable
from runner.trainers.sd_scripts.importers.kohya_fields import FIELDS, network
from runner.trainers.sd_scripts.importers.model import (
    Draft,
    Field,
    ImportRefused,
    NewFile,
    with_paths,
)

PROMPTS_NAME = "sample_prompts.txt"


class _Number(str):
    """A JSON float in its own words."""

    __slots__ = ()


def read_kohya_json(text: str, *, source: str, folder: Path, project: Path, found: Found) -> Draft:
    """`folder`: where relative paths start; `project`: where the prompt file will be written.
    Raises ImportRefused."""
    try:
        values = json.loads(text, parse_float=_Number)
    except (json.JSONDecodeError, RecursionError) as error:
        place = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        said = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
        raise ImportRefused(f"{source}{place}: no valid JSON ({said}); save it anew") from None
    if not isinstance(values, dict) or not values.keys() & {"LoRA_type", "network_dim"}:
        raise ImportRefused(
            f"{source} is no LoRA configuration of kohya_ss (no LoRA_type in it); give the JSON that "
            "its LoRA tab saves"
        )
    return _Reader(values, source, folder, project, found).draft()


@dataclass(slots=True)
class _Reader:
    values: Mapping[str, Any]
    source: str
    folder: Path
    project: Path
    found: Found
    flags: dict[str, FlagValue] = field(default_factory=dict)
    accelerate: dict[str, FlagValue] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[NewFile] = field(default_factory=list)
    uncertain: set[str] = field(default_factory=set)

    def draft(self) -> Draft:
        boxes = [box for box, _, _ in FIELDS.models if self.on(box)]
        box = boxes[0] if boxes else ""
        scripts = {name: script for name, script, _ in FIELDS.models}
        self.plain_fields(box)
        self.network(box)
        self.length()
        self.rates(box)
        self.special_fields(box)
        self.launcher()
        self.additional()
        checkout = self.found.sd_scripts[0].path if self.found.sd_scripts else None
        python = self.found.python_for(checkout)
        return Draft(
            source=self.source,
            train=with_paths(self.flags, self.folder),
            sd_scripts=checkout,
            python=None if python is None else str(python),
            script=scripts.get(box, "train_network.py"),
            accelerate=self.accelerate,
            smoke={"max_train_steps": 5},
            files=tuple(self.files),
            uncertain=frozenset(self.uncertain & self.flags.keys()),
            unmapped=tuple(self.unmapped),
            notes=tuple(self.notes),
        )

    def text(self, name: str) -> str:
        """A field as text; whole floats (64.0) as whole numbers, "" when it is not set."""
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            whole, dot, rest = value.partition(".")
            number = isinstance(value, _Number) or whole.lstrip("-").isdigit()
            return whole if number and dot and rest and not rest.strip("0") else value.strip()
        return str(value)

    def on(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "1")

    def number(self, name: str) -> float:
        try:
            return float(self.text(name) or 0)
        except ValueError:
            return 0.0

    def put(self, name: str, text: str) -> None:
        """A flag from a field's text, unless it means "not set"."""
        if text in ("", "False") or (_is_zero(text) and name not in FIELDS.zero_counts):
            return
        if text == "True":
            self.flags[name] = True
            return
        texts = text.replace('"', "").split() if name in FIELDS.lists else [text]
        if refusal := unwritable(name, texts):
            self.unmapped.append(f"{name} = {text}: {refusal}")
        else:
            self.flags[name] = flag_value(name, texts)

    def plain_fields(self, box: str) -> None:
        """Fields that are flags of the same name, or of one model's."""
        special = FIELDS.own | FIELDS.accelerate | FIELDS.network
        special |= {checkbox for checkbox, _, _ in FIELDS.models}
        foreign = tuple(prefix for name, _, prefix in FIELDS.models if name != box)
        for name, value in self.values.items():
            if name in special or name.startswith(foreign) or not self.counts(name, box):
                continue
            if isinstance(value, dict | list):
                if value:
                    self.unmapped.append(f"{name} = {value}: not understood")
                continue
            flag = self.flag_name(name, box)
            self.put(flag, self.text(name))
            if flag not in FIELDS.plain:
                self.uncertain.add(flag)

    def counts(self, name: str, box: str) -> bool:
        """Is the field looked at for this model and kind of noise?"""
        kind = self.text("noise_offset_type")
        wrong_noise = kind and FIELDS.noise.get(name, kind) != kind
        default = name == "max_token_length" and self.text(name) == "75"
        return FIELDS.counts_for(name, box) and not (wrong_noise or default)

    def flag_name(self, name: str, box: str) -> str:
        if name in FIELDS.renamed_for_model:
            return FIELDS.renamed_for_model[name]
        prefix = next((prefix for one, _, prefix in FIELDS.models if one == box), None)
        if prefix and name.startswith(prefix):
            return name.removeprefix(prefix)
        return FIELDS.renamed.get(name, name)

    def network(self, box: str) -> None:
        kind = self.text("LoRA_type") or "Standard"
        told = network(kind, self.text, sd3=box == "sd3_checkbox")
        if told is None:
            self.unmapped.append(f"LoRA_type = {kind}: not known; set network_module yourself")
            return
        self.flags["network_module"], arguments = told
        if arguments:
            self.flags["network_args"] = tuple(arguments)

    def length(self) -> None:
        """Epochs win over steps; with neither the window counts in `epoch`."""
        epochs, steps = self.number("max_train_epochs"), self.number("max_train_steps")
        if epochs > 0:
            self.flags["max_train_epochs"] = int(epochs)
        elif steps > 0:
            self.flags["max_train_steps"] = int(steps)
        elif self.text("dataset_config"):
            self.notes.append(
                "no max_train_steps and no max_train_epochs: with a dataset TOML `epoch` counts for "
                "nothing, and sd-scripts trains its default of 1600 steps"
            )
        elif (epoch := self.number("epoch")) > 0:
            self.flags["max_train_epochs"] = int(epoch)
            self.notes.append(
                f"epoch = {int(epoch)} becomes max_train_epochs; kohya_ss would have worked out "
                "max_train_steps, without the rounding of buckets"
            )
        if (warmup := self.number("lr_warmup_steps")) > 0:
            self.flags["lr_warmup_steps"] = int(warmup)
        elif share := self.number("lr_warmup"):
            self.put("lr_warmup_steps", f"{share / 100:g}")

    def rates(self, box: str) -> None:
        unet, text_encoder = self.number("unet_lr"), self.number("text_encoder_lr")
        t5xxl = self.number("t5xxl_lr")
        self.put("unet_lr", self.text("unet_lr"))
        if text_encoder > 0:
            second = "t5xxl_lr" if t5xxl > 0 else "text_encoder_lr"
            texts = [self.text("text_encoder_lr"), self.text(second)]
            self.flags["text_encoder_lr"] = flag_value("text_encoder_lr", texts)
        if box == "hunyuan_image_checkbox" or (text_encoder == 0 and unet != 0):
            self.flags["network_train_unet_only"] = True
        elif text_encoder != 0 and unet == 0:
            self.flags["network_train_text_encoder_only"] = True

    def special_fields(self, box: str) -> None:
        attention = self.text("xformers")
        if attention in ("xformers", "True"):
            self.flags["xformers"] = True
        elif attention == "sdpa":
            self.flags["sdpa"] = True
        if box == "sdxl" and self.on("sdxl_no_half_vae"):
            self.flags["no_half_vae"] = True
        if self.on("use_8bit_adam"):
            self.flags.setdefault("optimizer_type", "AdamW8bit")
        if self.on("use_wandb"):
            self.flags.setdefault("log_with", "wandb")
        if "lr_scheduler_num_cycles" not in self.flags and self.number("epoch") > 1:
            self.flags["lr_scheduler_num_cycles"] = int(self.number("epoch"))
        if "train_inpainting" in self.flags and "cache_latents" in self.flags:
            for name in ("cache_latents", "cache_latents_to_disk"):
                self.flags.pop(name, None)
            self.notes.append("cache_latents is left out: it cannot go with train_inpainting")
        if box == "anima_checkbox" and self.flags.get("attn_mode") == "torch":
            del self.flags["attn_mode"]
        if self.flags.get("model_type") not in (None, "chroma"):
            del self.flags["model_type"]
        if not self.text("caption_extension") and not self.text("dataset_config"):
            self.notes.append("no caption_extension: sd-scripts then looks for .caption files")
        self.prompts()

    def prompts(self) -> None:
        """The window holds the prompts themselves, sd-scripts wants a file."""
        text = str(self.values.get("sample_prompts") or "").strip()
        if text:
            self.files.append(NewFile(PROMPTS_NAME, f"{text}\n"))
            self.flags["sample_prompts"] = str(self.project / PROMPTS_NAME)

    def launcher(self) -> None:
        precision = self.text("mixed_precision")
        if precision:
            self.flags["mixed_precision"] = precision
        for name in sorted(FIELDS.accelerate):
            text = self.text(name)
            if text in ("", "False") or (_is_zero(text) and name != "gpu_ids"):
                continue
            self.accelerate[name] = True if text == "True" else flag_value(name, [text])
        extra = self.text("extra_accelerate_launch_args").replace('"', "").split()
        told = read_flag_words(map(Field, extra))
        self.accelerate.update(told.flags)
        self.unmapped += [f"extra_accelerate_launch_args: {text}" for text in told.unmapped]

    def additional(self) -> None:
        """Words that are put behind everything else."""
        told = read_flag_words(
            map(Field, self.text("additional_parameters").replace('"', "").split())
        )
        self.flags.update(told.flags)
        self.unmapped += [f"additional_parameters: {text}" for text in told.unmapped]


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0
    except ValueError:
        return False
