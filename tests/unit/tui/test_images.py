"""Pictures in the terminal: which way, decoding with bounds, half blocks, Kitty's bytes, the store."""

from __future__ import annotations

import base64
import io
import os
import re
import struct
import threading
import time
import zlib
from pathlib import Path

import pytest

from tests.sample_runs import png
from tui.images.blocks import HALF, block_rows, fit_cells
from tui.images.choice import Shown, Way, pick_way
from tui.images.decode import KEPT_PIXELS, NoPicture, decode
from tui.images.kitty import MARKS, MOST_CELLS, PLACEHOLDER, forgotten, placeholder_rows, sent
from tui.images.store import DECODED, MADE, Made, PictureStore, Wish
from tui.kit.paint import plain, row_width

PIL = pytest.importorskip("PIL.Image")


# --------------------------------------------------------------------------- which way

KITTY = {"TERM": "xterm-kitty"}


@pytest.mark.parametrize(
    ("wanted", "environ", "colors", "how", "way"),
    [
        (None, {"TERM": "xterm-256color"}, "truecolor", {}, Way.BLOCKS),
        (None, {}, "256", {}, Way.BLOCKS),
        (None, {}, "standard", {}, Way.OFF),
        (None, {}, None, {}, Way.OFF),
        (None, KITTY, "truecolor", {}, Way.KITTY),
        (None, KITTY, "256", {}, Way.BLOCKS),
        (None, {"TERM_PROGRAM": "ghostty"}, "truecolor", {}, Way.KITTY),
        (None, {**KITTY, "TMUX": "/tmp/tmux-0/default,1,0"}, "truecolor", {}, Way.BLOCKS),
        (None, {"TERM": "tmux-256color", "TERM_PROGRAM": "kitty"}, "truecolor", {}, Way.BLOCKS),
        (None, {**KITTY, "PLASMA_IMAGES": "blocks"}, "truecolor", {}, Way.BLOCKS),
        (None, {"PLASMA_IMAGES": " OFF "}, "truecolor", {}, Way.OFF),
        (None, {"PLASMA_IMAGES": "nonsense"}, "truecolor", {}, Way.BLOCKS),
        ("kitty", {"PLASMA_IMAGES": "off"}, "truecolor", {}, Way.KITTY),
        ("kitty", {}, "256", {}, Way.BLOCKS),
        ("kitty", {}, "truecolor", {"ascii_only": True}, Way.OFF),
        (None, KITTY, "truecolor", {"no_color": True}, Way.OFF),
        (None, KITTY, "truecolor", {"low_bandwidth": True}, Way.BLOCKS),
    ],
)
def test_the_way_is_told_from_the_environment_alone(
    wanted: str | None,
    environ: dict[str, str],
    colors: str | None,
    how: dict[str, bool],
    way: Way,
) -> None:
    found = pick_way(wanted, environ, colors, **how)
    assert found.way is way
    assert bool(found.why) == (way is Way.OFF)
    assert found.coarse == how.get("low_bandwidth", False)


# --------------------------------------------------------------------------- decoding


