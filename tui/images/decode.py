"""A picture out of a file that nobody vouches for: half written, huge, or no picture at all.

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
#: pictures of more pixels are not decoded: their size is in the header, before any memory is taken
MOST_PIXELS = 40_000_000
#: what is kept of a picture, pixels along its longer side; no terminal shows more cells than that
KEPT_PIXELS = 640
#: a file that is not whole is being written if it is as young as this
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
        raise NoPicture("The file is not there any more.") from None
    except OSError as error:
        raise NoPicture(f"The file cannot be read: {error.strerror}.") from None
    if found.st_size > MOST_BYTES:
        raise NoPicture(f"The file is too large to be shown: {file_size(found.st_size)}.")
    fresh = time.time() - found.st_mtime < FRESH_S
    if found.st_size == 0:
        raise NoPicture("It is being written." if fresh else "The file is empty.")
    return _decode(path, fresh)


def _decode(path: Path, fresh: bool) -> Decoded:
    from PIL import Image, UnidentifiedImageError

    try:
        # its size is looked at below; a warning would be text across the screen
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as opened:
            width, height = opened.size
            if width < 1 or height < 1 or width * height > MOST_PIXELS:
                raise NoPicture(f"The picture is too large to be shown: {width}x{height} pixels.")
            opened.draft("RGB", (KEPT_PIXELS, KEPT_PIXELS))
            image = _flat(opened)
            image.thumbnail((KEPT_PIXELS, KEPT_PIXELS))
            return Decoded(image, width, height, image.getbbox() is None)
    except NoPicture:
        raise
    except UnidentifiedImageError:
        raise NoPicture(_not_whole(fresh) if fresh else "The file holds no picture.") from None
    except Image.DecompressionBombError:
        raise NoPicture("The picture is too large to be shown.") from None
    except MemoryError:
        raise NoPicture("There is not enough memory for this picture.") from None
    except (
        Exception
    ):  # border: Pillow raises OSError, SyntaxError, ValueError, EOFError, struct.error ...
        raise NoPicture(_not_whole(fresh)) from None


def _not_whole(fresh: bool) -> str:
    return "It is being written." if fresh else "The picture is damaged or not whole."


def _flat(opened: Image) -> Image:
    """As RGB; what is transparent, on black."""
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
