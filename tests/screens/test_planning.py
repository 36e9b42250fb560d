"""Before a run, with keys: checks, cures, the gate, the file, the flags; and without a plasma.toml."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runner.config.catalog import Catalog, Flag, FlagReport
from runner.control.gate import GateStatus
from runner.model import Approval, CheckResult, Outcome, RunSnapshot
from runner.model.refusal import Refusal
from runner.preflight.cures.model import Cure, CureFailed
from runner.trainers.sd_scripts.importers.find import Found, FoundCheckout, FoundModel
from runner.trainers.sd_scripts.importers.fresh import Answers
from tests import builders as b
from tests.fakes import FakeBackend
from tests.hostile import HOSTILE
from tests.screens.helpers import app_on, burst, screen_text, text_of, until
from tui.app import PlasmaApp
from tui.backend.results import FlagAnswer, FlagSheet, Plan
from tui.screens.cure import CureScreen
from tui.screens.flags import FlagForm, FlagsScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.project import ProjectScreen
from tui.screens.runs import RunsScreen
from tui.screens.welcome import WelcomeScreen

BROKEN = CheckResult(
    "trainer", "fail", "no lora.py", "trainer", "Trainer", "lora.py is missing.", "git submodule"
)
CONFIG = Path("/p/plasma.toml")


def planned(*checks: CheckResult, **changes: Any) -> tuple[FakeBackend, PlasmaApp]:
    plan = replace(Plan("spyke", b.forecast(), checks or b.CHECKS), **changes)
    actions = FakeBackend(b.snapshot(3), plan=plan)
    return actions, app_on(actions=actions, run_path=None, config_path=CONFIG)


def preflight(pilot: Pilot[Any]) -> str:
    return text_of(pilot, "#preflight")


# --------------------------------------------------------------------------- checks


async def test_the_cursor_walks_and_its_check_tells_all() -> None:
    _, app = planned(BROKEN, *b.CHECKS)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no lora.py" in preflight(pilot))
        await pilot.press("down")
        assert "▌! steps" in preflight(pilot)
        await pilot.press("end")
        assert "▌– smoke test" in preflight(pilot)
        await pilot.press("home", "z")
        await until(pilot, lambda: "Fix: git submodule" in preflight(pilot))
        assert len(preflight(pilot).splitlines()) > 15


async def test_p_streams_all_checks_and_escape_breaks_them_off() -> None:
    actions, app = planned(*b.CHECKS)
    actions.slow = {"device"}
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "p runs it" in preflight(pilot))
        await pilot.press("p")
        await until(pilot, lambda: "10 of 11, esc cancels" in preflight(pilot))
        assert "◌ device" in preflight(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "cancelled" in text_of(pilot, "#notice"))
        await until(pilot, lambda: "p runs it" in preflight(pilot))
        actions.slow_may_end.set()
        await pilot.press("p")
        await until(pilot, lambda: "mps, torch" in preflight(pilot))
        assert "esc cancels" not in preflight(pilot)


async def test_checks_that_cannot_run_are_a_sentence() -> None:
    actions, app = planned(*b.CHECKS)

    def broken(*_: object) -> Iterator[CheckResult]:
        raise PermissionError("not yours")
        yield

    actions.checks = broken  # type: ignore[method-assign,assignment]
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "not yours" in text_of(pilot, "#notice"))


async def test_a_start_that_is_refused_before_its_checks_takes_no_result_away() -> None:
    actions, app = planned(*b.CHECKS, BROKEN)
    actions.refuse = "no smoke test with these settings yet"
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no lora.py" in preflight(pilot))
        await pilot.press("s")
        await until(pilot, lambda: "o smoke test" in text_of(pilot, "#notice"))
        assert "no lora.py" in preflight(pilot) and "p runs it" not in preflight(pilot)


async def test_the_checks_of_a_start_are_shown_as_they_come() -> None:
    actions, app = planned(CheckResult("trainer", "pass", "was fine"), b.CHECKS[1])
    go_on = threading.Event()

    def start(config: Path, smoke: bool = False, on_check: Any = None, **_: Any) -> None:
        on_check(BROKEN)
        assert go_on.wait(5)
        raise Refusal("a check failed")

    actions.start = start  # type: ignore[method-assign,assignment]
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "was fine" in preflight(pilot))
        await pilot.press("s")
        await until(pilot, lambda: "no lora.py" in preflight(pilot))
        assert "running" in preflight(pilot) and "1 of 2" in preflight(pilot)
        go_on.set()
        await until(pilot, lambda: " check failed" in text_of(pilot, "#notice"))
        assert "p runs it" in preflight(pilot)


# --------------------------------------------------------------------------- cures


def cure(act: Callable[..., None]) -> Cure:
    return Cure("trainer", "trainer", "fetch the submodule", ("git submodule update",), act)


async def test_a_cure_shows_what_it_does_and_does_it_only_after_a_yes() -> None:
    actions, app = planned(*b.CHECKS, BROKEN)
    done: list[bool] = []

    def act(on_output: Callable[[str], None], cancelled: threading.Event) -> None:
        on_output("Cloning into sd-scripts")
        done.append(True)

    actions.cures["trainer"] = cure(act)
    fixed = CheckResult("trainer", "pass", "v0.10.1", None, "Trainer", "All there.")
    actions.cured["trainer"] = fixed
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no lora.py" in preflight(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "git submodule update" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert done == [], "the answer under the cursor changes nothing"
        await pilot.press("f")
        await until(pilot, lambda: "▌ Cancel" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "All there." in screen_text(pilot))
        assert "Cloning into sd-scripts" in screen_text(pilot) and done == [True]
        assert app.planner.checklist.results["trainer"] == fixed
        actions.made_plan = Plan("spyke", b.forecast(), (*b.CHECKS, fixed))
        await pilot.press("enter")
        await until(pilot, lambda: "v0.10.1" in preflight(pilot) and "✗" not in preflight(pilot))


async def test_a_cure_that_works_can_be_broken_off() -> None:
    actions, app = planned(BROKEN)

    def act(on_output: Callable[[str], None], cancelled: threading.Event) -> None:
        assert cancelled.wait(5)
        raise CureFailed("git was cancelled")

    actions.cures["trainer"], actions.cured["trainer"] = cure(act), BROKEN
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no lora.py" in preflight(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "▌ Cancel" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "Esc cancels the fix" in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "The fix failed: git was cancelled" in screen_text(pilot))
        assert isinstance(app.screen, CureScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))


async def test_f_without_a_cure_says_what_a_person_can_do() -> None:
    _, app = planned(BROKEN)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no lora.py" in preflight(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "plasma-tui has no fix" in screen_text(pilot))
        assert "git submodule" in screen_text(pilot)


async def test_f_with_nothing_wrong_says_so() -> None:
    _, app = planned(CheckResult("a", "pass", "fine"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "fine" in preflight(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "no check fails" in text_of(pilot, "#notice"))


# --------------------------------------------------------------------------- the gate


def smoke_run() -> RunSnapshot:
    ended = b.ended(Outcome.SUCCEEDED)
    assert ended.spec is not None
    return replace(ended, spec=replace(ended.spec, smoke=True))


async def test_the_gate_is_told_in_words_and_y_approves_without_opening_the_run() -> None:
    gate = GateStatus(True, False, "waits", "x-1", True)
    line = CheckResult("smoke_device", "pass", "mps", None, "Device", "It trained on mps.")
    actions, app = planned(*b.CHECKS, gate_status=gate, gate=gate.text, smoke_lines=(line,))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "waits for your approval" in text_of(pilot, "#plan"))
        assert "It trained on mps." in text_of(pilot, "#plan")
        await pilot.press("y")
        await until(pilot, lambda: "Device: mps." in screen_text(pilot))
        await pilot.press("enter", "y", "down", "enter")
        await until(pilot, lambda: actions.orders == [("approve", Path("/state/runs/x-1"))])


async def test_a_smoke_runs_verdict_stands_line_by_line_and_then_its_approval() -> None:
    actions = FakeBackend(smoke_run())
    app = app_on(actions=actions)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "✓ Trained" in text_of(pilot, "#smoke"))
        assert "Device" in text_of(pilot, "#smoke") and "Memory" in text_of(pilot, "#smoke")
        actions.approved = Approval("ada", b.NOW, "k", b.RUN_ID)
        await pilot.press("y", "down", "enter")
        await until(pilot, lambda: "Approved by ada" in text_of(pilot, "#verdict"))
        assert "y approve" not in text_of(pilot, "#footer")


async def test_p_goes_from_an_ended_run_back_to_the_configuration() -> None:
    actions, app = planned(*b.CHECKS)
    actions.slow = {"device"}
    actions.slow_may_end.set()
    actions.reader = FakeBackend(smoke_run()).reader
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "920 steps" in text_of(pilot, "#header"))
        await pilot.press("t")
        await until(pilot, lambda: "✓ Trained" in text_of(pilot, "#smoke"))
        await pilot.press("p")
        await until(pilot, lambda: "○ ready" in text_of(pilot, "#header"))
        assert app.run_path is None and app.screen.query_one("#plan").region.area > 0
        await until(pilot, lambda: "mps, torch" in preflight(pilot))


# --------------------------------------------------------------------------- the file


async def test_e_gives_the_terminal_to_the_editor_and_reads_the_file_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor, log = tmp_path / "ed", tmp_path / "log"
    editor.write_text(f'#!/bin/sh\necho "$@" > {log}\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{editor} --wait")
    actions, app = planned(*b.CHECKS)
    monkeypatch.setattr(app, "suspend", contextlib.nullcontext)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "920 steps" in text_of(pilot, "#header"))
        problems = ("plasma.toml:3: a", "plasma.toml:9: b")
        actions.made_plan = Plan("plasma.toml", problem=problems[0], problems=problems)
        await pilot.press("e")
        await until(pilot, lambda: "plasma.toml:9: b" in text_of(pilot, "#plan"))
        assert log.read_text() == f"--wait {CONFIG}\n"
        assert "not usable" in text_of(pilot, "#header")
        await pilot.press("s")
        await until(pilot, lambda: "has errors" in text_of(pilot, "#notice"))
        assert actions.orders == []


async def test_a_terminal_without_room_for_an_editor_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VISUAL", "true")
    _, app = planned(*b.CHECKS)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "920 steps" in text_of(pilot, "#header"))
        await pilot.press("e")
        await until(pilot, lambda: "can't open in this terminal" in text_of(pilot, "#notice"))


async def test_a_file_changed_by_somebody_else_is_read_again(tmp_path: Path) -> None:
    config = tmp_path / "plasma.toml"
    config.write_text("a")
    actions = FakeBackend(b.snapshot(), plan=Plan("spyke", b.forecast(), b.CHECKS))
    app = app_on(actions=actions, run_path=None, config_path=config)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "920 steps" in text_of(pilot, "#header"))
        actions.made_plan = Plan("spyke", b.forecast(1840), b.CHECKS)
        config.write_text("another one")
        await until(pilot, lambda: "1840 steps" in text_of(pilot, "#header"))


# --------------------------------------------------------------------------- the flags


FLAGS = Catalog(
    [
        Flag("seed", "int", help="the seed"),
        Flag("vae", help="another VAE"),
        Flag("lowram", bare=True, help="for machines with little memory"),
        Flag("optimizer_type", choices=("AdamW", "Lion"), default="AdamW"),
    ]
)
SHEET = FlagSheet("train_network.py", FlagReport(FLAGS), {"seed": "42", "mystery": "1"}, {}, b"0")


def with_flags(sheet: FlagSheet = SHEET) -> tuple[FakeBackend, PlasmaApp]:
    actions, app = planned(*b.CHECKS)
    actions.sheets = {False: replace(sheet, report=FlagReport(None, "not yet")), True: sheet}
    return actions, app


async def opened_flags(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: "920 steps" in text_of(pilot, "#header"))
    await pilot.press("v")
    await until(pilot, lambda: "5 flags, 2 set" in screen_text(pilot))


def edits(actions: FakeBackend) -> list[Any]:
    return [order for order in actions.orders if order[0] in ("flag", "restore")]


async def test_letters_are_commands_and_a_slash_filters() -> None:
    actions, app = with_flags()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_flags(pilot)
        await pilot.press("slash", *"vae")
        await until(pilot, lambda: "1 flag, 0 set" in screen_text(pilot))
        assert "another VAE" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "5 flags" in screen_text(pilot))
        await pilot.press("G", "k", "j", "g", "escape")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert not edits(actions)


async def test_enter_edits_the_flag_and_what_is_typed_at_once_is_kept() -> None:
    actions, app = with_flags()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_flags(pilot)
        await pilot.press("j", "enter", *"00", "enter")
        await until(pilot, lambda: edits(actions) == [("flag", "train", "seed", "4200")])
        await until(pilot, lambda: "seed set in [train]" in text_of(pilot, "#notice"))
        assert "4200" in text_of(pilot, "#flags")


@pytest.mark.parametrize(
    ("keys", "edit"),
    [
        (("G", "enter", "backspace", "1", "enter"), ("flag", "train", "vae", "1")),
        (("j", "t", "7", "enter"), ("flag", "smoke", "seed", "7")),
        (("j", "x"), ("flag", "train", "seed", None)),
        (("delete",), ("flag", "train", "mystery", None)),
        (("j", "j", "enter", "up", "enter"), ("flag", "train", "lowram", "true")),
        (("j", "j", "j", "enter", "down", "enter"), ("flag", "train", "optimizer_type", "Lion")),
    ],
)
async def test_keys_of_the_flags(keys: tuple[str, ...], edit: tuple[object, ...]) -> None:
    actions, app = with_flags()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_flags(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: edits(actions) == [edit])


async def test_a_refused_value_can_be_corrected_and_nothing_typed_is_lost() -> None:
    actions, app = with_flags()
    actions.set_flag = lambda *_: FlagAnswer(SHEET, problem="seed is no number")  # type: ignore
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_flags(pilot)
        await pilot.press("j", "enter", "x", "enter")
        await until(pilot, lambda: "Not written: seed is no number." in screen_text(pilot))
        assert "42x" in screen_text(pilot) and isinstance(app.screen, FlagForm)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FlagsScreen))


async def test_the_last_edit_can_be_undone_until_the_file_changes() -> None:
    actions, app = with_flags()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_flags(pilot)
        await pilot.press("u")
        await until(pilot, lambda: "Nothing to undo" in text_of(pilot, "#notice"))
        await pilot.press("j", "x")
        await until(pilot, lambda: "removed" in text_of(pilot, "#notice"))
        await pilot.press("u")
        await until(pilot, lambda: edits(actions)[1:] == [("restore", b"0")])
        await until(pilot, lambda: "undone" in text_of(pilot, "#notice"))
        assert "42" in text_of(pilot, "#flags")
        await pilot.press("x")
        await until(pilot, lambda: "removed" in text_of(pilot, "#notice"))
        screen = app.screen
        assert isinstance(screen, FlagsScreen) and screen.sheet is not None
        screen.sheet = replace(screen.sheet, source=b"changed by an editor")
        await pilot.press("u")
        await until(pilot, lambda: "nothing is undone" in text_of(pilot, "#notice"))
        assert len(edits(actions)) == 3


async def test_one_edit_is_written_at_a_time() -> None:
    actions, app = with_flags()
    write, go_on = actions.set_flag, threading.Event()

    def slow(*what: Any) -> FlagAnswer:
        assert go_on.wait(5)
        return write(*what)

    actions.set_flag = slow  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_flags(pilot)
        await pilot.press("j", "x", "x", "u", "enter")
        assert isinstance(app.screen, FlagsScreen)
        go_on.set()
        await until(pilot, lambda: "removed" in text_of(pilot, "#notice"))
        assert len(edits(actions)) == 1
        await pilot.press("u")
        await until(pilot, lambda: len(edits(actions)) == 2)


@pytest.mark.parametrize("key", ["enter", "t", "x", "u"])
async def test_the_flags_of_another_project_cannot_be_edited(key: str) -> None:
    ended = replace(b.ended(Outcome.SUCCEEDED), spec=b.spec(config_path="/other/plasma.toml"))
    actions, _ = with_flags()
    actions.reader = FakeBackend(ended).reader
    app = app_on(actions=actions, config_path=CONFIG)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.snapshot is not None and app.planner.plan is not None)
        await pilot.press("v")
        await until(pilot, lambda: "5 flags, 2 set" in screen_text(pilot))
        assert "read-only" in screen_text(pilot) and "edit" not in text_of(pilot, "#footer")
        await pilot.press("j", key)
        await until(pilot, lambda: "another project" in text_of(pilot, "#notice"))
        assert isinstance(app.screen, FlagsScreen) and not edits(actions)


async def test_flags_that_cannot_be_read_say_why() -> None:
    actions, app = planned(*b.CHECKS)
    unknown = FlagSheet("x.py", FlagReport(None, "the flags are not checked: no python"))
    actions.sheets = {False: unknown, True: unknown}
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "920 steps" in text_of(pilot, "#header"))
        await pilot.press("v")
        await until(pilot, lambda: "no python" in screen_text(pilot))
        assert isinstance(app.screen, FlagsScreen)


# --------------------------------------------------------------------------- no plasma.toml


async def test_a_set_up_is_shown_before_it_is_written_and_then_opened() -> None:
    actions = FakeBackend(b.snapshot(), plan=Plan("lora", b.forecast(), b.CHECKS))
    app = app_on(actions=actions, run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "nothing found on this machine" in screen_text(pilot))
        await pilot.press("n")
        await until(pilot, lambda: 'name = "lora"' in screen_text(pilot))
        assert not [order for order in actions.orders if order[0] == "write"]
        await pilot.press("enter", "tab", "down", *"_2q", "ctrl+s")
        assert not [order for order in actions.orders if order[0] == "write"], "not shown yet"
        await until(pilot, lambda: 'name = "lora_2q"' in screen_text(pilot))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        await until(pilot, lambda: "○ ready" in text_of(pilot, "#header"))
        assert actions.orders[-1] == ("write", 'name = "lora_2q"\n')
        assert app.config_path == Path.cwd() / "plasma.toml"


async def test_what_is_typed_before_the_machine_was_looked_at_is_kept() -> None:
    actions = FakeBackend(b.snapshot(), plan=Plan("lora", b.forecast(), b.CHECKS))
    go_on = threading.Event()
    actions.found = Found(
        (FoundCheckout(Path("/k/sd-scripts"), "the submodule is empty"),),
        (Path("/v/bin/python"), Path("/w/bin/python")),
        (FoundModel(Path("/m/base.safetensors"), 2_000_000_000),),
    )

    def suggest(project: Path) -> Answers:
        assert go_on.wait(5)
        return Answers(Path("/k/sd-scripts"), None, None, "lora")

    actions.suggest = suggest  # type: ignore[method-assign]
    app = app_on(actions=actions, run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "found: 1 sd-scripts, 2 pythons, 1 model" in screen_text(pilot))
        await burst(pilot, "n", *"/mine", "tab", "tab", "tab", *"fox")
        await until(pilot, lambda: isinstance(app.screen, ProjectScreen))
        form = app.screen
        assert isinstance(form, ProjectScreen)
        await until(
            pilot, lambda: (form.value("sd_scripts"), form.value("name")) == ("/mine", "fox")
        )
        go_on.set()
        await until(pilot, lambda: 'name = "fox"' in screen_text(pilot))
        asked = [order[1] for order in actions.orders if order[0] == "new"]
        assert (asked[-1].sd_scripts, asked[-1].name) == (Path("/mine"), "fox")
        await pilot.press("up", "up", "pagedown", "pagedown")
        await until(pilot, lambda: "/w/bin/python" in screen_text(pilot))
        assert "2 of 2" in screen_text(pilot)
        await pilot.press("shift+tab", "ctrl+u", "pagedown")
        await until(pilot, lambda: "the submodule is empty" in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))


async def test_an_import_tells_what_it_does_not_take_over() -> None:
    actions = FakeBackend(b.snapshot(), plan=Plan("lora", b.forecast(), b.CHECKS))
    app = app_on(actions=actions, run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, ProjectScreen))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "Enter the file to import." in screen_text(pilot))
        await pilot.press("up", *"x.sh")
        await until(pilot, lambda: "--mystery 3: no such flag" in screen_text(pilot))
        assert 'name = "imported"' in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))
        assert not [order for order in actions.orders if order[0] == "write"]


async def test_an_import_that_is_refused_says_why_and_writes_nothing() -> None:
    actions = FakeBackend(b.snapshot())
    actions.refuse = "x.sh starts no training; give the script that does"
    app = app_on(actions=actions, run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, ProjectScreen))
        await pilot.press(*"x.sh")
        await until(pilot, lambda: "starts no training" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "preview is being made" in screen_text(pilot))
        assert not [order for order in actions.orders if order[0] == "write"]


async def test_the_welcome_fills_its_screen_with_runs_and_h_opens_all() -> None:
    actions = FakeBackend(b.snapshot(), runs=[b.listing(i) for i in range(20)])
    app = app_on(actions=actions, run_path=None)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: screen_text(pilot).count("✓ succeeded") == 12)
        await pilot.press("h")
        await until(pilot, lambda: type(app.screen) is RunsScreen)
        await until(pilot, lambda: "20 runs" in screen_text(pilot))


# --------------------------------------------------------------------------- memory of the GPU

COMFY = CheckResult(
    "gpu_users", "warn", "ComfyUI", title="GPU users", detail="Running as well: ComfyUI (pid 71)."
)


async def test_comfy_is_asked_for_its_memory_before_a_run() -> None:
    actions, app = planned(COMFY)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "free GPU" in text_of(pilot, "#footer"))
        await pilot.press("u")
        await until(pilot, lambda: "ComfyUI (pid 71)" in screen_text(pilot))
        assert actions.orders == []
        await pilot.press("up", "enter")
        await until(pilot, lambda: actions.orders == [("free", None)])


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ((replace(COMFY, status="pass", evidence="none seen", detail=""),), "found no ComfyUI"),
        ((BROKEN,), "haven't been checked"),
    ],
)
async def test_without_a_comfy_the_key_says_so_before_a_run(
    checks: tuple[CheckResult, ...], said: str
) -> None:
    actions, app = planned(*checks)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: checks[0].evidence in preflight(pilot))
        assert "free GPU" not in text_of(pilot, "#footer")
        await pilot.press("u")
        await until(pilot, lambda: said in text_of(pilot, "#notice"))
        assert actions.orders == []


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_flags_are_shown_and_edited_harmlessly(text: str) -> None:
    flags = Catalog(
        [
            Flag(f"a{text}", "str", default=text, help=text * 5),
            Flag(f"b{text}", "str", choices=(text, "other"), help=text),
        ]
    )
    sheet = FlagSheet(text, FlagReport(flags), {f"a{text}": text}, {f"b{text}": text}, b"0")
    actions, app = with_flags(sheet)
    actions.set_flag = lambda *_: FlagAnswer(sheet, problem=text or "no")  # type: ignore
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "920 steps" in text_of(pilot, "#header"))
        await pilot.press("v")
        await until(pilot, lambda: getattr(app.screen, "sheet", None) is sheet)
        for key in ("g", "G"):
            await pilot.press(key, "enter")
            await until(pilot, lambda: isinstance(app.screen, FlagForm))
            await pilot.press("x" if key == "g" else "down", "enter")
            await until(pilot, lambda: "Not written" in screen_text(pilot))
            assert screen_text(pilot).replace("\n", "").isprintable()
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, FlagsScreen))
