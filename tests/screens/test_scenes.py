"""Every scene at every size against its approved text in `goldens/`. A change of one is a change of what people
see: `pytest tests/screens/test_scenes.py --update-goldens`, then read `git diff tests/screens/goldens`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.goldens import approve
from tests.screens.helpers import screen_text, styled_text
from tests.screens.scenes import Scene, Size, play, scenes

GOLDENS = Path(__file__).parent / "goldens"
SCENES = scenes()


def _file(name: str, size: Size) -> str:
    return f"{name}-{size[0]}x{size[1]}.txt"


CASES = [
    pytest.param(name, scene, size, id=_file(name, size).removesuffix(".txt"))
    for name, scene in SCENES.items()
    for size in scene.sizes
]


@pytest.mark.parametrize(("name", "scene", "size"), CASES)
async def test_the_screen_is_as_approved(
    name: str,
    scene: Scene,
    size: Size,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/home/someone/loras"))
    app = scene.app(tmp_path)
    async with app.run_test(size=size) as pilot:
        await play(scene, pilot)
        text = styled_text(pilot) if scene.styled else screen_text(pilot)
    found = "\n".join(line.rstrip() for line in text.split("\n")) + "\n"
    approve(GOLDENS / _file(name, size), found, pytestconfig)


def test_every_approved_text_belongs_to_a_scene(pytestconfig: pytest.Config) -> None:
    known = {_file(name, size) for name, scene in SCENES.items() for size in scene.sizes}
    strays = [file for file in GOLDENS.iterdir() if file.name not in known]
    if pytestconfig.getoption("--update-goldens"):
        for file in strays:
            file.unlink()
    else:
        assert not strays
