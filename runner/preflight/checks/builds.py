"""Do torch and the packages with GPU code fit the card, the driver and each other?"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from runner.preflight.checks.trainer import numbers
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.driver import Driver
from runner.preflight.facts import Facts
from runner.preflight.gpu_code import (
    Fit,
    Wheel,
    codes_of,
    driver_runs,
    fit,
    gfx_override,
    wheel_for,
)
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.preflight.probe import Device, Package, gpu_packages

_ASKED = "python accelerate"
_INDEX = "https://download.pytorch.org/whl"


@check(
    "torch_build", "Torch build", 521, slow=True, needs=_ASKED,
    foresees=("gpu_architecture_unsupported",),
)  # fmt: skip
def torch_build(facts: Facts) -> Finding:
    """Does torch have code for this GPU, and is the driver new enough for its CUDA?"""
    found = facts.device()
    if not found.torch:
        return skipped("device unknown")
    if facts.device_wanted in ("cpu", "mps"):
        return skipped(f"trains on {facts.device_wanted}", "No GPU code of torch is used.")
    driver = facts.driver()
    amd = tuple(card for card in driver.cards if not card.nvidia)
    driver = replace(driver, cards=(*facts.cards(), *amd))
    env, python = facts.environment(), facts.config.trainer.python
    return judge_torch(found, driver, env, python, facts.config.processes)


#: in torch's message about the driver
_TOO_OLD = "too old"
#: (name, compute capability)
Cards = Sequence[tuple[str, str]]


def judge_torch(
    found: Device, driver: Driver, env: Mapping[str, str], python: str, processes: int = 1
) -> Finding:
    """`driver`: with the cards that the trainer may use; `env`: the trainer's. Each process uses one GPU, the
    first ones that torch sees; others, as an old card for the screen, do not matter."""
    if not found.cuda_build:
        return _without_gpu_code(found, driver, python)
    hip = any(arch.startswith("gfx") for arch in found.archs)
    if found.capabilities:
        named = (*found.names, *[""] * len(found.capabilities))
        cards = list(zip(named, found.capabilities, strict=False))[:processes]
    else:
        cards = [(card.name, card.capability) for card in driver.cards if card.nvidia is not hip]
    if not cards and _TOO_OLD not in (found.cuda_error or ""):
        return skipped("no GPU", "No driver reports a GPU that this torch could use.")
    return _rocm(found, cards, env) if hip else _cuda(found, cards, driver, python, processes)


def _cuda(found: Device, cards: Cards, driver: Driver, python: str, processes: int) -> Finding:
    fits = [(name, cc, fit(cc, found.archs)) for name, cc in cards if cc]
    if not found.capabilities:  # any of them may be used: an old one for the screen is not
        fits = [one for one in fits if wheel_for([one[1]], driver.cuda)] or fits
        fits.sort(key=lambda one: list(Fit).index(one[2]))
    wheel = wheel_for([cc for _, cc, _ in fits], driver.cuda)
    refused = driver_runs(driver.cuda, found.cuda_build) is False
    if not found.capabilities and (refused or _TOO_OLD in (found.cuda_error or "")):
        return _old_driver(found, driver, wheel, python)
    if not found.archs or not fits:
        return skipped("not listed", f"The GPU code of torch {found.torch} is unknown.")
    fits = fits[:processes]
    # a driver of the same major version runs finished code, but cannot compile a newer CUDA's PTX
    stale = driver.cuda and numbers(driver.cuda) < numbers(found.cuda_build)
    for name, cc, one in fits:
        if one is Fit.NONE or (one is Fit.PTX and stale):
            return _no_kernel(found, name, cc, wheel, python)
    used = ", ".join(dict.fromkeys(cc for _, cc, _ in fits))
    if any(one is Fit.PTX for _, _, one in fits):
        detail = f"torch {found.torch} has only PTX of an older generation for compute capability {used}: "
        detail += "the first start takes minutes, and some libraries may fail."
        return warned(f"only PTX for {used}", detail, _install(wheel, python))
    return passed(f"fits {used}", f"torch {found.torch} has code for compute capability {used}.")


def _no_kernel(found: Device, name: str, cc: str, wheel: Wheel | None, python: str) -> Finding:
    codes = " ".join(found.archs)
    detail = (
        f"{name or 'The GPU'} has compute capability {cc}; torch {found.torch} has code for {codes} "
        "only. Its first operation would fail with: no kernel image is available."
    )
    return failed(f"no code for {cc}", detail, _install(wheel, python))


def _old_driver(found: Device, driver: Driver, wheel: Wheel | None, python: str) -> Finding:
    known = f"driver {driver.version} supports up to CUDA {driver.cuda}"
    why = known if driver.cuda else (found.cuda_error or "the driver is too old")
    detail = f"torch {found.torch} is built for CUDA {found.cuda_build}; {why}."
    other = f", or {_install(wheel, python)}" if wheel is not None else ""
    return failed("driver too old", detail, f"update the NVIDIA driver{other}")


def _without_gpu_code(found: Device, driver: Driver, python: str) -> Finding:
    build = f"torch {found.torch} is built for the CPU"
    usable = [card for card in driver.nvidia if wheel_for([card.capability], driver.cuda)]
    if not usable:
        # an AMD one is often part of the processor and too slow for training
        here = "no GPU found" if not driver.cards else f"the {driver.cards[0].name} is not used"
        return passed("CPU build", f"{build}; {here}.")
    wheel = wheel_for([usable[0].capability], driver.cuda)
    advice = f'{_install(wheel, python)}, or set device = "cpu" in [expect] to train on the CPU'
    detail = f"{build}, but this machine has an {usable[0].name}."
    return failed("CPU build, has a GPU", detail, advice)


def _rocm(found: Device, cards: Cards, env: Mapping[str, str]) -> Finding:
    lacking = [(name, code) for name, code in cards if code and code not in found.archs]
    if not lacking or env.get("HSA_OVERRIDE_GFX_VERSION"):
        codes = ", ".join(dict.fromkeys(code for _, code in cards))
        return passed(f"fits {codes}", f"torch {found.torch} has code for {codes}.")
    name, code = lacking[0]
    detail = f"{name or 'The GPU'} is {code}; torch {found.torch} has code for "
    detail += f"{' '.join(found.archs)} only."
    if (version := gfx_override(code, found.archs)) is None:
        return failed(f"no code for {code}", detail, "use another GPU, or another ROCm build")
    changes = {"HSA_OVERRIDE_GFX_VERSION": version}
    fix = Fix("use code of a related GPU", changes, "trainer.env")
    return failed(f"no code for {code}", detail, "", fix)


def _install(wheel: Wheel | None, python: str) -> str:
    """The command, or why there is none."""
    if wheel is None:
        return "use another GPU: no current build of torch supports this one"
    pip = f"{shlex.quote(python)} -m pip install --force-reinstall"
    return f"{pip} torch torchvision --index-url {_INDEX}/{wheel.name}"


# ----------------------------------------------------------------- packages


@check(
    "xformers", "xformers", 522, slow=True, needs=_ASKED, foresees=("xformers_mismatch",)
)  # fmt: skip
def xformers(facts: Facts) -> Finding:
    """Does xformers fit this torch and this GPU? By its own check, in the trainer's Python."""
    return _package(facts, "xformers")


