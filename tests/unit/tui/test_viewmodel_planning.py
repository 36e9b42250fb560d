"""What is shown before a run: the checklist while it is made, the plan, the gate, forms, flags."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.config.catalog import Catalog, Flag, FlagReport
from runner.control.gate import GateStatus
from runner.model import Approval, CheckResult, Forecast
from tests.hostile import HOSTILE
from tui.backend.results import FlagSheet, Plan
from tui.editor import NoEditor, pick_editor
from tui.kit.paint import plain, row_width
from tui.panels.plan import gate_sentence, plan_rows, planned_header
from tui.panels.preflight import area_rows, block_rows
from tui.panels.verdict import ready_verdict
from tui.screens.arrange import Held, View, arrange
from tui.screens.flags import flag_rows
from tui.watch import FileWatch
from tui.words.checklist import Checklist, CheckName, checklist_view, first_failing, preflight_list

NAMES = tuple(CheckName(n, n.capitalize(), n == "device") for n in ("trainer", "images", "device"))


def result(name: str, status: str, fix: str | None = None) -> CheckResult:
    return CheckResult(name, status, f"{name} evidence", fix, name.capitalize(), f"{name} detail.")


# --------------------------------------------------------------------------- the checklist


def names(checklist: Checklist) -> list[str]:
    return [row.name for row in checklist_view(checklist).rows]


def test_checks_without_a_result_are_listed_above_what_passed() -> None:
    view = checklist_view(Checklist(NAMES).found(result("trainer", "pass")))
    assert [(r.title, r.evidence) for r in view.rows] == [
        ("Images", "p runs it"),
        ("Device", "p runs it"),
        ("Trainer", "trainer evidence"),
    ]
    assert view.summary == "1 passed" and not view.running


def test_rows_keep_their_places_while_checks_run_and_are_sorted_when_all_are_done() -> None:
    running = Checklist(NAMES).begun(["trainer", "images", "device"])
    for found in (result("device", "warn"), result("images", "fail")):
        running = running.found(found)
        assert names(running) == ["trainer", "images", "device"]
    view = checklist_view(running)
    assert [row.mark for row in view.rows] == ["running", "no", "warn"]
    assert view.summary == "2 of 3, esc cancels, 1 failed, 1 warning" and view.running
    done = running.found(result("trainer", "pass"))
    assert names(done) == ["images", "device", "trainer"]
    again = done.begun(["trainer", "images"])
    assert names(again) == names(done), "a second run begins in the order of the first"
    assert names(again.begun(["device"])) == names(done)
    assert names(again.ended()) == ["device", "trainer", "images"]


def test_a_check_that_runs_again_no_longer_shows_its_old_result() -> None:
    known = Checklist(NAMES).found(result("trainer", "fail")).found(result("device", "pass"))
    again = known.begun(["trainer", "images"])
    assert checklist_view(again).rows[0].evidence == "running"
    assert [r.name for r in again.in_order()] == ["device"]


@pytest.mark.parametrize(
    ("checklist", "state"),
    [
        (Checklist(NAMES), "ready"),
        (Checklist(NAMES).found(result("images", "warn")), "ready"),
        (Checklist(NAMES).found(result("images", "fail")), "not ready"),
        (Checklist(NAMES).begun(["images"]), "checking"),
        (Checklist(NAMES).begun(["images", "device"]).found(result("device", "fail")), "not ready"),
    ],
)
def test_header_and_verdict_never_disagree_about_being_ready(
    checklist: Checklist, state: str
) -> None:
    plan = Plan("spyke", Forecast(steps=3))
    assert planned_header(plan, checklist).state.word == state
    assert ready_verdict(plan, checklist).kind.lower() == state


def test_checks_that_were_cancelled_count_as_not_checked() -> None:
    ended = Checklist(NAMES).begun(["trainer", "device"]).found(result("trainer", "pass")).ended()
    assert [ended.status(name) for name in ended.order()] == ["unseen", "unseen", "pass"]
    assert checklist_view(ended).rows[0].detail.endswith("p runs all checks.")


def test_the_first_to_look_at_is_a_failure_then_a_curable_warning() -> None:
    warned = [result("a", "warn"), result("b", "warn", "b"), result("c", "pass", "c")]
    assert first_failing([*warned, result("d", "fail")]).name == "d"  # type: ignore[union-attr]
    assert first_failing(warned).name == "b"  # type: ignore[union-attr]
    assert first_failing([result("a", "warn"), result("c", "pass")]) is None


def test_a_cure_is_offered_only_where_something_is_wrong() -> None:
    rows = preflight_list([result("a", "fail", "a"), result("b", "pass", "b")]).rows
    assert [row.fix for row in rows] == ["a", None]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_details_of_a_check_fit_and_are_clean(text: str) -> None:
    check = CheckResult(text, "fail", text, text, text, text * 9, text * 5)
    row = preflight_list([check]).rows[0]
    for width in (20, 42, 100):
        for shown in (area_rows(row, width, 8), block_rows(row, width, 14, True)):
            assert all(plain(r).isprintable() for r in shown)
            assert all(row_width(r) <= width for r in shown)


def test_the_area_of_a_check_says_when_it_is_cut() -> None:
    check = CheckResult("a", "fail", "e", "a", "A", "words " * 60, "do this")
    rows = area_rows(preflight_list([check]).rows[0], 40, 5)
    assert len(rows) == 5 and "z shows more" in plain(rows[-1])
    whole = " ".join(plain(r) for r in block_rows(preflight_list([check]).rows[0], 40, 9, True))
    assert "Fix: do this" in whole and "f shows the fix before" in whole


# --------------------------------------------------------------------------- the plan


def board_text(plan: Plan | None, width: int = 60, details: bool = False) -> str:
    return "\n".join(plain(row).rstrip() for row in plan_rows(plan, width, details))


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (GateStatus(True, False, "no smoke test"), "t starts it"),
        (GateStatus(True, False, "x", "x", smoke_ended=False), "not ended yet"),
        (GateStatus(True, False, "x did not pass", "x"), "did not pass; t retries"),
        (GateStatus(True, False, "x passed", "x", True), "waits for your approval: y"),
    ],
)
def test_a_closed_gate_names_the_key_that_goes_on(gate: GateStatus, words: str) -> None:
    assert words in gate_sentence(gate)


def test_an_open_gate_says_by_whom() -> None:
    approval = Approval("ada", 0.0, "k", "x")
    gate = GateStatus(True, True, "approved 2026-11-21 by ada, same settings", "x", True, approval)
    lines = (CheckResult("smoke_device", "pass", "mps", None, "Device", "It trained on mps."),)
    text = board_text(Plan("s", gate_status=gate, smoke_lines=lines), details=True)
    assert "by ada" in text and "s starts" in " ".join(text.split())
    assert "Last smoke test: 1 passed" in text and "It trained on mps." in text
    off = GateStatus(False, True, "no gate")
    assert "gate is off" in board_text(Plan("s", gate_status=off))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_board_fits_whatever_it_holds(text: str) -> None:
    forecast = Forecast(steps=3, sources={"steps": text}, warnings=(text,))
    for plan in (Plan(text, forecast, notes=(text,)), Plan(text, problem=text, problems=(text,))):
        for width in (20, 36, 100):
            for details in (True, False):
                rows = plan_rows(plan, width, details)
                assert all(row_width(row) <= width for row in rows)
                assert all(plain(row).isprintable() for row in rows)


def test_panels_before_a_run_and_on_a_tiny_screen() -> None:
    assert arrange(80, 24, View("preflight", planned=True)).visible == {
        "preflight",
        "plan",
        "checkpoints",
    }
    assert arrange(40, 10, View(planned=True)).visible == {"preflight"}
    assert arrange(40, 10, View(held=Held(ended=True))).visible == {"result"}


# --------------------------------------------------------------------------- flags


FLAGS = Catalog(
    [
        Flag("learning_rate", "float", default=2e-06, help="how fast / 学習率"),
        Flag("no_half_vae", bare=True, help="do not use fp16/bf16 VAE"),
        Flag("optimizer_type", "str", choices=("AdamW", "Lion"), help="the optimizer"),
        Flag("max_train_steps", "int", default=1600),
    ]
)


def sheet(**given: str) -> FlagSheet:
    return FlagSheet("train_network.py", FlagReport(FLAGS), given, {"max_train_steps": "5"})


def test_flags_that_are_set_stand_first_with_both_values() -> None:
    rows = flag_rows(sheet(no_half_vae="true"))
    assert [row.name for row in rows] == [
        "max_train_steps",
        "no_half_vae",
        "learning_rate",
        "optimizer_type",
    ]
    assert (rows[0].given, rows[0].smoke, rows[0].default) == ("", "5", "1600")
    assert (rows[1].given, rows[1].default, rows[1].takes) == ("true", "false", "true or false")
    assert rows[3].takes == "one of AdamW, Lion" and rows[2].help == "how fast"


def test_typing_finds_names_before_words_of_the_help() -> None:
    assert [row.name for row in flag_rows(sheet(), "fast")] == ["learning_rate"]
    assert [row.name for row in flag_rows(sheet(), "optimizer")] == ["optimizer_type"]
    assert flag_rows(sheet(), "vae nonsense") == ()


def test_the_value_of_a_secret_flag_is_hidden() -> None:
    rows = flag_rows(sheet(wandb_api_key="4711", max_token_length="225"), "")
    values = {row.name: row.given for row in rows}
    assert (values["wandb_api_key"], values["max_token_length"]) == ("(hidden)", "225")


def test_a_flag_that_the_script_does_not_know_is_marked() -> None:
    row = next(row for row in flag_rows(sheet(mystery="3")) if row.name == "mystery")
    assert row.unknown and row.given == "3"


# --------------------------------------------------------------------------- editor, watch


def test_the_editor_is_the_persons_choice_with_its_arguments() -> None:
    there = lambda name: f"/bin/{name}"  # noqa: E731
    assert pick_editor({"EDITOR": "vi", "VISUAL": "code --wait"}, there).command == (
        "code",
        "--wait",
    )
    assert pick_editor({"EDITOR": "vi", "VISUAL": " "}, there).command == ("vi",)
    fallen = pick_editor({}, lambda name: name if name == "vi" else None)
    assert fallen.command == ("vi",) and "neither $VISUAL nor $EDITOR" in fallen.note


@pytest.mark.parametrize(
    ("environ", "words"),
    [({}, "set $EDITOR"), ({"EDITOR": "nope"}, "nope, which was not found"),
     ({"VISUAL": "a 'b"}, "$VISUAL cannot be read")],
)  # fmt: skip
def test_without_an_editor_there_is_a_sentence(environ: dict[str, str], words: str) -> None:
    with pytest.raises(NoEditor, match=words.replace("$", r"\$")):
        pick_editor(environ, lambda name: None)


def test_a_changed_file_is_noticed_once_and_what_was_seen_is_not(tmp_path: Path) -> None:
    file = tmp_path / "plasma.toml"
    file.write_text("a")
    told: list[float] = []
    watch = FileWatch(file, lambda: told.append(time.monotonic()), look_s=0.01)
    watch.start()
    time.sleep(0.05)
    assert told == []
    other = tmp_path / "new"
    other.write_text("b")
    other.replace(file)
    deadline = time.monotonic() + 5
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    watch.stop()
    assert len(told) == 1
