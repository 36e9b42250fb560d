"""The device that the training gets, according to the trainer's own Python."""

from __future__ import annotations

import re

from runner.preflight.cures.accelerate import own_config_cure
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.preflight.probe import Device
from runner.trainers.accelerate import config_path, read_config

#: the trainer's Python can be asked at all; every check of the probe says alike why not
_ASKED = "python accelerate"


@check("device", "Device", 520, slow=True, needs=_ASKED, foresees=("wrong_device",))
def device(facts: Facts) -> Finding:
    """Will the training run on the device that the user expects?"""
    found = facts.device()
    file = config_path(facts.config, facts.environment())
    judged = judge_device(found, facts.config.expect.device, str(file))
    launched = facts.config.trainer.launcher == "accelerate" and file.exists()
    blamed = launched and (found.name is None or found.forced_cpu)
    return judged.fixed_by(own_config_cure(facts)) if judged.status == "fail" and blamed else judged


def unanswered(found: Device) -> Finding:
    """The probe found no device."""
    evidence = "device unknown" if found.problem == "cancelled" else "accelerate fails"
    detail = f"Asking the trainer's Python for its device failed: {found.problem}."
    return failed(evidence, detail, "run it by hand: `accelerate env`")


def judge_device(found: Device, expected: str | None, config_file: str) -> Finding:
    """`config_file`: the configuration that `accelerate launch` reads."""
    if found.name is None:
        return unanswered(found)
    model = f" ({found.names[0]})" if found.names and found.kind == "cuda" else ""
    detail = (
        f"accelerate {found.accelerate} with torch {found.torch} gives the training {found.name}"
        f"{model}."
    )
    unused = next((kind for kind in ("cuda", "mps") if getattr(found, kind)), None)
    wanted = expected.split(":")[0] if expected else unused
    idle = expected is None and found.name == "cpu" and unused is not None
    if not idle and (expected is None or fits(found.name, expected)):
        return passed(f"trains on {found.name}", detail)
    advice = "install a torch build for this device, or correct [expect] device"
    if wanted and getattr(found, wanted, False):
        detail += f" torch itself sees {wanted}, so that GPU would not be used."
        advice = "check the configuration of accelerate: `accelerate env`"
    elif wanted in ("cuda", "mps"):
        detail += f" torch itself does not see {wanted}: {_why(found, wanted)}."
    if found.forced_cpu:
        detail += " The configuration of accelerate sets use_cpu."
        advice = f"set use_cpu: false in {config_file}"
    if idle:
        # training on the CPU takes a hundred times as long, and it was not requested
        advice += ', or set device = "cpu" in [expect] if you want the CPU'
        return failed(f"cpu, torch sees {unused}", detail, advice)
    return failed(f"{found.name}, not {expected}", detail, advice)


def _why(found: Device, wanted: str) -> str:
    if wanted == "mps":
        return "this torch is not built for it" if not found.mps_built else "macOS offers none"
    if not found.cuda_build:
        return f"torch {found.torch} is built for the CPU"
    if found.visible is not None and found.visible.strip() in ("", "-1"):
        return f'CUDA_VISIBLE_DEVICES is "{found.visible}"'
    return f"it is built for CUDA {found.cuda_build}, and no driver offers it a GPU"


def fits(name: str, expected: str) -> bool:
    """`cuda` is any GPU, `cuda:1` that one; a bare `cuda` is the first."""
    if ":" not in expected:
        return name.split(":")[0] == expected
    return name == expected or (name == "cuda" and expected == "cuda:0")


@check("launcher", "Launcher", 530, slow=True, needs=f"launcher {_ASKED}")
def launcher(facts: Facts) -> Finding:
    """Does the training get the same device through its launcher as with Python alone? If not, why?"""
    if facts.config.processes > 1:
        return skipped("several processes", "Not checked with several processes.")
    launched = facts.device()
    if facts.cancelled.is_set():
        return skipped("cancelled")
    bare = facts.device(bare=True)
    file = config_path(facts.config, facts.environment())
    there = read_config(file) is not None
    found = judge_launcher(launched, bare, str(file), there)
    # our own configuration helps if the user's is the reason
    blamed = there and bare.name and (launched.name is None or launched.forced_cpu)
    cured = found.status in ("fail", "warn") and launched.problem != "cancelled" and blamed
    return found.fixed_by(own_config_cure(facts)) if cured else found


def judge_launcher(launched: Device, bare: Device, file: str, there: bool) -> Finding:
    """`file`: the launcher's configuration, and whether it exists."""
    if launched.name is None:
        if bare.name is None:
            return unanswered(launched)
        detail = f"Python alone gets {bare.name}, accelerate launch fails: {launched.problem}."
        return failed("launch fails", detail, f"correct {file if there else '[accelerate]'}")
    if bare.name is None:
        detail = f"accelerate launch gets {launched.name}; Python alone fails: {bare.problem}."
        return passed(f"{launched.name} by launch", detail)
    if launched.kind == bare.kind:
        return passed("same as bare", f"Both get {launched.name}.")
    reason, advice = "its configuration or environment", "check [accelerate] and [trainer] env"
    if launched.forced_cpu and there:
        reason, advice = f"use_cpu in {file}", f"set use_cpu: false in {file}"
    elif launched.forced_cpu:
        reason, advice = "--cpu or ACCELERATE_USE_CPU", "remove cpu from [accelerate]"
    elif launched.visible != bare.visible:
        reason = f"gpu_ids: CUDA_VISIBLE_DEVICES is {launched.visible}"
        advice = "correct gpu_ids in [accelerate]"
    detail = f"accelerate launch gives {launched.name}, Python alone {bare.name}: {reason}."
    return warned(f"{launched.name}, bare {bare.name}", detail, advice)


