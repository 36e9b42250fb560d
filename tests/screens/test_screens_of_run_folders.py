"""Run folders of every schema on the screen, and those of a newer version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.store.reader import RunReader
from tests.run_folders import SCHEMAS, lay_out, names
from tests.screens.helpers import app_on, screen_text, shown, text_of
from tui.kit.panel import Panel


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize(("schema", "name"), [(one, run) for one in SCHEMAS for run in names(one)])
async def test_an_old_run_opens_and_one_of_a_newer_version_says_so(
    schema: str, name: str, newer: bool, isolated_home: Path, tmp_path: Path
) -> None:
    lay_out(schema, isolated_home, tmp_path / "sample")
    path = isolated_home / "runs" / name
    if newer:
        spec = json.loads((path / "spec.json").read_text())
        (path / "spec.json").write_text(json.dumps(spec | {"schema": 99, "command": 7}))
    app = app_on(RunReader(path).read_all(), run_path=path)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        verdict = " ".join(text_of(pilot, "#verdict").split())
        assert ("Written by a newer plasma-tui (schema 99" in verdict) is newer, verdict
        assert not newer or "update plasma-tui" in verdict
        if newer:
            assert " ? unknown" in text_of(pilot, "#header"), "the word of the commands"
            for panel in pilot.app.screen.query(Panel):
                rows = text_of(pilot, f"#{panel.id}").split("\n")[1:]
                assert not panel.display or "".join(rows).strip() == "unknown", (panel.id, rows)
        assert name.split("-")[2] in screen_text(pilot) or "zed" in screen_text(pilot)
        for key in ("s", "r", "t", "u", "g", "question_mark", "escape"):
            await pilot.press(key)
        assert app.return_code in (None, 0)


async def test_with_a_damaged_status_no_panel_claims_that_nothing_was_saved(
    isolated_home: Path, tmp_path: Path
) -> None:
    lay_out(SCHEMAS[-1], isolated_home, tmp_path / "sample")
    name = next(one for one in names(SCHEMAS[-1]) if "-succeeded-" in one)
    path = isolated_home / "runs" / name
    (path / "status.json").write_text("{")
    app = app_on(RunReader(path).read_all(), run_path=path)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        rows = text_of(pilot, "#checkpoints").split("\n")[1:]
        assert "".join(rows).strip() == "unknown"
        assert "No checkpoint" not in screen_text(pilot)
        assert "saved: complete" in text_of(pilot, "#events"), "what can be read is shown"
