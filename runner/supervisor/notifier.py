"""The supervisor's part in notifications: stores them and has them sent. Nothing here may cost the verdict,
or time."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace

from runner.config.channels import channels_or_none
from runner.model import Alarm, RunSnapshot, RunState, Status
from runner.notify.box import Box, send_waiting
from runner.notify.message import Message, alarm_message, end_message, wanted
from runner.store.reader import RunReader
from runner.supervisor.context import AttemptContext

log = logging.getLogger("supervisor")


class Notifier:
    """Notifications of one supervision."""

    def __init__(self, context: AttemptContext, status: Callable[[], Status]) -> None:
        """`status`: returns the current run."""
        self._context, self._status = context, status
        self._box = Box(context.run)
        self._settled = False

    @property
    def _rules_on(self) -> bool:
        return bool(self._context.spec.notify.on and channels_or_none(self._context.run).names)

    def restore(self) -> None:
        """Send what a previous supervisor stored but did not send."""
        if self._box.waiting():
            self._send_later()

    def alarm(self, alarm: Alarm) -> None:
        """An alarm was raised; reported once each time it begins."""
        try:
            if not self._rules_on:
                return
            run, spec = self._context.run, self._context.spec
            status, state = self._status(), RunState.RUNNING
            snapshot = RunSnapshot(run.id, str(run.path), alarm.since_at, state, spec, status)
            if self._put(alarm_message(snapshot, alarm)):
                self._send_later()
        except Exception:
            log.exception("the notification of an alarm failed")

    def before_end(self, final: Status) -> None:
        """Store the end's notification before status.json shows the end: if killed in between, the next
        supervisor sends it. The sending process waits for status.json."""
        try:
            if self._rules_on:
                read = RunReader(self._context.run.path, console=False).read_all()
                snapshot = replace(read, status=final, state=final.state, outcome=final.outcome)
                if self._put(end_message(snapshot)):
                    send_waiting(self._context.run)
            self._settled = True
        except Exception:
            log.exception("the notification of the end failed")

    def after_end(self, final: Status) -> None:
        """Retry if that failed (the disk was full)."""
        if not self._settled:
            self.before_end(final)

    def _put(self, message: Message | None) -> bool:
        is_wanted = message is not None and wanted(self._context.spec.notify, message.event)
        return message is not None and is_wanted and self._box.put(message)

    def _send_later(self) -> None:
        """Starting a process may take seconds on a machine that swaps: never in the supervisor's loop."""

        def send() -> None:
            try:
                send_waiting(self._context.run)
            except (OSError, subprocess.SubprocessError) as error:
                log.warning("a notification could not be sent: %s", type(error).__name__)

        threading.Thread(target=send, name="notice", daemon=True).start()
