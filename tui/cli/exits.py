"""Exit codes of the command, and the one exception that carries one."""

from __future__ import annotations

OK, NO, WRONG_USE, NOT_FOUND = 0, 1, 2, 3


class Fail(Exception):
    """A sentence for stderr and the exit code that goes with it."""

    def __init__(self, text: str, code: int = NO) -> None:
        super().__init__(text)
        self.code = code
