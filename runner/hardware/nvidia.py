"""NVIDIA cards: by the driver's library, else by nvidia-smi.

Nothing of it is loaded before the first reading, and nothing is printed. A driver that hangs blocks `read`
and with it the one thread that asks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from runner.hardware import nvidia_words as words
from runner.hardware.nvidia_card import SOURCE, in_trouble, read_card
from runner.hardware.nvidia_smi import NvidiaSmi
from runner.hardware.nvidia_users import Processes
from runner.hardware.nvml import Failed, Handle, NoBindings, Nvml
from runner.hardware.source import Asked, Reading
from runner.model import GpuSample

PERIOD_S = 2.0
#: the command costs 0.1 to 1 s a call
SMI_PERIOD_S = 5.0
#: between two attempts to open the library again: after a failure, or while a card is lost
PAUSE_S = 30.0


class NvidiaSource:
    """All cards that the driver shows, in its order (that of the PCI bus)."""

    name = "nvidia"

    def __init__(
        self,
        pause_s: float = PAUSE_S,
        processes: Processes | None = None,
        smi: NvidiaSmi | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.period_s = PERIOD_S
        self._pause_s, self._clock = pause_s, clock
        self._processes = processes or Processes()
        self._smi = smi or NvidiaSmi(self._processes)
        self._nvml: Nvml | None = None
        #: handles hold until the library is shut down
        self._handles: dict[int, tuple[Handle, GpuSample]] = {}
        #: every card that ever answered, by its key; the one that answered last comes last
        self._known: dict[str, GpuSample] = {}
        self._open_at: float | None = 0.0  # when to open (again); None: no need to
        self._reason: str | None = None

    def read(self, asked: Asked) -> Reading:
        """Never raises for what the machine lacks."""
        if sys.platform == "darwin":
            return Reading(reason=words.NO_DRIVER, final=True)
        if self._open_at is not None and self._clock() >= self._open_at:
            self._open()
        if self._nvml is not None:
            reading = self._by_library(self._nvml, asked)
            if reading is not None:
                return reading
        return self._by_command(asked)

    def close(self) -> None:
        """The library is let go; the next reading opens it again."""
        if self._nvml is not None:
            self._nvml.close()
        self._nvml, self._open_at = None, 0.0
        self._handles.clear()

    def _open(self) -> None:
        """Sets `_nvml`, or `_reason`. What can get better is tried again after a pause."""
        self.close()
        self._reason = self._open_at = None
        try:
            self._nvml = Nvml()
        except NoBindings:
            self._reason = words.NO_BINDINGS
        except Failed as failed:
            if failed.trouble.code == words.LIBRARY_NOT_FOUND:
                self._reason = _no_library(failed.trouble.text)
            else:
                self._reason = failed.trouble.state
                self._later()

    def _later(self) -> None:
        if self._open_at is None:
            self._open_at = self._clock() + self._pause_s

    def _by_library(self, nvml: Nvml, asked: Asked) -> Reading | None:
        """None: the library has stopped answering as a whole."""
        try:
            count = nvml.count()
        except Failed as failed:
            self.close()
            self._reason, self._open_at = failed.trouble.state, None
            self._later()
            return None
        self.period_s = PERIOD_S
        cards = [self._card(nvml, index, asked) for index in range(count)]
        cards += self._gone({card.key for card in cards})
        self._processes.forget_but(
            frozenset(user.pid for card in cards for user in card.users if user.pid is not None)
        )
        if not cards or any(card.problem is not None for card in cards):
            self._later()
        else:
            self._open_at = None
        return Reading(tuple(cards), reason=None if cards else words.NO_CARD)

    def _gone(self, listed: set[str]) -> list[GpuSample]:
        """A card that has failed may be missing after the library was opened again; others move up then."""
        gone = [card for key, card in self._known.items() if key not in listed]
        return [in_trouble(replace(card, index=None), words.GONE) for card in gone]

    def _card(self, nvml: Nvml, index: int, asked: Asked) -> GpuSample:
        if index not in self._handles:
            try:
                handle = nvml.handle(index)
                known = GpuSample(nvml.uuid(handle), SOURCE, nvml.name(handle), index)
            except Failed as failed:
                return in_trouble(self._was_at(index), failed.trouble.state)
            self._handles[index] = (handle, known)
            self._known.pop(known.key, None)
            self._known[known.key] = known
        handle, known = self._handles[index]
        return read_card(nvml, handle, known, asked, self._processes)

    def _was_at(self, index: int) -> GpuSample:
        here = [card for card in self._known.values() if card.index == index]
        return here[-1] if here else GpuSample(f"nvidia-{index}", SOURCE, index=index)

    def _by_command(self, asked: Asked) -> Reading:
        found = self._smi.read(asked)
        if found.gpus:
            self.period_s = SMI_PERIOD_S
            return Reading(found.gpus)
        self.period_s = max(PERIOD_S, self._pause_s)
        reason = self._reason
        if reason is None or reason == words.NO_DRIVER:
            reason = found.reason or words.NO_DRIVER
        return Reading(reason=reason, final=self._open_at is None and found.hopeless)


def _no_library(said: str) -> str:
    """A library that is there and cannot be loaded is worth telling: containers leave empty files."""
    if "No such file" in said or not said:
        return words.NO_DRIVER
    return f"the NVIDIA driver's library cannot be loaded ({said}); in a container use --gpus all"
