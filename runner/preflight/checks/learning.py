"""How long and at what rate: steps, learning rate and its schedule."""

from __future__ import annotations

from runner.model.units import count
from runner.preflight.cures.model import Cure
from runner.preflight.cures.settings import key_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, warned
from runner.preflight.rules import Rule, judge
from runner.trainers.sd_scripts.dataset import DatasetError


@check("steps", "Steps", order=250)
def steps(facts: Facts) -> Finding:
    """Will as many steps be trained as the user thinks? Regularisation images often double them."""
    forecast = facts.forecast()
    told = " ".join(f"{warning.rstrip('.')}." for warning in forecast.warnings)
    if forecast.steps is None:
        return skipped("step count unknown", told)
    words = f"{forecast.steps} steps"
    if forecast.steps == 0:
        return failed(words, told, "check the image folders of the dataset")
    detail = f"{count(forecast.epochs or 0, 'epoch')} of {forecast.batches_per_epoch} batches"
    detail = f"{words}: {detail}. {told}".strip()
    expected = None if facts.smoke else facts.config.expect.steps
    if expected is not None and forecast.steps != expected:
        advice = f"steps = {forecast.steps} in [expect], or change the dataset or the epochs"
        return warned(f"{words}, not {expected}", detail, advice, _cure(facts, forecast.steps))
    surprising = set(forecast.warnings) - _of_the_plan(facts)
    if expected is None and surprising and not facts.smoke:
        advice = f"steps = {forecast.steps} in [expect] if that is meant"
        return warned(words, detail, advice, _cure(facts, forecast.steps))
    return passed(words, detail)


def _of_the_plan(facts: Facts) -> set[str]:
    """What other checks tell of the dataset."""
    try:
        return set(facts.plan().warnings)
    except DatasetError:
        return set()


def _cure(facts: Facts, steps: int) -> Cure:
    return key_cure(facts.config, "steps", f"expect {steps} steps", "expect", {"steps": steps})


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


LEARNING_RATE_RULES = (
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


@check("learning_rate", "Learn rate", order=270, foresees=("no_trainable_parameters",))
def learning_rate(facts: Facts) -> Finding:
    """Will anything be learnt? No learning rate, or none for what is trained, stops or wastes the run.

    sd-scripts main 48d368fa: get_optimizer; an empty list of parameters is an error of torch's
    optimizers, D-Adaptation and Prodigy scale their own rate from about 1.0. --learning_rate is 2e-6
    when it is not set.
    """
    rate = facts.flags.get("unet_lr") or facts.flags.get("learning_rate")
    fine = (f"{rate}"[:20] if rate else "default", "Something is trained, at a usual rate.")
    return judge(facts, "learning_rate", "a rate that learns", LEARNING_RATE_RULES, fine)


def _name(facts: Facts) -> str:
    return facts.text("lr_scheduler") or "constant"


def _warmup(facts: Facts) -> float:
    return facts.number("lr_warmup_steps") or 0.0


def relative_adafactor(facts: Facts) -> bool:
    """Adafactor finds its own rate, with a schedule of its own, unless relative_step=False is given."""
    if (facts.text("optimizer_type") or "").lower() != "adafactor":
        return False
    given = facts.flags.get("optimizer_args")
    words = given if isinstance(given, tuple) else (given,)
    return not any(str(word).replace(" ", "") == "relative_step=False" for word in words)


def _needless(facts: Facts) -> bool:
    """`constant`, Adafactor's own and any class by --lr_scheduler_type take no warm-up."""
    if _own_schedule(facts):
        return False
    named = bool(facts.text("lr_scheduler_type"))
    fixed = _name(facts) == "constant" or _name(facts).startswith("adafactor")
    return _warmup(facts) != 0 and (named or fixed or relative_adafactor(facts))


def _by_class(facts: Facts) -> bool:
    """What another name of a schedule would not change."""
    return bool(facts.text("lr_scheduler_type")) or relative_adafactor(facts)


def _own_schedule(facts: Facts) -> bool:
    """Schedule-free optimizers ignore all of it."""
    return (facts.text("optimizer_type") or "").lower().endswith("schedulefree")


def _adafactor(facts: Facts) -> bool:
    optimizer = (facts.text("optimizer_type") or "").lower()
    return _name(facts).startswith("adafactor") and optimizer != "adafactor"


def _longer(facts: Facts) -> bool:
    steps = facts.number("max_train_steps")
    return "max_train_epochs" not in facts.flags and bool(steps) and _warmup(facts) >= (steps or 0)


SCHEDULE_RULES = (
    Rule(
        "warm-up not taken", lambda f: _needless(f) and not _by_class(f),
        "The schedule constant takes no lr_warmup_steps.",
        'lr_scheduler = "constant_with_warmup"', {"lr_scheduler": "constant_with_warmup"}, row=92,
    ),
    Rule(
        "warm-up not taken", lambda f: _needless(f) and _by_class(f),
        "Adafactor and a schedule by lr_scheduler_type take no lr_warmup_steps.",
        "take lr_warmup_steps out", {"lr_warmup_steps": False}, row=92,
    ),
    Rule(
        "adafactor schedule", _adafactor,
        "The schedule adafactor works with the optimizer Adafactor only.",
        'lr_scheduler = "cosine"', {"lr_scheduler": "cosine"}, row=93,
    ),
    Rule(
        "warm-up to the end", _longer,
        "lr_warmup_steps is as long as the training: the full rate is never reached.",
        "lr_warmup_steps = 0", {"lr_warmup_steps": 0}, fatal=False,
    ),
)  # fmt: skip


@check("schedule", "LR schedule", order=280)
def schedule(facts: Facts) -> Finding:
    """Does the learning rate's schedule take what it is given?

    sd-scripts main 48d368fa: get_scheduler_fix (train_util.py 5262-5398).
    """
    if facts.config.trainer.embedded and "lr_scheduler" not in facts.flags:
        fine = ("constant", "The learning rate stays as it is.")
    else:
        fine = (_name(facts)[:20], f"The schedule {_name(facts)} takes what it is given.")
    return judge(facts, "schedule", "a schedule that fits", SCHEDULE_RULES, fine)
