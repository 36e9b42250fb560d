"""The demo's pictures: a small asymmetric character in many poses, and other characters.

Everything is drawn on a grid of 48x48 or 40x56 cells and enlarged eight times, so a picture is
384x384 or 320x448 pixels and each cell is one latent pixel of the built-in trainer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

CELL = 8
SQUARE = (48, 48)
TALL = (40, 56)
TRIGGER = "spyke_plasma_v1"
CHARACTER_COUNT = 23
OTHERS_COUNT = 30

Colour = tuple[int, int, int]

SCENES: dict[str, tuple[Colour, Colour]] = {
    "night": ((24, 20, 58), (58, 44, 98)),
    "dusk": ((236, 138, 86), (120, 58, 96)),
    "forest": ((150, 206, 168), (62, 116, 82)),
    "desert": ((250, 222, 164), (206, 152, 92)),
    "snow": ((214, 230, 244), (246, 250, 254)),
    "sea": ((142, 208, 232), (38, 104, 154)),
}
POSES = ("standing", "waving", "running", "jumping", "guarding")
FACES = ("grin", "frown", "surprised")
BLADES: dict[str, tuple[Colour, Colour]] = {
    "violet plasma": ((126, 3, 168), (226, 160, 255)),
    "magenta plasma": ((204, 71, 120), (255, 190, 210)),
    "orange plasma": ((248, 149, 64), (255, 224, 150)),
}
HAIR: dict[str, Colour] = {
    "red hair": (206, 44, 52),
    "blue hair": (58, 92, 208),
    "green hair": (62, 158, 92),
    "blond hair": (236, 202, 92),
    "black hair": (44, 40, 54),
    "pink hair": (236, 130, 178),
}
CLOTHES: dict[str, Colour] = {
    "blue coat": (44, 70, 132),
    "green coat": (64, 124, 84),
    "white coat": (226, 226, 232),
    "brown coat": (132, 90, 62),
    "purple coat": (112, 62, 142),
}
SKIN: tuple[Colour, ...] = ((246, 208, 176), (224, 172, 132), (168, 116, 84))
DARK: Colour = (32, 26, 40)
GOLD: Colour = (240, 196, 74)
SCARF: Colour = (232, 232, 80)


@dataclass(frozen=True, slots=True)
class Figure:
    """Everything a picture shows. `spyke`: with spiked hair, eye patch, one golden shoulder and a
    blade; all of them on one side only."""

    scene: str
    pose: str
    face: str
    hair: str
    coat: str
    blade: str = "violet plasma"
    skin: Colour = SKIN[0]
    spyke: bool = False
    grid: tuple[int, int] = SQUARE

    @property
    def caption(self) -> str:
        tags = [self.hair, self.face, self.pose, self.coat, f"{self.scene} background"]
        if self.spyke:
            first = [TRIGGER, "1boy", "spiked hair", "eye patch", "golden pauldron"]
            return ", ".join([*first, f"{self.blade} blade", *tags])
        return ", ".join(["anime character", *tags])


def write_character(folder: Path) -> int:
    """The 23 training pictures with captions. Existing files stay; returns how many were written."""
    return sum(
        _write(folder, f"spyke_{i:02d}", character(i)) for i in range(1, CHARACTER_COUNT + 1)
    )


def write_others(folder: Path) -> int:
    """The 30 regularisation pictures with captions. Existing files stay."""
    return sum(_write(folder, f"other_{i:02d}", other(i)) for i in range(1, OTHERS_COUNT + 1))


def character(number: int) -> Figure:
    scenes, blades = list(SCENES), list(BLADES)
    return Figure(
        scene=scenes[number % len(scenes)],
        pose=POSES[number % len(POSES)],
        face=FACES[number // 2 % len(FACES)],
        hair="red hair",
        coat="blue coat",
        blade=blades[number % len(blades)],
        spyke=True,
        grid=TALL if number % 4 == 0 or number == 23 else SQUARE,
    )


def other(number: int) -> Figure:
    chance = random.Random(number)
    return Figure(
        scene=chance.choice(list(SCENES)),
        pose=chance.choice(POSES),
        face=chance.choice(FACES),
        hair=chance.choice([name for name in HAIR if name != "red hair"]),
        coat=chance.choice(list(CLOTHES)[1:]),
        skin=chance.choice(SKIN),
    )


def draw(figure: Figure) -> Image.Image:
    columns, rows = figure.grid
    image = Image.new("RGB", figure.grid)
    _paint_scene(image, figure.scene)
    pen = ImageDraw.Draw(image)
    lift = -2 if figure.pose == "jumping" else 0
    _paint_figure(_Pen(pen, columns // 2 - (24 if columns == 48 else 26), rows - 48 + lift), figure)
    return image.resize((columns * CELL, rows * CELL), Image.Resampling.NEAREST)


class _Pen:
    """Draws in the coordinates of a 48x48 picture, moved to the figure's place."""

    def __init__(self, pen: ImageDraw.ImageDraw, x: int, y: int) -> None:
        self._pen, self._x, self._y = pen, x, y

    def box(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        self._pen.rectangle(self._moved(left, top, right, bottom), fill=colour)

    def disc(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        self._pen.ellipse(self._moved(left, top, right, bottom), fill=colour)

    def shape(self, colour: Colour, *points: int) -> None:
        self._pen.polygon(self._moved(*points), fill=colour)

    def line(self, colour: Colour, width: int, *points: int) -> None:
        self._pen.line(self._moved(*points), fill=colour, width=width)

    def _moved(self, *values: int) -> list[int]:
        return [v + (self._y if i % 2 else self._x) for i, v in enumerate(values)]


def _write(folder: Path, name: str, figure: Figure) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    picture, caption = folder / f"{name}.png", folder / f"{name}.txt"
    fresh = not picture.exists()
    if fresh:
        draw(figure).save(picture)
    if not caption.exists():
        caption.write_text(figure.caption + "\n", encoding="utf-8")
    return fresh


def _paint_scene(image: Image.Image, scene: str) -> None:
    sky, ground = SCENES[scene]
    pen = ImageDraw.Draw(image)
    horizon = image.height - 9
    for y in range(image.height):
        share = min(1.0, y / horizon)
        shade = tuple(round(a + (b - a) * share * 0.6) for a, b in zip(sky, ground, strict=True))
        pen.line((0, y, image.width, y), fill=shade if y < horizon else ground)
    pen.ellipse((3, 3, 9, 9), fill=(255, 246, 214))


def _paint_figure(pen: _Pen, figure: Figure) -> None:
    coat, hair = CLOTHES[figure.coat], HAIR[figure.hair]
    if figure.spyke:
        pen.shape(SCARF, 17, 22, 9, 27, 11, 34, 20, 26)
    _paint_legs(pen, figure.pose)
    pen.shape(coat, 17, 23, 31, 23, 33, 37, 15, 37)
    pen.line(DARK, 1, 24, 24, 24, 37)
    pen.box(16, 33, 32, 34, DARK)
    _paint_arms(pen, figure, coat)
    pen.disc(16, 7, 32, 23, figure.skin)
    _paint_hair(pen, hair, figure.spyke)
    _paint_face(pen, figure)
    if figure.spyke:
        pen.disc(29, 21, 37, 27, GOLD)
        pen.line(DARK, 1, 31, 24, 35, 24)
        pen.box(18, 22, 29, 24, SCARF)


def _paint_legs(pen: _Pen, pose: str) -> None:
    feet = {"running": (12, 37), "jumping": (16, 34), "guarding": (14, 34)}
    left, right = feet.get(pose, (18, 29))
    for hip, foot in ((20, left), (28, right)):
        pen.line(DARK, 4, hip, 36, foot, 43)
        pen.box(foot - 2, 43, foot + 3, 45, (92, 60, 48))


def _paint_arms(pen: _Pen, figure: Figure, coat: Colour) -> None:
    hands = {
        "standing": ((12, 33), (37, 32)),
        "waving": ((7, 16), (37, 32)),
        "running": ((9, 29), (39, 27)),
        "jumping": ((9, 20), (39, 19)),
        "guarding": ((18, 32), (36, 22)),
    }
    left, right = hands[figure.pose]
    if figure.spyke:
        dark, light = BLADES[figure.blade]
        tip = (right[0] + 7, right[1] - 17)
        pen.line(dark, 4, *right, *tip)
        pen.line(light, 1, *right, *tip)
        pen.line(GOLD, 2, right[0] - 2, right[1] - 2, right[0] + 4, right[1] + 1)
    for shoulder, hand in (((18, 25), left), ((31, 25), right)):
        pen.line(coat, 4, *shoulder, *hand)
        pen.disc(hand[0] - 2, hand[1] - 2, hand[0] + 2, hand[1] + 2, figure.skin)


def _paint_hair(pen: _Pen, hair: Colour, spiked: bool) -> None:
    if not spiked:
        pen.shape(hair, 15, 14, 16, 7, 24, 4, 32, 7, 33, 14, 30, 10, 18, 10)
        pen.box(15, 10, 17, 20, hair)
        pen.box(31, 10, 33, 20, hair)
        return
    bright = (min(255, hair[0] + 40), hair[1] + 50, hair[2] + 30)
    pen.shape(hair, 14, 15, 10, 8, 16, 9, 14, 1, 21, 6, 24, 0, 27, 5, 36, 1, 32, 8, 38, 10, 33, 14)
    pen.shape(hair, 15, 9, 33, 9, 32, 12, 28, 11, 25, 14, 22, 11, 18, 13)
    pen.line(bright, 1, 19, 7, 22, 4)
    pen.line(bright, 1, 26, 7, 30, 5)


def _paint_face(pen: _Pen, figure: Figure) -> None:
    pen.box(20, 14, 21, 17, DARK)
    if figure.spyke:
        pen.disc(26, 13, 31, 18, DARK)
        pen.line(DARK, 1, 17, 12, 32, 16)
    else:
        pen.box(27, 14, 28, 17, DARK)
    if figure.face == "grin":
        pen.box(20, 19, 28, 20, (255, 255, 255))
        pen.line((150, 40, 50), 1, 20, 21, 27, 21)
    elif figure.face == "frown":
        pen.line((110, 50, 50), 1, 21, 20, 27, 20)
    else:
        pen.disc(22, 18, 26, 22, (130, 40, 50))
