"""A sweep before it starts: what each run is, what exists already, and the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config.model import Config
from runner.control import begin, launch
from runner.control.gate import approve
from runner.control.orders import Refused
from runner.control.start_refusals import StartRefused
from runner.control.submit import Submission
from runner.control.sweep import create
from runner.model import Forecast, RunSpec
from runner.store.journal import read_json
from runner.store.rundir import RunDir, runs_root
from tests.unit.control.sweeping import plan
from tests.unit.control.test_gate import PROJECT, smoke_run

# ----------------------------------------------------------------- the plan


def test_each_run_has_the_flags_of_its_combination_and_its_own_name(project: Path) -> None:
    found = plan(project)
    assert [one.name for one in found.runs] == [
        "spyke-lr1e-3-dim4", "spyke-lr1e-3-dim8", "spyke-lr1e-4-dim4", "spyke-lr1e-4-dim8",
    ]  # fmt: skip
    flags = found.runs[2].config.flags()
    assert (flags["learning_rate"], flags["network_dim"]) == (1e-4, 4)
    assert flags["output_name"] == "spyke-lr1e-4-dim4"
    assert found.runs[2].config.name == "spyke-lr1e-4-dim4"
    assert found.group.startswith("spyke-sweep-")
    assert found.names == ("learning_rate", "network_dim")


def test_a_variable_and_a_fixed_setting_reach_the_runs(project: Path) -> None:
    found = plan(project, "env.SPEED=1,2", "seed=7")
    assert [one.config.trainer.env["SPEED"] for one in found.runs] == ["1", "2"]
    assert {one.config.flags()["seed"] for one in found.runs} == {7}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("learning_rate=1e-4,abc",), "spyke-lr-abc is not valid: .*learning_rate"),
        (("netwrk_dim=4,8",), "spyke-netwrkdim4 is not valid: .*did you mean network_dim"),
        (("accelerate.num_processes=1,2",), "accelerate.num_processes changes nothing"),
    ],
)
def test_a_wrong_combination_is_named_and_nothing_is_created(
    project: Path, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        plan(project, *words)
    assert not runs_root().exists()


def test_a_swept_flag_without_effect_is_a_warning(project: Path) -> None:
    assert "max_train_epochs replaces it" in plan(project, "max_train_steps=5,6").warnings[0]
    assert not plan(project, "max_train_steps=5,6", "max_train_epochs=1,2").warnings


@pytest.mark.parametrize("word", ["num_repeats=1,2", "batch_size=1,2", "class_tokens=a,b"])
def test_a_key_of_the_dataset_is_swept_by_a_file_for_each_value(project: Path, word: str) -> None:
    name = word.partition("=")[0]
    with pytest.raises(ValueError, match=f"{name} is a key of the dataset config.*dataset_config="):
        plan(project, word)


@pytest.mark.parametrize(
    ("word", "warned"),
    [
        ("resolution=64,128", True),  # set in dataset.toml
        ('resolution="64,64","64,128"', True),
        ("train_batch_size=1,2", False),
        ("flip_aug=true,false", False),
        ("max_train_epochs=1,2", False),
    ],
)
def test_a_flag_that_the_dataset_config_overrides_is_a_warning(
    project: Path, word: str, warned: bool
) -> None:
    name = word.partition("=")[0]
    said = f"{name} changes nothing: the dataset config sets it"
    assert plan(project, word).warnings == ((said,) if warned else ())


def test_a_dataset_that_cannot_be_read_overrides_nothing(project: Path) -> None:
    (project / "dataset.toml").unlink()
    assert plan(project, "resolution=64,128").warnings == ()


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((600, 600, 0, 0), "all runs together write up to 1.2 kB, 1.0 kB are free"),
        ((600, 600, None, 0), "the runs whose size is known write up to 1.2 kB, 1.0 kB are free"),
        ((100, None, None, None), ""),
        ((200, 200, 200, 200), ""),
    ],
)
def test_a_disk_too_small_for_all_is_a_warning(
    project: Path, sizes: tuple[int | None, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = iter(sizes)

    def forecast_of(config: Config) -> Forecast:
        return Forecast(steps=4, size_bytes=next(known))

    monkeypatch.setattr("runner.control.sweep.forecast_of", forecast_of)
    monkeypatch.setattr("runner.control.sweep.free_bytes", lambda folder: 1000)
    warnings = " ".join(plan(project).warnings)
    assert said in warnings if said else not warnings


def test_expected_steps_are_ignored_where_the_runs_differ_in_them(project: Path) -> None:
    text = PROJECT + "[expect]\nsteps = 9\n"
    (project / "plasma.toml").write_text(text.replace("max_train_epochs = 4", ""))
    found = plan(project, "max_train_steps=5,6")
    assert "[expect] steps is ignored" in found.warnings[-1]
    assert {one.config.expect.steps for one in found.runs} == {None}
    assert {one.config.expect.steps for one in plan(project).runs} == {9}


def test_files_of_an_earlier_training_are_found(project: Path) -> None:
    (project / "out").mkdir()
    (project / "out" / "spyke-lr1e-4-dim4.safetensors").touch()
    found = plan(project)
    assert [one.taken for one in found.runs] == [False, False, True, False]
    assert [one.name for one in plan(project, missing=True).runs] == [
        "spyke-lr1e-3-dim4", "spyke-lr1e-3-dim8", "spyke-lr1e-4-dim8",
    ]  # fmt: skip


# ----------------------------------------------------------------- the gate


def test_without_an_approved_smoke_test_of_the_shared_settings_the_sweep_is_closed(
    project: Path,
) -> None:
    found = plan(project, force=None)
    assert "no smoke test with these settings yet" in found.closed
    forced = plan(project, force="night")
    assert forced.closed == "" and forced.approval is not None
    assert (forced.approval.smoke_run, forced.approval.reason) == (None, "night")


def test_one_approved_smoke_test_counts_for_all_runs_and_each_says_what_differs(
    project: Path, no_processes: list[RunDir]
) -> None:
    smoke = smoke_run(begin.load(project / "plasma.toml"))
    approve(smoke.path)
    found = plan(project, "network_dim=4,8", force=None)
    assert found.closed == ""
    runs = list(create(found, {}))
    specs = [read_json(run.spec, RunSpec) for run in runs]
    assert {spec.group for spec in specs} == {found.group}
    for spec, size in zip(specs, (4, 8), strict=True):
        assert spec.approval is not None
        assert spec.approval.smoke_run == smoke.id
        assert spec.approval.settings_key != spec.settings_key
        assert spec.approval.reason.endswith(f"share; here network_dim={size}")


# ----------------------------------------------------------------- Slurm


@pytest.fixture
def on_slurm(project: Path) -> Path:
    text = (project / "plasma.toml").read_text() + '[engine]\nkind = "slurm"\n'
    (project / "plasma.toml").write_text(text)
    return project


def test_on_slurm_all_runs_are_submitted_at_once_after_all_are_created(
    on_slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[RunDir]] = []

    def submit_many(runs: list[RunDir]) -> list[Submission]:
        calls.append(list(runs))
        assert all(run.spec.exists() and not run.queued.exists() for run in runs)
        return [Submission(run, f"9_{at}") for at, run in enumerate(runs[:3])] + [
            Submission(runs[3], "", "the partition is gone", refused=True)
        ]

    monkeypatch.setattr("runner.control.sweep.submit_many", submit_many)
    made: list[RunDir] = []
    with pytest.raises(Refused, match="the partition is gone"):
        made.extend(create(plan(on_slurm), {}))
    assert [len(runs) for runs in calls] == [4]
    # of a run that Slurm refused nothing is left
    assert sorted(runs_root().iterdir()) == sorted(run.path for run in calls[0][:3])


def test_on_slurm_the_runs_before_one_that_cannot_be_created_are_submitted(
    on_slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plan(on_slurm)
    submitted: list[RunDir] = []

    def submit_many(runs: list[RunDir]) -> list[Submission]:
        submitted.extend(runs)
        return [Submission(run, str(at)) for at, run in enumerate(runs)]

    monkeypatch.setattr("runner.control.sweep.submit_many", submit_many)
    list(create(plan(on_slurm, "learning_rate=1e-4,2", "network_dim=4,16"), {}))
    submitted.clear()
    made: list[RunDir] = []
    with pytest.raises(StartRefused, match="queued to write 'spyke-lr1e-4-dim4'"):
        made.extend(create(found, {}))
    assert made == submitted
    assert [read_json(run.spec, RunSpec).output_name for run in made] == [
        one.name for one in found.runs[:2]
    ]


def test_on_slurm_an_interrupted_sweep_leaves_nothing(
    on_slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = launch.start_run

    def interrupted(*args: object, **more: object) -> RunDir:
        if len(list(runs_root().glob("2*"))) == 2:
            raise KeyboardInterrupt
        return started(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("runner.control.sweep.start_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(create(plan(on_slurm), {}))
    assert not list(runs_root().iterdir())
