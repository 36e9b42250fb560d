"""Run folders of every schema that this version reads, through everything that reads one.

A change of what people see of an old run needs its approved text changed, too: `--update-goldens`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.history.replay import ReplayReader
from runner.history.summary import summary_text
from runner.model import SCHEMA
from tests.goldens import approve
from tests.record_runs import PLACE
from tests.run_folders import SAMPLES, SCHEMAS, bytes_of, lay_out, names
from tui.cli.main import main

Captured = pytest.CaptureFixture[str]
Command = Callable[..., str]


def laid_out(schema: str, home: Path, tmp_path: Path) -> list[Path]:
    return lay_out(schema, home, tmp_path / "sample")


@pytest.fixture
def command(capsys: Captured, isolated_home: Path, tmp_path: Path) -> Command:
    """A verb as it is typed: its exit code, and what it prints."""

    def run(*words: str) -> str:
        code = main(list(words))
        said = capsys.readouterr()
        text = f"$ {' '.join(words)}\n[exit {code}]\n{said.out}{said.err}".rstrip("\n") + "\n"
        for path, neutral in (
            (tmp_path / "sample", PLACE),
            (tmp_path, "/tmp"),
            (isolated_home, PLACE / "home"),
        ):
            text = text.replace(str(path), str(neutral))
        return text

    return run


def test_today_s_schema_has_its_samples() -> None:
    """Recorded with `python -m tests.record_runs` when SCHEMA rises."""
    assert SCHEMAS[-1] == f"schema-{SCHEMA}"
    for schema in SCHEMAS:
        files = [path for path in (SAMPLES / schema).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files if "goldens" not in path.parts) < 400_000


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_list_of_old_runs_is_as_approved(
    schema: str, isolated_home: Path, tmp_path: Path, command: Command, pytestconfig: pytest.Config
) -> None:
    laid_out(schema, isolated_home, tmp_path)
    text = command("runs")
    approve(SAMPLES / schema / "goldens" / "runs.txt", text, pytestconfig)
    assert command("runs") == text


@pytest.mark.parametrize(
    ("schema", "name"), [(schema, name) for schema in SCHEMAS for name in names(schema)]
)
def test_an_old_run_reads_as_approved_everywhere_and_is_not_changed(
    schema: str, name: str, isolated_home: Path, tmp_path: Path, command: Command, pytestconfig: pytest.Config
) -> None:  # fmt: skip
    laid_out(schema, isolated_home, tmp_path)
    path = isolated_home / "runs" / name
    before = bytes_of(path)
    texts = [
        command("show", name),
        command("resume", name, "--dry-run"),
        command("retry", name, "--dry-run"),
        command("export", name, "--to", str(tmp_path / "export"), "--yes"),
        _without(command("show", name, "--json"), "command"),
        "\n".join(replayed(path)) + "\n",
        "\n".join(re.findall("^#.*", summary_text(path), re.MULTILINE)) + "\n",
    ]
    assert bytes_of(path) == before
    approve(SAMPLES / schema / "goldens" / f"{name}.txt", "\n".join(texts), pytestconfig)


def _without(text: str, *keys: str) -> str:
    """JSON of a `--json`, a line for each key."""
    head, _, body = text.partition("{")
    found = json.loads("{" + body)
    lines = (f"{key}: {json.dumps(value)[:700]}" for key, value in found.items() if key not in keys)
    return f"{head}{chr(10).join(lines)}\n"


def replayed(path: Path) -> list[str]:
    """The run at some moments of its replay."""
    reader = ReplayReader(path)
    while (snapshot := reader.read(1.0)).read_fraction < 1.0:
        pass
    lines = []
    for share in (0.0, 0.3, 0.6, 1.0):
        reader.transport.seek(share)
        snapshot = reader.read(1.0)
        status = snapshot.status
        assert status is not None
        saved = len(status.checkpoints)
        lines.append(
            f"replay {share:.0%}: {snapshot.state} {snapshot.outcome} {status.phase} step {status.step} "
            f"attempt {status.attempt} checkpoints {saved}"
        )
    return lines


@pytest.mark.parametrize("schema", SCHEMAS)
def test_old_runs_are_compared(
    schema: str, isolated_home: Path, tmp_path: Path, command: Command
) -> None:
    runs = laid_out(schema, isolated_home, tmp_path)
    text = command("compare", *(run.name for run in runs[:8]), "--json")
    found = json.loads(text[text.index("{") :])
    assert [run["id"] for run in found["runs"]] == [run.name for run in runs[:8]]


def test_a_recorded_run_says_nothing_of_the_machine() -> None:
    for path in SAMPLES.rglob("*.json*"):
        paths = set(re.findall(r'(?<=")/[\w.-]+/[\w.-]+', path.read_text()))
        assert not {
            one for one in paths if not one.startswith((str(PLACE), "/usr/bin", "/home"))
        }, path
