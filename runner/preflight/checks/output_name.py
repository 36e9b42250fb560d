"""What output_name becomes on the disk: file names, folders, and what a disk does not take."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePath

from runner.model.units import count
from runner.preflight.checks.output import nearest_existing
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.trainers.names import has_control_characters

#: of file systems that do not report theirs
NAME_BYTES = 255
CHOOSE = "choose another output_name"
#: sd-scripts makes the folder of these itself
_FOLDERS = ("diffusers", "diffusers_safetensors")
_SAMPLES = ("sample_every_n_steps", "sample_every_n_epochs", "sample_at_first")


@check("output_name", "Output name", 345, foresees=("output_not_writable",))
def output_name(facts: Facts) -> Finding:
    """Can files of this name be written to output_dir?

    sd-scripts joins both and creates output_dir only; it first notices at the first save (main 48d368fa:
    save_model in train_network.py, sample_image_inference in train_util.py). An empty name makes the final
    file `.safetensors`, which save_weights (networks/lora.py) writes as a pickle: it has no ending.
    """
    folder, name = facts.path("output_dir"), facts.flags.get("output_name")
    if name is None and facts.flags_elsewhere:
        return skipped("in config_file", "output_name may be set in config_file.")
    if name is None:
        return passed("none", "The files are named at, epoch and last.")
    if not isinstance(name, str):
        return skipped("not a text")
    if not name:
        detail = "With an empty output_name the final file has no name, only an ending."
        return failed("empty", detail, "", Fix("without it", {"output_name": False}))
    if has_control_characters(name):
        detail = "It contains a line break or another control character."
        return failed("control character", detail, CHOOSE)
    if folder is None:
        return skipped("no output_dir")
    if "/" in name and (found := _in_folder(facts, folder, name)) is not None:
        return found
    return _on_disk(facts, nearest_existing((folder / name).parent), PurePath(name).name)


def _in_folder(facts: Facts, folder: Path, name: str) -> Finding | None:
    """None: its folder is output_dir itself."""
    target = Path(os.path.normpath(folder / PurePath(name).parent))
    if name.endswith(("/", "/.", "/..")):
        return failed("names a folder", f"{name} is the name of a folder, not of a file.", CHOOSE)
    if target == Path(os.path.normpath(folder)):
        return None
    given = PurePath(facts.text("output_dir") or "", PurePath(name).parent)
    changes = {"output_dir": os.path.normpath(given), "output_name": PurePath(name).name}
    fix = Fix("write into that folder", changes)
    detail = (
        f"output_name contains folders, and the trainer creates only output_dir: without {target}"
    )
    if not target.is_dir() and facts.flags.get("save_model_as") not in _FOLDERS:
        return failed("no such folder", f"{detail} the first save crashes.", "", fix)
    samples = Path(os.path.normpath(folder / "sample" / PurePath(name).parent))
    if facts.on(*_SAMPLES) and not samples.is_dir():
        detail = detail.replace(str(target), str(samples))
        return failed("no sample folder", f"{detail} the first sample image crashes.", "", fix)
    detail = f"The files are written to {target}, not to output_dir."
    return warned("in another folder", detail, "", fix)


def _on_disk(facts: Facts, folder: Path, base: str) -> Finding:
    """Is every file name short enough, and made of characters that the file system takes?"""
    try:
        most = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        most = NAME_BYTES
    name = max(_names(facts, base), key=_bytes)
    if _bytes(name) > most:
        detail = (
            f"{name} has {count(_bytes(name), 'byte')}, and the disk of {folder} takes {most}: the training "
            "crashes when it writes that file."
        )
        return failed("too long", detail, "choose a shorter output_name")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".plasma-", suffix=base[: most // 8]):
            pass
    except OSError as error:
        if Path(folder).is_dir() and os.access(folder, os.W_OK):
            detail = f"The disk of {folder} takes no file of this name: {error.strerror}."
            return failed("not allowed", detail, CHOOSE)
    return passed(f"{_bytes(name)} bytes", f"The longest file name is {name}.")


def _names(facts: Facts, base: str) -> list[str]:
    """Of all files of the training, without their folders."""
    forecast = facts.forecast().checkpoints
    planned = [PurePath(n).name for c in forecast for n in (c.name, c.state_name) if n]
    sample = [f"{base}_e000001_00_20260101000000_4294967295.png"] if facts.on(*_SAMPLES) else []
    return [*planned, *sample, f"{base}.safetensors"]


def _bytes(name: str) -> int:
    return len(os.fsencode(name))
