"""Keys, tokens and passwords: in the plans of a run, which its owner alone can read, and nowhere else. What
verbs and summaries show of a live run is in tests/process/test_secrets.py, the rules themselves in
tests/unit/config/test_hiding.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.analysis.usual_pace import Likeness
from runner.config.channels import Channels
from runner.config.hiding import HIDDEN, hidden_spec
from runner.control import launch
from runner.control.sweep_plan import read_sweep
from runner.history.review.gather import secrets_of
from runner.history.summary import summary_text
from runner.model import RunSpec
from runner.store.journal import read_json
from tests import builders as b
from tui.cli.main import main

FLAG, VARIABLE, PROXY = "wandb-key-of-mine-4711", "token-of-mine-4712", "proxy-password-4713"
ADDRESS = "https://ntfy.sh/topic-of-mine-4714"
CONFIG = f"""\
[trainer]
env = {{ MY_HF_TOKEN = "{VARIABLE}" }}
[train]
wandb_api_key = "{FLAG}"
[notify]
ntfy = "{ADDRESS}"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A started run without a process."""
    argv = ("python", "train_network.py", f"--wandb_api_key={FLAG}", "--output_name=x")
    env = {"MY_HF_TOKEN": VARIABLE, "https_proxy": f"http://me:{PROXY}@proxy:1"}
    spec = b.spec(
        command=argv, env=env, config_text=CONFIG, forecast=replace(b.forecast(), command=argv),
        output_dir=str(tmp_path / "out"),
    )  # fmt: skip
    monkeypatch.setattr(launch, "start_supervisor", lambda *_: None)
    monkeypatch.setattr(launch, "_await_supervisor", lambda *_: None)
    return launch.start_run(spec, spec.first_plan, channels=Channels(ntfy=ADDRESS)).path


def test_only_the_plan_of_an_attempt_and_the_destinations_hold_secrets(run: Path) -> None:
    holding = {
        path.name: [word for word in (FLAG, VARIABLE, PROXY, ADDRESS) if word in path.read_text()]
        for path in run.rglob("*")
        if path.is_file()
    }
    assert {name: found for name, found in holding.items() if found} == {
        "attempt-1.json": [FLAG, VARIABLE, PROXY],
        "notify.json": [ADDRESS],
    }
    assert "spec.json" in holding
    spec = read_json(run / "spec.json", RunSpec)
    assert f"--wandb_api_key={HIDDEN}" in spec.command
    assert spec.env["MY_HF_TOKEN"] == HIDDEN


@pytest.mark.parametrize(
    "words",
    [
        ["show"], ["show", "--json"], ["show", "--markdown"], ["runs", "--json"],
        ["resume", "--dry-run"], ["retry", "--dry-run", "--restart"], ["log"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_no_verb_shows_a_secret(
    run: Path, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.control.orders.adopt", lambda *_: False)
    (run / "console.log").write_text("")
    (run / "spec.json").chmod(0o600)
    main([words[0], run.name, *words[1:]] if words[0] != "runs" else words)
    out, err = capsys.readouterr()
    assert not [word for word in (FLAG, VARIABLE, PROXY, ADDRESS) if word in out + err]


def test_a_secret_that_the_trainer_prints_is_not_in_the_summary(run: Path) -> None:
    spec = read_json(run / "spec.json", RunSpec)
    assert {FLAG, VARIABLE} <= set(secrets_of(run, spec))
    assert FLAG not in summary_text(run, plot=False)


def test_runs_are_compared_without_their_secrets(run: Path) -> None:
    """A hidden value is not another setting: forecasts use what earlier runs measured."""
    spec = replace(b.spec(), dataset_text="", command=("python", "a.py", f"--wandb_api_key={FLAG}"))
    assert Likeness.of(hidden_spec(spec), hidden_spec(spec).command) == Likeness.of(
        spec, spec.command
    )


def test_the_values_of_a_secret_are_in_no_name() -> None:
    with pytest.raises(ValueError, match="is a secret"):
        read_sweep(["env.HF_TOKEN=hf_one,hf_two"])
