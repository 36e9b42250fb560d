"""The keys of the monitor: orders, checks, cures, reviews."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

from textual import events
from textual.screen import Screen

from runner.analysis.smoke import smoke_verdict
from runner.model import RunSnapshot
from tui.key import MOVE, RUN, VIEW, Key
from tui.panels.header import run_name
from tui.panels.loss import CHART_ACTIONS, CHART_KEYS, LOSS_KEYS, POINT_KEYS, ZOOM_KEYS, Charted
from tui.panels.preflight import PreflightPanel
from tui.words.checklist import PreflightRow, first_failing
from tui.words.machine import comfy_in, comfy_of, free_question, free_question_before
from tui.words.orders import Around, refusal, why_not
from tui.words.questions import Question, stop_question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from runner.model.preview import Existing, Preview
    from tui.app import PlasmaApp

#: the monitor's keys; one that gives an order has its rule in tui/words/orders.py
KEYS = (
    Key("s", "start", RUN, "Start the training of this plasma.toml", "start", 90),
    Key("t", "smoke", RUN, "Start a smoke test: a few steps, same settings", "smoke test", 84),
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
    Key("n", "test_notice", VIEW, "Send a test notice on every channel", "test notice", 12),
    Key("l", "console", VIEW, "Trainer's console output", "console", 58),
    Key("z", "zoom", VIEW, "Zoom the focused panel", "zoom", 40),
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


# ---------------------------------------------------------------------------
# The keys of the monitor that give orders. They ask, and they send; what became of it is shown by the
# next snapshots, never here.

ORDERS = (
    "start",
    "smoke",
    "approve",
    "stop",
    "resume",
    "retry",
    "adopt",
    "free_gpu",
    "preflight",
    "fix",
    "edit",
    "flags",
    "console",
    "summary",
    "samples",
    "replay",
    "test_notice",
)


class RunOrders(Charted):
    """`snapshot`: the run that orders are about."""

    snapshot: RunSnapshot | None = None

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in CHART_ACTIONS:
            return self.chart_applies(action)
        if action not in ORDERS:
            return True
        return True if self.why_not(action) is None else None

    def why_not(self, action: str) -> str | None:
        return why_not(action, self.snapshot, self._around()) if action in ORDERS else None

    def _around(self) -> Around:
        plan, app = self.plasma.planner.plan, self.plasma
        gate = plan.gate_status if plan is not None else None
        return Around(
            has_config=app.config_path is not None,
            read_only=app.read_only,
            run_open=app.run_path is not None,
            readable=plan is not None and not plan.problems and not plan.problem,
            approved=app.planner.approval is not None,
            comfy=comfy_in(app.planner.checklist.results),
            foreign=_foreign(self.snapshot, app.config_path),
            approvable=gate is not None and gate.smoke_passed and not gate.open,
        )

    def on_key(self, event: events.Key) -> None:
        """A key that can do nothing now says why, instead of nothing."""
        orders = [k.action for k in KEYS if k.action in ORDERS and event.key == k.key]
        reason = refusal(orders, self.snapshot, self._around())
        if reason is not None and not any(self.check_action(one, ()) for one in orders):
            self.say(reason, "dim", 4.0)

    def _ask(self, question: Question, safe: str, then: Callable[[str], None]) -> None:
        from tui.screens.questions import ConfirmScreen

        def chosen(mode: str | None) -> None:
            if mode is not None and self.plasma.run_path == asked_of:
                then(mode)

        asked_of = self.plasma.run_path
        word = run_name(self.snapshot) if self.snapshot is not None else ""
        self.app.push_screen(ConfirmScreen(question, safe, word), chosen)

    # ----------------------------------------------------------------- orders

    def action_start(self) -> None:
        """What it would overwrite is found out first."""
        app, config = self.plasma, self.plasma.config_path
        if config is not None:
            work = partial(app.backend.start_preview, config)
            app.orders.preview("start", work, self._start_after_preview)

    def action_smoke(self) -> None:
        config = self.plasma.config_path
        if config is not None:
            plan = self.plasma.planner.plan
            what = plan.name if plan is not None else config.parent.name
            self._start(
                "smoke", config, f"Starting the smoke test of {what}; the checks run first."
            )

    def _start(
        self, what: str, config: Path, said: str, overwrite: Sequence[Existing] = ()
    ) -> None:
        """The checks that a start waits for are shown as they come."""
        app = self.plasma
        self.say(said, "dim")
        order = partial(
            app.backend.start,
            config,
            smoke=what == "smoke",
            on_check=app.planner.start_checks(),
            overwrite=overwrite,
        )
        app.orders.give(what, order)

    def _start_after_preview(self, preview: Preview) -> None:
        """Asks before a start that would overwrite something, and before one from an ended run that was no
        smoke test."""
        config = self.plasma.config_path
        if config is None or self.why_not("start") is not None:
            return

        def go(mode: str) -> None:
            said = f"{preview.title.replace('Start', 'Starting', 1)}; the checks run first."
            self._start("start", config, said, preview.existing)

        spec = self.snapshot.spec if self.snapshot is not None else None
        again = self.plasma.run_path is not None and (spec is None or not spec.smoke)
        if preview.existing or again:
            from tui.words.resuming import ANSWERS, preview_question

            self._ask(preview_question("start", preview), ANSWERS["start"][1], go)
        else:
            go("start")

    def action_approve(self) -> None:
        if self.snapshot is not None:
            from tui.words.resuming import approve_question

            question = approve_question(run_name(self.snapshot), smoke_verdict(self.snapshot))
            self._ask(question, "Not yet", self._send_approval)

    def _send_approval(self, mode: str) -> None:
        path = self.plasma.run_path
        if path is not None:
            self.plasma.orders.give("approve", partial(self.plasma.backend.approve, path))

    def action_stop(self) -> None:
        if self.snapshot is not None:
            question = stop_question(self.snapshot, run_name(self.snapshot))
            self._ask(question, "Keep training", self._send_stop)

    def _send_stop(self, mode: str) -> None:
        path = self.plasma.run_path
        if path is not None:
            self.say("Stop sent; what comes of it shows here.", "dim", 10.0)
            self.plasma.orders.give(f"stop {mode}", partial(self.plasma.backend.stop, path, mode))

    def action_resume(self) -> None:
        self._look_ahead("resume", self.plasma.backend.resume_preview)

    def action_retry(self) -> None:
        self._look_ahead("retry", self.plasma.backend.retry_preview)

    def _look_ahead(self, order: str, ask: Callable[[Path], Preview]) -> None:
        """What it would do is shown before it is asked for."""
        if self.plasma.run_path is not None:
            then = partial(self._ask_after_preview, order)
            self.plasma.orders.preview(order, partial(ask, self.plasma.run_path), then)

    def _ask_after_preview(self, order: str, preview: Preview) -> None:
        from tui.words.resuming import ANSWERS, preview_question

        self._ask(preview_question(order, preview), ANSWERS[order][1], self._carry_out)

    def _carry_out(self, order: str) -> None:
        path, backend = self.plasma.run_path, self.plasma.backend
        if path is not None:
            said = "Resume asked for." if order == "resume" else "A new try is asked for."
            self.say(said, "dim", 10.0)
            do = backend.resume if order == "resume" else backend.retry
            self.plasma.orders.give(order, partial(do, path))

    def action_adopt(self) -> None:
        path = self.plasma.run_path
        if path is not None:
            self.say("A new supervisor is asked for.", "dim", 10.0)
            self.plasma.orders.give("adopt", partial(self.plasma.backend.adopt, path))

    def action_free_gpu(self) -> None:
        """Before a run the checks have seen ComfyUI, on a run its supervisor has."""
        user, check = (
            comfy_of(self.snapshot),
            self.plasma.planner.checklist.results.get("gpu_users"),
        )
        if self.plasma.run_path is None and check is not None:
            self._ask(free_question_before(check), "Leave it as it is", self._send_free)
        elif user is not None:
            self._ask(
                free_question(user, self.plasma.clock()), "Leave it as it is", self._send_free
            )

    def _send_free(self, mode: str) -> None:
        self.say("ComfyUI is asked for its memory.", "dim", 10.0)
        backend, path = self.plasma.backend, self.plasma.run_path
        self.plasma.orders.give("free", partial(backend.free_gpu, path))


def _foreign(snapshot: RunSnapshot | None, config: Path | None) -> bool:
    """Was this run not started by this plasma.toml? A run that does not say so is foreign."""
    if snapshot is None or config is None:
        return False
    started_by = snapshot.spec.config_path if snapshot.spec is not None else None
    return started_by is None or not _same_file(started_by, str(config))


@lru_cache(maxsize=8)
def _same_file(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)


# ---------------------------------------------------------------------------
# The keys of the monitor for what comes before a run: checks, cures, the file, the flags.


class PlanOrders(RunOrders):
    """What these keys are about is the app's `plan` and `checklist`."""

    def action_preflight(self) -> None:
        """All checks again; from the end of a run back to the configuration first."""
        self.hush()
        if self.plasma.run_path is not None:
            self.plasma.navigator.close_run()
            self.plasma.planner.read(slow=True)
        else:
            self.plasma.planner.check(slow=True)

    def break_off(self) -> None:
        if self.plasma.planner.cancel_checks():
            self.say("The checks were broken off.", "dim", 4.0)
            self.plasma.refresh_monitor()

    def action_fix(self) -> None:
        """The check under the cursor, once a person has moved it there; else the first that fails."""
        self.hush()
        row = self._check_to_cure()
        if row is None:
            self.say("Nothing to cure: no check fails.", "dim", 4.0)
            return
        from tui.screens.cure import CureScreen

        self.app.push_screen(CureScreen(row.fix or row.name, row), self._cured)

    def _check_to_cure(self) -> PreflightRow | None:
        panel = self.query_one("#preflight", PreflightPanel)
        chosen = panel.selected
        if panel.moved and chosen is not None and chosen.role in ("bad", "warn"):
            return chosen
        first = first_failing(self.plasma.planner.checklist.in_order())
        if first is None:
            return chosen if panel.moved else None
        return next((row for row in panel.model.rows if row.name == first.name), None)

    def _cured(self, changed: bool | None) -> None:
        """A cure may have changed any file: everything quick is looked at again."""
        if changed:
            self.plasma.planner.read(fresh=False)

    def action_edit(self) -> None:
        self.plasma.planner.edit()

    def action_flags(self) -> None:
        from pathlib import Path

        from tui.screens.flags import FlagsScreen

        app, shown = self.plasma, self.plasma.config_path
        if shown is None:
            return
        locked = "This screen is read-only." if app.read_only else ""
        if self._around().foreign:
            spec = self.snapshot.spec if self.snapshot is not None else None
            shown = Path(spec.config_path) if spec is not None and spec.config_path else shown
            locked = "This run belongs to another project: its flags are read-only here."
        self.app.push_screen(FlagsScreen(shown, locked))

    # ----------------------------------------------------------------- approving without its run

    def action_approve(self) -> None:
        plan = self.plasma.planner.plan
        gate = plan.gate_status if plan is not None else None
        if self.plasma.run_path is not None or gate is None or gate.smoke_run is None:
            super().action_approve()
            return
        from tui.words.resuming import approve_question

        question = approve_question(gate.smoke_run, plan.smoke_lines if plan is not None else ())
        self._ask(question, "Not yet", partial(self._approve_run, gate.smoke_run))

    def _approve_run(self, run_id: str, mode: str) -> None:
        backend = self.plasma.backend
        self.plasma.orders.give("approve", lambda: backend.approve(backend.run_path(run_id)))


# ---------------------------------------------------------------------------
# The keys of the monitor that open what comes after a run (summary, sample images, replay), and the test
# of its notices.


class Reviewing(PlanOrders):
    """Opens the screens of a review, each imported with its first use."""

    def action_summary(self) -> None:
        from tui.screens.summary import SummaryScreen

        self._open(SummaryScreen)

    def action_samples(self) -> None:
        from tui.screens.samples import SamplesScreen

        self._open(SamplesScreen)

    def action_replay(self) -> None:
        from tui.screens.replay import ReplayScreen

        self._open(ReplayScreen)

    def action_test_notice(self) -> None:
        self.say("A test notice is on its way; what comes of it shows here.", "dim")
        self.plasma.notices.test()

    def _open(self, screen: type[Screen[None]]) -> None:
        """Each takes the folder of a run."""
        path = self.plasma.run_path
        if path is not None:
            self.app.push_screen(screen(path))  # type: ignore[arg-type]
