"""Which packages a training imports.

sd-scripts main (48d368fa): what train_network.py and library/train_util.py import at their top, and
what --optimizer_type, --xformers, --log_with and --network_module import later.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from runner.config.flags import Flags

ALWAYS = (
    "torch", "torchvision", "accelerate", "transformers", "diffusers", "safetensors", "numpy",
    "cv2", "PIL", "einops", "toml", "voluptuous", "imagesize", "tqdm",
)  # fmt: skip
#: package -> suffix or prefix of an --optimizer_type from it, in lower case
_OPTIMIZERS = {
    "bitsandbytes": ("*8bit", "paged*"),
    "schedulefree": ("*schedulefree",),
    "dadaptation": ("dadapt*",),
    "prodigyopt": ("prodigy",),
    "lion_pytorch": ("lion",),
}


def packages_by_flags(flags: Flags) -> tuple[str, ...]:
    """By top-level name."""
    optimizer = optimizer_package(str(flags.get("optimizer_type") or ""))
    if flags.get("use_8bit_adam"):
        optimizer = "bitsandbytes"
    if flags.get("use_lion_optimizer"):
        optimizer = "lion_pytorch"
    network = str(flags.get("network_module") or "").split(".")[0]
    wanted = (
        optimizer,
        "xformers" if flags.get("xformers") else None,
        "wandb" if flags.get("log_with") in ("wandb", "all") else None,
        network if network != "networks" else None,
    )
    return tuple(name for name in wanted if name)


def optimizer_package(optimizer_type: str) -> str | None:
    """Where an --optimizer_type comes from; None: sd-scripts or torch have it."""
    if "." in optimizer_type:
        return optimizer_type.split(".")[0]
    name = optimizer_type.lower()
    fitting = (p for p, kinds in _OPTIMIZERS.items() if any(fnmatchcase(name, k) for k in kinds))
    return next(fitting, None)