def refused(path: Path) -> str:
    with pytest.raises(NoPicture) as caught:
        decode(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


def aged(path: Path, data: bytes, age_s: float = 3600) -> Path:
    path.write_bytes(data)
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_a_whole_picture_with_its_true_size(tmp_path: Path) -> None:
    found = decode(aged(tmp_path / "a.png", png(1024, 512)))
    assert (found.width, found.height) == (1024, 512)
    assert found.image.size == (KEPT_PIXELS, KEPT_PIXELS // 2)
    assert found.image.getpixel((3, 3)) == (200, 60, 40)
    assert not found.black
    assert decode(aged(tmp_path / "b.png", png(8, 8, (0, 0, 0)))).black


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    PIL.new(mode, (16, 16)).save(path)
    assert decode(path).image.mode == "RGB"


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.new("I;16", (8, 8), 0x8000).save(path)
    red, _, _ = decode(path).image.getpixel((0, 0))
    assert 120 < red < 136


def test_what_is_being_written_is_told_from_what_is_damaged(tmp_path: Path) -> None:
    whole = png(64, 64) + b""
    for part in (b"", whole[:20], whole[: len(whole) // 2]):
        assert refused(aged(tmp_path / "a.png", part, 0)) == "Being written."
        old = refused(aged(tmp_path / "a.png", part))
        assert old in (
            "The file is empty.",
            "Not an image file.",
            "The image is damaged or incomplete.",
        )


@pytest.mark.parametrize("side", [7_000, 10_000, 60_000])
@pytest.mark.filterwarnings("error")
def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    head = bytearray(png(8, 8))
    head[16:24] = struct.pack(">II", side, side)
    head[29:33] = struct.pack(">I", zlib.crc32(bytes(head[12:29])))
    before = time.monotonic()
    said = refused(aged(tmp_path / "a.png", bytes(head)))
    assert said.startswith("The image is too large to show")
    assert time.monotonic() - before < 2


def test_a_huge_file_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as stream:
        stream.truncate(200_000_000)
    assert "too large" in refused(path)


def test_other_files_and_none(tmp_path: Path) -> None:
    assert "Not an image" in refused(aged(tmp_path / "a.png", b"GIF89a" + b"x" * 100))
    assert "no longer exists" in refused(tmp_path / "b.png")
    (tmp_path / "c.png").mkdir()
    assert refused(tmp_path / "c.png")


# --------------------------------------------------------------------------- half blocks


def test_a_cell_holds_two_pixels_one_above_the_other() -> None:
    image = PIL.new("RGB", (2, 4))
    image.putdata(
        [(0, 0, 0), (0, 0, 0), (252, 0, 0), (252, 0, 0), (0, 252, 0), (0, 0, 252)] + [(0, 0, 0)] * 2
    )
    rows = block_rows(image, 2, 2)
    assert [[(s.text, s.role) for s in row] for row in rows] == [
        [(HALF * 2, "#000000/#fc0000")],
        [(HALF, "#00fc00/#000000"), (HALF, "#0000fc/#000000")],
    ]


@pytest.mark.parametrize(
    ("pixels", "cells", "fits"),
    [
        ((512, 512), (40, 20), (40, 20)),
        ((512, 512), (100, 20), (40, 20)),
        ((512, 512), (20, 20), (20, 10)),
        ((768, 512), (60, 20), (60, 20)),
        ((512, 768), (60, 24), (32, 24)),
        ((1, 10_000), (60, 20), (1, 20)),
        ((10_000, 1), (60, 20), (60, 1)),
        ((8, 8), (1, 1), (1, 1)),
    ],
)
def test_a_picture_keeps_its_shape(
    pixels: tuple[int, int], cells: tuple[int, int], fits: tuple[int, int]
) -> None:
    assert fit_cells(*pixels, cells) == fits


def test_a_coarse_picture_has_fewer_changes_of_colour() -> None:
    image = PIL.linear_gradient("L").convert("RGB").rotate(90)
    fine, coarse = (sum(len(row) for row in block_rows(image, 60, 20, step)) for step in (4, 24))
    assert coarse < fine / 2


# --------------------------------------------------------------------------- Kitty

MESSAGE = re.compile(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\")


def test_what_is_sent_is_the_protocol_and_a_whole_png() -> None:
    image = PIL.effect_noise((640, 640), 90).convert("RGB")
    text = sent(image, 0x123456, 40, 20)
    found = MESSAGE.findall(text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in found) == text
    first = dict(pair.split("=") for pair in found[0][0].split(","))
    assert first == {
        "a": "T", "q": "2", "f": "100", "U": "1", "i": str(0x123456), "c": "40", "r": "20", "m": "1",
    }  # fmt: skip
    assert len(found) > 2
    assert all(keys == "q=2,m=1" for keys, _ in found[1:-1])
    assert found[-1][0] == "q=2,m=0"
    assert all(len(data) <= 4096 and len(data) % 4 == 0 for _, data in found)
    whole = PIL.open(io.BytesIO(base64.b64decode("".join(data for _, data in found))))
    whole.load()
    assert whole.format == "PNG"


def test_a_small_picture_is_one_message() -> None:
    text = sent(PIL.new("RGB", (4, 4)), 7, 2, 1)
    assert len(MESSAGE.findall(text)) == 1
    assert ",m=0;" in text
    assert forgotten(7) == "\x1b_Ga=d,d=I,q=2,i=7\x1b\\"


def test_placeholders_name_picture_row_and_column_in_one_cell_each() -> None:
    rows = placeholder_rows(0xABCDEF, 3, 2)
    assert [row[0].role for row in rows] == ["#abcdef/"] * 2
    assert plain(rows[1]) == "".join(
        PLACEHOLDER + "\u030d" + mark for mark in ("\u0305", "\u030d", "\u030e")
    )
    assert [row_width(row) for row in placeholder_rows(1, MOST_CELLS, 3)] == [MOST_CELLS] * 3


def test_the_marks_are_distinct_combining_characters() -> None:
    import unicodedata

    assert len(set(MARKS)) == MOST_CELLS == 160
    assert {unicodedata.combining(mark) for mark in MARKS} == {230}


# --------------------------------------------------------------------------- the store


class Ready:
    """Waits for what the store's thread does."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self) -> None:
        self.event.set()

    def wait_for(self, store: PictureStore, wish: Wish) -> Made:
        deadline = time.monotonic() + 10
        while (made := store.take(wish)) is None:
            assert time.monotonic() < deadline
            self.event.wait(0.05)
            self.event.clear()
        return made


def test_wishes_come_true_in_a_thread_of_their_own(tmp_path: Path) -> None:
    ready = Ready()
    store = PictureStore(Shown(Way.BLOCKS), ready)
    wish = Wish(str(aged(tmp_path / "a.png", png())), 10, 5)
    assert store.take(wish) is None
    store.wish([wish])
    made = ready.wait_for(store, wish)
    store.stop()
    assert (made.columns, len(made.rows), made.pixels, made.problem) == (10, 5, (8, 8), "")


def test_a_picture_that_was_being_written_comes_by_itself(tmp_path: Path) -> None:
    ready = Ready()
    store = PictureStore(Shown(Way.BLOCKS), ready)
    path = aged(tmp_path / "a.png", png()[:30], 0)
    wish = Wish(str(path), 10, 5)
    store.wish([wish])
    assert ready.wait_for(store, wish).problem == "Being written."
    path.write_bytes(png())
    deadline = time.monotonic() + 10
    while store.take(wish).problem:  # type: ignore[union-attr]
        assert time.monotonic() < deadline
        store.refresh()
        time.sleep(0.01)
    store.stop()


def test_what_is_kept_is_bounded_and_the_terminal_is_told(tmp_path: Path) -> None:
    ready = Ready()
    store = PictureStore(Shown(Way.KITTY), ready)
    wishes = [Wish(str(aged(tmp_path / f"{n}.png", png())), 4, 2) for n in range(MADE + 5)]
    for wish in wishes:
        store.wish([wish])
        made = ready.wait_for(store, wish)
        assert store.take_message(wish) == made.message != ""
        assert store.take_message(wish) == ""
    store.stop()
    assert len(store._made) == MADE
    assert len(store._decoded) <= DECODED
    assert len(store.take_gone()) == 5
    assert len(set(store.all_numbers())) == MADE


def test_a_name_that_no_file_can_have_does_not_end_the_thread(tmp_path: Path) -> None:
    ready = Ready()
    store = PictureStore(Shown(Way.BLOCKS), ready)
    bad = [Wish("/x/\ud800.png", 4, 2), Wish("/x/\0.png", 4, 2), Wish("x" * 9000, 4, 2)]
    good = Wish(str(aged(tmp_path / "a.png", png())), 4, 2)
    store.wish([*bad, good])
    assert ready.wait_for(store, good).rows
    assert all(ready.wait_for(store, wish).problem for wish in bad)
    store.stop()


def test_off_starts_no_thread(tmp_path: Path) -> None:
    store = PictureStore(Shown(Way.OFF, "switched off"), lambda: None)
    store.wish([Wish("x", 1, 1)])
    assert store._thread is None
