"""Who else is on the GPU, in words; and the question whether ComfyUI should give its memory back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.model import CheckResult, GpuUser, RunSnapshot, Status
from runner.model.units import count, duration, memory_size
from tui.text import clean
from tui.viewmodel.stopping import Choice, Question

COMFY = "comfyui"
#: a share below this is not worth a word
LEAST_PERCENT = 1.0


def others(snapshot: RunSnapshot) -> tuple[GpuUser, ...]:
    """Everybody but this run, the largest first; by memory, then by share."""
    status = snapshot.status
    if status is None:
        return ()
    found = {_key(user): user for user in status.gpu_users if not user.ours}
    for gpu in status.sample.gpus if status.sample is not None else ():
        for user in gpu.users:
            if not user.ours:
                found.setdefault(_key(user), user)
    # another training slows a CPU as well; a ComfyUI holds only a GPU's memory
    idle = _without_gpu(status)
    users = (user for user in found.values() if not (idle and _is_comfy(user)))
    return tuple(sorted(users, key=_size, reverse=True))


def _is_comfy(user: GpuUser) -> bool:
    return COMFY in user.name.lower().replace(" ", "")


def _without_gpu(status: Status) -> bool:
    """Is it certain that nobody can use a GPU here? One that the trainer uses exists, read or not."""
    on_cpu = not status.device or status.device.startswith("cpu")
    return on_cpu and status.sample is not None and not status.sample.gpus


def _key(user: GpuUser) -> tuple[int | None, str]:
    return (user.pid, "" if user.pid is not None else user.name)


def _size(user: GpuUser) -> tuple[int, float]:
    return (user.memory_bytes or 0, user.percent or 0.0)


def name_of(user: GpuUser) -> str:
    name = clean(user.name, 40)
    if user.outside:
        return name or "a process outside this container"
    return name or (f"process {user.pid}" if user.pid is not None else "somebody")


def user_words(user: GpuUser, now: float) -> str:
    """`ComfyUI 6.1 GB, 40 %, for 2 h`: name and memory stay together, the rest gives way."""
    memory = f" {memory_size(user.memory_bytes)}" if user.memory_bytes else ""
    parts = [f"{name_of(user)}{memory}"]
    if user.percent is not None and user.percent >= LEAST_PERCENT:
        parts.append(f"{user.percent:.0f} %")
    if user.since_at is not None and now - user.since_at >= 60:
        parts.append(f"for {_long(now - user.since_at)}")
    return ", ".join(parts)


def _long(seconds: float) -> str:
    """In one unit: since when is no matter of minutes after an hour."""
    if seconds >= 7200:
        return f"{seconds // 3600:.0f} h" if seconds < 172_800 else f"{seconds // 86_400:.0f} days"
    return duration(seconds // 60 * 60)


def users_line(users: Sequence[GpuUser], now: float) -> str:
    """The first, and how many more; empty if there is nobody."""
    if not users:
        return ""
    words = user_words(users[0], now)
    if len(users) == 1:
        return words
    head, _, tail = words.partition(", ")
    more = f"and {count(len(users) - 1, 'other')}"
    return f"{head}, {more}, {tail}" if tail else f"{head}, {more}"


# --------------------------------------------------------------------------- asking ComfyUI


def comfy_of(snapshot: RunSnapshot | None) -> GpuUser | None:
    """The ComfyUI among the other users of the GPU."""
    users = others(snapshot) if snapshot is not None else ()
    return next(filter(_is_comfy, users), None)


def comfy_in(checks: Mapping[str, CheckResult]) -> bool | None:
    """Did the check of GPU users see a ComfyUI? None: it has no result, or did not look."""
    found = checks.get("gpu_users")
    if found is None or found.status == "skip":
        return None
    return COMFY in f"{found.evidence} {found.detail}".lower()


def free_question(user: GpuUser, now: float) -> Question:
    """What asking does, and that it ends nothing."""
    pid = f" (process {user.pid})" if user.pid is not None else ""
    name, _, rest = user_words(user, now).partition(", ")
    return _free_question(f"On the GPU now: {name}{pid}{', ' + rest if rest else ''}.")


def free_question_before(found: CheckResult) -> Question:
    """The same before a run, when the check has seen it."""
    return _free_question(clean(found.detail or found.evidence))


def _free_question(held: str) -> Question:
    return Question(
        "Ask ComfyUI to free its memory?",
        (
            held,
            "It is asked to unload its models (its own order, POST /free); the next picture there loads them "
            "again. Nothing is ended, and with work in its queue it is left alone.",
            "It takes some seconds, and may give back only a part. The training is not touched.",
        ),
        (Choice("free", "Ask it"),),
    )
