"""Which GPU code runs on which card, which CUDA on which driver, and which build of torch to install.

CUDA (programming guide, "Binary Compatibility" and "PTX Compatibility"): finished code of sm_86 runs on 8.6
and later of the same major version, PTX of compute_86 is compiled by the driver for 8.6 and anything newer;
names that end in a letter (sm_90a, compute_100f) do not carry over to other cards. A driver runs the CUDA
versions of its own major version and older ones ("minor version compatibility", CUDA 11.1 and newer).

PTX of 3.x is left out: torch lists it (`compute_37`) and still fails on new cards.

Builds of torch (pytorch issues 157517, 172352, 182250, and their lists of `get_arch_list`): cu118 to cu126
have 5.0 to 9.0; cu128 has 7.5 to 12.0 since torch 2.7 (7.0 in torch 2.8 to 2.10), cu130 likewise. No build
of torch 2 that sd-scripts still supports has code for Kepler (3.x).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

_CODE = re.compile(r"(sm|compute)_(\d+)([a-z]?)")


_OLDEST_PTX = (5, 0)


class Fit(Enum):
    """Code made for the card or an older one of its generation; PTX that the driver compiles; neither."""

    FINISHED = "finished"
    PTX = "ptx"
    NONE = "none"


def fit(capability: str, archs: Iterable[str]) -> Fit:
    """`capability`: `8.6`; `archs`: as torch lists them, `sm_86`, `compute_90`."""
    major, minor = _pair(capability)
    best = Fit.NONE
    for arch in archs:
        if (match := _CODE.fullmatch(arch)) is None:
            continue
        kind, number, letter = match.groups()
        code = (int(number) // 10, int(number) % 10)
        if kind == "sm":
            near = code == (major, minor) if letter else code[0] == major and code[1] <= minor
            if near:
                return Fit.FINISHED
        elif not letter and _OLDEST_PTX <= code <= (major, minor):
            best = Fit.PTX
    return best


def codes_of(built_for: Iterable[str]) -> tuple[str, ...]:
    """Of a TORCH_CUDA_ARCH_LIST: `8.0+PTX` is sm_80 and compute_80, `9.0a` is sm_90a."""
    codes: list[str] = []
    for one in built_for:
        number, plus, _ = one.replace(".", "").partition("+")
        codes += [f"sm_{number}"] + [f"compute_{number}"] * bool(plus)
    return tuple(codes)


def _pair(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def driver_runs(driver_cuda: str, build: str) -> bool | None:
    """Can a driver for that CUDA run a torch built for `build`? None: unknown."""
    if not driver_cuda or not build:
        return None
    return _pair(driver_cuda)[0] >= _pair(build.split("-")[0])[0]


@dataclass(frozen=True, slots=True)
class Wheel:
    """`name`: of an index of pytorch.org; for cards from `least` to below `below`; `driver`: the least CUDA
    version of the driver."""

    name: str
    least: tuple[int, int]
    below: tuple[int, int]
    driver: int


#: best first
_WHEELS = (
    Wheel("cu128", (7, 5), (99, 0), 12),
    Wheel("cu126", (5, 0), (10, 0), 12),
    Wheel("cu118", (5, 0), (10, 0), 11),
)


def wheel_for(capabilities: Iterable[str], driver_cuda: str) -> Wheel | None:
    """The build that fits all cards and the driver; None: there is none. A driver too old for the cards' only
    build must be updated anyway."""
    known = [_pair(one) for one in capabilities if re.fullmatch(r"\d+\.\d+", one)]
    fitting = [w for w in _WHEELS if all(w.least <= one < w.below for one in known)]
    runs = [w for w in fitting if not driver_cuda or _pair(driver_cuda)[0] >= w.driver]
    return next(iter(runs or fitting), None)


#: HSA_OVERRIDE_GFX_VERSION -> the cards that run this code, by the start of their names (ROCm issue threads
#: and AMD's compatibility list: RX 6000 as gfx1030, RX 7000 as gfx1100)
_RELATED = (("10.3.0", "gfx1030", "gfx103"), ("11.0.0", "gfx1100", "gfx110"))


def gfx_override(code: str, archs: Iterable[str]) -> str | None:
    """The version under which a card without its own code uses that of a related one."""
    have = set(archs)
    return next((v for v, base, like in _RELATED if code.startswith(like) and base in have), None)
