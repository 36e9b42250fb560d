"""Is the base model there and whole? Nothing but the header is read."""

from __future__ import annotations

import zipfile
from pathlib import Path

from runner.checkpoints.verify import Broken, read_header
from runner.model.units import file_size
from runner.preflight import hub
from runner.preflight.facts import BASE_MODEL, Facts
from runner.preflight.header import SAFETENSORS
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned

BUILTIN = "builtin"
AGAIN = "download the file again"


def look(facts: Facts) -> Finding:
    name = facts.text(BASE_MODEL)
    if facts.config.trainer.embedded and name in (None, BUILTIN):
        return passed("built-in model", "The built-in trainer makes its own small base model.")
    if name is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", f"{BASE_MODEL} may stand in config_file.")
        return failed("none given", f"{BASE_MODEL} is not set.", f"add {BASE_MODEL} to [train]")
    return look_at(name, facts, BASE_MODEL)


def look_at(name: str, facts: Facts, flag: str) -> Finding:
    """A flag's value as sd-scripts takes it: a path when there is one, else a name on the hub."""
    path = facts.config.trainer_cwd / name
    if name.startswith("/") or path.exists() or name.lower().endswith((*SAFETENSORS, ".ckpt")):
        return inspect(path, flag)
    return _on_hub(name, facts, flag)


def inspect(path: Path, flag: str = BASE_MODEL) -> Finding:
    """A file of weights, or a folder in diffusers' layout."""
    if path.is_dir():
        if (path / "model_index.json").is_file():
            return passed(short(path.name), f"{path} is a model in diffusers' layout.")
        detail = f"{path} is a folder without model_index.json."
        return failed("no diffusers model", detail, f"correct {flag}")
    try:
        size = path.stat().st_size
    except OSError:
        return failed("not found", f"{path} does not exist.", f"correct {flag}")
    if size == 0:
        return failed("0 bytes", f"{path} is empty.", AGAIN)
    if path.suffix.lower() in SAFETENSORS:
        return _safetensors(path, size)
    return _pickled(path, size)


def _pickled(path: Path, size: int) -> Finding:
    """.ckpt and its like: a ZIP since torch 1.6, whose directory stands at the end."""
    foreign = foreign_content(path)
    if foreign is not None and not foreign.startswith("a pickled"):
        return failed("no model", f"{path} is {foreign}.", AGAIN)
    with path.open("rb") as stream:
        zipped = stream.read(4) == b"PK\x03\x04"
    if zipped and not zipfile.is_zipfile(path):
        return failed("not whole", f"{path} is cut off: its end is missing.", AGAIN)
    told = f"{path}: {file_size(size)}; of this format nothing more is looked at."
    return passed(f"{file_size(size)}", told)


def _safetensors(path: Path, size: int) -> Finding:
    if foreign := foreign_content(path):
        return failed("no safetensors file", f"{path} is {foreign}.", AGAIN)
    try:
        _, _, whole = read_header(path)
    except Broken as error:
        return failed("no whole file", f"{path}: {error}.", AGAIN)
    except OSError as error:
        return failed("not readable", f"{path}: {error.strerror}.", "correct its rights")
    if size != whole:
        missing = f"{file_size(size)} of {file_size(whole)}"
        return failed("not whole", f"{path} is not whole: {missing}.", AGAIN)
    return passed(f"whole, {file_size(size)}", f"{path} is whole: {file_size(size)}.")


def foreign_content(path: Path) -> str | None:
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


def _on_hub(name: str, facts: Facts, flag: str) -> Finding:
    env = facts.environment()
    if hub.hub_folder(name, env).is_dir():
        return passed("in the HF cache", f"{name} is in the Hugging Face cache.")
    detail = f"{name} is no file here and not in the Hugging Face cache"
    forbidden = hub.offline(env)
    if forbidden:
        return failed("not here, offline", f"{detail}; {forbidden} is set.", f"correct {flag}")
    if facts.hub_reachable() is False:
        return failed(
            "not here, no hub", f"{detail}; the hub cannot be reached.", f"correct {flag}"
        )
    told = f"{detail}: it would be downloaded."
    return warned("not on this disk", told, f"correct {flag}, or stay online")


CHECK = Check("base_model", "Base model", look)
