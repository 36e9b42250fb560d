"""What a configuration is that scripts/check_forecast.py trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Size = tuple[int, int]

SQUARE: Size = (64, 64)
WIDE: Size = (128, 64)
TALL: Size = (64, 128)


@dataclass(frozen=True)
class Case:
    """`folders`: image folder -> sizes of its images, named 000.png and so on. `images`: more images, by
    path. `config`: dataset TOML, None for folder mode. `flags`: the words of the command line. `also`:
    text files by path. `begins_later`: the bar does not count all steps. `before`: the words of a
    training that comes first; of its state, `also` holds what the forecast reads. `stops`: the trainer
    dies of it and the forecast says unknown. `surplus`: the forecast only warns that fewer steps are
    trained."""

    name: str
    flags: str
    folders: dict[str, list[Size]]
    config: str | None = None
    processes: int = 1
    also: dict[str, str] = field(default_factory=dict)
    images: dict[str, Size] = field(default_factory=dict)
    begins_later: bool = False
    before: str = ""
    stops: bool = False
    surplus: bool = False


def toml(*datasets: str, general: str = "") -> str:
    return f'[general]\ncaption_extension = ".txt"\n{general}\n' + "\n".join(datasets)


def dataset(*subsets: str, resolution: str = "64", more: str = "") -> str:
    return f"[[datasets]]\nresolution = {resolution}\n{more}\n" + "\n".join(subsets)


def subset(folder: str, repeats: int | None = None, reg: bool = False, more: str = "") -> str:
    lines = ["[[datasets.subsets]]", f'image_dir = "{folder}"', f"is_reg = {str(reg).lower()}"]
    if repeats is not None:
        lines.append(f"num_repeats = {repeats}")
    return "\n".join([*lines, more])


def squares(name: str, flags: str, images: int, repeats: int = 1, **more: Any) -> Case:
    """One folder of squares: for cases that are about flags."""
    folders = {"a": [SQUARE] * images}
    return Case(name, flags, folders, toml(dataset(subset("a", repeats))), **more)


BUCKETS = "enable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 512"
MIXED = [SQUARE] * 8 + [WIDE] * 8 + [TALL] * 7
ODD = [(60 + 37 * i % 400, 70 + 53 * i % 350) for i in range(30)]
PROMPTS = "# not this one\na cat --w 64 --h 64\n\n  # but this\na dog\n"