def judge_xformers(found: Device, package: Package) -> Finding:
    fix = Fix("use torch's own attention", {"xformers": REMOVED, "sdpa": True})
    advice = (
        "sdpa = true in place of xformers, which is as fast; or reinstall xformers for this torch"
    )
    if package.problem:
        built = f"torch {package.built_torch} with CUDA {package.built_cuda}"
        why = f"is built for {built}" if package.built_torch else f"fails: {package.problem}"
        detail = f"xformers {package.version} {why}; the trainer has torch {found.torch}."
        return failed("does not load", detail, advice, fix)
    if package.built_cuda == "none":
        detail = f"xformers {package.version} is built without CUDA."
        return failed("built without CUDA", detail, advice, fix)
    gpu = next(iter(found.capabilities), "")
    asked = package.operators is None and package.archs and gpu[:1].isdigit()
    fitting = fit(gpu, codes_of(package.archs)) if asked else None
    if package.operators == () or fitting is Fit.NONE:
        detail = f"xformers {package.version} has no attention for compute capability {gpu}."
        return failed(f"none for {gpu}", detail, advice, fix)
    if fitting is Fit.PTX:
        detail = (
            f"xformers {package.version} is built for {' '.join(package.archs)}; a GPU of compute "
        )
        detail += f"capability {gpu} is newer, and parts of it may fail."
        return warned(f"old for {gpu}", detail, advice, fix)
    return passed(package.version or "loads", f"xformers {package.version} loads its GPU code.")


