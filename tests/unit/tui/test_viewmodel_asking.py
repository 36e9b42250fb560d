"""What is asked before a run is stopped, goes on, or is tried again, and which key may ask it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.model import Cause, Outcome, RunSnapshot, RunState
from runner.model.preview import FlagChange, Preview
from tests import builders as b
from tests import machines as m
from tests import stories as s
from tests.hostile import HOSTILE
from tui.kit.paint import plain, row_width
from tui.panels.result import result_card, result_rows
from tui.screens.questions import question_rows
from tui.words.cause import cause_of, cause_title, setting_words
from tui.words.machine import comfy_of, others
from tui.words.orders import Around, refusal, why_not
from tui.words.questions import stop_question
from tui.words.resuming import preview_question

HERE = Around()
FAILED = b.ended(Outcome.FAILED, 412, s.OOM)


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


# --------------------------------------------------------------------------- stopping


def test_a_save_without_a_state_is_offered_and_said_to_be_one() -> None:
    question = stop_question(stateless(), "x")
    assert "No state is being saved: the checkpoint alone is kept." in question.facts
    assert question.choices[0].label == "Stop after the save at step 600, in 10 min"


def test_where_no_save_comes_before_the_end_it_is_said() -> None:
    question = stop_question(b.snapshot(850), "x")
    assert "No save comes any more before the end." in question.facts
    assert [choice.mode for choice in question.choices] == ["default", "now"]


def test_a_training_without_a_forecast_may_stop_after_whatever_save_comes() -> None:
    shown = b.snapshot(412, spec=b.spec(forecast=None))
    assert stop_question(shown, "x").choices[0].label == "Stop after the next save"


def test_an_armed_stop_tells_its_step_and_who_ordered_it() -> None:
    armed = b.snapshot(412, status_changes={"stop_after_save": True})
    assert (
        "A stop after the save at step 600 is already ordered." in stop_question(armed, "x").facts
    )
    guard = b.snapshot(412, status_changes={"stop_after_save": True, "stop_by": "guard"})
    told = stop_question(guard, "x").facts
    assert "The guard has ordered a stop after the save at step 600." in told


def test_a_resumed_attempts_own_saves_are_offered() -> None:
    assert (
        stop_question(s.resumed(), "x")
        .choices[0]
        .label.startswith("Stop after the save at step 545")
    )


# --------------------------------------------------------------------------- which key


def test_the_preview_decides_where_the_snapshot_cannot() -> None:
    """A run without any state goes on from its newest finite checkpoint."""
    files = (b.checkpoint(400, state_path=None, state_complete=None),)
    over = b.ended(Outcome.KILLED, 412)
    assert over.status is not None
    bare = replace(over, status=replace(over.status, checkpoints=files))
    assert why_not("resume", bare, HERE) is None
    assert why_not("resume", replace(over, status=None), HERE) is None
    assert why_not("resume", replace(over, state=RunState.LOST), HERE) is None
    assert "all steps" in (why_not("resume", b.ended(Outcome.SUCCEEDED), HERE) or "")


def test_a_cure_is_tried_only_where_there_is_one() -> None:
    assert why_not("retry", FAILED, HERE) is None
    assert "still going" in (why_not("retry", b.snapshot(412), HERE) or "")
    assert "no cause" in (why_not("retry", b.ended(Outcome.KILLED, 412), HERE) or "")
    uncured = b.ended(Outcome.FAILED, 412, s.MODULE)
    assert "its card says what helps" in (why_not("retry", uncured, HERE) or "")
    assert why_not("retry", FAILED, Around(read_only=True)) == "This screen is read-only."


def test_one_key_answers_for_the_order_that_fits_the_run() -> None:
    both = ("retry", "approve")
    assert refusal(both, FAILED, HERE) is None
    assert "cured" in (refusal(both, b.ended(Outcome.KILLED, 412), HERE) or "")
    smoke = b.snapshot(3, spec=b.spec(smoke=True))
    assert refusal(both, smoke, HERE) == "The smoke test is still going."
    planned = Around(run_open=False)
    assert "no smoke test waits" in (refusal(both, None, planned) or "")
    assert refusal((), FAILED, HERE) is None


# --------------------------------------------------------------------------- the cause card


def test_a_cause_is_for_what_a_person_must_cure() -> None:
    assert cause_of(FAILED) is not None
    assert cause_of(b.snapshot(412)) is None and result_card(b.snapshot(412)) is None
    for outcome in (Outcome.SUCCEEDED, Outcome.STOPPED):
        assert cause_of(b.ended(outcome, 412, s.OOM)) is None
    guarded = b.ended(Outcome.STOPPED, 412, s.NAN)
    assert guarded.status is not None
    guarded = replace(guarded, status=replace(guarded.status, stop_by="guard"))
    assert cause_of(guarded) is not None


def test_a_key_is_named_only_where_it_applies_something() -> None:
    uncured = result_card(b.ended(Outcome.FAILED, 0, Cause("x", "y", "z", fix="a=1")))
    failed = result_card(FAILED)
    assert failed is not None and uncured is not None
    for card, can_retry in ((uncured, True), (failed, False)):
        text = "\n".join(plain(row) for row in result_rows(card, 40, can_retry))
        assert "What may help:" in text and "y retry" not in text


def test_settings_are_told_with_the_place_that_they_belong_to() -> None:
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


# --------------------------------------------------------------------------- previews


PREVIEW = Preview(
    "Resume spyke",
    ("From step 400 to 920.",),
    ("The optimizer starts anew.",),
    (
        FlagChange("cache_latents", None, "true", "less memory"),
        FlagChange("max_train_steps", "920", "520"),
        FlagChange("network_weights", "a.safetensors", None),
    ),
    "accelerate launch train_network.py",
)


def test_a_preview_is_asked_with_its_differences_as_lines() -> None:
    question = preview_question("retry", PREVIEW)
    assert question.title == "Resume spyke?"
    assert question.changes == (
        ("cache_latents", "not set → on, less memory"),
        ("max_train_steps", "920 → 520"),
        ("network_weights", "a.safetensors → not set"),
    )
    text = [plain(row).strip() for row in question_rows(question, 60)]
    assert text[0] == "From step 400 to 920."
    assert text.index("! The optimizer starts anew.") > text.index("max_train_steps  920 → 520")
    assert text[-1] == "$ accelerate launch train_network.py"
    assert [choice.mode for choice in question.choices] == ["retry"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_words_in_questions_and_cards_are_clean_and_fit(text: str) -> None:
    change = FlagChange(text, text, text, text)
    question = preview_question("resume", Preview(text, (text,), (text,), (change,), text))
    card = result_card(b.ended(Outcome.FAILED, 412, Cause(text, text, text, text, (text,))))
    assert card is not None and question.title.isprintable()
    for width in (20, 60):
        for row in (*question_rows(question, width), *result_rows(card, width, True)):
            assert plain(row).isprintable() and row_width(row) <= width + 2


def test_comfy_is_asked_only_where_it_is_seen_during_a_run() -> None:
    assert why_not("free_gpu", m.two_cards(), HERE) is None
    assert "No ComfyUI is seen" in (why_not("free_gpu", m.one_card(), HERE) or "")
    over = replace(m.two_cards(), state=RunState.ENDED, outcome=Outcome.STOPPED)
    assert "has ended" in (why_not("free_gpu", over, HERE) or "")
    assert why_not("free_gpu", m.two_cards(), Around(read_only=True)) == "This screen is read-only."


def test_without_a_gpu_nobody_is_asked_to_free_it() -> None:
    shown = m.no_gpu()
    assert shown.status is not None
    seen = replace(shown, status=replace(shown.status, device="cpu", gpu_users=(m.COMFY,)))
    assert comfy_of(seen) is None
    assert others(seen) == ()
    assert why_not("free_gpu", seen, HERE) is not None
    assert seen.status is not None
    cuda = replace(seen, status=replace(seen.status, device="cuda"))
    assert comfy_of(cuda) is not None  # the trainer uses a GPU that nothing here can read


def test_fix_says_no_key_that_refuses() -> None:
    around = Around(has_config=True, readable=True)
    live, over = b.snapshot(), b.ended(Outcome.SUCCEEDED)
    assert why_not("fix", live, around) == why_not("preflight", live, around)
    assert why_not("preflight", over, around) is None
    assert "p runs them again" in (why_not("fix", over, around) or "")
