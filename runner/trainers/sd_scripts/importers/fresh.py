"""A plasma.toml for users without a command yet: from what was found, and a few answers. What `init`
without --from and the screen use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.flags import FlagValue
from runner.trainers.sd_scripts.importers.find import Context, Found
from runner.trainers.sd_scripts.importers.model import Draft, Imported
from runner.trainers.sd_scripts.importers.project import (
    ProjectFiles,
    dataset_section,
    look_at_project,
)
from runner.trainers.sd_scripts.importers.refine import with_expectations
from runner.trainers.sd_scripts.importers.write import imported

#: the usual start of a LoRA: rank 32, alpha half of it, 1e-4
_LEARNING: dict[str, FlagValue] = {
    "max_train_epochs": 4,
    "save_every_n_epochs": 1,
    "save_state": True,
    "seed": 42,
    "network_module": "networks.lora",
    "network_dim": 32,
    "network_alpha": 16,
    "learning_rate": "1e-4",
    "optimizer_type": "AdamW",
    "gradient_checkpointing": True,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """The user's choices; None: not asked or unknown."""

    sd_scripts: Path | None = None
    python: str | None = None
    model: str | None = None
    name: str | None = None


def suggested(found: Found, project: Path) -> Answers:
    """Defaults without questions. A base model is only ever suggested: the intended one cannot be
    determined."""
    python = found.python_for(found.checkout)
    return Answers(found.checkout, None if python is None else str(python), None, _name(project))


def _name(project: Path) -> str:
    return re.sub(r"[^\w.-]+", "_", project.name).strip("_") or "lora"


def new_project(answers: Answers | None = None, *, context: Context) -> Imported:
    """`answers` None: use what was found. Unknown values are in the text as comments that say what is missing
    (see `missing_of`)."""
    found, project = context.found, context.project
    chosen = answers or suggested(found, project)
    files = look_at_project(project)
    train: dict[str, FlagValue] = {}
    missing: dict[str, str] = {}
    if chosen.model:
        train["pretrained_model_name_or_path"] = chosen.model
    dataset = None
    if files.dataset_configs:  # kept in place
        train["dataset_config"] = str(files.dataset_configs[0])
    elif files.images:
        train["dataset_config"] = str(project / "dataset.toml")
        dataset = dataset_section(files, project)
    else:
        missing["dataset_config"] = "the dataset TOML (no images were found in this folder)"
    half, mps = found.device == "cuda", found.device == "mps"
    train |= {
        "output_dir": str(project / "output"),
        "output_name": chosen.name or _name(project),
        **_LEARNING,
        "mixed_precision": "fp16" if half else "no",
        "save_precision": "fp16" if half else "float",
        **({"no_half_vae": True} if mps else {}),
    }
    draft = Draft(
        source="what was found on this machine",
        train=train,
        sd_scripts=chosen.sd_scripts,
        python=chosen.python,
        env={"PYTORCH_ENABLE_MPS_FALLBACK": "1"} if mps else {},
        accelerate={"num_cpu_threads_per_process": 4},
        smoke={"max_train_steps": 5},
        expect=_expect(found, files),
        dataset=dataset,
        missing=missing,
        notes=tuple(
            f"{one.path}: {one.problem}"
            for one in found.sd_scripts
            if one.path == chosen.sd_scripts and one.problem
        ),
    )
    return imported(with_expectations(draft, context), context)


def _expect(found: Found, files: ProjectFiles) -> dict[str, Any]:
    known = {
        "device": found.device,
        "images": 0 if files.dataset_configs else files.images,
        "trigger": files.trigger,
    }
    return {name: value for name, value in known.items() if value}


def missing_of(config_text: str) -> list[str]:
    """What a generated text still lacks: `name: what it is`, in the order of the text."""
    lacking = re.findall(r'^# (\S+) = "\.\.\."  # missing: (.*)$', config_text, re.M)
    return [f"{name}: {what}" for name, what in lacking]
