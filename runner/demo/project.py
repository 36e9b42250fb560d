"""The demo project: pictures, captions, dataset configuration and a plasma.toml in one folder.

23 training pictures with 10 repeats and 30 regularisation pictures in batches of 2 are 230 batches
an epoch: 4 epochs are 920 steps, with checkpoints at 200, 400, 600 and 800 and the final one.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

TRIGGER = "spyke_plasma_v1"
TRAIN_FOLDER = f"dataset/train/10_{TRIGGER}"
REG_FOLDER = "dataset/reg/1_anime_character"
#: First line of the demo's plasma.toml: distinguishes it from a user's project.
MARK = "# plasma-tui demo: a LoRA for a small built-in model, trained in about a minute."

_PROJECT = f"""{MARK}
# Everything here was created by `plasma-tui demo`; delete the folder when you are done.
name = "spyke"

[trainer]
sd_scripts = "embedded"     # the built-in trainer; a path to sd-scripts trains real models
python = @PYTHON@
launcher = "python"

[train]                     # flags of the trainer, by sd-scripts' own names
pretrained_model_name_or_path = "builtin"
dataset_config = "dataset.toml"
output_dir = "output/loras/spyke"
output_name = "{TRIGGER}"
save_model_as = "safetensors"
save_precision = "float"
save_every_n_steps = 200
save_state = true           # needed to resume
max_train_epochs = 4
network_module = "networks.lora"
network_dim = 32
network_alpha = 16
optimizer_type = "AdamW"
learning_rate = 2e-3
unet_lr = 2e-3
text_encoder_lr = 5e-4
lr_scheduler = "cosine"
lr_warmup_steps = 0
prior_loss_weight = 1.0
mixed_precision = "no"
max_data_loader_n_workers = 0
sample_prompts = "sample_prompts.txt"
sample_every_n_epochs = 1
seed = 42

[smoke]                     # overrides for a smoke test
max_train_steps = 5
gate = false

[expect]                    # checked before the start and at the end
images = 23
steps = 920
checkpoint_mb = [0.5, 5.0]
trigger = "{TRIGGER}"
"""

_DATASET = f"""# The demo's dataset. Paths are relative to the folder of plasma.toml.
[general]
enable_bucket = true
caption_extension = ".txt"
shuffle_caption = true
keep_tokens = 1             # {TRIGGER} stays in front

[[datasets]]
resolution = 384
batch_size = 2

  [[datasets.subsets]]
  image_dir = "{TRAIN_FOLDER}"
  num_repeats = 10

  [[datasets.subsets]]
  is_reg = true             # doubles the epoch: as many regularisation as training images
  image_dir = "{REG_FOLDER}"
  num_repeats = 1
"""

_SIZE = "--w 384 --h 384 --s 25 --l 1"
_PROMPTS = f"""# One image per line: --w width --h height --s steps --l guidance scale --d seed
{TRIGGER}, 1boy, spiked hair, eye patch, grin, standing, dusk background {_SIZE} --d 1
anime character, blue hair, white coat, standing, snow background {_SIZE} --d 2
"""


class DemoFolderError(ValueError):
    """The folder contains a user's project."""


def write_demo(folder: Path, python: str) -> Path:
    """Create the demo project in `folder` and return its plasma.toml.

    `python`: an interpreter with torch, accelerate and Pillow. Needs Pillow for the images. Existing files
    are kept, except an unedited plasma.toml of an earlier demo, which gets the new interpreter. Raises
    DemoFolderError, ImportError and OSError.
    """
    project = folder / "plasma.toml"
    text = project_text(python)
    if project.exists():
        _check_own(project)
    from runner.demo.sprites import write_character, write_others

    write_character(folder / TRAIN_FOLDER)
    write_others(folder / REG_FOLDER)
    _write_new(folder / "dataset.toml", _DATASET)
    _write_new(folder / "sample_prompts.txt", _PROMPTS)
    if not project.exists() or _is_unedited(project):
        project.write_text(text, encoding="utf-8")
    return project


def project_text(python: str) -> str:
    """The demo's plasma.toml for one interpreter."""
    return _PROJECT.replace("@PYTHON@", json.dumps(python, ensure_ascii=False))


def _check_own(project: Path) -> None:
    if not project.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise DemoFolderError(
            f"{project} is your own project: choose another folder for the demo with --dir."
        )


def _is_unedited(project: Path) -> bool:
    text = project.read_text(encoding="utf-8", errors="replace")
    try:
        python = tomllib.loads(text)["trainer"]["python"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return False
    return isinstance(python, str) and text == project_text(python)


def _write_new(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text, encoding="utf-8")
