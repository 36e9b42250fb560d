"""Programs that use a GPU: the table, and matching a process by its command line. Pure.

Words of the command line and the working folder are compared one by one: a pattern over the full line would
match `vim train_network.py` as a training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath


class Hold(StrEnum):
    """Whether a program has a model in memory."""

    MODEL = "model"  # it does
    MIGHT = "might"  # maybe, not visible from outside
    IDLE = "idle"  # only after a request


@dataclass(frozen=True, slots=True)
class Rule:
    """A program. All given fields must match; for each, any one entry. Everything is compared in lower case.

    `programs`: the executable's file name, or the process's own name; `scripts`: the file name that is run,
    by Python or by itself; `modules`: what follows `-m` (`*` in these three as in a shell); `words`: words of
    the command line, all of them; `places`: part of the working folder, the executable's or the script's
    path; `beside`: a file in the working folder. `port`: its default port; `active_only`: ignored unless a
    GPU source reports activity; `launcher`: its children do the work."""

    title: str
    how: str
    hold: Hold = Hold.MIGHT
    programs: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    port: int | None = None
    active_only: bool = False
    launcher: bool = False


COMFY = "ComfyUI"
COMFY_PORT = 8188
WEB_UI = "Stable Diffusion web UI"
TRAINING = "another training"
BROWSER = "a browser"

FREE_COMFY = "free its memory (Manager, or POST /free), or close ComfyUI"
_UNLOAD = f"unload its checkpoint (Settings, Actions), or close {WEB_UI}"
#: of trainings: nothing else helps
WAIT = "wait for it to finish, or stop it"

#: scripts of sd-scripts, kohya's musubi-tuner and of forks that keep the names
_TRAINING_SCRIPTS = (
    "train_network.py", "*_train_network.py", "sdxl_train*.py", "flux_train*.py", "sd3_train*.py",
    "lumina_train*.py", "anima_train*.py", "hunyuan_image_train*.py", "train_db.py",
    "train_textual_inversion*.py", "train_controlnet*.py", "train_control_net*.py", "fine_tune.py",
)  # fmt: skip

#: the first matching rule wins
RULES: tuple[Rule, ...] = (
    Rule(TRAINING, WAIT, Hold.MODEL, scripts=("accelerate",), words=("launch",), launcher=True),
    Rule(
        TRAINING, WAIT, Hold.MODEL, scripts=("accelerate-launch", "torchrun", "deepspeed"),
        launcher=True,
    ),
    Rule(
        TRAINING, WAIT, Hold.MODEL, launcher=True,
        modules=("accelerate.commands.launch", "torch.distributed.run", "torch.distributed.launch"),
    ),
    Rule(TRAINING, WAIT, Hold.MODEL, scripts=_TRAINING_SCRIPTS),
    Rule(TRAINING, WAIT, Hold.MODEL, modules=("runner.embedded",)),
    Rule("SimpleTuner", WAIT, Hold.MODEL, scripts=("train.py",), places=("simpletuner",)),
    Rule("OneTrainer", WAIT, scripts=("train.py", "train_ui.py"), places=("onetrainer",)),
    Rule("ai-toolkit", WAIT, Hold.MODEL, scripts=("run.py",), places=("ai-toolkit",)),
    Rule("kohya_ss GUI", "close kohya_ss GUI", Hold.IDLE, scripts=("kohya_gui.py",), port=7860),
    Rule(COMFY, FREE_COMFY, programs=("comfyui", "comfyui.exe", "comfyui desktop"), port=8000),
    Rule(COMFY, FREE_COMFY, scripts=("main.py",), words=("--user-directory",), port=8000),
    Rule(COMFY, FREE_COMFY, scripts=("main.py",), places=("comfyui",), port=COMFY_PORT),
    Rule(COMFY, FREE_COMFY, scripts=("main.py",), words=("--port", "8188"), port=COMFY_PORT),
    Rule(COMFY, FREE_COMFY, scripts=("main.py",), words=("--port=8188",), port=COMFY_PORT),
    Rule(
        WEB_UI, _UNLOAD, scripts=("launch.py", "webui.py"), port=7860,
        places=("webui", "sd.next", "sdnext"),
    ),
    Rule(WEB_UI, _UNLOAD, scripts=("launch.py", "webui.py"), beside=("webui.sh",), port=7860),
    Rule("InvokeAI", "close InvokeAI", scripts=("invokeai-web", "invokeai"), port=9090),
    Rule("InvokeAI", "close InvokeAI", modules=("invokeai.app.run_app",), port=9090),
    Rule("Fooocus", "close Fooocus", scripts=("entry_with_update.py",), port=7865),
    Rule("Fooocus", "close Fooocus", scripts=("launch.py",), places=("fooocus",), port=7865),
    Rule("Fooocus", "close Fooocus", programs=("fooocus",), port=7865),
    Rule("SwarmUI", "close SwarmUI", programs=("swarmui", "swarmui.exe"), port=7801),
    Rule("SwarmUI", "close SwarmUI", scripts=("swarmui.dll",), port=7801),
    Rule(
        "Ollama", "ollama stop MODEL", Hold.MODEL, programs=("ollama",), words=("runner",),
        port=11434,
    ),
    Rule(
        "Ollama", "ollama stop MODEL", Hold.MODEL, port=11434,
        programs=("ollama_llama_server", "ollama-runner"),
    ),
    Rule("Ollama", "ollama stop MODEL", Hold.IDLE, programs=("ollama",), words=("serve",), port=11434),
    Rule("llama.cpp", "close llama.cpp", Hold.MODEL, programs=("llama-server", "llama-cli"), port=8080),
    Rule("LM Studio", "eject the model in LM Studio", programs=("lm studio", "lm-studio", "lms")),
    Rule("LM Studio", "eject the model in LM Studio", places=("lm studio.app",)),
    Rule("vLLM", "close vLLM", Hold.MODEL, scripts=("vllm",), words=("serve",), port=8000),
    Rule("vLLM", "close vLLM", Hold.MODEL, modules=("vllm.entrypoints.*",), port=8000),
    Rule("vLLM", "close vLLM", Hold.MODEL, programs=("vllm::*",), port=8000),
    Rule("MLX server", "close MLX server", Hold.MODEL, scripts=("mlx_lm.server",), port=8080),
    Rule("MLX server", "close MLX server", Hold.MODEL, modules=("mlx_lm.server", "mlx_lm"), port=8080),
    Rule("Blender", "close Blender, or let it render on the CPU", programs=("blender", "blender.exe")),
    Rule("DaVinci Resolve", "close DaVinci Resolve", programs=("resolve", "davinci resolve")),
    Rule("OBS", "close OBS", programs=("obs", "obs64.exe", "obs-studio")),
    Rule("Draw Things", "close Draw Things", programs=("draw things", "drawthings")),
    Rule("DiffusionBee", "close DiffusionBee", programs=("diffusionbee",)),
    Rule(
        BROWSER, "close its tabs that use the GPU", active_only=True,
        programs=(
            "google chrome helper (gpu)", "chromium helper (gpu)", "brave browser helper (gpu)",
            "microsoft edge helper (gpu)", "com.apple.webkit.gpu", "arc helper (gpu)",
            "chrome", "chromium", "chromium-browser", "brave", "msedge", "firefox", "firefox-bin",
            "plugin-container", "safari",
        ),
    ),
)  # fmt: skip

#: they draw the desktop: not closed for a training
NEVER = frozenset({
    "windowserver", "xorg", "x", "xwayland", "gnome-shell", "kwin", "kwin_x11", "kwin_wayland", "dock",
    "mutter", "plasmashell", "sway", "hyprland", "loginwindow", "dwm.exe", "explorer.exe",
})  # fmt: skip

#: files checked in the working folder of a process for rules with `beside`
BESIDE = tuple(sorted({name for rule in RULES for name in rule.beside}))
BESIDE_SCRIPTS = tuple(sorted({name for rule in RULES if rule.beside for name in rule.scripts}))

# ----------------------------------------------------------------------------- one process

#: the script is one of the first words; after them come its own arguments
_SCRIPT_WORDS = 12
_PLACE_WORDS = 4
_INTERPRETERS = ("python", "pypy", "dotnet")


@dataclass(frozen=True, slots=True)
class Process:
    """What is known of a process. `name` as given by the system, `argv` complete (empty if unreadable);
    `beside`: files of the table in its working folder; `since_at`: its start."""

    pid: int
    name: str
    argv: tuple[str, ...] = ()
    cwd: str = ""
    memory_bytes: int = 0
    parent_pid: int | None = None
    since_at: float | None = None
    beside: tuple[str, ...] = ()


def rule_of(process: Process) -> Rule | None:
    if never(process.name) or (process.argv and never(_file(process.argv[0]))):
        return None
    return _looked_up(process.name, process.argv, process.cwd, process.beside)


@lru_cache(maxsize=512)  # processes stay, and matching 40 rules for each every 15 s is not free
def _looked_up(name: str, argv: tuple[str, ...], cwd: str, beside: tuple[str, ...]) -> Rule | None:
    words = [word.lower() for word in argv]
    program = _file(words[0]) if words else ""
    programs, scripts, modules = {program, name.lower()}, {program}, set[str]()
    if program.startswith(_INTERPRETERS):
        scripts |= {_file(word) for word in words[1:_SCRIPT_WORDS] if not word.startswith("-")}
        modules = {words[i + 1] for i, word in enumerate(words[:-1]) if word == "-m"}
    place = " ".join((cwd.lower(), *words[:_PLACE_WORDS]))

    def fits(rule: Rule) -> bool:
        return (
            _any(rule.programs, programs)
            and _any(rule.scripts, scripts)
            and _any(rule.modules, modules)
            and all(word in words[1:] for word in rule.words)
            and (not rule.places or any(part in place for part in rule.places))
            and (not rule.beside or not set(beside).isdisjoint(rule.beside))
        )

    return next(filter(fits, RULES), None)


def _any(patterns: Sequence[str], found: Iterable[str]) -> bool:
    """Does anything found match one of these? Without patterns, everything does."""
    return not patterns or any(fnmatchcase(name, one) for one in patterns for name in found)


def never(name: str) -> bool:
    """Does it only draw the desktop?"""
    return _file(name) in NEVER


def _file(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name.lower()


def port_of(argv: Sequence[str], usual: int | None) -> int | None:
    """`--port 8189` or `--port=8189` of the command line, else the default; None if the program has none."""
    if usual is None:
        return None
    for index, word in enumerate(argv):
        text = word.partition("=")[2] if word.startswith("--port=") else ""
        if word == "--port" and index + 1 < len(argv):
            text = argv[index + 1]
        if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536:
            return int(text[:6])
    return usual
