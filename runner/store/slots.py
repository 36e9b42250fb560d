"""Slots: places for one training each, one per GPU, else one for the machine: which a machine offers, and which
a run needs. Pure; their locks are in `runner.store.slot_locks`.

Few imports: see `runner.store.queue`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.store.queue import Mark, safe_name

#: overrides the slots: a number of trainings at once, or GPUs (`0,1`; `0,` for one)
VARIABLE = "PLASMA_SLOTS"
MOST = 256
NVIDIA, AMD = "nvidia", "amd"
#: of visible GPUs, by kind
VISIBLE = {NVIDIA: "CUDA_VISIBLE_DEVICES", AMD: "HIP_VISIBLE_DEVICES"}


class BadSlots(ValueError):
    """PLASMA_SLOTS cannot be used; one sentence."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """`key`: NVIDIA's UUID, AMD's address."""

    key: str
    kind: str
    index: int

    def is_called(self, text: str) -> bool:
        """By its index or its UUID, or the start of one, as in CUDA_VISIBLE_DEVICES."""
        known = text == str(self.index) or text == self.key
        return known or (text.startswith("GPU-") and self.key.startswith(text))


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    gpu: Gpu | None = None

    @property
    def label(self) -> str:
        return f"GPU {self.gpu.index}" if self.gpu is not None else "this machine"


MACHINE = Slot("machine")


@dataclass(frozen=True, slots=True)
class Needs:
    """`gpus`: exactly these, by index or UUID; empty: it hides every GPU; None: any `count` slots."""

    count: int = 1
    gpus: tuple[str, ...] | None = None


def offered(gpus: Sequence[Gpu], wish: str = "") -> list[Slot]:
    """The slots of this machine. `wish`: PLASMA_SLOTS. Raises BadSlots."""
    wish = wish.strip()
    if not wish:
        return [Slot(safe_name(gpu.key), gpu) for gpu in gpus] or [MACHINE]
    if "," not in wish:
        try:
            number = int(wish)
        except ValueError:
            number = 0
        if not 1 <= number <= MOST:
            raise BadSlots(_nonsense(wish))
        places: Sequence[Gpu | None] = gpus or [None]
        return [_nth(places[n % len(places)], n // len(places)) for n in range(number)]
    words = [word.strip() for word in wish.split(",") if word.strip()]
    if not words or not all(word.isdigit() or word.startswith("GPU-") for word in words):
        raise BadSlots(_nonsense(wish))
    chosen = (gpu for word in words for gpu in gpus if gpu.is_called(word))
    return [Slot(safe_name(gpu.key), gpu) for gpu in dict.fromkeys(chosen)]


def _nonsense(wish: str) -> str:
    return (
        f"{VARIABLE}={wish[:40]!r} is neither a number of trainings at once (1 to {MOST}) nor a list of GPUs "
        "(`0,1`; `0,` for one): correct or unset it"
    )


def _nth(gpu: Gpu | None, turn: int) -> Slot:
    name = safe_name(gpu.key) if gpu is not None else MACHINE.name
    return Slot(f"{name}~{turn + 1}" if turn else name, gpu)


def units(slots: Sequence[Slot], needs: Needs) -> list[list[Slot]]:
    """For each slot that the run needs, those it may have. Raises BadSlots: it can never be satisfied."""
    if needs.gpus is not None:
        found = [[s for s in slots if s.gpu and s.gpu.is_called(one)] for one in needs.gpus]
        if missing := [one for one, fits in zip(needs.gpus, found, strict=True) if not fits]:
            raise BadSlots(f"it is set to GPU {', '.join(missing)}, which {_offers(slots)}")
        return found or [[MACHINE]]
    if any(slot.gpu is None for slot in slots):  # processes share a machine without GPUs
        return [list(slots)]
    places = len({slot.gpu for slot in slots})
    if needs.count > places:
        raise BadSlots(f"it needs {needs.count} GPUs, and this machine has {places}")
    return [list(slots)] * needs.count


def wish_of(mark: Mark) -> str:
    """PLASMA_SLOTS of a queued run's shell."""
    return mark.env.get(VARIABLE, "").strip()


def wanted_by(mark: Mark, gpus: Sequence[Gpu]) -> list[list[Slot]]:
    """Of a queued run: see `units`. Raises BadSlots."""
    return units(offered(gpus, wish_of(mark)), Needs(mark.count, mark.gpus))


def _offers(slots: Sequence[Slot]) -> str:
    known = [str(slot.gpu.index) for slot in slots if slot.gpu is not None]
    has = f"its slots are GPU {', '.join(dict.fromkeys(known))}" if known else "it has no GPU slot"
    return f"does not exist here ({has})"


def visible(slots: Sequence[Slot]) -> dict[str, str]:
    """What the trainer's environment gets."""
    gpus = [slot.gpu for slot in slots if slot.gpu is not None]
    if not gpus:
        return {}
    kind = gpus[0].kind
    return {VISIBLE[kind]: ",".join(g.key if kind == NVIDIA else str(g.index) for g in gpus)}
