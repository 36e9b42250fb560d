"""Opening a folder on the desktop, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def show_folder(path: str) -> str:
    """Open the folder of that file; the result is a sentence that names the folder."""
    path = str(Path(path).absolute())  # never an option of the opener
    folder = str(Path(path).parent)
    command = folder_opener(path, os.environ)
    if command is None:
        return f"No desktop here to open it in. The folder is {folder}"
    try:
        # not our child: it outlives this screen, and its output must not reach the terminal
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return f"{command[0]} did not start ({error.strerror}). The folder is {folder}"
    return f"Asked {command[0]} to open {folder}"


def folder_opener(path: str, environment: Mapping[str, str]) -> list[str] | None:
    """The command that shows a file's folder. None over SSH and without a desktop session."""
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return None
    if sys.platform == "darwin":
        return ["open", "-R", path]
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return None
    return ["xdg-open", str(Path(path).parent)] if shutil.which("xdg-open") else None
