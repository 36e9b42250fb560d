"""Imports the training script once in the trainer's own Python, exactly as it will be launched.

Environment, working folder and the first entry of `sys.path` are those of the launch. Only `main` does not
run: a guarded script is imported; of any other only its import statements are executed. Modules that a flag
makes a script import later (such as the network module) are imported after it. Facts behind it: sd-scripts
main 48d368fa appends its own folder to `sys.path` before it imports --network_module.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from runner.config.interpreter import run_small, sentinel_json
from runner.config.model import Config
from runner.preflight import probe_cache
from runner.preflight.probe import TIMEOUT_S
from runner.trainers.command import Command
from runner.trainers.registry import program_of

#: Runs in the trainer's Python. Threads started by a package must not delay the answer: hence _exit.
SOURCE = """
import ast, importlib, importlib.util, json, os, sys, traceback, types
asked = json.loads(sys.argv.pop(1))
report = {"doing": "", "torch_optimizers": None, "optimizer": None}


def script_module(path):
    name = os.path.splitext(os.path.basename(path))[0]
    if not path.endswith(".py"):
        return importlib.import_module(path)
    with open(path, "rb") as stream:
        tree = ast.parse(stream.read(), path)
    guards = (n for n in tree.body if isinstance(n, ast.If) and "'__name__'" in ast.dump(n.test))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if next(guards, None) is None:
        tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    exec(compile(tree, path, "exec"), module.__dict__)
    return module


def links(error):
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def described(error):
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if f.filename[:1] != "<" and "/importlib/" not in f.filename]
    place = f"{outside[-1].filename}:{outside[-1].lineno}" if outside else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}:{error.lineno}"
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return {"name": name, "text": str(error), "place": place, "frames": [f.name for f in frames]}


script = asked["script"]
if not getattr(sys.flags, "safe_path", False) and sys.path[:1] == [""]:
    sys.path[0] = os.path.dirname(os.path.realpath(script)) if script.endswith(".py") else os.getcwd()
sys.argv[:] = [script]
try:
    report["doing"] = script
    script_module(script)
    if script.endswith(".py"):
        sys.path.append(os.path.dirname(script))
    for name in asked["modules"]:
        report["doing"] = name
        importlib.import_module(name)
except BaseException as error:
    report["errors"] = [described(one) for one in links(error)]
try:
    import torch.optim
    kinds = vars(torch.optim).items()
    report["torch_optimizers"] = [n for n, k in kinds if isinstance(k, type) and n != "Optimizer"]
except BaseException:
    pass
try:
    package, _, name = asked["optimizer"].rpartition(".")
    if package:
        report["optimizer"] = hasattr(importlib.import_module(package), name)
except BaseException as error:
    report["optimizer"] = f"{type(error).__name__}: {error}"
sys.stdout.write("\\n\\x1ePLASMA " + json.dumps(report) + "\\n")
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception as the trainer's Python would raise it. `place`: file:line; `frames`: function names."""

    name: str
    text: str
    place: str = ""
    frames: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.text else self.name


@dataclass(frozen=True, slots=True)
class Imported:
    """`errors`: empty when everything was imported; else the exception that would end the trainer, then
    those it was raised from. `doing`: the script or module that was being imported. `problem`: why the answer
    is unknown. `torch_optimizers`: class names in torch.optim, None if torch was not imported; `optimizer`:
    whether a fully qualified --optimizer_type exists, or why it cannot be imported; None if not asked."""

    errors: tuple[Raised, ...] = ()
    doing: str = ""
    problem: str | None = None
    torch_optimizers: tuple[str, ...] | None = None
    optimizer: bool | str | None = None


def cached_import(
    config: Config, command: Command, flags: Mapping[str, Any], cancelled: Any
) -> Imported:
    """As `try_import`. A success is cached until a package, the script or the environment changes; a failure
    is checked again, because the user is about to fix it."""
    argv, env = import_command(config, flags), command.environment()
    return probe_cache.remembered(
        probe_cache.key_of(argv, config, env, SOURCE, _sources(config, env)),
        Imported,
        lambda: try_import(config, command, flags, cancelled),
        lambda found: not found.errors and found.problem is None,
    )


def try_import(
    config: Config, command: Command, flags: Mapping[str, Any], cancelled: Any
) -> Imported:
    """Takes as long as the trainer's own imports, 5 to 20 s on a warm machine. Never raises; its process
    group is killed at the time limit and on cancel."""
    answer = run_small(
        import_command(config, flags), env=command.environment(), cwd=command.cwd,
        timeout_s=TIMEOUT_S, cancelled=cancelled,
    )  # fmt: skip
    if answer.problem:
        return Imported(problem=answer.problem)
    report = sentinel_json(answer.output)
    if report is None:
        return _died(config, answer.code, answer.errors)
    return msgspec.convert(report, Imported)


def import_command(config: Config, flags: Mapping[str, Any]) -> list[str]:
    """Python alone: `accelerate launch` starts the script with the same interpreter."""
    trainer, program = config.trainer, program_of(config.trainer)
    entry = program.demands.entry
    # a script outside the checkout may prepare these modules' needs in its main
    own = trainer.sd_scripts is not None and Path(trainer.script).parent == trainer.sd_scripts
    late = (*program.packages(flags), str(flags.get("network_module") or "")) if own else ()
    asked = {
        "script": entry or trainer.script,
        "modules": list(dict.fromkeys(filter(None, late))),
        "optimizer": str(flags.get("optimizer_type") or "") if own or entry else "",
    }
    return [trainer.python, "-B", "-X", "faulthandler", "-c", SOURCE, json.dumps(asked)]


def _died(config: Config, code: int | None, stderr: str) -> Imported:
    """No answer: the interpreter crashed, or a module exited."""
    files = re.findall(r'^\s*File "([^<"][^"]*)"', stderr, re.M)
    place = files[0] if files else ""
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        error = Raised(name, "Python crashed", place)
    else:
        error = Raised("SystemExit", f"Python ended with exit code {code}", place)
    return Imported((error,), config.trainer.script)


def _sources(config: Config, env: Mapping[str, str]) -> Iterator[Path]:
    """In addition to the device's dependencies: the checkout's own modules and every installed package."""
    checkout = config.trainer.sd_scripts
    if checkout is not None:
        for folder in (checkout, checkout / "library", checkout / "networks"):
            yield from sorted(folder.glob("*.py"))
    yield Path(config.trainer.script)
    prefix = Path(config.trainer.python).parent.parent
    yield from sorted(prefix.glob("lib/python3*/site-packages/*/__init__.py"))
    for place in filter(None, env.get("PYTHONPATH", "").split(os.pathsep)):
        for pattern in ("*.py", "*/__init__.py"):
            yield from sorted((config.trainer_cwd / place).glob(pattern))
