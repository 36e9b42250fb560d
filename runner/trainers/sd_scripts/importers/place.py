"""Where a command of a script would run, and with which checkout and interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from runner.config.paths import absolute
from runner.trainers.sd_scripts.importers.find import Found, venv_python
from runner.trainers.sd_scripts.importers.launch_line import LaunchLine
from runner.trainers.sd_scripts.importers.shell_reader import Invocation

#: sd-scripts' own: the folder of such a script is the checkout, whether it is there already or not
OWN_SCRIPTS = frozenset(
    {
        *(f"{model}train_network.py" for model in
          ("", "sdxl_", "sd3_", "flux_", "lumina_", "hunyuan_image_", "anima_")),
        "train_db.py", "fine_tune.py", "sdxl_train.py", "sd3_train.py", "flux_train.py",
        "lumina_train.py", "anima_train.py", "train_textual_inversion.py",
        "sdxl_train_textual_inversion.py", "train_control_net.py", "train_controlnet.py",
        "train_leco.py", "sdxl_train_leco.py",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """`cwd`: where relative paths start. `script`: its name in the checkout, else its path."""

    cwd: Path
    sd_scripts: Path | None
    script: str
    python: str | None
    notes: tuple[str, ...] = ()


def place_of(invocation: Invocation, line: LaunchLine, start: Path, found: Found) -> Place:
    """`start`: the folder that the script was imported from."""
    cwd, notes = _cwd(invocation, line, start, found)
    path = Path(absolute(line.script, cwd))
    told = invocation.moved or len(PurePath(line.script).parts) > 1
    checkout = _checkout(path, told, invocation.env, cwd, found)
    inside = checkout is not None and path.parent == checkout
    python = _python(invocation, line, cwd, checkout, found)
    return Place(cwd, checkout, path.name if inside else str(path), python, notes)


def _cwd(
    invocation: Invocation, line: LaunchLine, start: Path, found: Found
) -> tuple[Path, tuple[str, ...]]:
    """Where the script word leads to a file, when the script does not say where it is."""
    if invocation.cwd is not None and invocation.moved:
        return invocation.cwd, ()
    checkouts = [checkout.path for checkout in found.sd_scripts]
    around = [folder for checkout in checkouts for folder in (checkout, checkout.parent)]
    script = PurePath(line.script)
    if not script.is_absolute():
        for base in (start, *around):
            if (base / script).is_file():
                return base, () if base == start else (_guessed(base, line),)
        if len(script.parts) == 1 and script.name in OWN_SCRIPTS and checkouts:
            return checkouts[0], (_guessed(checkouts[0], line),)
    return start, ()


def _guessed(folder: Path, line: LaunchLine) -> str:
    return f"the command does not say where {line.script} lies; read as if started in {folder}"


def _checkout(
    path: Path, told: bool, env: Mapping[str, str], cwd: Path, found: Found
) -> Path | None:
    """`told`: the command says itself where the script lies."""
    if path.name in OWN_SCRIPTS and (told or path.exists()):
        return path.parent
    named = [env.get("SD_SCRIPTS", ""), *env.get("PYTHONPATH", "").split(":"), str(path.parent)]
    for text in filter(None, named):
        folder = Path(absolute(text, cwd))
        if (folder / "library").is_dir():
            return folder
    return found.sd_scripts[0].path if found.sd_scripts else None


def _python(
    invocation: Invocation, line: LaunchLine, cwd: Path, checkout: Path | None, found: Found
) -> str | None:
    """Named in the command, else of the activated environment, else of the checkout."""
    for written in (line.python, invocation.python):
        if written is not None:
            return absolute(written, cwd)
    own = venv_python(checkout) if checkout is not None else None
    chosen = own or found.python_for(checkout)
    return None if chosen is None else str(chosen)
