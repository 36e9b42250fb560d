"""No key, no password, no token in what is written of a run."""

from __future__ import annotations

from dataclasses import replace

from runner.config.hiding import (
    hidden_command,
    hidden_config,
    hidden_env,
    scrubbed,
    secret_values,
    without_addresses,
)
from runner.history.review.as_json import review_json
from runner.history.summary import markdown_of
from runner.model import Outcome
from tests import builders as b
from tests import reviews

KEY = "sekrit-0123456789"
CONFIG = f'''
name = "spyke"
# wandb_api_key = "{KEY}-old"
[train]
wandb_api_key = "{KEY}"
keep_tokens = 1
max_token_length = 225
output_name = "topic-of-mine"
[notify]
on = ["finished"]
topic = "topic-of-mine"
url = "https://user:pass@ntfy.example/x"
command = """notify-send
  --secret thing-of-mine"""
[expect]
trigger = "topic-of-mine"
'''


def test_flags_lose_the_values_of_their_secrets_in_every_spelling() -> None:
    words = ["train.py", "--wandb_api_key", KEY, f"--huggingface_token={KEY}", "--keep_tokens=1",
             "--max_token_length", "225", "--network_args", f"password={KEY}", "--resume",
             f"https://me:{KEY}@host/x"]  # fmt: skip
    shown = hidden_command(words)
    assert KEY not in " ".join(shown)
    assert "--keep_tokens=1" in shown and shown[6] == "225" and shown[2] == "(hidden)"
    assert shown[-1] == "https://(hidden)@host/x"


def test_variables_lose_theirs() -> None:
    env = hidden_env({"HF_TOKEN": KEY, "WANDB_API_KEY": KEY, "COLUMNS": "500", "LINES": None})
    assert env == {
        "HF_TOKEN": "(hidden)",
        "WANDB_API_KEY": "(hidden)",
        "COLUMNS": "500",
        "LINES": None,
    }


def test_a_configuration_keeps_everything_else() -> None:
    shown = hidden_config(CONFIG)
    assert KEY not in shown and "user:pass" not in shown and "thing-of-mine" not in shown
    assert 'output_name = "topic-of-mine"' in shown and 'trigger = "topic-of-mine"' in shown
    assert 'topic = "(hidden)"' in shown and 'on = ["finished"]' in shown
    assert "keep_tokens = 1" in shown and "max_token_length = 225" in shown


def test_a_configuration_that_is_no_toml_is_searched_line_by_line() -> None:
    assert KEY not in hidden_config(f"[train\nwandb_api_key = {KEY}\n")


def test_what_is_hidden_once_is_hidden_twice_alike() -> None:
    kept = without_addresses(CONFIG)
    assert without_addresses(kept) == kept
    assert hidden_config(hidden_config(CONFIG)) == hidden_config(kept) == hidden_config(CONFIG)


def test_values_are_taken_out_of_every_text() -> None:
    found = secret_values(["--wandb_api_key", KEY], {"HF_TOKEN": "t0ken-9"}, CONFIG)
    assert scrubbed({"a": [f"x {KEY} y"], "b": ("t0ken-9", 3)}, found) == {
        "a": ["x (hidden) y"], "b": ("(hidden)", 3),
    }  # fmt: skip


def test_nothing_of_a_run_with_secrets_comes_through() -> None:
    shown = b.ended(Outcome.SUCCEEDED)
    assert shown.spec is not None and shown.status is not None
    spec = replace(
        shown.spec,
        command=("python", "t.py", "--wandb_api_key", KEY),
        env={"HF_TOKEN": KEY},
        config_text=CONFIG,
    )
    status = replace(shown.status, reasons=(f"said {KEY}",))
    review = reviews.review_for(
        replace(shown, spec=spec, status=status),
        warnings=((f"wandb: {KEY}", 1),),
        secrets=secret_values(spec.command, spec.env, CONFIG),
    )
    assert KEY not in markdown_of(review, plot=False)
    assert KEY not in str(review_json(review))
