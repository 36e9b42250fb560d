"""Does the learning rate's schedule take what it is given?

sd-scripts main 48d368fa: get_scheduler_fix (train_util.py 5262-5398).
"""

from __future__ import annotations

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding
from runner.preflight.rules import Rule, judge


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


RULES = (
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


def look(facts: Facts) -> Finding:
    if facts.config.trainer.embedded and "lr_scheduler" not in facts.flags:
        fine = ("constant", "The learning rate stays as it is.")
    else:
        fine = (_name(facts)[:20], f"The schedule {_name(facts)} takes what it is given.")
    return judge(facts, "schedule", "a schedule that fits", RULES, fine)


CHECK = Check("schedule", "LR schedule", look)
