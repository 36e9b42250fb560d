"""Several launches in one log without a line of ours between them, logs of other encodings, and what the
metadata of imported files tells of their settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.history.imported_runs.from_files import import_training
from runner.history.imported_runs.from_log import run_of_log
from runner.history.imported_runs.metadata import metadata_settings
from runner.history.imported_runs.trainings import look_for_trainings
from runner.history.inspect import inspect_log
from runner.history.review.checklist import file_words
from runner.history.review.gather import review_of
from runner.history.run_settings import difference, is_known, settings_of
from runner.model import Outcome, RunSnapshot, Status
from runner.store.reader import RunReader
from tests import DATA

GOOD = DATA / "runs" / "seed_full.log"
#: launches that failed before the first step, in the words of argparse, of an exception, of sd-scripts
FAILED = ("unknown_flag", "model_missing", "toml_syntax", "v2_flag")


def joined(target: Path, *logs: Path) -> Path:
    target.write_bytes(b"".join(log.read_bytes() for log in logs))
    return target


def status_of(log: Path) -> Status:
    status = read(log).status
    assert status is not None
    return status


def read(log: Path) -> RunSnapshot:
    return RunReader(run_of_log(log)).read_all()


@pytest.mark.parametrize("name", FAILED)
def test_a_launch_that_failed_says_nothing_of_the_next(tmp_path: Path, name: str) -> None:
    failed = DATA / "failures" / f"{name}.log"
    log = joined(tmp_path / "nohup.out", failed, GOOD)
    assert inspect_log(log).outcome is Outcome.SUCCEEDED
    status = status_of(log)
    assert [(a.attempt, a.first_step, a.last_step) for a in status.attempts] == [
        (1, None, None), (2, 1, 40),
    ]  # fmt: skip
    assert status.outcome is Outcome.SUCCEEDED and status.step == 40


@pytest.mark.parametrize("name", FAILED)
def test_a_success_before_does_not_cover_a_failure(tmp_path: Path, name: str) -> None:
    log = joined(tmp_path / "nohup.out", GOOD, DATA / "failures" / f"{name}.log")
    report = inspect_log(log)
    assert report.outcome is Outcome.FAILED and report.steps_seen == 0
    assert report.cause == inspect_log(DATA / "failures" / f"{name}.log").cause
    assert status_of(log).outcome is Outcome.FAILED


def test_a_resumed_launch_goes_on_where_the_killed_one_ended(tmp_path: Path) -> None:
    runs = DATA / "runs"
    log = joined(
        tmp_path / "nohup.out",
        runs / "tiny_first_run_killed.log",
        runs / "tiny_resume_skip.log",
    )
    status = status_of(log)
    assert [a.attempt for a in status.attempts] == [1, 2]
    assert status.attempts[0].last_step == 412
    assert status.step == 920
    # each begins with its own first record
    assert status.attempts[0].started_at < status.attempts[1].started_at


@pytest.mark.parametrize("log", sorted((DATA / "runs").glob("*.log")), ids=lambda p: p.stem)
def test_one_launch_is_one_attempt(log: Path) -> None:
    assert [a.attempt for a in status_of(log).attempts] == [1]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_read_as_what_it_is(tmp_path: Path, encoding: str) -> None:
    source = DATA / "runs" / "nan_step1.log"
    log = tmp_path / "tee.log"
    log.write_bytes(source.read_bytes().decode().encode(encoding))
    made = read(log)
    assert made.outcome is Outcome.DIVERGED
    assert (Path(made.path) / "console.log").read_bytes() == source.read_bytes()


def test_files_that_lie_elsewhere_are_not_called_gone() -> None:
    review = review_of(run_of_log(GOOD))
    told = [file_words(one, review) for one in review.checkpoints]
    assert told and all(good is None and "gone" not in words for words, good in told)


# --------------------------------------------------------------------------- settings


def imported(root: Path, **metadata: str) -> Path:
    root.mkdir()
    told = {"ss_session_id": root.name, "ss_steps": "10", "ss_output_name": root.name, **metadata}
    value = {"lora_unet_a.lora_up.weight": np.ones((2, 2), np.float32)}
    save_file(value, str(root / f"{root.name}.safetensors"), metadata=told)
    (training,) = look_for_trainings(root).trainings
    return import_training(training, root)[0]


def test_the_metadata_of_a_file_tells_how_it_was_trained(tmp_path: Path) -> None:
    one = imported(
        tmp_path / "one", ss_network_dim="32", ss_learning_rate="0.0001", ss_seed="42",
        ss_optimizer="torch.optim.adamw.AdamW(weight_decay=0.1)", ss_gradient_checkpointing="True",
    )  # fmt: skip
    other = imported(
        tmp_path / "other", ss_network_dim="16", ss_learning_rate="1e-4", ss_seed="None",
        ss_optimizer="torch.optim.adamw.AdamW", ss_gradient_checkpointing="True",
    )  # fmt: skip
    told = settings_of(one)
    assert told["network_dim"] == "32" and told["optimizer_type"] == "AdamW"
    assert told["gradient_checkpointing"] == "true"
    assert not is_known("min_snr_gamma", told)
    changes = {c.name: (c.before, c.after) for c in difference(one, other)}
    assert changes == {"network_dim": ("32", "16")}  # of the seed nothing is known


def test_a_default_in_the_metadata_is_no_setting() -> None:
    told = {"ss_prior_loss_weight": "1.0", "ss_lr_warmup_steps": "0.0", "ss_lr_scheduler": "cosine"}
    assert metadata_settings(told) == {"lr_scheduler": "cosine"}
    assert metadata_settings({}) == {}
    assert metadata_settings({"ss_network_dim": "\x1b[31m[red]"}) == {
        "network_dim": "\x1b[31m[red]"
    }
