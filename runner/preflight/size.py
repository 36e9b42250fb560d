"""Will the checkpoints be as large as the user thinks? A wrong rank or precision shows in their size."""

from __future__ import annotations

from runner.model.units import file_size
from runner.preflight.facts import Facts
from runner.preflight.lora_size import lora_bytes
from runner.preflight.model import Check, Finding, passed, skipped, warned


def look(facts: Facts) -> Finding:
    size = facts.forecast().checkpoint_bytes or lora_bytes(facts)
    if size is None:
        return skipped("cannot be told", "The size is not known for this network and base model.")
    expected = None if facts.smoke else facts.config.expect.checkpoint_mb
    return judge(size, expected)


def judge(size_bytes: int, expected: tuple[float, float] | None) -> Finding:
    told = f"A checkpoint will have about {file_size(size_bytes)}"
    if expected is None:
        return passed(f"about {file_size(size_bytes)}", f"{told}.")
    low, high = expected
    if low * 1e6 <= size_bytes <= high * 1e6:
        return passed(f"about {file_size(size_bytes)}", f"{told}, as expected.")
    wanted = f"{low:g} to {high:g} MB"
    advice = "look at network_dim and save_precision, or correct [expect] checkpoint_mb"
    return warned(f"about {file_size(size_bytes)}", f"{told}, not {wanted}.", advice)


CHECK = Check("size", "File size", look)
