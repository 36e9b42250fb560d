"""Questions before an order, and why an order is refused: every one beside its approved text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.analysis.diagnosis.titles import cause_title
from runner.model import Cause, CheckResult, Outcome, RunSnapshot, RunState
from runner.model.preview import Existing, FlagChange, Preview
from tests import builders as b
from tests import machines as m
from tests import stories as s
from tests.goldens import approve
from tests.hostile import HOSTILE
from tui.kit.paint import plain, row_width
from tui.panels.result import result_card, result_rows
from tui.screens.monitor import MonitorScreen
from tui.screens.orders import ORDERS, MonitorOrders
from tui.screens.questions import question_rows
from tui.words.cause import cause_of, setting_words
from tui.words.machine import comfy_of, free_question, others
from tui.words.orders import Around, refusal, why_not
from tui.words.questions import Question, stop_question
from tui.words.resuming import approve_question, preview_question

HERE, CONFIGURED = Around(), Around(has_config=True)
PLANNED = Around(has_config=True, run_open=False)
FAILED = b.ended(Outcome.FAILED, 412, s.OOM)
GOLDENS = Path(__file__).parent / "goldens"
PREVIEW = Preview(
    "Resume spyke",
    ("From step 400 to 920.",),
    ("The optimizer restarts.",),
    (
        FlagChange("cache_latents", None, "true", "less memory"),
        FlagChange("max_train_steps", "920", "520"),
        FlagChange("network_weights", "a.safetensors", None),
    ),
    "accelerate launch train_network.py",
)


def stateless(step: int = 412) -> RunSnapshot:
    """A training that saves weights alone."""
    made = b.forecast()
    bare = tuple(replace(one, state_name=None) for one in made.checkpoints)
    files = (b.checkpoint(400, state_path=None, state_complete=None),)
    return b.snapshot(
        step,
        spec=b.spec(forecast=replace(made, checkpoints=bare)),
        status_changes={"checkpoints": files, "safe_step": 0},
    )


# --------------------------------------------------------------------------- questions


def questions() -> Iterator[tuple[str, Question]]:
    for name, shown in (
        ("stop", b.snapshot(412)),
        ("stop without a state", stateless()),
        ("stop after the last save", b.snapshot(850)),
        ("stop without a forecast", b.snapshot(412, spec=b.spec(forecast=None))),
        ("stop while one is armed", b.snapshot(412, status_changes={"stop_after_save": True})),
        (
            "stop while the guard's is armed",
            b.snapshot(412, status_changes={"stop_after_save": True, "stop_by": "guard"}),
        ),
        ("stop a resumed attempt", s.resumed()),
        ("stop while saving", b.snapshot(412, status_changes={"saving_since": b.NOW - 2})),
        ("stop while stopping", replace(b.snapshot(412), state=RunState.STOPPING)),
    ):
        yield name, stop_question(shown, "spyke")
    for order in ("start", "resume", "retry"):
        yield order, preview_question(order, PREVIEW)
    existing = (Existing("spyke.safetensors", 1, 72_100_000, 7),)
    yield (
        "start over existing files",
        preview_question("start", replace(PREVIEW, existing=existing)),
    )
    yield "approve", approve_question("spyke", (CheckResult("d", "pass", "mps", title="Device"),))
    user = comfy_of(m.two_cards())
    assert user is not None
    yield "free GPU", free_question(user, b.NOW)


def test_every_question_is_as_approved(pytestconfig: pytest.Config) -> None:
    parts = []
    for name, question in questions():
        rows = [plain(row).rstrip() for row in question_rows(question, 78)]
        choices = [f"( ) {one.label}{' (type the name)' * one.typed}" for one in question.choices]
        parts.append("\n".join([f"== {name}", question.title, *rows, *choices]))
    approve(GOLDENS / "questions.txt", "\n\n".join(parts) + "\n", pytestconfig)


# --------------------------------------------------------------------------- refusals


def situations() -> Iterator[tuple[str, RunSnapshot | None, Around]]:
    yield "no run, no plasma.toml", None, Around(run_open=False)
    yield "plasma.toml, nothing checked", None, PLANNED
    yield "plasma.toml with errors", None, replace(PLANNED, readable=False)
    yield "plasma.toml, no ComfyUI", None, replace(PLANNED, comfy=False)
    yield "a smoke test to approve, ComfyUI", None, replace(PLANNED, approvable=True, comfy=True)
    yield "a run being read", None, CONFIGURED
    yield "training", b.snapshot(412), CONFIGURED
    yield "training, ComfyUI on the GPU", m.two_cards(), HERE
    yield "training, read-only", m.two_cards(), Around(has_config=True, read_only=True)
    yield "succeeded", b.ended(Outcome.SUCCEEDED), CONFIGURED
    yield "failed with a fix", FAILED, CONFIGURED
    yield "failed without a fix", b.ended(Outcome.FAILED, 412, s.MODULE), CONFIGURED
    yield "killed", b.ended(Outcome.KILLED, 412), CONFIGURED
    foreign = Around(has_config=True, foreign=True)
    yield "killed, of another project", b.ended(Outcome.KILLED, 412), foreign
    nothing = b.ended(Outcome.KILLED, 412)
    assert nothing.status is not None
    bare = replace(nothing, status=replace(nothing.status, checkpoints=()))
    yield "killed, nothing saved", bare, HERE
    yield "killed, unreadable", replace(nothing, status=None), HERE
    yield "lost", replace(nothing, state=RunState.LOST, outcome=None), HERE
    origin = b.spec(origin="imported")
    yield "imported", replace(nothing, spec=origin), HERE
    smoke = b.spec(smoke=True)
    yield "smoke test running", b.snapshot(3, spec=smoke), HERE
    yield "smoke test failed", replace(FAILED, spec=smoke), HERE
    passed = replace(b.ended(Outcome.SUCCEEDED, 5), spec=smoke)
    yield "smoke test without a forecast of its own", passed, HERE
    yield "smoke test approved", passed, Around(approved=True)


def test_every_refusal_is_as_approved(pytestconfig: pytest.Config) -> None:
    parts = []
    for name, shown, around in situations():
        reasons = [f"  {one:<12} {why_not(one, shown, around) or 'yes'}" for one in ORDERS]
        parts.append("\n".join([f"== {name}", *reasons]))
    approve(GOLDENS / "refusals.txt", "\n\n".join(parts) + "\n", pytestconfig)


def test_every_order_has_a_handler_and_an_action() -> None:
    for order in ORDERS:
        assert hasattr(MonitorScreen, f"action_{order}")
        assert hasattr(MonitorOrders, order) or order in ("preflight", "console"), order


def test_one_key_answers_for_the_order_that_fits_the_run() -> None:
    both = ("retry", "approve")
    assert refusal(both, FAILED, HERE) is None and refusal((), FAILED, HERE) is None
    killed, smoke = b.ended(Outcome.KILLED, 412), b.snapshot(3, spec=b.spec(smoke=True))
    assert refusal(both, killed, HERE) == why_not("retry", killed, HERE)
    assert refusal(both, smoke, HERE) == why_not("approve", smoke, HERE)
    assert refusal(both, None, PLANNED) == why_not("approve", None, PLANNED)


def test_without_a_gpu_no_one_is_asked_to_free_it() -> None:
    shown = m.no_gpu()
    assert shown.status is not None
    seen = replace(shown, status=replace(shown.status, device="cpu", gpu_users=(m.COMFY,)))
    assert comfy_of(seen) is None and others(seen) == ()
    assert why_not("free_gpu", seen, HERE) is not None
    cuda = replace(seen, status=replace(shown.status, device="cuda", gpu_users=(m.COMFY,)))
    assert comfy_of(cuda) is not None  # the trainer uses a GPU that nothing here can read


# --------------------------------------------------------------------------- causes


def test_a_cause_is_for_what_a_person_must_fix() -> None:
    assert cause_of(FAILED) is not None
    assert cause_of(b.snapshot(412)) is None and result_card(b.snapshot(412)) is None
    for outcome in (Outcome.SUCCEEDED, Outcome.STOPPED):
        assert cause_of(b.ended(outcome, 412, s.OOM)) is None
    guarded = b.ended(Outcome.STOPPED, 412, s.NAN)
    assert guarded.status is not None
    assert cause_of(replace(guarded, status=replace(guarded.status, stop_by="guard"))) is not None


def test_a_key_is_named_only_where_it_applies_something() -> None:
    uncured = result_card(b.ended(Outcome.FAILED, 0, Cause("x", "y", "z", fix="a=1")))
    failed = result_card(FAILED)
    assert failed is not None and uncured is not None
    for card, can_retry in ((uncured, True), (failed, False)):
        text = "\n".join(plain(row) for row in result_rows(card, 40, can_retry))
        assert "What may help:" in text and "y retry" not in text


def test_settings_are_shown_with_the_place_that_they_belong_to() -> None:
    assert setting_words("cache_latents=true") == "cache_latents on"
    assert setting_words("xformers=false") == "xformers off"
    assert setting_words("learning_rate=5e-5") == "learning_rate = 5e-5"
    assert setting_words("env.PYTORCH_X=1") == "environment: PYTORCH_X = 1"
    assert setting_words("accelerate.num_processes=1") == "accelerate: num_processes = 1"


def test_every_cause_of_the_catalogue_has_a_title_in_plain_words() -> None:
    from runner.analysis.diagnosis.catalogue import keys

    titles = {key: cause_title(key) for key in keys()}
    for key, title in titles.items():
        assert title != key.replace("_", " ").capitalize(), key
        assert len(title) <= 46 and not title.endswith(".")
    assert len(set(titles.values())) == len(titles)
    assert cause_title("a_new_one") == "A new one"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_in_questions_and_cards_is_clean_and_fits(text: str) -> None:
    change = FlagChange(text, text, text, text)
    question = preview_question("resume", Preview(text, (text,), (text,), (change,), text))
    card = result_card(b.ended(Outcome.FAILED, 412, Cause(text, text, text, text, (text,))))
    assert card is not None and question.title.isprintable()
    for width in (20, 60):
        for row in (*question_rows(question, width), *result_rows(card, width, True)):
            assert plain(row).isprintable() and row_width(row) <= width + 2