#: bitsandbytes 0.45.3 brings code for RTX 50 cards (its installation guide: CUDA 12.8 builds)
_BLACKWELL, _BLACKWELL_BNB = (10,), (0, 45, 3)


@check(
    "bitsandbytes", "bitsandbytes", 523, slow=True, needs=_ASKED,
    foresees=("bitsandbytes_cuda_mismatch",),
)  # fmt: skip
def bitsandbytes(facts: Facts) -> Finding:
    """Does bitsandbytes load a library for this GPU? By its own check, in the trainer's Python."""
    return _package(facts, "bitsandbytes")


def judge_bitsandbytes(found: Device, package: Package, python: str = "python") -> Finding:
    fix = Fix("use AdamW of torch", {"optimizer_type": "AdamW"})
    update = f"{shlex.quote(python)} -m pip install -U bitsandbytes"
    name = f"bitsandbytes {package.version}".rstrip()
    advice = f'{update}, or optimizer_type = "AdamW" (more GPU memory)'
    if package.problem and not (package.gpu is False and found.kind != "cuda"):
        return failed("does not load", f"{name} fails: {package.problem}.", advice, fix)
    if found.kind != "cuda":
        detail = f"{name} has no optimizers for {found.kind}; its GPU code needs CUDA."
        return warned(f"not for {found.kind}", detail, 'optimizer_type = "AdamW"', fix)
    if package.gpu is False:
        brought = ", ".join(package.libraries) or "none"
        detail = f"{name} loaded its CPU library. Libraries that it has: {brought}."
        return failed("CPU library", detail, advice, fix)
    newest = max((numbers(cc) for cc in found.capabilities if cc[:1].isdigit()), default=())
    if newest >= _BLACKWELL and () < numbers(package.version) < _BLACKWELL_BNB:
        detail = f"{name} has no code for compute capability {'.'.join(map(str, newest))}; "
        detail += "0.45.3 and newer have."
        return failed("too old for the GPU", detail, advice, fix)
    return passed(package.version or "loads", f"{name} loads its library for the GPU.")


#: inductor refuses older GPUs (torch.utils._triton: `device_props.major >= 7`)
_TRITON_LEAST = (7,)


@check("triton", "Triton", 524, slow=True, needs=_ASKED)
def triton(facts: Facts) -> Finding:
    """Can torch.compile use triton on this GPU?"""
    return _package(facts, "triton")


def judge_triton(found: Device, package: Package, python: str = "python") -> Finding:
    gone = Fix("train without torch.compile", {"torch_compile": REMOVED})
    advice = "remove torch_compile"
    if found.kind != "cuda":
        return skipped(f"not for {found.kind}", f"inductor on {found.kind} needs no triton.")
    if package.problem:
        install = f"{shlex.quote(python)} -m pip install triton (triton-windows on Windows)"
        detail = f"torch_compile needs triton: {package.problem}."
        return failed("does not load", detail, f"{install}, or {advice}", gone)
    if package.wanted and package.version and package.version != package.wanted:
        detail = (
            f"triton {package.version} is installed; torch {found.torch} requires {package.wanted}."
        )
        install = f'{shlex.quote(python)} -m pip install "triton=={package.wanted}"'
        return warned(package.version, detail, install)
    old = [cc for cc in found.capabilities if cc[:1].isdigit() and numbers(cc) < _TRITON_LEAST]
    if old:
        detail = f"triton does not support compute capability {old[0]}: it needs 7.0 or newer."
        return failed(f"not for {old[0]}", detail, advice, gone)
    if package.compiler is False:
        detail = "triton compiles a small C file at the start and finds no gcc, clang or $CC."
        return failed("no C compiler", detail, f"install gcc, or {advice}", gone)
    return passed(package.version or "loads", f"triton {package.version} loads.")


def _package(facts: Facts, name: str) -> Finding:
    """Of a package with GPU code, if the flags use it."""
    if name not in gpu_packages(facts.flags):
        return skipped("not used", f"These flags do not use {name}.")
    if name in facts.missing():
        return skipped("packages missing", f"No {name}.")
    found = facts.device()
    package = found.packages.get(name)
    if package is None:
        crashed = found.torch and found.problem is None and not facts.cancelled.is_set()
        detail = f"Python crashes when it imports {name}."
        return failed("crashes", detail, f"reinstall {name}") if crashed else skipped("unknown")
    python = facts.config.trainer.python
    if name == "xformers":
        return judge_xformers(found, package)
    judge = judge_triton if name == "triton" else judge_bitsandbytes
    return judge(found, package, python)
