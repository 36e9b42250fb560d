"""Hostile text in every file that a verb reads: none of it drives the terminal. The screen's own sources are in
tests/screens/test_hostile.py and tests/pty/test_screen.py."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import (
    AttemptPlan,
    CheckResult,
    ExitRecord,
    ExpectedCheckpoint,
    JournalEvent,
    Outcome,
    RunSpec,
)
from runner.store.journal import encode_json, write_json
from runner.store.rundir import RunDir, runs_root
from tests import builders as b
from tests import stories as s
from tests.hostile import HOSTILE
from tests.state_folders import safetensors
from tui.cli.main import main
from tui.osc import OSC9, OSC99, OSC777, Way, sequence
from tui.text import clean

#: without half a character, which no JSON and no TOML file can hold
TEXTS = [text.replace("\ud800", "?") for text in HOSTILE]
#: what may stand between printable characters on a terminal
BAD = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def harmless(*texts: str) -> None:
    for text in texts:
        assert not BAD.findall(text), text


def names(text: str) -> str:
    """As a file name."""
    return text.replace("/", "_").replace("\0", "_")[:60].strip() or "x"


@pytest.fixture(params=TEXTS, ids=range(len(TEXTS)))
def foreign(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(foreign: str) -> RunDir:
    """An ended run with that text wherever a text comes from outside."""
    found = RunDir(runs_root() / "20260101-000000-x-0000")
    found.path.mkdir(parents=True)
    forecast = replace(
        b.forecast(), checkpoints=(ExpectedCheckpoint(foreign, 600),), final=foreign,
        warnings=(foreign,), command=(foreign,),
    )  # fmt: skip
    spec: RunSpec = b.spec(
        id=found.id, name=foreign, host=foreign, command=("python", "a.py", foreign), cwd=foreign,
        output_dir=foreign, output_name=foreign, forecast=forecast, env={"X": foreign},
        versions={"torch": foreign}, config_text=foreign, dataset_text=foreign, origin_path=foreign,
    )  # fmt: skip
    file = b.checkpoint(400, name=foreign, path=foreign, problem=foreign, remark=foreign)
    ended = b.ended(Outcome.FAILED, 412, replace(s.OOM, evidence=foreign, changes=(foreign,)))
    assert ended.status is not None
    status = replace(
        ended.status, checkpoints=(file,), reasons=(foreign,), last_warning=foreign, device=foreign,
        phase_detail=foreign,
    )  # fmt: skip
    check = CheckResult("x", "fail", foreign, foreign, foreign, foreign)
    event = JournalEvent(b.NOW, "warning", 1, None, {"text": foreign, "name": foreign})
    write_json(found.spec, spec)
    write_json(found.status, status)
    write_json(found.attempt(1), AttemptPlan(1, (foreign,), {}, foreign, foreign, foreign))
    write_json(found.exit, ExitRecord(1, 1, None, b.NOW))
    write_json(found.preflight, {"schema": 1, "passed": False, "checks": [check]})
    write_json(found.label, {"name": foreign, "tags": [foreign], "note": foreign, "schema": 1})
    found.events.write_bytes(encode_json(event) + b"\n")
    found.console.write_bytes(foreign.encode() + b"\n")
    return found


def test_no_verb_prints_what_a_terminal_obeys(
    run: RunDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for words in (
        ["runs"], ["runs", "--group"], ["runs", "--json"], ["show", run.id], ["show", run.id, "--json"],
        ["show", run.id, "--markdown"], ["log", run.id], ["label", run.id], ["label", run.id, "--json"],
        ["compare", run.id, run.id], ["compare", run.id, run.id, "--json"], ["export", run.id, "--yes"],
        ["resume", run.id, "--dry-run"], ["retry", run.id, "--dry-run"], ["stop", run.id],
        ["approve", run.id], ["remove", run.id, "--yes"],
    ):  # fmt: skip
        main(words)
        harmless(*capsys.readouterr())


def test_what_the_user_typed_is_repeated_harmlessly(
    foreign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["show", "--", foreign], ["nonsense" + foreign], ["show", "x", "--" + foreign]):
        try:
            main(words)
        except SystemExit:
            pass
        harmless(*capsys.readouterr())


def test_files_with_hostile_names_and_metadata_are_shown_harmlessly(
    foreign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "files"
    safetensors(
        folder / f"{names(foreign)}.safetensors", ss_output_name=foreign, ss_session_id=foreign,
        ss_sd_model_name=foreign, ss_network_args=foreign, ss_training_comment=foreign,
    )  # fmt: skip
    (folder / "broken.safetensors").write_bytes(foreign.encode())
    log = folder / f"{names(foreign)}.log"
    shown = f"steps:   1%| | 1/920 [00:01<15:00, avr_loss=0.1]\n{foreign}\nsaving checkpoint: {foreign}\n"
    log.write_text(f"{shown}Traceback (most recent call last):\nValueError: {foreign}\n")
    for words in (
        ["verify", *map(str, sorted(folder.iterdir()))], ["import", str(folder)],
        ["import", str(folder), "--json"], ["inspect", str(log)], ["inspect", str(log), "--json"],
        ["init", "--from", str(log), "--dir", str(tmp_path / "p")],
        ["init", "--from", str(next(iter(sorted(folder.glob("*.safetensors"))))), "--dir", str(tmp_path / "q")],
        ["runs"], ["show", "last"],
    ):  # fmt: skip
        main(words)
        harmless(*capsys.readouterr())


def test_a_hostile_plasma_toml_is_reported_harmlessly(
    foreign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(foreign).replace("\\ud800", "?")
    images = tmp_path / "images" / "1_x"
    images.mkdir(parents=True)
    (images / f"{names(foreign)}.png").write_bytes(foreign.encode())
    (images / f"{names(foreign)}.txt").write_text(foreign)
    file = tmp_path / "plasma.toml"
    file.write_text(f"""\
name = {text}
[trainer]
sd_scripts = {text}
script = {text}
env = {{ X = {text} }}
[train]
train_data_dir = "images"
output_dir = "out"
output_name = {text}
pretrained_model_name_or_path = {text}
sample_prompts = {text}
{json.dumps("key" + foreign[:100])} = {text}
[expect]
trigger = {text}
[notify]
command = [{text}]
""")
    for words in (["forecast"], ["forecast", "--json"], ["check"], ["check", "--json"], ["notify"]):
        main([*words, "--config", str(file)])
        harmless(*capsys.readouterr())
    main(["init", "--from", str(file), "--dir", str(tmp_path / "p")])
    harmless(*capsys.readouterr())


@pytest.mark.parametrize("kind", [OSC9, OSC99, OSC777])
@pytest.mark.parametrize("in_tmux", [False, True])
def test_a_desktop_notification_is_one_sequence(foreign: str, kind: str, in_tmux: bool) -> None:
    made = sequence(Way(kind, in_tmux), foreign, foreign)
    inner = made.removeprefix("\x1bPtmux;").removesuffix("\x1b\\") if in_tmux else made
    inner = inner.replace("\x1b\x1b", "\x1b")
    body = inner[2:].removesuffix("\x07").removesuffix("\x1b\\")
    harmless(body)


def test_what_is_cleaned_stays_clean(foreign: str) -> None:
    once = clean(foreign)
    harmless(once)
    assert clean(once) == once