@check("mps", "MPS", 540, slow=True, needs=_ASKED)
def mps(facts: Facts) -> Finding:
    """Can torch use the GPU of this Mac?"""
    if facts.device_wanted != "mps":
        return skipped("not wanted", "No training on MPS is expected here.")
    bare = facts.config.trainer.launcher == "accelerate" and facts.config.processes == 1
    return judge_mps(facts.device(bare=bare))


def judge_mps(found: Device) -> Finding:
    """For Python alone: another check covers the launcher."""
    if not found.torch:
        return unanswered(found)
    system = f"macOS {found.macos}" if found.macos else "a system other than macOS"
    if not found.mps_built:
        detail = f"torch {found.torch} is built without MPS ({system})."
        return failed("not built", detail, "install the torch build for macOS on Apple Silicon")
    if not found.mps:
        detail = f"torch {found.torch} has MPS built in, but {system} offers no Metal device."
        advice = "macOS 12.3 or newer on Apple Silicon is needed"
        return failed("built, unavailable", detail, advice)
    return passed("available, built", f"torch {found.torch} sees MPS on {system}.")


#: flags that only make sense in half precision
_HALF_ONLY = ("full_fp16", "full_bf16", "fp8_base", "fp8_base_unet")


@check(
    "precision", "Precision", 550, slow=True, needs=_ASKED,
    foresees=("bf16_unsupported", "dtype_mismatch", "fp16_unsupported"),
)  # fmt: skip
def precision(facts: Facts) -> Finding:
    """Can this device train in the requested precision with these versions?

    sd-scripts passes --mixed_precision to accelerate itself, so `accelerate config` is ignored. accelerate
    before 1.11 only supports "no" on MPS; fp16 on a CPU is accepted and then fails in the first step.
    """
    asked, found = facts.text("mixed_precision") or "no", facts.device()
    if found.name is None:
        return unanswered(found) if found.problem == "cancelled" else skipped("device unknown")
    judged = judge_precision(found, asked, facts.demands.fp16_on_cpu)
    if judged.status == "pass":
        return judged
    # fp16 if a GPU has no bf16, else float32; flags that need another precision are removed
    wanted = _instead(found, asked)
    gone = ("full_bf16",) if wanted == "fp16" else _HALF_ONLY
    changes = {"mixed_precision": wanted, **{name: False for name in gone if facts.on(name)}}
    return judged.fixed_by(Fix(f"train in {'fp16' if wanted == 'fp16' else 'float32'}", changes))


def judge_precision(found: Device, asked: str, fp16_on_cpu: bool = False) -> Finding:
    versions = f"accelerate {found.accelerate}, torch {found.torch}"
    advice = f'mixed_precision = "{_instead(found, asked)}"'
    if asked not in ("fp16", "bf16"):
        return passed("float32", f"mixed_precision is {asked}: works on every device ({versions}).")
    if found.refused:
        why = re.sub(r"\s+", " ", found.refused).rstrip(".")
        detail = f"accelerate refuses {asked} on {found.name}: {why} ({versions})."
        return failed(f"no {asked} on {found.kind}", detail, advice)
    if asked == "fp16" and found.kind == "cpu" and not fp16_on_cpu:
        detail = "sd-scripts cannot train with mixed_precision fp16 on a CPU."
        return failed("fp16 on a CPU", detail, advice)
    if asked == "bf16" and found.kind == "cuda" and found.bf16 is False:
        detail = f"{', '.join(found.names) or 'This GPU'} has no native bf16: it is emulated."
        return warned("bf16 is emulated", detail, advice)
    if asked == "fp16" and found.kind == "mps":
        detail = f"fp16 on MPS easily becomes NaN ({versions})."
        return warned("fp16 on MPS", detail, advice)
    return passed(f"{asked} on {found.name}", f"{asked} is possible ({versions}).")


def _instead(found: Device, asked: str) -> str:
    return "fp16" if found.kind == "cuda" and asked == "bf16" else "no"


VARIABLE = "PYTORCH_ENABLE_MPS_FALLBACK"
HIGH, LOW = "PYTORCH_MPS_HIGH_WATERMARK_RATIO", "PYTORCH_MPS_LOW_WATERMARK_RATIO"
#: torch: the low ratio if only the high one is set
DEFAULT_LOW = 1.4


@check(
    "mps_fallback", "MPS fallback", 460, foresees=("mps_operator_missing", "mps_watermark_ratio")
)
def mps_fallback(facts: Facts) -> Finding:
    """Does the CPU run operators missing on MPS? Otherwise the first one ends the training."""
    env = facts.environment()
    if facts.device_wanted != "mps":
        return skipped("not for MPS", "No training on MPS is expected here.")
    if problem := watermark_problem(env.get(HIGH), env.get(LOW)):
        return failed("watermark ratios", problem, f"unset {HIGH}, or set {LOW} as well")
    if env.get(VARIABLE) == "1":
        return passed("on", f"{VARIABLE}=1: operators missing on MPS run on the CPU.")
    detail = f"{VARIABLE} is not 1: an operator missing on MPS would end the training."
    return warned(
        "not set", detail, "", Fix("fall back to the CPU", {VARIABLE: "1"}, "trainer.env")
    )


def watermark_problem(high: str | None, low: str | None) -> str | None:
    """torch refuses a high ratio below the low one, except 0 (no limit)."""
    try:
        upper = float(high) if high else None
        lower = float(low) if low else DEFAULT_LOW
    except ValueError:
        return f"{HIGH}={high} or {LOW}={low} is not a number."
    if upper and upper < lower:
        return f"{HIGH}={high} is below the low ratio {lower:g}, which torch refuses."
    return None
