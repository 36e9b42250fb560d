"""`ask`: whatever may block is done in a thread, and what came of it goes on where it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from textual.worker import get_current_worker

from runner.model.refusal import Refusal
from tui.text import clean

if TYPE_CHECKING:
    from textual.dom import DOMNode

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

    def in_thread() -> None:
        me = get_current_worker()
        try:
            answer = work()
        except Exception as error:  # border: whatever goes wrong is a sentence, never a crash
            if not me.is_cancelled:
                asker.call_later(_call, failed, told(error))
        else:
            if not me.is_cancelled:
                asker.call_later(_call, then, answer)

    asker.run_worker(
        in_thread,
        thread=True,
        group=alone or "ask",
        exclusive=alone is not None,
        exit_on_error=False,
    )


def _call(handler: Callable[[T], object], value: T) -> None:
    """Textual would await what a handler returns, and a screen cannot await its own end."""
    handler(value)


def told(error: Exception) -> str:
    """A refusal, and what a file system says, in its own words; anything else with the name of what went
    wrong."""
    if isinstance(error, (Refusal, OSError)):
        return clean(str(error), 600)
    return clean(f"{type(error).__name__}: {error}", 600)
