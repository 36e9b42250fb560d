"""`ask`: what may block is done in a thread, and its result arrives where it was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from runner.model.refusal import Refusal
from tui.text import clean

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.worker import Worker

T = TypeVar("T")


def ask(
    asker: DOMNode,
    work: Callable[[], T],
    then: Callable[[T], object],
    failed: Callable[[str], object],
    *,
    alone: str | None = None,
) -> None:
    """`work` runs in a thread. Then `then` gets what it returned, or `failed` one sentence about what it
    raised; both are called by the loop of `asker`, and not at all if that is gone by then. `alone`: a name; the
    answer to an older question of the same name is dropped."""
    worker: Worker[None] | None = None

    def in_thread() -> None:
        handler: Callable[[Any], object] = then
        try:
            answer: T | str = work()
        except Exception as error:  # border: whatever goes wrong is a sentence, never a crash
            handler, answer = failed, sentence_of(error)
        if worker is None or not worker.is_cancelled:
            asker.call_later(_call, handler, answer)

    worker = asker.run_worker(
        in_thread,
        thread=True,
        group=alone or "ask",
        exclusive=alone is not None,
        exit_on_error=False,
    )


def _call(handler: Callable[[T], object], value: T) -> None:
    """Textual would await what a handler returns, and a screen cannot await its own end."""
    handler(value)


class InTurn:
    """Orders that are given faster than they are carried out are carried out one after another, none is lost:
    `ask(screen, in_turn(work), ...)`."""

    def __init__(self) -> None:
        self._works: deque[Callable[[], Any]] = deque()
        self._lock = Lock()

    def __call__(self, work: Callable[[], T]) -> Callable[[], T]:
        self._works.append(work)
        return self._oldest

    def _oldest(self) -> Any:
        with self._lock:
            return self._works.popleft()()


def sentence_of(error: Exception) -> str:
    """The text of a refusal or an OSError as it is; of anything else with the name of its type."""
    if isinstance(error, (Refusal, OSError)):
        return clean(str(error), 600)
    return clean(f"{type(error).__name__}: {error}", 600)
