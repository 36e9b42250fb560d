"""Which modules the trainer's Python must find for this training.

sd-scripts main (48d368fa): what train_network.py and library/train_util.py import at their top, and
what --optimizer_type, --xformers, --log_with and --network_module bring in later.
"""

from __future__ import annotations

from runner.config.flags import Flags
from runner.config.model import Trainer

EMBEDDED_MODULES = ("torch", "accelerate", "safetensors", "PIL", "numpy", "tqdm")
SD_SCRIPTS_MODULES = (
    "torch", "torchvision", "accelerate", "transformers", "diffusers", "safetensors", "numpy",
    "cv2", "PIL", "einops", "toml", "voluptuous", "imagesize", "tqdm",
)  # fmt: skip
#: its absence costs precision, not the training
TENSORBOARD = "tensorboard"
#: looked at for their versions only
_OTHERS = ("huggingface_hub", "bitsandbytes", "xformers", "wandb")


def wanted_modules(trainer: Trainer, flags: Flags) -> tuple[str, ...]:
    """Without these the training does not start (tensorboard excepted)."""
    if trainer.embedded:
        return (*EMBEDDED_MODULES, TENSORBOARD)
    return (*dict.fromkeys((*SD_SCRIPTS_MODULES, *_by_flags(flags), TENSORBOARD)),)


def late_modules(flags: Flags) -> tuple[str, ...]:
    """What a script of the checkout imports only after it has read these flags, in full spelling."""
    network = str(flags.get("network_module") or "")
    modules = (*_by_flags(flags), network)
    return tuple(dict.fromkeys(name for name in modules if name))


def asked_modules(trainer: Trainer, flags: Flags) -> tuple[str, ...]:
    """All that an interpreter is asked for at once."""
    wanted = wanted_modules(trainer, flags)
    return wanted if trainer.embedded else (*dict.fromkeys((*wanted, *_OTHERS)),)


def _by_flags(flags: Flags) -> list[str]:
    found = []
    optimizer = optimizer_module(str(flags.get("optimizer_type") or ""))
    if flags.get("use_8bit_adam"):
        optimizer = "bitsandbytes"
    if flags.get("use_lion_optimizer"):
        optimizer = "lion_pytorch"
    if optimizer:
        found.append(optimizer)
    if flags.get("xformers"):
        found.append("xformers")
    if flags.get("log_with") in ("wandb", "all"):
        found.append("wandb")
    package = str(flags.get("network_module") or "").split(".")[0]
    if package and package != "networks":
        found.append(package)
    return found


def optimizer_module(optimizer_type: str) -> str | None:
    """The package that an --optimizer_type comes from; None: sd-scripts or torch have it."""
    name = optimizer_type.lower()
    if "." in name:
        return optimizer_type.split(".")[0]
    rules = (
        (name.endswith("8bit") or name.startswith("paged"), "bitsandbytes"),
        (name.endswith("schedulefree"), "schedulefree"),
        (name.startswith("dadapt"), "dadaptation"),
        (name == "prodigy", "prodigyopt"),
        (name == "lion", "lion_pytorch"),
    )
    return next((module for fits, module in rules if fits), None)
