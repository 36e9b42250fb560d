"""What a change needs of the platform: the table that keeps a fix from being offered where it cannot help.

A change is spelled as in `runner.analysis.diagnosis.cures`; `install.NAME` means installing a package. Facts
behind it: bitsandbytes and xformers have kernels for CUDA only; fp16 on a CPU dies in the first step of
sd-scripts main 48d368fa and becomes NaN on MPS; --lowram moves models to the GPU while they load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

CUDA, MPS, ACCELERATE, SD_SCRIPTS = "cuda", "mps", "accelerate", "sd-scripts"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a training runs on; None: unknown. `device`: cpu, mps, cuda; `launcher`: accelerate or python;
    `failures`: of the trainer program; `script`: its file name; `flags`: the names that it takes."""

    device: str | None = None
    launcher: str | None = None
    failures: frozenset[str] | None = None
    script: str | None = None
    flags: frozenset[str] | None = None

    def meets(self, need: str) -> bool:
        """The device must be known; everything else only must not be known to differ."""
        if need.endswith(".py"):
            return self.script not in _SCRIPTS or self.script in need.split("|")
        match need:
            case "cuda" | "mps":
                return self.device == need
            case "main memory":  # that the model is in; the GPU of a Mac has no other
                return self.device in ("cpu", "mps")
            case "accelerate":
                return self.launcher in (None, need)
            case "sd-scripts":
                return self.failures is None or need in self.failures
        raise ValueError(need)


_UNET = "train_network.py|sdxl_train_network.py"

#: pattern of a change, in lower case -> everything it needs; scripts by name, any one of them
NEEDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("optimizer_type=*8bit", (CUDA, SD_SCRIPTS)),
    ("optimizer_type=paged*", (CUDA, SD_SCRIPTS)),
    ("use_8bit_adam=true", (CUDA, SD_SCRIPTS)),
    ("xformers=true", (CUDA, SD_SCRIPTS)),
    ("install.bitsandbytes", (CUDA,)),
    ("install.xformers", (CUDA,)),
    ("mixed_precision=fp16", (CUDA,)),
    ("mixed_precision=bf16", (CUDA,)),
    ("full_fp16=true", (CUDA,)),
    ("full_bf16=true", (CUDA,)),
    ("fp8_base*=true", (CUDA,)),
    ("lowram=true", (CUDA,)),
    ("env.pytorch_cuda_*", (CUDA,)),
    ("env.nccl_*", (CUDA,)),
    ("env.pytorch_mps_*", (MPS,)),
    ("env.pytorch_enable_mps_fallback=*", (MPS,)),
    ("accelerate.*", (ACCELERATE,)),
    ("network_module=networks.lora", (_UNET,)),
    ("network_module=networks.lora_flux", ("flux_train_network.py",)),
    ("network_module=networks.lora_sd3", ("sd3_train_network.py",)),
    ("network_module=networks.lora_lumina", ("lumina_train_network.py",)),
    ("network_module=networks.lora_anima", ("anima_train_network.py",)),
    ("network_module=networks.lora_hunyuan_image", ("hunyuan_image_train_network.py",)),
)
#: scripts that the table knows; any other may be a wrapper around one of them
_SCRIPTS = frozenset(
    name for _, needs in NEEDS for need in needs if need.endswith(".py") for name in need.split("|")
)


def ruled_out(change: str, platform: Platform) -> bool:
    """Is this change useless or impossible on that platform?"""
    if not all(map(platform.meets, needs_of(change))):
        return True
    name, _, value = change.partition("=")
    flag = "." not in name and value != "false"
    return flag and platform.flags is not None and name not in platform.flags


def any_ruled_out(changes: Iterable[str], platform: Platform) -> bool:
    return any(ruled_out(change, platform) for change in changes)


def needs_of(change: str) -> Iterator[str]:
    """Everything the table requires for a change."""
    for pattern, needs in NEEDS:
        if fnmatchcase(change.lower(), pattern):
            yield from needs
