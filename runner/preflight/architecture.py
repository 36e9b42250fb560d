"""Can the script train this kind of base model?

sd-scripts main: a wrong one stops while it is loaded, with size mismatches or missing keys (SD 1
with --v2, SDXL under train_network.py and the reverse, nine input channels of an inpainting model).
"""

from __future__ import annotations

from pathlib import Path

from runner.preflight.cures.plasma_toml import REMOVED, flag_cure, key_cure
from runner.preflight.facts import BASE_MODEL, Facts
from runner.preflight.kinds import TITLES, Kind, kind_of, kind_of_folder
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.trainers.sd_scripts.scripts import SCRIPTS, Script


def look(facts: Facts) -> Finding:
    script = facts.script
    if facts.config.trainer.embedded:
        return skipped("built-in model", "The built-in trainer brings its own base model.")
    if script is None:
        name = Path(facts.config.trainer.script).name
        return skipped("unknown script", f"What {name} can train is not known here.")
    kind, told = _kind(facts)
    if told is not None:
        return told
    if kind is None:
        detail = f"The tensors of {facts.text(BASE_MODEL)} fit no architecture that is known here."
        return warned("unknown kind", detail, f"make sure that it is a {script.title} model")
    return judge(facts, script, kind)


def _kind(facts: Facts) -> tuple[Kind | None, Finding | None]:
    """The kind, or why it cannot be told."""
    path = facts.path(BASE_MODEL)
    if path is None:
        return None, skipped("no base model")
    if path.is_dir():
        return kind_of_folder(path), None
    header = facts.base_model()
    if header is None:
        return None, skipped("header unread", f"{path} is no whole safetensors file.")
    return kind_of(header), None


def judge(facts: Facts, script: Script, kind: Kind) -> Finding:
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
        return failed(f"{kind.name} model", detail, f'model_type = "{kind.name}"').curable(cure)
    if not kind.whole:
        detail = f"The base model is {kind.title}, without its text encoder or VAE in the file."
        return failed("not complete", detail, "take the whole checkpoint")
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
    return failed("v2 is wrong", detail, advice).curable(cure)


def _other_script(facts: Facts, script: Script, kind: Kind) -> Finding:
    name = Path(facts.config.trainer.script).name
    detail = f"The base model is {kind.title}, and {name} trains {script.title}."
    other = next((name for name, one in SCRIPTS.items() if kind.name in one.kinds), None)
    if other is None:
        advice = f"set {BASE_MODEL} to a {script.title} checkpoint"
        return failed(short(f"a {TITLES[kind.name]}"), detail, advice)
    finding = failed(short(f"{kind.title} model"), detail, f'script = "{other}" in [trainer]')
    folder = facts.config.trainer.sd_scripts
    if folder is None or not (folder / other).is_file() or SCRIPTS[other].needs:
        return finding  # more than the script's name would have to change
    title = f"train with {other}"
    return finding.curable(
        key_cure(facts.config, "architecture", title, "trainer", {"script": other})
    )


CHECK = Check("architecture", "Model kind", look)
