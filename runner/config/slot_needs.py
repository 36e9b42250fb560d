"""Which slots of the queue a launch needs: as many as its launcher starts processes, or exactly the GPUs that
the user chose."""

from __future__ import annotations

from collections.abc import Mapping

from runner.config.flags import launcher_flags, whole
from runner.model import AttemptPlan
from runner.store.slots import VISIBLE, Needs

#: as in CUDA_VISIBLE_DEVICES: no GPU
_NONE = frozenset({"", "-1", "none", "NoDevFiles"})


def needs_of(plan: AttemptPlan, env: Mapping[str, str]) -> Needs:
    """`env`: of the starter's shell."""
    try:
        flags = launcher_flags(plan.command)
        count = max(1, whole(flags, "num_processes") or 1)
    except ValueError:
        flags, count = {}, 1
    ids = flags.get("gpu_ids")
    if isinstance(ids, str) and ids not in ("", "all"):
        return Needs(count, _gpus(ids))
    for name in VISIBLE.values():
        value = plan.env[name] if name in plan.env else env.get(name)
        if value is not None:
            return Needs(count, _gpus(value))
    return Needs(count)


def _gpus(text: str) -> tuple[str, ...]:
    """Those before the first that is none: CUDA ignores the rest."""
    found = []
    for word in text.split(","):
        if word.strip() in _NONE:
            break
        found.append(word.strip())
    return tuple(dict.fromkeys(found))
