"""The base model: complete, and of a kind that the script trains."""

from __future__ import annotations

import zipfile
from pathlib import Path

from runner.files.header import Broken, read_header
from runner.model.units import file_size
from runner.preflight import hub
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.facts import Facts
from runner.preflight.header import SAFETENSORS, Kind, kind_of, kind_of_folder
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.preflight.whole_image import foreign
from runner.trainers.sd_scripts.scripts import BASE_MODEL, SCRIPTS, TITLES, Script

BUILTIN = "builtin"
AGAIN = "download the file again"


@check(
    "base_model", "Base model", 70,
    foresees=("model_not_found", "model_not_safetensors", "model_truncated"),
)  # fmt: skip
def base_model(facts: Facts) -> Finding:
    """Does the base model exist and is it complete? Only reads the header."""
    name = facts.text(BASE_MODEL)
    if name in (None, BUILTIN) and "architecture" in facts.demands.settled:
        return passed("built-in model", "The built-in trainer creates its own small base model.")
    if name is not None:
        return look_at(name, facts, BASE_MODEL)
    if facts.flags_elsewhere:
        return skipped("in config_file", f"{BASE_MODEL} may be set in config_file.")
    return failed("none given", f"{BASE_MODEL} is not set.", f"add {BASE_MODEL} to [train]")


def look_at(name: str, facts: Facts, flag: str) -> Finding:
    """A flag's value as sd-scripts reads it: a path if it exists, else a hub name."""
    path = facts.config.trainer_cwd / name
    if name.startswith("/") or path.exists() or name.lower().endswith((*SAFETENSORS, ".ckpt")):
        return inspect(path, flag)
    env = facts.environment()
    if hub.folder_in(hub.hub_cache(env), name).is_dir():
        return passed("in the HF cache", f"{name} is in the Hugging Face cache.")
    detail = f"{name} is not a local file and not in the Hugging Face cache."
    if unreachable := offline(facts, detail, f"correct {flag}"):
        return unreachable
    return warned("not on this disk", f"{detail} It would be downloaded.", f"correct {flag}")


def offline(facts: Facts, detail: str, advice: str) -> Finding | None:
    """Why a missing model cannot be downloaded either."""
    if forbidden := hub.offline(facts.environment()):
        return failed("missing, offline", f"{detail} {forbidden} forbids the download.", advice)
    if facts.hub_reachable() is False:
        return failed("missing, no hub", f"{detail} The hub cannot be reached.", advice)
    return None


def inspect(path: Path, flag: str = BASE_MODEL) -> Finding:
    """A weights file, or a folder in diffusers layout."""
    if path.is_dir():
        if (path / "model_index.json").is_file():
            return passed(path.name, f"{path} is a model in diffusers' layout.")
        detail = f"{path} is a folder without model_index.json."
        return failed("not diffusers", detail, f"correct {flag}")
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(64)
    except FileNotFoundError:
        return failed("not found", f"{path} does not exist.", f"correct {flag}")
    except OSError as error:
        return failed("not readable", f"{path}: {error.strerror}.", "fix its permissions")
    if size == 0:
        return failed("0 bytes", f"{path} is empty.", AGAIN)
    safetensors = path.suffix.lower() in SAFETENSORS
    pickled = safetensors and start.startswith((b"PK\x03\x04", b"\x80\x02"))
    what = "a pickled checkpoint (.ckpt) under another name" if pickled else foreign(start)
    if what:
        evidence = "not safetensors" if safetensors else "no model"
        return failed(evidence, f"{path} is {what}, not the model itself.", AGAIN)
    return _safetensors(path, size) if safetensors else _pickled(path, size, start)


def _pickled(path: Path, size: int, start: bytes) -> Finding:
    """.ckpt and similar: a ZIP since torch 1.6, with its directory at the end."""
    if start.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        return failed("incomplete", f"{path} is truncated: its end is missing.", AGAIN)
    detail = f"{path}: {file_size(size)}; nothing more is checked in this format."
    return passed(file_size(size), detail)


def _safetensors(path: Path, size: int) -> Finding:
    try:
        _, _, complete = read_header(path)
    except Broken as error:
        return failed("damaged file", f"{path}: {error}.", AGAIN)
    if size != complete:
        missing = f"{file_size(size)} of {file_size(complete)}"
        return failed("incomplete", f"{path} is incomplete: {missing}.", AGAIN)
    return passed(f"complete, {file_size(size)}", f"{path} is complete: {file_size(size)}.")


@check(
    "architecture", "Model kind", 80, needs="script",
    foresees=("base_model_architecture_mismatch", "base_model_inpainting", "base_model_v2_mismatch"),
)  # fmt: skip
def architecture(facts: Facts) -> Finding:
    """Can the script train this kind of base model?

    sd-scripts main: a wrong one fails while loading, with size mismatches or missing keys (SD 1
    with --v2, SDXL under train_network.py and the reverse, nine input channels of an inpainting model).
    """
    path, shapes, script = facts.path(BASE_MODEL), facts.base_model(), facts.script
    if path is None or script is None:
        return skipped("no base model")
    if shapes is None and not path.is_dir():
        return skipped("header unread", f"{path} is not a complete safetensors file.")
    kind = kind_of(shapes) if shapes is not None else kind_of_folder(path)
    if kind is None:
        detail = f"The tensors of {facts.text(BASE_MODEL)} match no known architecture."
        return warned("unknown kind", detail, f"make sure that it is a {script.title} model")
    if kind.name not in script.kinds:
        return _other_script(facts, script, kind)
    detail = f"The base model is {kind.title}"
    if kind.in_channels not in (None, 4) and not facts.on("train_inpainting"):
        detail += f": its U-Net has {kind.in_channels} input channels."
        return failed("inpainting model", detail, "use the normal model it was made from")
    if kind.name in ("sd1", "sd2") and facts.on("v2") != (kind.name == "sd2"):
        return _v2(facts, kind, detail)
    model_type = facts.text("model_type") or "flux"
    if kind.name in ("flux", "chroma") and model_type != kind.name:
        fix = Fix(f"train it as {kind.title}", {"model_type": kind.name})
        return failed(f"{kind.name} model", f"{detail}, but model_type is {model_type}.", "", fix)
    if not kind.whole:
        detail += ", without its text encoder or VAE in the file."
        return failed("not complete", detail, "use the complete checkpoint")
    return passed(kind.title, f"{facts.script_name} trains {kind.title}, which matches.")


def _v2(facts: Facts, kind: Kind, detail: str) -> Finding:
    wanted = kind.name == "sd2"
    advice = "set v2 = true" if wanted else "remove v2 from [train]"
    gone = {name: REMOVED for name in ("v2", "v_parameterization") if facts.on(name)}
    fix = Fix(advice, {"v2": True} if wanted else gone)
    return failed("v2 is wrong", f"{detail}, but --v2 is {'not ' * wanted}set.", advice, fix)


def _other_script(facts: Facts, script: Script, kind: Kind) -> Finding:
    detail = f"The base model is {kind.title}, and {facts.script_name} trains {script.title}."
    other = next((name for name, one in SCRIPTS.items() if kind.name in one.kinds), None)
    if other is None:
        advice = f"set {BASE_MODEL} to a {script.title} checkpoint"
        return failed(f"a {TITLES[kind.name]}", detail, advice)
    fix = Fix(f"train with {other}", {"script": other}, "trainer")
    folder = facts.config.trainer.sd_scripts
    # where a script needs further files, changing its name is not enough
    simple = folder is not None and (folder / other).is_file() and not SCRIPTS[other].needs
    return failed(f"{kind.title} model", detail, fix.words, fix if simple else None)
