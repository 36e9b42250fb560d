"""Will anything be learnt? No learning rate, or none for what is trained, stops or wastes the run.

sd-scripts main 48d368fa: get_optimizer; an empty list of parameters is an error of torch's
optimizers, D-Adaptation and Prodigy scale their own rate from about 1.0. --learning_rate is 2e-6
when it is not set.
"""

from __future__ import annotations

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding
from runner.preflight.rules import Rule, judge
from runner.preflight.schedule import relative_adafactor


def _rate(facts: Facts, flag: str) -> float | None:
    value = facts.flags.get(flag)
    first = value[0] if isinstance(value, tuple) and value else value
    if isinstance(first, bool) or first is None or isinstance(first, tuple):
        return facts.number("learning_rate") if flag != "learning_rate" else None
    try:
        return float(first)
    except ValueError:
        return None


def _adaptive(facts: Facts) -> bool:
    name = (facts.text("optimizer_type") or "").lower()
    return name.startswith("dadapt") or name == "prodigy"


def _nothing(facts: Facts) -> bool:
    unet_only = facts.on("network_train_unet_only")
    text_only = facts.on("network_train_text_encoder_only")
    unet = 0.0 if text_only else _rate(facts, "unet_lr")
    text = 0.0 if unet_only else _rate(facts, "text_encoder_lr")
    return unet == 0.0 and text == 0.0


def _high(facts: Facts) -> bool:
    rates = [_rate(facts, name) or 0.0 for name in ("learning_rate", "unet_lr", "text_encoder_lr")]
    return not _adaptive(facts) and not relative_adafactor(facts) and max(rates) > 0.05


def _low(facts: Facts) -> bool:
    rate = _rate(facts, "unet_lr")
    return _adaptive(facts) and rate is not None and rate <= 0.1


RULES = (
    Rule(
        "both left out",
        lambda f: f.on("network_train_unet_only") and f.on("network_train_text_encoder_only"),
        "network_train_unet_only and network_train_text_encoder_only leave nothing to train.",
        "take one of them out", {"network_train_text_encoder_only": False}, row=85,
    ),
    Rule(
        "all rates are 0", _nothing,
        "The learning rates of all that is trained are 0, so the optimizer gets no parameters.",
        "learning_rate = 1e-4", row=85,
    ),
    Rule(
        "too low for it", _low,
        "D-Adaptation and Prodigy scale their own rate and expect about 1.0.",
        "learning_rate = 1.0", {"learning_rate": 1.0}, fatal=False,
    ),
    Rule(
        "very high", _high,
        "A learning rate above 0.05 makes the loss not a number with most optimizers.",
        "learning_rate = 1e-4", fatal=False,
    ),
    Rule(
        "not set",
        lambda f: not any(n in f.flags for n in ("learning_rate", "unet_lr", "text_encoder_lr"))
        and not f.config.trainer.embedded and not relative_adafactor(f),
        "No learning rate is set: sd-scripts takes 2e-6, with which a LoRA learns next to nothing.",
        "learning_rate = 1e-4", {"learning_rate": 1e-4}, fatal=False,
    ),
)  # fmt: skip


def look(facts: Facts) -> Finding:
    rate = facts.flags.get("unet_lr") or facts.flags.get("learning_rate")
    fine = (f"{rate}"[:20] if rate else "default", "Something is trained, at a usual rate.")
    return judge(facts, "learning_rate", "a rate that learns", RULES, fine)


CHECK = Check("learning_rate", "Learn rate", look)
