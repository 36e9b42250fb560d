"""A picture from an untrusted file: half written, huge, or no picture at all.

Pillow is imported with the first picture. Called from a worker thread.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.model.units import file_size

if TYPE_CHECKING:
    from PIL.Image import Image

#: larger files are not opened
MOST_BYTES = 128_000_000
#: larger pictures are not decoded: the size is in the header, before any memory is used
MOST_PIXELS = 40_000_000
#: pictures are kept with so many pixels along the longer side: no terminal shows more
KEPT_PIXELS = 640
#: an incomplete file as young as this is being written
FRESH_S = 15.0
FORMATS = ("PNG", "JPEG", "WEBP")


class NoPicture(Exception):
    """One sentence."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """`image`: RGB, at most KEPT_PIXELS along a side; `width`, `height`: of the file, pixels; `black`:
    all of them."""

    image: Image
    width: int
    height: int
    black: bool = False


def decode(path: Path) -> Decoded:
    """Raises NoPicture."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise NoPicture("The file no longer exists.") from None
    except OSError as error:
        raise NoPicture(f"Cannot read the file: {error.strerror}.") from None
    if found.st_size > MOST_BYTES:
        raise NoPicture(f"The file is too large to show: {file_size(found.st_size)}.")
    fresh = time.time() - found.st_mtime < FRESH_S
    if found.st_size == 0:
        raise NoPicture("Being written." if fresh else "The file is empty.")
    return _decode(path, fresh)


def _decode(path: Path, fresh: bool) -> Decoded:
    from PIL import Image, UnidentifiedImageError

    try:
        # the size is checked below; a warning would be printed across the screen
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as opened:
            width, height = opened.size
            if width < 1 or height < 1 or width * height > MOST_PIXELS:
                raise NoPicture(f"The image is too large to show: {width}x{height} pixels.")
            opened.draft("RGB", (KEPT_PIXELS, KEPT_PIXELS))
            image = _flat(opened)
            image.thumbnail((KEPT_PIXELS, KEPT_PIXELS))
            return Decoded(image, width, height, image.getbbox() is None)
    except NoPicture:
        raise
    except UnidentifiedImageError:
        raise NoPicture(_incomplete(fresh) if fresh else "Not an image file.") from None
    except Image.DecompressionBombError:
        raise NoPicture("The image is too large to show.") from None
    except MemoryError:
        raise NoPicture("Not enough memory for this image.") from None
    except (
        Exception
    ):  # border: Pillow raises OSError, SyntaxError, ValueError, EOFError, struct.error ...
        raise NoPicture(_incomplete(fresh)) from None


def _incomplete(fresh: bool) -> str:
    return "Being written." if fresh else "The image is damaged or incomplete."


def _flat(opened: Image) -> Image:
    """As RGB; transparent pixels on black."""
    from PIL import Image as Images

    if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
        clear = opened.convert("RGBA")
        ground = Images.new("RGB", clear.size)
        ground.paste(clear, mask=clear.getchannel("A"))
        return ground
    if opened.mode.startswith("I"):
        # 16 bits a pixel: Pillow would clip instead of scale
        return opened.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    return opened.convert("RGB")
