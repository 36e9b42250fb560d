"""What a start would overwrite, who agreed to it, and that no race gets around the question."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import begin, launch
from runner.control.launch import start_run, starts_lock
from runner.control.start_refusals import StartRefused, WouldOverwrite
from runner.model import (
    AttemptPlan,
    Checkpoint,
    ExpectedCheckpoint,
    Forecast,
    RunSpec,
    RunState,
    Status,
)
from runner.model.preview import Existing
from runner.preflight.existing_files import Consent, existing_files, lines, sentence
from runner.store.journal import read_json, write_json
from runner.store.rundir import RunDir, new_run_id, runs_root
from tests.unit.preflight.preflight_project import Project

FORECAST = Forecast(
    steps=20,
    checkpoints=(
        ExpectedCheckpoint("x-step00000010.safetensors", 10, state_name="x-step00000010-state"),
    ),
    final="x.safetensors",
)


def names(found: tuple[Existing, ...]) -> list[str]:
    return [one.name for one in found]


def spec_of(output: Path, forecast: Forecast | None = FORECAST) -> RunSpec:
    return RunSpec(
        id=new_run_id("x"), name="x", command=("python", "x.py"), cwd="/", env={}, created_at=1.0, host="h",
        output_dir=str(output), output_name="x", forecast=forecast,
    )  # fmt: skip


def plan_of(spec: RunSpec) -> AttemptPlan:
    return AttemptPlan(1, spec.command, {}, "/", spec.output_dir, spec.output_name)


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> list[RunDir]:
    """Runs that would have got a supervisor."""
    started: list[RunDir] = []
    monkeypatch.setattr(launch, "start_supervisor", lambda run, *_: started.append(run))
    monkeypatch.setattr(launch, "_await_supervisor", lambda run, wait_s, attempt=1: None)
    return started


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


# --------------------------------------------------------------------------- what exists


def test_files_that_the_forecast_names_are_found_states_and_dangling_links_too(
    output: Path,
) -> None:
    (output / "x-step00000010-state").mkdir()
    (output / "x.safetensors").symlink_to("nowhere")
    (output / "x-step00000400.safetensors").write_bytes(b"of a longer training")
    found = existing_files(str(output), "x", FORECAST)
    assert names(found) == ["x-step00000010-state", "x.safetensors"]


def test_without_a_forecast_every_file_of_that_name_counts(output: Path) -> None:
    for name in ("x.ckpt", "x-000002.safetensors", "x-step00000400.safetensors", "xy.safetensors"):
        (output / name).write_bytes(b"1")
    (output / "x-000002-state").mkdir()
    (output / "x.txt").write_text("no weights")
    wanted = ["x-000002-state", "x-000002.safetensors", "x-step00000400.safetensors", "x.ckpt"]
    assert names(existing_files(str(output), "x", None)) == wanted
    assert names(existing_files(str(output), "x", Forecast(final="x.safetensors"))) == wanted
    assert existing_files(None, "x", FORECAST) == ()


def test_an_output_name_with_a_folder_is_found_as_well(output: Path) -> None:
    (output / "sub").mkdir()
    (output / "sub" / "x.safetensors").write_bytes(b"1")
    forecast = Forecast(steps=1, final="sub/x.safetensors")
    assert names(existing_files(str(output), "sub/x", forecast)) == ["x.safetensors"]


def test_the_run_that_wrote_the_files_is_named(output: Path) -> None:
    final = output / "x.safetensors"
    final.write_bytes(b"1")
    run = RunDir(runs_root() / new_run_id("older"))
    run.path.mkdir(parents=True)
    write_json(run.spec, replace(spec_of(output), id=run.id))
    checkpoint = Checkpoint("x.safetensors", str(final), 20, 1, 1, 1.0, final=True)
    write_json(run.status, Status(RunState.ENDED, 1, 1.0, checkpoints=(checkpoint,)))
    found = existing_files(str(output), "x", FORECAST)
    assert f"by run {run.id}" in sentence(found)
    assert lines(found)[0].startswith("x.safetensors  (written ")
    assert f"by run {run.id})" in lines(found)[0]


# --------------------------------------------------------------------------- consent


def test_a_start_over_existing_files_is_refused_and_starts_nothing(
    output: Path, no_processes: list[RunDir]
) -> None:
    (output / "x.safetensors").write_bytes(b"1")
    spec = spec_of(output)
    with pytest.raises(WouldOverwrite, match=r"1 existing file in .*would be overwritten: x\.saf"):
        start_run(spec, plan_of(spec))
    assert no_processes == []
    assert not (runs_root() / spec.id).exists()


def test_who_agreed_to_what_is_recorded(output: Path, no_processes: list[RunDir]) -> None:
    (output / "x.safetensors").write_bytes(b"1")
    spec = spec_of(output)
    consent = Consent(frozenset(existing_files(str(output), "x", FORECAST)), reason="was a trial")
    run = start_run(spec, plan_of(spec), consent=consent)
    given = read_json(run.spec, RunSpec).overwrite
    assert given is not None
    assert (given.reason, given.files) == ("was a trial", ("x.safetensors",))


def test_nothing_is_recorded_where_nothing_is_overwritten(
    output: Path, no_processes: list[RunDir]
) -> None:
    spec = spec_of(output)
    run = start_run(spec, plan_of(spec), consent=Consent(everything=True, reason="any"))
    assert read_json(run.spec, RunSpec).overwrite is None


def test_a_yes_holds_for_the_file_that_was_shown_not_for_a_later_one_of_its_name(
    output: Path, no_processes: list[RunDir]
) -> None:
    final = output / "x.safetensors"
    final.write_bytes(b"shown")
    consent = Consent(frozenset(existing_files(str(output), "x", FORECAST)))
    later = output / "new"
    later.write_bytes(b"later")
    os.utime(later, ns=(1, 1))
    later.replace(final)
    spec = spec_of(output)
    with pytest.raises(WouldOverwrite):
        start_run(spec, plan_of(spec), consent=consent)


def test_a_file_that_appears_while_a_start_waits_for_its_turn_is_not_overwritten(
    output: Path, no_processes: list[RunDir]
) -> None:
    spec, refused = spec_of(output), list[BaseException]()

    def start() -> None:
        try:
            start_run(spec, plan_of(spec))
        except StartRefused as error:
            refused.append(error)

    with starts_lock():
        thread = threading.Thread(target=start)
        thread.start()
        time.sleep(0.2)  # it has come as far as it can: whatever it looked at, it looked at before
        (output / "x.safetensors").write_bytes(b"of another run")
    thread.join(10)
    assert [type(error) for error in refused] == [WouldOverwrite]
    assert no_processes == []


def test_a_further_attempt_does_not_write_into_a_folder_that_has_filled_since(
    output: Path, no_processes: list[RunDir]
) -> None:
    spec = spec_of(output)
    run = start_run(spec, plan_of(spec))
    folder = output / "x-attempt2"
    folder.mkdir()
    (folder / "x-step00000010.safetensors").write_bytes(b"of another resume")
    plan = replace(plan_of(spec), attempt=2, output_dir=str(folder))
    with pytest.raises(StartRefused, match=r"now contains x-step00000010\.safetensors"):
        launch.start_attempt(run, plan)
    assert len(no_processes) == 1


# --------------------------------------------------------------------------- by plasma.toml


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add_images("train", 2, "a")
    project.write_dataset()
    return project


def test_the_question_comes_before_the_checks(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = project.config()
    (project.root / "out").mkdir()
    (project.root / "out" / "hero.safetensors").write_bytes(b"1")
    monkeypatch.setattr(begin, "checks", lambda *_, **__: pytest.fail("no check may run yet"))
    with pytest.raises(WouldOverwrite):
        begin.start(config)
    with pytest.raises(WouldOverwrite):
        begin.start(config, force="")  # failed checks are one thing, files another


def test_force_with_a_reason_overwrites_and_the_reason_is_recorded(
    project: Project, no_processes: list[RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = project.config()
    (project.root / "out").mkdir()
    (project.root / "out" / "hero.safetensors").write_bytes(b"1")
    monkeypatch.setattr(begin, "checks", lambda *_, **__: iter(()))
    run = begin.start(config, force="the first one was a trial")
    given = read_json(run.spec, RunSpec).overwrite
    assert given is not None and given.reason == "the first one was a trial"


def test_a_smoke_test_writes_into_its_own_folder_and_asks_nothing(
    project: Project, no_processes: list[RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "out").mkdir()
    (project.root / "out" / "smoke_test.safetensors").write_bytes(b"1")
    (project.root / "out" / "hero.safetensors").write_bytes(b"1")
    monkeypatch.setattr(begin, "checks", lambda *_, **__: iter(()))
    for _ in range(2):
        run = begin.start(project.config(), smoke=True)
        assert read_json(run.spec, RunSpec).output_dir == str(run.scratch)


def test_an_output_that_only_the_trainers_config_file_names_is_watched_too(
    project: Project, no_processes: list[RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "sd.toml").write_text(
        f'output_dir = "{project.root}/elsewhere"\noutput_name = "there"\nmax_train_epochs = 1\n'
    )
    (project.root / "elsewhere").mkdir()
    (project.root / "elsewhere" / "there.safetensors").write_bytes(b"1")
    monkeypatch.setattr(begin, "checks", lambda *_, **__: iter(()))
    config = project.config(f'config_file = "{project.root}/sd.toml"').changed(
        {"output_dir": False, "output_name": False, "max_train_epochs": False}
    )
    with pytest.raises(WouldOverwrite):
        begin.start(config)


def test_a_start_names_project_output_and_command(project: Project) -> None:
    (project.root / "out").mkdir()
    (project.root / "out" / "hero.safetensors").write_bytes(b"1")
    shown = begin.preview(project.config())
    told = " ".join(shown.facts)
    assert str(project.root / "plasma.toml") in told
    assert f"{project.root / 'out'}/hero" in told
    assert "runner.embedded" in shown.command
    assert names(shown.existing) == ["hero.safetensors"]
    assert "1 existing file" in shown.warnings[0]


def test_a_smoke_test_names_its_own_folder(project: Project) -> None:
    (project.root / "out").mkdir()
    (project.root / "out" / "hero.safetensors").write_bytes(b"1")
    shown = begin.preview(project.config(), smoke=True)
    assert shown.title == "Start the smoke test of hero"
    assert "Output: the run's own folder (5 steps" in " ".join(shown.facts)
    assert shown.existing == () and shown.warnings == ()


@pytest.mark.parametrize(
    ("folder", "name"), [("a\nb", "x"), ("out", "x\ry"), ("\x1b]0;t\x07", "x")]
)
def test_files_whose_names_cannot_be_read_from_the_console_are_refused(
    tmp_path: Path, no_processes: list[RunDir], folder: str, name: str
) -> None:
    """The trainer prints the path of each file: with a control character nobody can tell which it was."""
    spec = replace(spec_of(tmp_path / folder), output_name=name)
    with pytest.raises(StartRefused, match="control character") as refused:
        start_run(spec, plan_of(spec))
    assert "\n" not in str(refused.value)
    assert no_processes == []
    assert not (runs_root() / spec.id).exists()
