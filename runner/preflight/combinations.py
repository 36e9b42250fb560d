"""Flags that sd-scripts refuses together, before or in the middle of a run.

sd-scripts main 48d368fa: verify_training_args and get_optimizer (train_util.py), train_network.py
815-833.
"""

from __future__ import annotations

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding
from runner.preflight.rules import Rule, judge


def _precision(facts: Facts) -> str:
    return facts.text("mixed_precision") or "no"


def _swap(facts: Facts) -> bool:
    return (facts.number("blocks_to_swap") or 0) > 0


def _optimizer(facts: Facts) -> str:
    return (facts.text("optimizer_type") or "").lower()


RULES = (
    Rule(
        "full_fp16 alone",
        lambda f: f.on("full_fp16") and _precision(f) != "fp16",
        'full_fp16 needs mixed_precision = "fp16".',
        'mixed_precision = "fp16", or take full_fp16 out', {"full_fp16": False}, row=22,
    ),
    Rule(
        "full_bf16 alone",
        lambda f: f.on("full_bf16") and not f.on("full_fp16") and _precision(f) != "bf16",
        'full_bf16 needs mixed_precision = "bf16".',
        'mixed_precision = "bf16", or take full_bf16 out', {"full_bf16": False}, row=22,
    ),
    Rule(
        "fp8_base alone",
        lambda f: (f.on("fp8_base") or f.on("fp8_base_unet")) and _precision(f) == "no",
        'fp8_base needs mixed_precision "fp16" or "bf16".',
        "set mixed_precision, or take fp8_base out",
        {"fp8_base": False, "fp8_base_unet": False}, row=22,
    ),
    Rule(
        "noise_offset missing",
        lambda f: "adaptive_noise_scale" in f.flags and "noise_offset" not in f.flags,
        "adaptive_noise_scale needs noise_offset.",
        "set noise_offset, or take adaptive_noise_scale out",
        {"adaptive_noise_scale": False}, row=91,
    ),
    Rule(
        "v_parameterization",
        lambda f: f.on("scale_v_pred_loss_like_noise_pred") and not f.on("v_parameterization"),
        "scale_v_pred_loss_like_noise_pred needs v_parameterization.",
        "take scale_v_pred_loss_like_noise_pred out",
        {"scale_v_pred_loss_like_noise_pred": False}, row=91,
    ),
    Rule(
        "v_pred_like_loss",
        lambda f: bool(f.number("v_pred_like_loss")) and f.on("v_parameterization"),
        "v_pred_like_loss cannot be used with v_parameterization.",
        "take v_pred_like_loss out", {"v_pred_like_loss": False}, row=91,
    ),
    Rule(
        "two optimizers",
        lambda f: f.on("use_8bit_adam") and (f.on("use_lion_optimizer") or bool(_optimizer(f))),
        "use_8bit_adam cannot be used with another optimizer.",
        "take use_8bit_adam out", {"use_8bit_adam": False},
    ),
    Rule(
        "two optimizers",
        lambda f: f.on("use_lion_optimizer") and bool(_optimizer(f)) and not f.on("use_8bit_adam"),
        "use_lion_optimizer cannot be used with optimizer_type.",
        "take use_lion_optimizer out", {"use_lion_optimizer": False},
    ),
    Rule(
        "fused_backward_pass",
        lambda f: f.on("fused_backward_pass")
        and (_optimizer(f) != "adafactor" or (f.number("gradient_accumulation_steps") or 1) > 1),
        "fused_backward_pass works only with Adafactor and without gradient accumulation.",
        "take fused_backward_pass out", {"fused_backward_pass": False},
    ),
    Rule(
        "blocks_to_swap",
        lambda f: _swap(f) and f.on("cpu_offload_checkpointing"),
        "blocks_to_swap cannot be used with cpu_offload_checkpointing.",
        "take cpu_offload_checkpointing out", {"cpu_offload_checkpointing": False},
    ),
    Rule(
        "v2 with SDXL",
        lambda f: f.on("v2") and f.script is not None and "sdxl" in f.script.kinds,
        "v2 cannot be used with SDXL.", "take v2 out", {"v2": False},
    ),
    Rule(
        "attention mask",
        lambda f: f.text("model_type") == "chroma" and not f.on("apply_t5_attn_mask"),
        "Chroma needs apply_t5_attn_mask.", "apply_t5_attn_mask = true",
        {"apply_t5_attn_mask": True},
    ),
    Rule(
        "skip + accumulation",
        lambda f: f.on("skip_until_initial_step")
        and (f.number("gradient_accumulation_steps") or 1) > 1,
        "skip_until_initial_step counts wrong with gradient accumulation: most of the run is skipped.",
        "take skip_until_initial_step out", {"skip_until_initial_step": False},
    ),
    Rule(
        "output_config",
        lambda f: f.on("output_config"),
        "output_config writes the settings to a file and trains nothing.",
        "take output_config out", {"output_config": False}, row=30,
    ),
    Rule(
        "zero_terminal_snr",
        lambda f: f.on("zero_terminal_snr") and not f.on("v_parameterization"),
        "zero_terminal_snr is meant for v_parameterization.",
        "take zero_terminal_snr out", {"zero_terminal_snr": False}, fatal=False,
    ),
)  # fmt: skip


def look(facts: Facts) -> Finding:
    fine = ("fit together", "No two flags are known to contradict each other.")
    return judge(facts, "combinations", "flags that fit together", RULES, fine)


CHECK = Check("combinations", "Flag combos", look)
