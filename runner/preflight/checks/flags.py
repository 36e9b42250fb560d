"""Flags: their names, and combinations that sd-scripts rejects or a Mac cannot run."""

from __future__ import annotations

from collections.abc import Callable

from runner.config.catalog import Catalog, Effort
from runner.config.errors import nearest
from runner.model.units import count
from runner.preflight.facts import Facts
from runner.preflight.model import (
    Finding,
    Rule,
    check,
    failed,
    judge,
    passed,
    skipped,
    some,
    warned,
)
from runner.trainers.registry import flag_report
from runner.trainers.sd_scripts.config_file import config_file_problems

_UNKNOWN = "is not a flag of this trainer"


@check(
    "flag_names", "Flag names", 60,
    foresees=("bad_flag_value", "config_file_missing", "unknown_flag"),
)  # fmt: skip
def flag_names(facts: Facts) -> Finding:
    """Does the script know every flag, on the command line and in a --config_file? If fast enough, the
    command line is already checked against the script's argparse when plasma.toml is read; sd-scripts itself
    checks nothing in a config_file.
    """
    file, advice = facts.train_config, "correct or remove these flags"
    if file is not None and file.problem:
        evidence = "no config_file" if file.missing else "config_file unread"
        detail = f"{file.path}: {file.problem}, and the trainer exits at once without it."
        return failed(evidence, detail, "correct config_file in [train]")
    report = flag_report(facts.config.trainer, Effort.QUICK, cancelled=facts.cancelled)
    if report.catalog is None:
        return skipped("unknown", f"{report.note}." if report.note else "")
    problems = _of_command_line(facts, report.catalog)
    beside = [str(one) for one in config_file_problems(file.path, report.catalog)] if file else []
    detail = f"{some([*problems, *beside], 5)}."
    if problems or any(_UNKNOWN not in text for text in beside):
        return failed(count(len(problems) + len(beside), "error"), detail, advice)
    if beside:
        return warned(f"{len(beside)} ignored", detail, advice)
    flags = count(len(facts.flags), "flag")
    return passed(f"{flags} known", f"The script knows every one of {flags}.")


def _of_command_line(facts: Facts, catalog: Catalog) -> list[str]:
    found = []
    for name, value in facts.config.flags(smoke=facts.smoke).items():
        if name not in catalog.names:
            meant = nearest(name, catalog.names)
            found.append(f"{name} {_UNKNOWN}" + (f"; did you mean {meant}?" if meant else ""))
        elif problem := catalog.problem(name, value):
            found.append(f"{name} {problem}")
    return found


_FP8 = ("fp8_base", "fp8_base_unet")


def _precision(facts: Facts) -> str:
    return facts.text("mixed_precision") or "no"


def _accumulates(facts: Facts) -> bool:
    return (facts.number("gradient_accumulation_steps") or 1) > 1


def _out(
    evidence: str, flag: str, why: str, broken: Callable[[Facts], bool], *, fatal: bool = True
) -> Rule:
    """Fixed by removing the flag."""
    return Rule(evidence, broken, f"{flag} {why}.", {flag: False}, fatal=fatal)


