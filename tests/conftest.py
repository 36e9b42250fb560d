"""No test sees the runs, themes or terminal settings of the person who runs it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.hosts import fake_ssh as fake_ssh

#: NO_COLOR and TEXTUAL* change what Textual draws, and it reads some of them at import
_FOREIGN = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CLICOLOR_FORCE", "TTY_COMPATIBLE")


def _foreign_names() -> list[str]:
    return [name for name in os.environ if name in _FOREIGN or name.startswith("TEXTUAL")]


for _name in _foreign_names():
    del os.environ[_name]
# the screen shows clock times
os.environ["TZ"] = "UTC"
time.tzset()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="approve the screens as they are now"
    )


@pytest.fixture(autouse=True)
def isolated_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Runs go to a folder of this test alone; it is handed out for tests that look into it."""
    home = tmp_path_factory.mktemp("plasma-home")
    monkeypatch.setenv("PLASMA_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in _foreign_names():
        monkeypatch.delenv(name)
    return home


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a module's fixture run in one process (--dist loadgroup): it is made once."""
    for item in items:
        if isinstance(item, pytest.Function):
            fixtures = item._fixtureinfo.name2fixturedefs.values()
            if any(found[-1].scope == "module" for found in fixtures):
                item.add_marker(pytest.mark.xdist_group(item.path.name))
