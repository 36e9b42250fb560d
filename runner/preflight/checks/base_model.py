"""The base model: complete, and of a kind that the script trains."""

from __future__ import annotations

import zipfile
from pathlib import Path

from runner.checkpoints.verify import Broken, read_header
from runner.model.units import file_size
from runner.preflight import hub
from runner.preflight.cures.settings import REMOVED, flag_cure, key_cure
from runner.preflight.facts import BASE_MODEL, Facts
from runner.preflight.header import SAFETENSORS, TITLES, Kind, kind_of, kind_of_folder
from runner.preflight.model import Finding, check, failed, passed, short, skipped, warned
from runner.trainers.sd_scripts.scripts import SCRIPTS, Script

BUILTIN = "builtin"
AGAIN = "download the file again"


@check(
    "base_model", "Base model", order=70,
    foresees=("model_not_found", "model_not_safetensors", "model_truncated"),
)  # fmt: skip
def base_model(facts: Facts) -> Finding:
    """Is the base model there and whole? Nothing but the header is read."""
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
        return failed("incomplete", f"{path} is cut off: its end is missing.", AGAIN)
    told = f"{path}: {file_size(size)}; nothing more is checked in this format."
    return passed(f"{file_size(size)}", told)


def _safetensors(path: Path, size: int) -> Finding:
    if foreign := foreign_content(path):
        return failed("no safetensors file", f"{path} is {foreign}.", AGAIN)
    try:
        _, _, whole = read_header(path)
    except Broken as error:
        return failed("damaged file", f"{path}: {error}.", AGAIN)
    except OSError as error:
        return failed("not readable", f"{path}: {error.strerror}.", "correct its rights")
    if size != whole:
        missing = f"{file_size(size)} of {file_size(whole)}"
        return failed("incomplete", f"{path} is incomplete: {missing}.", AGAIN)
    return passed(f"complete, {file_size(size)}", f"{path} is complete: {file_size(size)}.")


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


@check(
    "architecture", "Model kind", order=80,
    foresees=("base_model_architecture_mismatch", "base_model_inpainting", "base_model_v2_mismatch"),
    builtin=("built-in model", "The built-in trainer brings its own base model."),
)  # fmt: skip
def architecture(facts: Facts) -> Finding:
    """Can the script train this kind of base model?

    sd-scripts main: a wrong one stops while it is loaded, with size mismatches or missing keys (SD 1
    with --v2, SDXL under train_network.py and the reverse, nine input channels of an inpainting model).
    """
    script = facts.script
    if script is None:
        name = Path(facts.config.trainer.script).name
        return skipped("unknown script", f"What {name} can train is not known here.")
    kind, told = _kind(facts)
    if told is not None:
        return told
    if kind is None:
        detail = f"The tensors of {facts.text(BASE_MODEL)} fit no architecture that is known here."
        return warned("unknown kind", detail, f"make sure that it is a {script.title} model")
    return judge_architecture(facts, script, kind)


def _kind(facts: Facts) -> tuple[Kind | None, Finding | None]:
    """The kind, or why it cannot be told."""
    path = facts.path(BASE_MODEL)
    if path is None:
        return None, skipped("no base model")
    if path.is_dir():
        return kind_of_folder(path), None
    header = facts.base_model()
    if header is None:
        return None, skipped("header unread", f"{path} is not a complete safetensors file.")
    return kind_of(header), None


def judge_architecture(facts: Facts, script: Script, kind: Kind) -> Finding:
    if kind.name not in script.kinds:
        return _other_script(facts, script, kind)
    if kind.in_channels not in (None, 4) and not facts.on("train_inpainting"):
        detail = f"The base model is {kind.title}: its U-Net has {kind.in_channels} input channels."
        return failed("inpainting model", detail, "take the normal model it was made from")
    if kind.name in ("sd1", "sd2") and facts.on("v2") != (kind.name == "sd2"):
        return _v2(facts, kind)
    if kind.name in ("flux", "chroma") and _model_type(facts) != kind.name:
        changes = {"model_type": kind.name}
        detail = f"The base model is {kind.title}, but model_type is {_model_type(facts)}."
        cure = flag_cure(facts.config, "architecture", f"train it as {kind.title}", changes)
        return failed(f"{kind.name} model", detail, f'model_type = "{kind.name}"', cure)
    if not kind.whole:
        detail = f"The base model is {kind.title}, without its text encoder or VAE in the file."
        return failed("not complete", detail, "take the complete checkpoint")
    script_name = Path(facts.config.trainer.script).name
    return passed(short(kind.title), f"{script_name} trains {kind.title}, and this is one.")


def _model_type(facts: Facts) -> str:
    return facts.text("model_type") or "flux"


def _v2(facts: Facts, kind: Kind) -> Finding:
    wanted = kind.name == "sd2"
    detail = f"The base model is {kind.title}, but --v2 is {'not ' if wanted else ''}set."
    advice = "set v2 = true" if wanted else "take v2 out of [train]"
    changes = {"v2": True} if wanted else {"v2": REMOVED, "v_parameterization": REMOVED}
    changes = {name: on for name, on in changes.items() if on or facts.on(name)}
    cure = flag_cure(facts.config, "architecture", advice, changes)
    return failed("v2 is wrong", detail, advice, cure)


def _other_script(facts: Facts, script: Script, kind: Kind) -> Finding:
    name = Path(facts.config.trainer.script).name
    detail = f"The base model is {kind.title}, and {name} trains {script.title}."
    other = next((name for name, one in SCRIPTS.items() if kind.name in one.kinds), None)
    if other is None:
        advice = f"set {BASE_MODEL} to a {script.title} checkpoint"
        return failed(short(f"a {TITLES[kind.name]}"), detail, advice)
    evidence, advice = short(f"{kind.title} model"), f'script = "{other}" in [trainer]'
    folder = facts.config.trainer.sd_scripts
    if folder is None or not (folder / other).is_file() or SCRIPTS[other].needs:
        return failed(evidence, detail, advice)  # more than the script's name would have to change
    changes = {"script": other}
    cure = key_cure(facts.config, "architecture", f"train with {other}", "trainer", changes)
    return failed(evidence, detail, advice, cure)
