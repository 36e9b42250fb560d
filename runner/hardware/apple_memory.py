"""How short of memory a Mac is, and how much of it the training takes. Parsing is pure, asking is apart.

Facts: pressure level 1 normal, 2 warning, 4 critical; `Swapouts` of vm_stat counts pages since boot; RSS
misses compressed and GPU memory, so the footprint (Activity Monitor's figure) is taken: the 8th number behind
the 16 bytes of uuid in rusage_info_v0.
"""

from __future__ import annotations

import ctypes
import re
import struct
import sys

from runner.hardware.source import Ask, Unanswered, ask

CRITICAL = 4
RUSAGE_BYTES = 96
_FOOTPRINT_AT = 72
_VM_STAT = "/usr/bin/vm_stat"
_TIMEOUT_S = 3.0
_LEVEL = b"kern.memorystatus_vm_pressure_level"
#: through a name of its own, so that the type checker looks at both ways on every system
ON_A_MAC: bool = sys.platform == "darwin"


def level_of(value: int | None) -> int | None:
    """1, 2 or 4; 3 is not in use, above 4 is critical, below 1 is no level."""
    if value is None or value < 1:
        return None
    return CRITICAL if value > CRITICAL else value


def swapped_out(answer: bytes) -> int | None:
    """Bytes written to swap since boot, by what vm_stat prints."""
    text = answer.decode("ascii", "replace")
    page = re.search(r"page size of (\d+) bytes", text)
    count = re.search(r"^\W*Swapouts\W*:\s*(\d+)", text, re.M)
    return int(page[1]) * int(count[1]) if page and count else None


def footprint_in(usage: bytes) -> int | None:
    """`ri_phys_footprint` of a rusage_info_v0."""
    if len(usage) < RUSAGE_BYTES:
        return None
    return int(struct.unpack_from("=Q", usage, _FOOTPRINT_AT)[0])


def ask_swapped_out(ask: Ask = ask) -> tuple[int | None, str | None]:
    """Bytes since boot, or why not."""
    try:
        found = swapped_out(ask([_VM_STAT], _TIMEOUT_S))
    except Unanswered as error:
        return None, str(error)
    return found, None if found is not None else "the answer of vm_stat is not understood"


def ask_pressure() -> int | None:
    """The kernel's level now; None where it does not tell (microseconds, no process)."""
    if not ON_A_MAC:
        return None
    level = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(level))
    try:
        libc = ctypes.CDLL(None)
        failed = libc.sysctlbyname(
            ctypes.c_char_p(_LEVEL), ctypes.byref(level), ctypes.byref(size), None,
            ctypes.c_size_t(0),
        )  # fmt: skip
    except (OSError, AttributeError):
        return None
    return None if failed else level_of(level.value)


def ask_footprint(pid: int) -> int | None:
    """Bytes of memory that the process answers for; None for one that is gone or somebody else's."""
    if not ON_A_MAC:
        return None
    usage = ctypes.create_string_buffer(RUSAGE_BYTES * 2)
    try:
        libproc = ctypes.CDLL("/usr/lib/libproc.dylib")
        failed = libproc.proc_pid_rusage(ctypes.c_int(pid), ctypes.c_int(0), usage)
    except (OSError, AttributeError):
        return None
    return None if failed else footprint_in(usage.raw)
