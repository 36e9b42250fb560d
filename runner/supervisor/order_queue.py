"""The orders to one attempt, by a user or the guard. They are in the run's inbox, so they survive a
supervisor; the answered ones in inbox/done show the next supervisor what was requested."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from runner.store import inbox
from runner.store.inbox import GUARD as GUARD
from runner.store.inbox import Order
from runner.supervisor.context import AttemptContext

log = logging.getLogger("supervisor")


class OrderQueue:
    """Front ends and guard put orders in; the order handler takes and answers them."""

    def __init__(self, context: AttemptContext) -> None:
        self._run, self._attempt = context.run, context.attempt
        #: by file name: done, but the answer could not be written yet
        self._unanswered: dict[str, tuple[str, Order]] = {}
        #: file names of orders that were too old when this supervisor first read the inbox; those that arrive
        #: later are new, whatever the clocks show
        self._overdue: frozenset[str] | None = None
        try:
            self._began_at = self._run.attempt(self._attempt).stat().st_mtime
        except OSError:
            self._began_at = 0.0

    def put(self, kind: str, data: dict[str, Any], by: str = GUARD) -> bool:
        """An order by the guard, or for a cluster. False: the disk refused it; the next check may retry."""
        try:
            inbox.send(self._run, kind, data, by=by)
        except OSError as error:
            log.warning("the order of %s: %s", by, error)
            return False
        return True

    def waiting(self) -> list[tuple[str, Order]]:
        """(file name, order) of those without an answer, oldest first."""
        if self._overdue is None:
            self._overdue = inbox.overdue(self._run)
        return inbox.pending(self._run)

    def is_overdue(self, name: str) -> bool:
        """Did it wait for this supervisor for too long?"""
        return self._overdue is not None and name in self._overdue

    def answered(self) -> Iterator[Order]:
        """Of this attempt, oldest first."""
        return (order for order in inbox.done(self._run) if self.is_for_us(order))

    def by_guard(self) -> list[Order]:
        """Answered or not."""
        known = [*self.answered(), *(order for _, order in self.waiting())]
        return [order for order in known if order.by == GUARD and self.is_for_us(order)]

    def is_for_us(self, order: Order) -> bool:
        return inbox.is_for(order, self._attempt, self._began_at)

    def answer(self, name: str, obey: Callable[[], tuple[str, Order]]) -> None:
        """Answer the order of this file name by what `obey` returns: the answer, and the order with data for
        a later supervisor. It is carried out once, even if a full disk refuses the answer."""
        if name not in self._unanswered:
            self._unanswered[name] = obey()
        text, order = self._unanswered[name]
        try:
            inbox.answer(self._run, name, order, text)
        except OSError as error:  # a full disk must not prevent a stop
            log.warning("the answer to order %s: %s", order.id, error)
        else:
            del self._unanswered[name]
