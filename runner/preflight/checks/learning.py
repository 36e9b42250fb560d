"""How long and at what rate: steps, learning rate and its schedule."""

from __future__ import annotations

from runner.model.units import count
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, Rule, check, failed, judge, passed, skipped, warned
from runner.trainers.sd_scripts.saves import save_warnings


@check("steps", "Steps", 250)
def steps(facts: Facts) -> Finding:
    """Is the number of steps as expected? Regularisation images often double it."""
    forecast = facts.forecast()
    notes = " ".join(f"{warning.rstrip('.')}." for warning in forecast.warnings)
    if forecast.steps is None:
        return skipped("step count unknown", notes)
    words = f"{forecast.steps} steps"
    if forecast.steps == 0:
        return failed(words, notes, "check the image folders of the dataset")
    detail = f"{count(forecast.epochs or 0, 'epoch')} of {forecast.batches_per_epoch} batches"
    detail = f"{words}: {detail}. {notes}".strip()
    if facts.smoke:
        return passed(words, detail)
    fix = Fix(f"expect {words}", {"steps": forecast.steps}, "expect")
    expected = facts.config.expect.steps
    # other checks report the plan's warnings
    elsewhere = {*facts.plan().warnings, *save_warnings(facts.flags)}
    if expected is None and set(forecast.warnings) - elsewhere:
        return warned(words, detail, f"{fix.words} if that is intended", fix)
    if expected not in (None, forecast.steps):
        advice = f"{fix.words}, or change the dataset or the epochs"
        return warned(f"{words}, not {expected}", detail, advice, fix)
    return passed(words, detail)


_USUAL = "learning_rate = 1e-4"
_RATES = ("learning_rate", "unet_lr", "text_encoder_lr")


def _rate(facts: Facts, flag: str) -> float | None:
    """The first of a list; --learning_rate where it is not set."""
    value = facts.flags.get(flag)
    first = value[0] if isinstance(value, tuple) and value else value
    try:
        return float(first)  # type: ignore[arg-type]
    except ValueError:
        return None
    except TypeError:
        return facts.number("learning_rate")


def _adaptive(facts: Facts) -> bool:
    return facts.optimizer.startswith("dadapt") or facts.optimizer == "prodigy"


def relative_adafactor(facts: Facts) -> bool:
    """Adafactor finds its own rate, with its own schedule, unless relative_step=False is set."""
    given = facts.flags.get("optimizer_args")
    words = given if isinstance(given, tuple) else (given,)
    fixed = any(str(word).replace(" ", "") == "relative_step=False" for word in words)
    return facts.optimizer == "adafactor" and not fixed


def _nothing(facts: Facts) -> bool:
    unet = 0.0 if facts.on("network_train_text_encoder_only") else _rate(facts, "unet_lr")
    text = 0.0 if facts.on("network_train_unet_only") else _rate(facts, "text_encoder_lr")
    return unet == 0.0 and text == 0.0


def _high(facts: Facts) -> bool:
    own = _adaptive(facts) or relative_adafactor(facts)
    return not own and max(_rate(facts, name) or 0.0 for name in _RATES) > 0.05


def _low(facts: Facts) -> bool:
    rate = _rate(facts, "unet_lr")
    return _adaptive(facts) and rate is not None and rate <= 0.1


def _unset(facts: Facts) -> bool:
    unset = not facts.flags.keys() & set(_RATES) and not relative_adafactor(facts)
    return unset and facts.demands.default_rate < 1e-5


LEARNING_RATE_RULES = (
    Rule("both left out",
         lambda f: f.on("network_train_unet_only") and f.on("network_train_text_encoder_only"),
         "network_train_unet_only and network_train_text_encoder_only leave nothing to train.",
         {"network_train_text_encoder_only": False}, "remove one of them"),
    Rule("all rates are 0", _nothing,
         "All learning rates are 0, so the optimizer gets no parameters.",
         advice=_USUAL),
    Rule("too low for it", _low, "D-Adaptation and Prodigy scale their own rate and expect about 1.0.",
         {"learning_rate": 1.0}, fatal=False),
    Rule("very high", _high,
         "A learning rate above 0.05 makes the loss NaN with most optimizers.",
         advice=_USUAL, fatal=False),
    Rule("not set", _unset,
         "No learning rate is set: sd-scripts defaults to 2e-6, with which a LoRA learns almost nothing.",
         {"learning_rate": 1e-4}, _USUAL, fatal=False),
)  # fmt: skip


@check("learning_rate", "Learn rate", 270, foresees=("no_trainable_parameters",))
def learning_rate(facts: Facts) -> Finding:
    """Will anything be learned? A missing learning rate, or none for the trained parts, stops or wastes the
    run.

    sd-scripts main 48d368fa: get_optimizer; an empty list of parameters is an error of torch's
    optimizers, D-Adaptation and Prodigy scale their own rate from about 1.0. --learning_rate is 2e-6
    when it is not set.
    """
    rate = facts.flags.get("unet_lr") or facts.flags.get("learning_rate") or "default"
    fine = (str(rate), "Learning rates are in the usual range.")
    return judge(facts, "a rate that learns", LEARNING_RATE_RULES, fine)


def _schedule(facts: Facts) -> str:
    return facts.text("lr_scheduler") or "constant"


def _by_class(facts: Facts) -> bool:
    """Parts unaffected by the name of a schedule."""
    return bool(facts.text("lr_scheduler_type")) or relative_adafactor(facts)


def _needless(facts: Facts) -> bool:
    """`constant`, Adafactor's own and any class by --lr_scheduler_type take no warm-up; schedule-free
    optimizers ignore it entirely."""
    fixed = _schedule(facts) == "constant" or _schedule(facts).startswith("adafactor")
    warmup = facts.number("lr_warmup_steps") or 0.0
    free = facts.optimizer.endswith("schedulefree")
    return warmup != 0 and not free and (fixed or _by_class(facts))


def _longer(facts: Facts) -> bool:
    steps = facts.number("max_train_steps")
    by_epochs = "max_train_epochs" in facts.flags or not steps
    return not by_epochs and (facts.number("lr_warmup_steps") or 0.0) >= (steps or 0)


SCHEDULE_RULES = (
    Rule("warm-up ignored", lambda f: _needless(f) and not _by_class(f),
         "The schedule constant takes no lr_warmup_steps.", {"lr_scheduler": "constant_with_warmup"}),
    Rule("warm-up ignored", lambda f: _needless(f) and _by_class(f),
         "Adafactor and a schedule by lr_scheduler_type take no lr_warmup_steps.",
         {"lr_warmup_steps": False}),
    Rule("adafactor schedule",
         lambda f: _schedule(f).startswith("adafactor") and f.optimizer != "adafactor",
         "The schedule adafactor works with the optimizer Adafactor only.",
         {"lr_scheduler": "cosine"}),
    Rule("warm-up to the end", _longer,
         "lr_warmup_steps is as long as the training: the full rate is never reached.",
         {"lr_warmup_steps": 0}, fatal=False),
)  # fmt: skip


@check("schedule", "LR schedule", 280)
def schedule(facts: Facts) -> Finding:
    """Does the learning rate schedule accept its settings?

    sd-scripts main 48d368fa: get_scheduler_fix (train_util.py 5262-5398).
    """
    fine = (_schedule(facts), f"The schedule {_schedule(facts)} accepts these settings.")
    return judge(facts, "a matching schedule", SCHEDULE_RULES, fine)
