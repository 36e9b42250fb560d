"""Small but whole files of weights and training states, as accelerate 1.6 under sd-scripts writes them."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path


def safetensors(path: Path, rank: int = 4, value: float = 0.5, **metadata: str) -> Path:
    """A LoRA of one module."""
    tensors = {
        "lora_unet_mid_block_to_q.lora_down.weight": [rank, 6],
        "lora_unet_mid_block_to_q.lora_up.weight": [6, rank],
        "lora_unet_mid_block_to_q.alpha": [],
    }
    header: dict[str, object] = {"__metadata__": {"ss_network_dim": str(rank), **metadata}}
    at, data = 0, b""
    for name, shape in tensors.items():
        size = 1
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * size]}
        data += struct.pack(f"<{size}f", *[value] * size)
        at += 4 * size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def archive(path: Path) -> Path:
    """torch.save's format: a zip archive."""
    with zipfile.ZipFile(path, "w") as stream:
        stream.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
    return path


def state(folder: Path, step: int, epoch: int = 1, rank: int = 4) -> Path:
    """A whole training state."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"current_epoch": epoch, "current_step": step}
    (folder / "train_state.json").write_text(json.dumps(told))
    safetensors(folder / "model.safetensors", rank)
    for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
        archive(folder / name)
    return folder
