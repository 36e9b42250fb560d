"""The keys of the monitor, and what those do that give an order or open a screen.

They ask and send; the effect is shown by the next snapshots, never here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from runner.analysis.smoke import smoke_verdict
from runner.model import RunState
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit.notice import READ_ONLY
from tui.panels.header import run_name
from tui.panels.loss import CHART_KEYS, LOSS_KEYS, POINT_KEYS, ZOOM_KEYS
from tui.panels.preflight import PreflightPanel
from tui.words.checklist import PreflightRow, first_failing
from tui.words.machine import comfy_in, comfy_of, free_question, free_question_before
from tui.words.orders import Around, refusal, why_not
from tui.words.questions import Question, stop_question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.screen import Screen

    from runner.model import RunSnapshot
    from runner.model.preview import Existing, Preview
    from tui.backend.results import Sent
    from tui.screens.monitor import MonitorScreen

#: the monitor's keys; one that gives an order has its rule in tui/words/orders.py
KEYS = (
    Key("s", "start", RUN, "Start the training of this plasma.toml", "start", 90),
    Key("t", "smoke", RUN, "Start a smoke test: a few steps, same settings", "smoke test", 84),
    Key("b", "enqueue", RUN, "Queue the training: it starts when a GPU is free", "queue", 59),
    Key("y", "retry", RUN, "Retry with a fix; shows first what changes", "retry", 89),
    Key("y", "approve", RUN, "Approve a passed smoke test", "approve", 89),
    Key("a", "stop", RUN, "Stop the training; asks first and shows what is lost", "stop", 88),
    Key("r", "resume", RUN, "Resume from the newest good state; shows first how", "resume", 86),
    Key("o", "adopt", RUN, "Restart this run's supervisor", "adopt", 87),
    Key("u", "free_gpu", RUN, "Ask ComfyUI to free its GPU memory", "free GPU", 83),
    Key("p", "preflight", RUN, "Run all preflight checks (esc cancels)", "preflight", 82),
    Key("f", "fix", RUN, "Fix what a check found; shows first what changes", "fix", 85),
    Key("e", "edit", RUN, "Edit plasma.toml in $VISUAL or $EDITOR", "edit", 78),
    Key("v", "flags", VIEW, "All flags of the training script", "flags", 55),
    Key("m", "summary", VIEW, "Summary of an ended run", "summary", 76),
    Key("i", "samples", VIEW, "Sample images by step and prompt", "images", 56),
    Key("w", "replay", VIEW, "Replay an ended run at any speed", "replay", 54),
    Key(
        "n",
        "test_notice",
        VIEW,
        "Send a test notification on every channel",
        "test notification",
        12,
    ),
    Key("l", "console", VIEW, "Trainer's console output", "console", 58),
    Key("z", "zoom", VIEW, "Zoom the focused panel", "zoom", 40),
    Key("enter", "open", VIEW, "Open the focused panel: all of it, or the sample images"),
    Key("tab", "next_panel", VIEW, "Focus the next panel", "next panel", 20),
    Key("shift+tab", "previous_panel", VIEW, "Focus the previous panel"),
    Key("escape", "back", VIEW, "Close what is open, then go back", "back"),
    Key("down,j", "scroll(1)", MOVE, "Down one row"),
    Key("up,k", "scroll(-1)", MOVE, "Up one row"),
    Key("pagedown,space", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home,g", "edge('start')", MOVE, "Start"),
    Key("end,G", "edge('end')", MOVE, "End, and follow it"),
    *ZOOM_KEYS,
    *CHART_KEYS,
    *LOSS_KEYS,
    *POINT_KEYS,
)

#: actions with a rule in tui/words/orders.py: each is a method of `MonitorOrders`, or one of the screen's own
ORDERS = (
    "start", "smoke", "enqueue", "approve", "stop", "resume", "retry", "adopt", "free_gpu", "preflight", "fix",
    "edit", "flags", "console", "summary", "samples", "replay", "test_notice",
)  # fmt: skip
#: seconds that a sentence stays: about what was sent, and why a key does nothing
SENT_S, REFUSED_S = 10.0, 4.0
NOT_NOW = "Cancel"


class MonitorOrders:
    """What the order keys of one monitor do."""

    def __init__(self, screen: MonitorScreen) -> None:
        self._screen = screen

    def why_not(self, order: str) -> str | None:
        """None if it can be given now, else the reason."""
        return why_not(order, self._run, self._around())

    def refuse(self, key: str) -> None:
        """Say why a key can do nothing now."""
        orders = [k.action for k in KEYS if k.action in ORDERS and k.key == key]
        reason = refusal(orders, self._run, self._around())
        if reason is not None and not any(self._screen.check_action(one, ()) for one in orders):
            self._screen.say(reason, "dim", REFUSED_S)

    @property
    def _run(self) -> RunSnapshot | None:
        return self._screen.snapshot

    def _around(self) -> Around:
        app = self._screen.plasma
        plan = app.planner.plan
        gate = plan.gate_status if plan is not None else None
        return Around(
            has_config=app.config_path is not None,
            read_only=app.read_only,
            run_open=app.run_path is not None,
            readable=plan is not None and not plan.problems and not plan.problem,
            approved=app.planner.approval is not None,
            comfy=comfy_in(app.planner.checklist.results),
            foreign=_foreign(self._run, app.config_path),
            approvable=gate is not None and gate.smoke_passed and not gate.open,
        )

    def _ask(self, question: Question, then: Callable[[str], None], safe: str = NOT_NOW) -> None:
        """`then` gets the chosen mode, unless another run has been opened meanwhile."""
        from tui.screens.questions import ConfirmScreen

        app = self._screen.plasma
        asked_of = app.run_path

        def chosen(mode: str | None) -> None:
            if mode is not None and app.run_path == asked_of:
                then(mode)

        word = run_name(self._run) if self._run is not None else ""
        app.push_screen(ConfirmScreen(question, safe, word), chosen)

    def _send(self, name: str, said: str, order: Callable[[Path], Sent]) -> None:
        """An order about the run on the screen."""
        app = self._screen.plasma
        if app.run_path is not None:
            if said:
                self._screen.say(said, "dim", SENT_S)
            app.orders.give(name, partial(order, app.run_path))

    # ----------------------------------------------------------------- starting

    def start(self) -> None:
        """What it would overwrite is found out first."""
        self._preview_start("start")

    def enqueue(self) -> None:
        self._preview_start("enqueue")

    def _preview_start(self, order: str) -> None:
        app, config = self._screen.plasma, self._screen.plasma.config_path
        if config is not None:
            work = partial(app.backend.start_preview, config)
            app.orders.preview(order, work, partial(self._start_after_preview, order))

    def smoke(self) -> None:
        app, config = self._screen.plasma, self._screen.plasma.config_path
        if config is not None:
            plan = app.planner.plan
            what = plan.name if plan is not None else config.parent.name
            self._start("smoke", config, f"Starting the smoke test of {what}; checks run first.")

    def _start(
        self, what: str, config: Path, said: str, overwrite: Sequence[Existing] = ()
    ) -> None:
        """The checks that a start waits for are shown as they come."""
        app = self._screen.plasma
        self._screen.say(said, "dim")
        checks, smoke = app.planner.start_checks(), what == "smoke"
        start = partial(app.backend.start, queue=what == "enqueue")
        app.orders.give(
            what, partial(start, config, smoke=smoke, on_check=checks, overwrite=overwrite)
        )

    def _start_after_preview(self, order: str, preview: Preview) -> None:
        """Asks before a start that would overwrite something, and before one from an ended run that was no
        smoke test."""
        app, config = self._screen.plasma, self._screen.plasma.config_path
        if config is None or self.why_not(order) is not None:
            return

        what = preview.title.replace("Start", "Starting", 1)
        if order == "enqueue":
            what = preview.title.replace("Start", "Queueing", 1)
            preview = replace(preview, title=preview.title.replace("Start", "Queue", 1))

        def go(mode: str) -> None:
            said = f"{what}; checks run first. {'. '.join(preview.facts)}."
            self._start(order, config, said, preview.existing)

        spec = self._run.spec if self._run is not None else None
        again = app.run_path is not None and (spec is None or not spec.smoke)
        if preview.existing or again:
            self._ask_about(order, preview, go)
        else:
            go(order)

    def _ask_about(self, order: str, preview: Preview, then: Callable[[str], None]) -> None:
        from tui.words.resuming import ANSWERS, preview_question

        self._ask(preview_question(order, preview), then, ANSWERS[order][1])

    def approve(self) -> None:
        """The smoke test on the screen; without a run the last one with these settings."""
        from tui.words.resuming import approve_question

        app = self._screen.plasma
        backend, plan = app.backend, app.planner.plan
        gate = plan.gate_status if plan is not None else None
        if app.run_path is not None and self._run is not None:
            question = approve_question(run_name(self._run), smoke_verdict(self._run))
            self._ask(question, lambda _: self._send("approve", "", backend.approve), "Not yet")
        elif app.run_path is None and plan is not None and gate is not None and gate.smoke_run:
            run_id = gate.smoke_run
            approve = lambda: backend.approve(backend.run_path(run_id))  # noqa: E731
            question = approve_question(run_id, plan.smoke_lines)
            self._ask(question, lambda _: app.orders.give("approve", approve), "Not yet")

    # ----------------------------------------------------------------- a run

    def stop(self) -> None:
        if self._run is not None:
            question = stop_question(self._run, run_name(self._run))
            queued = self._run.state is RunState.QUEUED
            self._ask(question, self._stop, "Stay in the queue" if queued else "Keep training")

    def _stop(self, mode: str) -> None:
        backend = self._screen.plasma.backend
        said = "Cancelling the stop…" if mode == "cancel" else "Stop requested…"
        self._send(f"stop {mode}", said, lambda path: backend.stop(path, mode))

    def resume(self) -> None:
        self._preview("resume", self._screen.plasma.backend.resume_preview)

    def retry(self) -> None:
        self._preview("retry", self._screen.plasma.backend.retry_preview)

    def _preview(self, order: str, work: Callable[[Path], Preview]) -> None:
        """What it would do is shown before anything is sent."""
        app = self._screen.plasma
        if app.run_path is not None:
            then = partial(self._ask_about, order, then=self._carry_out)
            app.orders.preview(order, partial(work, app.run_path), then)

    def _carry_out(self, order: str) -> None:
        backend = self._screen.plasma.backend
        if order == "resume":
            self._send(order, "Resuming…", backend.resume)
        else:
            self._send(order, "Retrying…", backend.retry)

    def adopt(self) -> None:
        self._send("adopt", "Restarting the supervisor…", self._screen.plasma.backend.adopt)

    def free_gpu(self) -> None:
        """Before a run the checks have seen ComfyUI, on a run its supervisor has."""
        app = self._screen.plasma
        user, check = comfy_of(self._run), app.planner.checklist.results.get("gpu_users")
        if app.run_path is None and check is not None:
            self._ask(free_question_before(check), self._free)
        elif user is not None:
            self._ask(free_question(user, app.clock()), self._free)

    def _free(self, mode: str) -> None:
        app = self._screen.plasma
        self._screen.say("Asking ComfyUI to free its memory…", "dim", SENT_S)
        app.orders.give("free", partial(app.backend.free_gpu, app.run_path))

    # ----------------------------------------------------------------- before a run

    def check_again(self) -> None:
        """All checks; from the end of a run back to the configuration first."""
        app = self._screen.plasma
        if app.run_path is not None:
            app.navigator.close_run()
            app.planner.read(slow=True)
        else:
            app.planner.check(slow=True)

    def cancel_checks(self) -> None:
        if self._screen.plasma.planner.cancel_checks():
            self._screen.say("Checks cancelled.", "dim", REFUSED_S)
            self._screen.plasma.refresh_monitor()

    def fix(self) -> None:
        """The check under the cursor, once a person has moved it there; else the first that fails."""
        self._screen.hush()
        row, planner = self._check_to_fix(), self._screen.plasma.planner
        if row is None:
            self._screen.say("Nothing to fix: no check fails.", "dim", REFUSED_S)
            return
        from tui.screens.cure import CureScreen

        def fixed(changed: bool | None) -> None:
            """It may have changed any file: all quick checks run again."""
            if changed:
                planner.read(fresh=False)

        self._screen.app.push_screen(CureScreen(row.fix or row.name, row), fixed)

    def _check_to_fix(self) -> PreflightRow | None:
        panel = self._screen.query_one("#preflight", PreflightPanel)
        chosen = panel.selected
        if panel.moved and chosen is not None and chosen.role in ("bad", "warn"):
            return chosen
        first = first_failing(self._screen.plasma.planner.checklist.in_order())
        if first is None:
            return chosen if panel.moved else None
        return next((row for row in panel.model.rows if row.name == first.name), None)

    def edit(self) -> None:
        self._screen.plasma.planner.edit()

    def flags(self) -> None:
        from pathlib import Path

        from tui.screens.flags import FlagsScreen

        app, shown = self._screen.plasma, self._screen.plasma.config_path
        if shown is None:
            return
        locked = READ_ONLY if app.read_only else ""
        if self._around().foreign:
            spec = self._run.spec if self._run is not None else None
            shown = Path(spec.config_path) if spec is not None and spec.config_path else shown
            locked = "This run belongs to another project: its flags are read-only here."
        app.push_screen(FlagsScreen(shown, locked))

    # ----------------------------------------------------------------- screens of a run

    def summary(self) -> None:
        from tui.screens.summary import SummaryScreen

        self._open(SummaryScreen)

    def samples(self) -> None:
        from tui.screens.samples import SamplesScreen

        self._open(SamplesScreen)

    def replay(self) -> None:
        from tui.screens.replay import ReplayScreen

        self._open(ReplayScreen)

    def _open(self, screen: Callable[[Path], Screen[None]]) -> None:
        path = self._screen.plasma.run_path
        if path is not None:
            self._screen.app.push_screen(screen(path))

    def test_notice(self) -> None:
        self._screen.say("Sending a test notice; the result shows here.", "dim")
        self._screen.plasma.notices.test()


def _foreign(snapshot: RunSnapshot | None, config: Path | None) -> bool:
    """Was this run not started by this plasma.toml? One that doesn't record its file is foreign."""
    if snapshot is None or config is None:
        return False
    started_by = snapshot.spec.config_path if snapshot.spec is not None else None
    return started_by is None or not _same_file(started_by, str(config))


@lru_cache(maxsize=8)
def _same_file(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)
