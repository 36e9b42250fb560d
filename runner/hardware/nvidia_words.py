"""What the NVIDIA driver's codes mean for a person. Pure.

Numbers are those of nvml.h (stable since 2011); the module `pynvml` is not needed to know them.
"""

from __future__ import annotations

from dataclasses import dataclass

UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
ARGUMENT_VERSION_MISMATCH = 25

#: the call or its struct is not of this driver: another spelling may be
UNKNOWN_TO_DRIVER = frozenset((FUNCTION_NOT_FOUND, INVALID_ARGUMENT, ARGUMENT_VERSION_MISMATCH))

NO_DRIVER = "no NVIDIA driver on this machine"
NO_CARD = "the NVIDIA driver sees no GPU"
NO_BINDINGS = "the package nvidia-ml-py is not installed: pip install nvidia-ml-py"
MIG_UTILISATION = "not measured: the driver gives no utilisation of a card that MIG has split"
MIG_SHARED = "of the whole card; MIG has split it"
MIG_PARTS = "of the MIG parts that can be seen from here"
OLD_MEMORY = "old driver: memory that it keeps for itself may be counted as used"
GONE = (
    "The driver does not list this GPU any more: look for Xid in `dmesg`; a reboot brings it back."
)

_STATES = {
    NO_PERMISSION: "No permission to ask this GPU: give this user access to /dev/nvidia*; "
    "in a container start it with --gpus all.",
    DRIVER_NOT_LOADED: "The NVIDIA kernel module is not loaded: run `sudo modprobe nvidia` or reboot.",
    GPU_IS_LOST: "The GPU is lost (it no longer answers the driver): look for Xid in `dmesg`, then reboot.",
    RESET_REQUIRED: "The GPU has failed and needs a reset: stop what uses it, then reboot.",
    LIB_RM_VERSION_MISMATCH: "The NVIDIA driver was updated while the old one is still loaded: reboot.",
}
_FIELDS = {
    NOT_SUPPORTED: "not supported by this GPU",
    NO_PERMISSION: "no permission",
    FUNCTION_NOT_FOUND: "the driver is too old for it",
    GPU_IS_LOST: "the GPU is lost",
}
#: Only what slows the card down against the user's interest. Left out: idle (1), clocks set by somebody (2, the
#: normal state of data-centre cards) and by a display (0x100), and the voltage limits that every card runs at.
_THROTTLE = (
    (0x04, "power cap"),
    (0x80, "power brake"),
    (0x08, "hardware slowdown"),
    (0x20, "thermal"),
    (0x40, "thermal"),
    (0x10, "sync boost"),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer. `code`: of nvml.h, None for other faults; `text`: the driver's own words."""

    code: int | None
    text: str = ""

    @property
    def state(self) -> str:
        """The sentence for a card, or for the whole driver."""
        known = _STATES.get(self.code) if self.code is not None else None
        return known or f"The NVIDIA driver answers: {self.text or 'unknown error'}."

    @property
    def field(self) -> str:
        """The reason for one value that is missing."""
        known = _FIELDS.get(self.code) if self.code is not None else None
        return known or f"not measured: {self.text or 'unknown error'}"

    @property
    def of_card(self) -> bool:
        """Is the card itself in trouble, not just this one value?"""
        return self.code in (GPU_IS_LOST, RESET_REQUIRED)


def throttle_words(mask: int) -> tuple[str, ...]:
    """Why the clocks are lower than they could be, by the driver's bit mask; empty: nothing of interest."""
    return tuple(dict.fromkeys(word for bit, word in _THROTTLE if mask & bit))
