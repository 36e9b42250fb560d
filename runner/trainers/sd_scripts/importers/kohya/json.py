"""A kohya_ss configuration (the JSON saved by its GUI) as a draft of plasma.toml.

kohya_ss v26 (`train_model` in lora_gui.py) shows its own default in a field that the file does not have, and
converts the fields to a TOML for --config_file: empty, false or 0 is left out, and some fields depend on
others. The same is done here, with flags. Fields are described in `window.toml`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.flags import FlagValue
from runner.trainers.sd_scripts.importers.command_line import (
    FlagWords,
    draft_of,
    flag_value,
    read_flag_words,
)
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.kohya.fields import (
    FIELDS,
    is_on,
    is_zero,
    number,
    of_this_version,
)
from runner.trainers.sd_scripts.importers.model import (
    Draft,
    Field,
    ImportRefused,
    NewFile,
    plain_text,
)

PROMPTS_NAME = "sample_prompts.txt"
_SAMPLES = ("sample_every_n_steps", "sample_every_n_epochs")
#: of the first versions, which saved no LoRA_type
_LORA_TAB = frozenset({"epoch", "network_dim"})
_LORAPLUS = ("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio")
#: LyCORIS' name of a field
_LYCORIS_NAMES = {"unit": "block_size", "constrain": "constraint"}


def read_kohya_json(values: Any, source: str, folder: Path, where: Context) -> Draft:
    """`values`: the parsed file; `folder`: where relative paths start. Raises ImportRefused."""
    lora = isinstance(values, dict) and ("LoRA_type" in values or values.keys() >= _LORA_TAB)
    if not lora:
        raise ImportRefused(
            f"{source} is not a LoRA configuration of kohya_ss (no LoRA_type in it); use the JSON "
            "saved by its LoRA tab"
        )
    given = of_this_version(values)
    reader = _Reader({**FIELDS.defaults, **given})
    models = [model for model in FIELDS.models if reader.on(model[0])]
    reader.box, script, reader.prefix = models[0] if models else ("", "train_network.py", "")
    reader.read(given.keys())
    files: tuple[NewFile, ...] = ()
    if prompts := reader.text("sample_prompts"):
        # The GUI has the prompts themselves, sd-scripts needs a file.
        files = (NewFile(PROMPTS_NAME, f"{prompts}\n"),)
        reader.told.flags["sample_prompts"] = str(where.project / PROMPTS_NAME)
    reader.told.flags.update(reader.words("additional_parameters"))
    reader.samples()
    return draft_of(
        reader.told,
        source,
        folder,
        where.found,
        script=script,
        accelerate=reader.accelerate,
        files=files,
        uncertain=frozenset(reader.uncertain & reader.told.flags.keys()),
    )


@dataclass(slots=True)
class _Reader:
    """`box`: the checkbox of the model, "" for SD 1.x and 2.x; `prefix`: of its fields."""

    values: Mapping[str, Any]
    box: str = ""
    prefix: str = ""
    told: FlagWords = field(default_factory=FlagWords)
    accelerate: dict[str, FlagValue] = field(default_factory=dict)
    uncertain: set[str] = field(default_factory=set)

    def read(self, given: Collection[str]) -> None:
        """`given`: the fields of the file; the others are defaults."""
        self.plain_fields(given)
        self.network()
        self.length("max_train_steps" in given)
        self.rates()
        self.special_fields()
        self.launcher()

    def text(self, name: str) -> str:
        """A field as text; "" if not set."""
        return plain_text(self.values.get(name, ""))

    def on(self, name: str) -> bool:
        return is_on(self.values.get(name))

    def number(self, name: str) -> float:
        return number(self.text(name)) or 0.0

    def whole(self, name: str) -> int:
        return int(self.number(name))

    def put(self, name: str, text: str) -> None:
        """A flag from a field's text, unless it means "not set"."""
        if text in ("", "False") or (is_zero(text) and name not in FIELDS.zero_counts):
            return
        texts = text.replace('"', "").split() if name in FIELDS.lists else [text]
        self.told.put(name, [] if text == "True" else texts, f"{name} = {text}")

    def words(self, name: str) -> dict[str, FlagValue]:
        """The flags of a field with command line text."""
        told = read_flag_words(map(Field, self.text(name).replace('"', "").split()))
        self.told.unmapped += [f"{name}: {text}" for text in told.unmapped]
        return told.flags

    def plain_fields(self, given: Collection[str]) -> None:
        """Fields that are flags of the same name, or of one model's."""
        added: set[str] = set()
        special = FIELDS.own | FIELDS.accelerate | FIELDS.network
        special |= {box for box, *_ in FIELDS.models}
        foreign = tuple(prefix for *_, prefix in FIELDS.models if prefix != self.prefix)
        for name, value in self.values.items():
            if name in special or name.startswith(foreign) or not self.counts(name):
                continue
            if isinstance(value, dict | list):
                self.told.unmapped += [f"{name} = {value}: not recognized"] if value else []
                continue
            flag = FIELDS.renamed_for_model.get(name)
            if flag is None:
                plain = name.removeprefix(self.prefix)
                flag = plain if plain != name else FIELDS.renamed.get(name, name)
            self.put(flag, self.text(name))
            if flag not in FIELDS.plain:
                self.uncertain.add(flag)
            if name in given:
                added.discard(flag)
            elif flag in self.told.flags:
                added.add(flag)
        if added:
            names = ", ".join(sorted(added))
            self.told.notes.append(f"not in the file, set to the defaults of kohya_ss: {names}")

    def counts(self, name: str) -> bool:
        """Is the field used for this model and kind of noise?"""
        models = (row.models for row in FIELDS.only_for if name in row.fields)
        noise = self.text("noise_offset_type")
        return (
            self.box in next(models, (self.box,))
            and self.box not in FIELDS.not_for.get(name, ())
            and FIELDS.noise.get(name, noise) == noise
            and self.text(FIELDS.needs.get(name, name)) not in ("", "False")
            and self.text(name) != FIELDS.trainer_default.get(name)
        )

    def network(self) -> None:
        """--network_module and --network_args, as kohya_ss passes them for the type."""
        kind = self.text("LoRA_type")
        chosen = FIELDS.types.get("LyCORIS/LoCon" if kind == "LoCon" else kind)
        if chosen is None:
            what = f"LoRA_type = {kind}: unknown; set network_module yourself"
            self.told.unmapped.append(what)
            return
        fits = FIELDS.fits.get(self.box, (kind,))
        if not kind.startswith(fits) or self.box not in FIELDS.only_with.get(kind, (self.box,)):
            with_ = f"with {self.box}" if self.box else "for SD 1.x and 2.x"
            self.told.notes.append(f"kohya_ss does not start LoRA_type = {kind} {with_}")
        sd3 = chosen.module == "networks.lora" and self.box == "sd3_checkbox"
        self.told.flags["network_module"] = "networks.lora_sd3" if sd3 else chosen.module
        algorithm = chosen.algorithm
        preset = self.text("LyCORIS_preset")
        arguments = (
            *([f"preset={preset}"] if algorithm else []),
            *self.always(chosen.always),
            *self.by_own_rules(kind),
            *self.given(chosen.arguments),
            *([f"algo={algorithm}"] if algorithm else []),
            *self.given(_LORAPLUS),
        )
        if arguments:
            self.told.flags["network_args"] = arguments

    def by_own_rules(self, kind: str) -> list[str]:
        if kind in ("Kohya LoHa", "Kohya LoKr"):
            conv = self.always(("conv_dim", "conv_alpha")) if self.given(["conv_dim"]) else []
            factor = kind == "Kohya LoKr" and self.text("factor") != "-1"
            return [*conv, *(self.given(["factor"]) if factor else [])]
        if kind == "Flux1":
            ggpo = ("ggpo_sigma", "ggpo_beta") if self.on("train_lora_ggpo") else ()
            single = ["train_blocks=single"] if self.on("split_mode") else []
            return [*self.given(ggpo), *single, *self.given(("split_qkv", "train_t5xxl"))]
        return []

    def given(self, names: Iterable[str]) -> list[str]:
        texts = ((name, self.text(name)) for name in names)
        return [f"{name}={text}" for name, text in texts if text not in ("", "0", "False")]

    def always(self, names: Iterable[str]) -> list[str]:
        return [f"{_LYCORIS_NAMES.get(name, name)}={self.text(name) or 'False'}" for name in names]

    def length(self, has_steps: bool) -> None:
        """Epochs win over steps; without both the GUI counts in `epoch`, except with a dataset TOML."""
        flags, notes = self.told.flags, self.told.notes
        epoch, processes = self.whole("epoch"), max(self.whole("num_processes"), 1)
        epochs, steps = self.whole("max_train_epochs"), self.whole("max_train_steps")
        dataset = self.text("dataset_config")
        if epochs > 0:
            flags["max_train_epochs"] = epochs
        elif steps > 0:
            flags["max_train_steps"] = steps
            if not has_steps and not dataset:
                notes.append(
                    f"no max_train_steps in the file: kohya_ss then trains {steps} steps and ignores "
                    f"epoch = {epoch}; replace it by max_train_epochs to count epochs"
                )
        elif dataset:
            notes.append(
                "no max_train_steps and no max_train_epochs: with a dataset TOML `epoch` is "
                "ignored, and sd-scripts trains its default of 1600 steps"
            )
        elif epoch > 0:
            flags["max_train_epochs"] = epoch * processes
            many = f" x {processes} processes (its steps are those of one process)"
            notes.append(
                f"epoch = {epoch}{many if processes > 1 else ''} becomes max_train_epochs; kohya_ss "
                "would compute max_train_steps, without bucket rounding"
            )
        self.warmup(steps if dataset else None)

    def warmup(self, steps: int | None) -> None:
        """In steps or as a share. `steps`: those of the training with a dataset TOML, else None."""
        count, share = self.whole("lr_warmup_steps"), self.number("lr_warmup")
        if steps is not None and steps <= 0:
            count = 0
        elif steps is not None and count <= 0:
            count, share = round(share * steps / 100), 0
        if count > 0:
            self.told.flags["lr_warmup_steps"] = count
        else:
            self.put("lr_warmup_steps", f"{share / 100:g}")

    def rates(self) -> None:
        flags = self.told.flags
        unet, text_encoder = self.number("unet_lr"), self.number("text_encoder_lr")
        self.put("unet_lr", self.text("unet_lr"))
        if text_encoder > 0:
            second = "t5xxl_lr" if self.number("t5xxl_lr") > 0 else "text_encoder_lr"
            texts = [self.text("text_encoder_lr"), self.text(second)]
            flags["text_encoder_lr"] = flag_value("text_encoder_lr", texts)
        if self.box == "hunyuan_image_checkbox" or (text_encoder == 0 and unet != 0):
            flags["network_train_unet_only"] = True
        elif text_encoder != 0 and unet == 0:
            flags["network_train_text_encoder_only"] = True

    def special_fields(self) -> None:
        flags, notes = self.told.flags, self.told.notes
        attention = self.text("xformers").replace("True", "xformers")
        if attention in ("xformers", "sdpa"):
            flags[attention] = True
        if self.box == "sdxl" and self.on("sdxl_no_half_vae"):
            flags["no_half_vae"] = True
        if "log_with" in flags and "output_name" in flags:
            flags.setdefault("wandb_run_name", flags["output_name"])
        if "train_inpainting" in flags and "cache_latents" in flags:
            del flags["cache_latents"]
            flags.pop("cache_latents_to_disk", None)
            notes.append("cache_latents is left out: it cannot be combined with train_inpainting")
        if str(flags.pop("model_type", "")).lower() == "chroma":
            flags["model_type"] = "chroma"  # it has no CLIP, and requires the other two
            flags.pop("clip_l", None)
            flags["apply_t5_attn_mask"] = True
            flags["guidance_scale"] = flag_value("guidance_scale", [self.text("guidance_scale")])
        if not self.text("caption_extension") and not self.text("dataset_config"):
            notes.append("no caption_extension: sd-scripts then reads .caption files")

    def samples(self) -> None:
        """With an empty prompt file, that of kohya_ss, there are no samples; without one the trainer fails."""
        flags = self.told.flags
        drawn = [name for name in _SAMPLES if name in flags]
        if drawn and "sample_prompts" not in flags:
            for name in drawn:
                del flags[name]
            self.told.notes.append(f"no sample_prompts, so no samples: {', '.join(drawn)} left out")

    def launcher(self) -> None:
        if precision := self.text("mixed_precision"):
            self.told.flags["mixed_precision"] = precision
        self.accelerate.update(self.words("extra_accelerate_launch_args"))  # the fields come last
        for name in sorted(FIELDS.accelerate):
            text = self.text(name)
            if text in ("", "False") or (is_zero(text) and name != "gpu_ids"):
                continue
            self.accelerate[name] = True if text == "True" else flag_value(name, [text])
