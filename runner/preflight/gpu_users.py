"""Who else uses the GPU, or will as soon as it is asked to? Told only: nothing is ever ended from
here.

Found by the command lines of running processes, which also shows idle servers that hold or will
load a model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

import psutil

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, short, skipped, some, warned
from runner.registry import live_runs
from runner.units import memory_size

#: scripts of sd-scripts and its like that train
_TRAINING = re.compile(
    r"^(?:\w+_)?train_network\.py$|^(?:sdxl|flux|sd3|lumina|anima)_train\w*\.py$"
    r"|^train_(?:db|textual_inversion|controlnet|control_net)\w*\.py$|^fine_tune\.py$"
)
_COMFY_FLAGS = ("--listen", "--port", "--output-directory", "--disable-auto-launch")


@dataclass(frozen=True, slots=True)
class Process:
    """What is looked at of a process. `name` as the system gives it, `argv` whole."""

    pid: int
    name: str
    argv: tuple[str, ...]
    cwd: str = ""
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class GpuUser:
    """`how`: what frees the GPU, in words."""

    title: str
    process: Process
    how: str


def look(facts: Facts) -> Finding:
    if facts.device_wanted == "cpu":
        return skipped("trains on the CPU", "The GPU is not wanted.")
    return judge(list(users(processes())))


def judge(found: list[GpuUser]) -> Finding:
    if not found:
        return passed("none seen", "No program is known to use the GPU.")
    titles = list(dict.fromkeys(user.title for user in found))
    told = [f"{user.title} (pid {user.process.pid}{_memory(user)})" for user in found]
    evidence = titles[0] if len(titles) == 1 else f"{titles[0]} +{len(titles) - 1}"
    advice = "; ".join(dict.fromkeys(user.how for user in found))
    return warned(short(evidence), f"Running as well: {some(told, 4)}.", advice)


def _memory(user: GpuUser) -> str:
    return f", {memory_size(user.process.memory_bytes)}" if user.process.memory_bytes else ""


def processes() -> Iterator[Process]:
    """Everything but our own runs with their trainers, and ourselves."""
    own = _own_pids()
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        try:
            with process.oneshot():
                argv = tuple(process.cmdline())
                name = process.name()
                if not argv and not name:
                    continue
                suspect = bool(argv) and "python" in PurePath(argv[0]).name.lower()
                cwd = process.cwd() if suspect else ""
                yield Process(process.pid, name, argv, cwd, process.memory_info().rss)
        except (psutil.Error, OSError):
            continue


def _own_pids() -> set[int]:
    """Ourselves, our parents, and all that belongs to a registered run."""
    found = {os.getpid()}
    try:
        found |= {parent.pid for parent in psutil.Process().parents()}
    except psutil.Error:
        pass
    for snapshot in live_runs():
        status = snapshot.status
        if status is None:
            continue
        for pid in (status.supervisor_pid, status.keeper_pid, status.trainer_pid):
            if pid is not None:
                found |= _tree(pid)
    return found


def _tree(pid: int) -> set[int]:
    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.Error:
        return {pid}


def users(running: Iterable[Process]) -> Iterator[GpuUser]:
    """One entry an application and process; launchers and their children are one training."""
    for process in running:
        if user := user_of(process):
            yield user


def user_of(process: Process) -> GpuUser | None:
    if title := _training(process):
        return GpuUser(title, process, "let it end, or stop it")
    if title := _server(process):
        return GpuUser(title, process, f"close {title}")
    if _ollama_model(process):
        return GpuUser("Ollama", process, "ollama stop MODEL")
    return None


def _files(process: Process) -> list[str]:
    return [PurePath(word).name for word in process.argv[:12] if not word.startswith("-")]


def _training(process: Process) -> str | None:
    names = _files(process)
    if any(_TRAINING.match(name) for name in names):
        launched = any(word.endswith(("launch", "torchrun")) for word in process.argv[:4])
        return None if launched else "another training"
    return None


def _server(process: Process) -> str | None:
    words, names = process.argv, _files(process)
    place = " ".join((process.cwd, *words[:3])).lower()
    first = PurePath(words[0]).name.lower() if words else process.name.lower()
    rules = (
        ("ComfyUI", "main.py" in names and ("comfyui" in place or _comfy(words))),
        ("ComfyUI", "comfyui" in first),
        ("Stable Diffusion web UI", bool({"launch.py", "webui.py"} & set(names)) and "webui" in place),
        ("InvokeAI", any("invokeai-web" in name or name == "invokeai" for name in names)),
        ("InvokeAI", "invokeai.app.run_app" in words),
        ("Fooocus", "entry_with_update.py" in names or "fooocus" in first),
        ("SwarmUI", first.startswith("swarmui")),
        ("llama.cpp", first in ("llama-server", "llama-cli")),
        ("vLLM", "vllm" in names and "serve" in words),
        ("MLX server", any(word.startswith("mlx_lm.server") for word in words)),
        ("LM Studio", first in ("lm studio", "lms", "lm-studio")),
        ("Draw Things", first in ("draw things", "drawthings")),
        ("DiffusionBee", first == "diffusionbee"),
        ("DaVinci Resolve", first == "resolve"),
        ("Blender", first == "blender"),
    )  # fmt: skip
    return next((title for title, fits in rules if fits), None)


def _comfy(words: tuple[str, ...]) -> bool:
    return "8188" in words or (any(flag in words for flag in _COMFY_FLAGS) and "--port" in words)


def _ollama_model(process: Process) -> bool:
    """`ollama serve` alone holds no model; its runner does."""
    words = process.argv
    first = PurePath(words[0]).name if words else process.name
    return first == "ollama_llama_server" or (first == "ollama" and "runner" in words[:3])


CHECK = Check("gpu_users", "GPU users", look)
