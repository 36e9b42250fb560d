"""A plasma.toml for someone who has no command yet: from what was found, and a few answers. What `init`
without --from and the screen use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.flags import FlagValue
from runner.trainers.sd_scripts.importers.files import Context
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.model import Draft, Imported
from runner.trainers.sd_scripts.importers.project import (
    ProjectFiles,
    dataset_section,
    look_at_project,
)
from runner.trainers.sd_scripts.importers.refine import with_expectations
from runner.trainers.sd_scripts.importers.write import imported

_DATASET_NAME = "dataset.toml"
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
    """What the person chose; None: not asked or not known."""

    sd_scripts: Path | None = None
    python: str | None = None
    model: str | None = None
    name: str | None = None


def suggested(found: Found, project: Path) -> Answers:
    """What is taken when nobody is asked. A base model is only ever offered: which one is meant
    cannot be found out."""
    checkout = found.sd_scripts[0].path if found.sd_scripts else None
    python = found.python_for(checkout)
    return Answers(checkout, None if python is None else str(python), None, _name(project))


def _name(project: Path) -> str:
    return re.sub(r"[^\w.-]+", "_", project.name).strip("_") or "lora"


def fresh_draft(answers: Answers, found: Found, files: ProjectFiles, project: Path) -> Draft:
    """A whole plasma.toml but for what `missing` names."""
    train: dict[str, FlagValue] = {}
    missing: dict[str, str] = {}
    if answers.model:
        train["pretrained_model_name_or_path"] = answers.model
    else:
        missing["pretrained_model_name_or_path"] = "the base model that the LoRA is for"
    dataset = _dataset(files, project, train, missing)
    train["output_dir"] = str(project / "output")
    train["output_name"] = answers.name or _name(project)
    train |= _LEARNING
    train["mixed_precision"] = "fp16" if found.device == "cuda" else "no"
    train["save_precision"] = "fp16" if found.device == "cuda" else "float"
    if found.device == "mps":
        train["no_half_vae"] = True
    return Draft(
        source="what was found on this machine",
        train=train,
        sd_scripts=answers.sd_scripts,
        python=answers.python,
        env={"PYTORCH_ENABLE_MPS_FALLBACK": "1"} if found.device == "mps" else {},
        accelerate={"num_cpu_threads_per_process": 4},
        smoke={"max_train_steps": 5},
        expect=_expect(found, files),
        dataset=dataset,
        missing=missing,
        notes=tuple(
            f"{one.path}: {one.problem}"
            for one in found.sd_scripts
            if one.path == answers.sd_scripts and one.problem
        ),
    )


def _dataset(
    files: ProjectFiles, project: Path, train: dict[str, FlagValue], missing: dict[str, str]
) -> dict[str, Any] | None:
    """An existing dataset config stays where it is; else [dataset] describes the folders found."""
    if files.dataset_configs:
        train["dataset_config"] = str(files.dataset_configs[0])
        return None
    if any(not folder.is_reg for folder in files.folders):
        train["dataset_config"] = str(project / _DATASET_NAME)
        return dataset_section(files, project)
    missing["dataset_config"] = "the dataset TOML (no images were found in this folder)"
    return None


def _expect(found: Found, files: ProjectFiles) -> dict[str, Any]:
    expect: dict[str, Any] = {"device": found.device} if found.device else {}
    images = sum(folder.images for folder in files.folders if not folder.is_reg)
    if images and not files.dataset_configs:
        expect["images"] = images
    if files.trigger is not None:
        expect["trigger"] = files.trigger
    return expect


def new_project(answers: Answers | None = None, *, context: Context) -> Imported:
    """`answers` None: what was found is taken. What nobody knows stands in the text as a comment
    that says what is missing (see `missing_of`)."""
    chosen = answers or suggested(context.found, context.project)
    files = look_at_project(context.project)
    draft = fresh_draft(chosen, context.found, files, context.project)
    draft = with_expectations(draft, context.found, context.project)
    return imported(draft, context.project, context.places.home)


def missing_of(config_text: str) -> list[str]:
    """What a text from here still lacks: `name: what it is`, in the order of the text."""
    found = []
    for line in config_text.splitlines():
        head, mark, why = line.partition('= "..."  # missing: ')
        if mark and head.startswith("# "):
            found.append(f"{head[2:].strip()}: {why}")
    return found
