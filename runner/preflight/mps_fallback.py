"""Is the CPU asked for operators that MPS lacks? Without that the first of them ends the training."""

from __future__ import annotations

from runner.preflight.cures.plasma_toml import env_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, warned

VARIABLE = "PYTORCH_ENABLE_MPS_FALLBACK"
HIGH, LOW = "PYTORCH_MPS_HIGH_WATERMARK_RATIO", "PYTORCH_MPS_LOW_WATERMARK_RATIO"
#: torch: the low ratio when only the high one is set
DEFAULT_LOW = 1.4


def look(facts: Facts) -> Finding:
    env = facts.environment()
    if facts.device_wanted != "mps":
        return skipped("not for MPS", "No training on MPS is expected here.")
    if problem := watermark_problem(env.get(HIGH), env.get(LOW)):
        return failed("watermark ratios", problem, f"unset {HIGH}, or set {LOW} as well")
    if env.get(VARIABLE) == "1":
        return passed("on", f"{VARIABLE}=1: what MPS lacks is done by the CPU.")
    detail = f"{VARIABLE} is not 1: an operator that MPS lacks would end the training."
    cure = env_cure(facts.config, "mps_fallback", "let the CPU step in", VARIABLE, "1")
    advice = f'env = {{ {VARIABLE} = "1" }} in [trainer]'
    return warned("not set", detail, advice).curable(cure)


def watermark_problem(high: str | None, low: str | None) -> str | None:
    """torch refuses a high ratio below the low one, except 0 (no limit)."""
    try:
        upper = float(high) if high else None
        lower = float(low) if low else DEFAULT_LOW
    except ValueError:
        return f"{HIGH}={high} or {LOW}={low} is no number."
    if upper and upper < lower:
        return f"{HIGH}={high} is below the low ratio {lower:g}, which torch refuses."
    return None


CHECK = Check("mps_fallback", "MPS fallback", look)