COMBINATIONS_RULES = (
    _out("full_fp16 alone", "full_fp16", 'needs mixed_precision = "fp16"',
         lambda f: f.on("full_fp16") and _precision(f) != "fp16"),
    _out("full_bf16 alone", "full_bf16", 'needs mixed_precision = "bf16"',
         lambda f: f.on("full_bf16") and not f.on("full_fp16") and _precision(f) != "bf16"),
    Rule("fp8_base alone", lambda f: f.on(*_FP8) and _precision(f) == "no",
         'fp8_base needs mixed_precision "fp16" or "bf16".', dict.fromkeys(_FP8, False)),
    _out("noise_offset missing", "adaptive_noise_scale", "needs noise_offset",
         lambda f: "adaptive_noise_scale" in f.flags and "noise_offset" not in f.flags),
    _out("v_parameterization", "scale_v_pred_loss_like_noise_pred", "needs v_parameterization",
         lambda f: f.on("scale_v_pred_loss_like_noise_pred") and not f.on("v_parameterization")),
    _out("v_pred_like_loss", "v_pred_like_loss", "cannot be used with v_parameterization",
         lambda f: bool(f.number("v_pred_like_loss")) and f.on("v_parameterization")),
    _out("two optimizers", "use_8bit_adam", "cannot be used with another optimizer",
         lambda f: f.on("use_8bit_adam") and f.on("use_lion_optimizer", "optimizer_type")),
    _out("two optimizers", "use_lion_optimizer", "cannot be used with optimizer_type",
         lambda f: f.on("use_lion_optimizer") and bool(f.optimizer) and not f.on("use_8bit_adam")),
    _out("fused_backward_pass", "fused_backward_pass",
         "works only with Adafactor and without gradient accumulation",
         lambda f: f.on("fused_backward_pass") and (f.optimizer != "adafactor" or _accumulates(f))),
    _out("blocks_to_swap", "cpu_offload_checkpointing", "cannot be used with blocks_to_swap",
         lambda f: (f.number("blocks_to_swap") or 0) > 0 and f.on("cpu_offload_checkpointing")),
    _out("v2 with SDXL", "v2", "cannot be used with SDXL", lambda f: f.on("v2") and "sdxl" in f.kinds),
    Rule("attention mask",
         lambda f: f.text("model_type") == "chroma" and not f.on("apply_t5_attn_mask"),
         "Chroma needs apply_t5_attn_mask.", {"apply_t5_attn_mask": True}),
    _out("skip + accumulation", "skip_until_initial_step",
         "miscounts with gradient accumulation: most of the run is skipped",
         lambda f: f.on("skip_until_initial_step") and _accumulates(f)),
    _out("output_config", "output_config", "writes the settings to a file and trains nothing",
         lambda f: f.on("output_config")),
    _out("zero_terminal_snr", "zero_terminal_snr", "is only for v_parameterization", fatal=False,
         broken=lambda f: f.on("zero_terminal_snr") and not f.on("v_parameterization")),
)  # fmt: skip


@check(
    "combinations", "Flag combos", 290,
    foresees=("flag_combination_invalid", "output_config_exists", "precision_flags_conflict"),
)  # fmt: skip
def combinations(facts: Facts) -> Finding:
    """Flags that sd-scripts rejects together, before or during a run.

    sd-scripts main 48d368fa: verify_training_args and get_optimizer (train_util.py), train_network.py
    815-833.
    """
    fine = ("compatible", "No conflicting flags found.")
    return judge(facts, "compatible flags", COMBINATIONS_RULES, fine)


def _eight_bit(facts: Facts) -> bool:
    bitsandbytes = facts.optimizer.endswith("8bit") or facts.optimizer.startswith("paged")
    return facts.on("use_8bit_adam") or bitsandbytes


def _validates(facts: Facts) -> bool:
    try:
        split = facts.number("validation_split") or 0.0
        return split > 0 or any(spec.validation_split > 0 for spec in facts.specs())
    except ValueError:  # DatasetError is one
        return False


def _many_workers(facts: Facts) -> bool:
    """8 unless it is set."""
    given = facts.number("max_data_loader_n_workers")
    return given is None or given > 1


MPS_TRAPS_RULES = (
    Rule("8-bit optimizer", _eight_bit, "8-bit optimizers come from bitsandbytes, which needs CUDA.",
         {"optimizer_type": "AdamW", "use_8bit_adam": False}),
    Rule("xformers", lambda f: f.on("xformers"), "xformers needs CUDA.",
         {"xformers": False, "sdpa": True}),
    Rule("validation", _validates, "Validation uses CUDA's random state, which a Mac does not have.",
         advice="validation_split = 0"),
    Rule("half precision", lambda f: _precision(f) != "no",
         "Half precision on MPS is rejected by accelerate before 1.11 and easily becomes NaN.",
         {"mixed_precision": "no", "full_fp16": False, "full_bf16": False}, fatal=False),
    Rule("fp8", lambda f: f.on(*_FP8), "MPS has no fp8.", dict.fromkeys(_FP8, False)),
    Rule("many workers", _many_workers,
         "Each loader worker is a new process that imports torch, some 10 s at every epoch.",
         {"max_data_loader_n_workers": 1, "persistent_data_loader_workers": True}, fatal=False),
)  # fmt: skip


@check("mps_traps", "MPS traps", 450, foresees=("cuda_not_compiled",))
def mps_traps(facts: Facts) -> Finding:
    """Flags that do not work, or work badly, on a Mac's GPU.

    sd-scripts main 48d368fa on MPS: validation uses CUDA's random state (train_network.py 1379); bitsandbytes
    and xformers need CUDA; loader workers are spawned, and each imports torch again every epoch.
    """
    if facts.device_wanted != "mps":
        return skipped("not for MPS", "No training on MPS is expected.")
    fine = ("none", "No flags that fail on MPS.")
    return judge(facts, "flags that work on MPS", MPS_TRAPS_RULES, fine)
