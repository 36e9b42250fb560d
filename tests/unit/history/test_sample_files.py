"""Which sample images a run drew, at which true step, from which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.history.samples import Sample, SampleFinder, find_samples, prompt_file_of, prompts_of
from runner.model import RunSpec, RunState
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from runner.trainers.sd_scripts.sample_prompts import SamplePrompt, parse_prompts
from tests.hostile import HOSTILE
from tests.sample_runs import (
    BEGAN_AT,
    add_attempt,
    banner,
    draw,
    journal,
    make_run,
    status_of,
)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = make_run(tmp_path)
    status_of(made, (1, 500, BEGAN_AT, None))
    banner(made)
    journal(made, 1, "epoch", epoch=1, epochs=4)
    return made


def sample_folder(run: RunDir) -> Path:
    return run.path.parent.parent / "project" / "out" / "sample"


def told(samples: tuple[Sample, ...]) -> list[tuple[object, ...]]:
    return [(s.step, s.epoch, s.prompt_index, s.seed, s.attempt, s.replaced) for s in samples]


def test_names_of_steps_and_epochs_become_true_steps_in_order(run: RunDir) -> None:
    folder = sample_folder(run)
    draw(folder, "e000002", 1)
    draw(folder, "000200", 0, seed=7)
    draw(folder, "e000000", 0)
    assert told(find_samples(run.path)) == [
        (0, 0, 0, None, 1, False),
        (200, 1, 0, 7, 1, False),
        (420, 2, 1, None, 1, False),
    ]


def test_the_last_epoch_cut_short_is_sampled_at_the_end_of_the_training(run: RunDir) -> None:
    draw(sample_folder(run), "e000005")
    assert [s.step for s in find_samples(run.path)] == [840]


def test_a_resumed_attempt_counts_anew_and_replaces_what_it_trained_again(run: RunDir) -> None:
    """As sd-scripts v0.10 did it, killed at step 504 and resumed from 400 with the skip."""
    first, second = sample_folder(run), add_attempt(run, 2, base_step=400, folder="out/again")
    again_at = BEGAN_AT + 600
    status_of(run, (1, 504, BEGAN_AT, BEGAN_AT + 500), (401, 840, again_at, None))
    journal(run, 2, "resumed", state_path="x", state_step=400, skip_steps=None)
    banner(run, 2)
    journal(run, 2, "resumed", state_path=None, state_step=None, skip_steps=400)
    journal(run, 2, "epoch", epoch=2, epochs=4)
    for number in ("000300", "000400", "000500"):
        draw(first, number)
    for number in ("e000000", "000200", "000290", "e000003"):
        draw(second, number, at=again_at + 60)
    assert told(find_samples(run.path)) == [
        (300, 2, 0, None, 1, False),
        (400, 2, 0, None, 2, False),
        (410, 2, 0, None, 2, False),
        (500, 3, 0, None, 2, False),
        (630, 3, 0, None, 2, False),
    ]


def test_what_a_later_attempt_trained_past_is_marked(run: RunDir) -> None:
    add_attempt(run, 2, base_step=400, folder="out/again")
    status_of(run, (1, 504, BEGAN_AT, BEGAN_AT + 500), (401, 410, BEGAN_AT + 600, None))
    draw(sample_folder(run), "000500")
    draw(sample_folder(run), "000400")
    assert [(s.step, s.replaced) for s in find_samples(run.path)] == [(400, False), (500, True)]


def test_an_attempt_that_trained_nothing_replaces_nothing(run: RunDir) -> None:
    add_attempt(run, 2, base_step=400, folder="out/again")
    draw(sample_folder(run), "000500")
    assert [s.replaced for s in find_samples(run.path)] == [False]


def test_of_two_images_of_a_step_the_newest_counts(run: RunDir) -> None:
    draw(sample_folder(run), "000100", at=BEGAN_AT + 60)
    newer = draw(sample_folder(run), "000100", at=BEGAN_AT + 90)
    assert [s.path for s in find_samples(run.path)] == [str(newer)]


def test_images_of_other_trainings_in_the_same_folder_are_not_ours(run: RunDir) -> None:
    folder = sample_folder(run)
    status_of(run, (1, 840, BEGAN_AT, BEGAN_AT + 500), state=RunState.ENDED)
    draw(folder, "000100", at=BEGAN_AT - 3600)
    draw(folder, "000200", at=BEGAN_AT + 3600)
    draw(folder, "000300", name="spyke_v2")
    (folder / "spyke_000400_00.png").write_bytes(b"")
    (folder / "notes.txt").write_text("mine")
    assert find_samples(run.path) == ()


def test_a_copied_folder_keeps_its_images_by_the_times_in_their_names(run: RunDir) -> None:
    path = draw(sample_folder(run), "000100")
    status_of(run, (1, 840, BEGAN_AT, BEGAN_AT + 500), state=RunState.ENDED)
    os.utime(path, (BEGAN_AT + 9e6, BEGAN_AT + 9e6))
    assert len(find_samples(run.path)) == 1


def test_without_a_banner_an_epoch_is_known_but_not_its_step(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    draw(sample_folder(run), "e000002")
    assert [(s.step, s.epoch) for s in find_samples(run.path)] == [(None, 2)]


def test_an_imported_run_takes_all_images_of_its_name(tmp_path: Path) -> None:
    run = make_run(tmp_path, origin="imported")
    run.attempt(1).unlink()
    draw(sample_folder(run), "000100", at=BEGAN_AT - 9e5)
    assert [s.step for s in find_samples(run.path)] == [100]


def test_a_link_to_nothing_hides_no_other_image(run: RunDir) -> None:
    (sample_folder(run) / "spyke_000100_00_20261126062311.png").symlink_to("/nowhere/at.all")
    draw(sample_folder(run), "000200")
    assert [s.step for s in find_samples(run.path)] == [200]


def test_a_finder_sees_a_new_image_and_else_nothing(run: RunDir) -> None:
    finder = SampleFinder(run.path)
    assert finder.changed()
    assert finder.find() == ()
    assert not finder.changed()
    draw(sample_folder(run), "000100")
    assert finder.changed()
    assert len(finder.find()) == 1
    assert not finder.changed()


def test_a_torn_run_folder_has_no_images_and_raises_nothing(tmp_path: Path) -> None:
    assert find_samples(tmp_path / "nowhere") == ()
    run = make_run(tmp_path)
    run.spec.write_text("{")
    assert find_samples(run.path) == ()
    assert prompts_of(run.path) == ()


# --------------------------------------------------------------------------- prompts


def test_prompts_are_read_as_sd_scripts_reads_them(run: RunDir) -> None:
    found = prompt_file_of(run.path)
    assert prompts_of(run.path) == ("a fox", "an owl")
    assert (found.prompts[0].seed, found.changed, found.problem) == (7, False, None)


def test_a_file_that_was_written_since_the_start_is_said_to_have_changed(run: RunDir) -> None:
    path = run.path.parent.parent / "project" / "prompts.txt"
    path.write_text("another")
    assert prompt_file_of(run.path).changed


def test_options_of_a_line() -> None:
    line = "a, b --n bad --w 64 --h 96 --d 5 --s 9 --l 7.5 --ss ddim --x 1 --l ..."
    assert parse_prompts(f"# no\n\n{line}\n", "p.txt") == (
        SamplePrompt("a, b", "bad", 64, 96, 5, 9, 7.5, "ddim"),
    )


def test_toml_and_json_prompts() -> None:
    toml = '[prompt]\nwidth = 64\n[[prompt.subset]]\nprompt = "x"\nseed = 3\n'
    assert parse_prompts(toml, "p.toml") == (SamplePrompt("x", width=64, seed=3),)
    listed = '["a --d 2", {"prompt": "b", "scale": 5}, {}]'
    assert parse_prompts(listed, "p.json") == (
        SamplePrompt("a", seed=2),
        SamplePrompt("b", scale=5.0),
        SamplePrompt(""),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", "{}"),
        ("p.json", "[1]"),
        ("p.json", "[" * 100_000),
        ("p.toml", "[prompt]"),
        ("p.toml", "prompt = 3"),
        ("p.yaml", "a"),
        ("p.txt", None),
    ],
)
def test_a_file_without_prompts_is_one_sentence(run: RunDir, name: str, text: str | None) -> None:
    project = run.path.parent.parent / "project"
    if text is not None:
        (project / name).write_text(text)
    else:
        (project / "prompts.txt").unlink()
    _point_to(run, name if text is not None else "prompts.txt")
    found = prompt_file_of(run.path)
    assert found.prompts == ()
    assert found.problem
    assert "\n" not in found.problem


def test_hostile_lines_are_prompts_like_others() -> None:
    for text in HOSTILE:
        for one in parse_prompts(text, "p.txt"):
            assert isinstance(one.text, str)


def _point_to(run: RunDir, name: str) -> None:
    from dataclasses import replace

    from runner.model import AttemptPlan
    from runner.store.journal import read_json

    command = ("python", "train_network.py", f"--sample_prompts={name}")
    write_json(run.attempt(1), replace(read_json(run.attempt(1), AttemptPlan), command=command))
    write_json(run.spec, replace(read_json(run.spec, RunSpec), command=command))
