"""Is the base model there and whole? Nothing but the header is read."""

from __future__ import annotations

import os
from pathlib import Path

from runner.checkpoints import Broken, read_header
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.units import file_size

FLAG = "pretrained_model_name_or_path"
BUILTIN = "builtin"
_SAFETENSORS = (".safetensors", ".sft")


def look(facts: Facts) -> Finding:
    name = facts.text(FLAG)
    if facts.config.trainer.embedded and name in (None, BUILTIN):
        return passed("built-in model", "The built-in trainer makes its own small base model.")
    if name is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", f"{FLAG} may stand in config_file.")
        return failed("none given", f"{FLAG} is not set.", f"add {FLAG} to [train]")
    if not name.startswith("/"):
        return _on_hub(name)
    return inspect(Path(name))


def inspect(path: Path) -> Finding:
    """A file of weights, or a folder in diffusers' layout."""
    if path.is_dir():
        if (path / "model_index.json").is_file():
            return passed(short(path.name), f"{path} is a model in diffusers' layout.")
        detail = f"{path} is a folder without model_index.json."
        return failed("no diffusers model", detail, f"correct {FLAG}")
    try:
        size = path.stat().st_size
    except OSError:
        return failed("not found", f"{path} does not exist.", f"correct {FLAG}")
    if path.suffix.lower() not in _SAFETENSORS:
        if size == 0:
            return failed("0 bytes", f"{path} is empty.", "download the file again")
        return passed(
            f"{file_size(size)}", f"{path}: {file_size(size)}; its format is not looked at."
        )
    return _safetensors(path, size)


def _safetensors(path: Path, size: int) -> Finding:
    again = "download the file again"
    if foreign := _foreign(path):
        return failed("no safetensors file", f"{path} is {foreign}.", again)
    try:
        _, _, whole = read_header(path)
    except Broken as error:
        return failed("no whole file", f"{path}: {error}.", again)
    except OSError as error:
        return failed("not readable", f"{path}: {error.strerror}.", "correct its rights")
    if size != whole:
        missing = f"{file_size(size)} of {file_size(whole)}"
        return failed("not whole", f"{path} is not whole: {missing}.", again)
    return passed(f"whole, {file_size(size)}", f"{path} is whole: {file_size(size)}.")


def _foreign(path: Path) -> str | None:
    """What is often saved under the name of a model."""
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError:
        return None
    if start.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer, not the model itself"
    if start.lstrip()[:1] == b"<":
        return "a web page, not the model"
    if start.startswith((b"PK\x03\x04", b"\x80\x02")):
        return "a pickled checkpoint (.ckpt) under another name"
    return None


def _on_hub(name: str) -> Finding:
    if hub_folder(name).is_dir():
        return passed("in the HF cache", f"{name} is in the Hugging Face cache.")
    detail = f"{name} is no file here and not in the Hugging Face cache: it would be downloaded."
    return warned("not on this disk", detail, f"correct {FLAG}, or stay online")


def hub_folder(name: str) -> Path:
    """Where huggingface_hub keeps `owner/name`."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(os.environ.get("HF_HOME") or Path(cache) / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or root / "hub")
    return hub / f"models--{name.replace('/', '--')}"


CHECK = Check("base_model", "Base model", look)
