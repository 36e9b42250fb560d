"""The keys of the monitor for what comes before a run: checks, cures, the file, the flags."""

from __future__ import annotations

from functools import partial

from tui.screens.orders import RunOrders
from tui.viewmodel.preflight import PreflightRow, first_failing
from tui.widgets.preflight import PreflightPanel


class PlanOrders(RunOrders):
    """What these keys are about is the app's `plan` and `checklist`."""

    def action_preflight(self) -> None:
        """All checks again; from the end of a run back to the configuration first."""
        self.hush()
        if self.plasma.run_path is not None:
            self.plasma.close_run()
            self.plasma.make_plan(slow=True)
        else:
            self.plasma.begin_checks(slow=True)

    def break_off(self) -> None:
        if self.plasma.break_off_checks():
            self.say("The checks were broken off.", "dim", 4.0)
            self.plasma.planning_changed()

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
        first = first_failing(self.plasma.checklist.in_order())
        if first is None:
            return chosen if panel.moved else None
        return next((row for row in panel.model.rows if row.name == first.name), None)

    def _cured(self, changed: bool | None) -> None:
        """A cure may have changed any file: everything quick is looked at again."""
        if changed:
            self.plasma.make_plan(fresh=False)

    def action_edit(self) -> None:
        self.plasma.edit_config()

    def action_flags(self) -> None:
        from tui.screens.flags import FlagsScreen

        if self.plasma.config_path is not None:
            self.app.push_screen(FlagsScreen(self.plasma.config_path))

    # ----------------------------------------------------------------- approving without its run

    def action_approve(self) -> None:
        plan = self.plasma.plan
        gate = plan.gate_status if plan is not None else None
        if self.plasma.run_path is not None or gate is None or gate.smoke_run is None:
            super().action_approve()
            return
        from tui.viewmodel.resuming import approve_question

        question = approve_question(gate.smoke_run, plan.smoke_lines if plan is not None else ())
        self._ask(question, "Not yet", partial(self._approve_run, gate.smoke_run))

    def _approve_run(self, run_id: str, mode: str) -> None:
        backend = self.plasma.backend
        self.plasma.give("approve", lambda: backend.approve(backend.run_path(run_id)))
