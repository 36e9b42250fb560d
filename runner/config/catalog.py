"""Which flags a trainer knows. The built-in one is asked itself; what a checkout of sd-scripts knows
is found out elsewhere and handed in as another `KnownFlags`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

from runner.config.flags import FlagValue, scalar_text
from runner.config.model import Trainer


class FlagCatalog(Protocol):
    """What one trainer accepts on its command line."""

    @property
    def names(self) -> frozenset[str]: ...

    def problem(self, name: str, value: FlagValue) -> str | None:
        """What is wrong with the value of a known flag, continuing a sentence; None: nothing."""


#: None: what this trainer knows cannot be told, so no name is refused
KnownFlags = Callable[[Trainer], FlagCatalog | None]


class ArgparseCatalog:
    """The flags of an argparse parser, with the types and choices it would enforce."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._actions = {
            option[2:]: action
            for action in parser._actions
            for option in action.option_strings
            if option.startswith("--") and action.dest != "help"
        }

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._actions)

    def problem(self, name: str, value: FlagValue) -> str | None:
        action = self._actions[name]
        if action.nargs == 0:
            return None if isinstance(value, bool) else "is a switch; write true or false"
        if isinstance(value, bool):
            return "needs a value, not true" if value else None
        values = value if isinstance(value, tuple) else (value,)
        if len(values) > 1 and action.nargs in (None, "?"):
            return f"takes one value, not {len(values)}"
        problems = (self._problem_of_one(action, scalar_text(one)) for one in values)
        return next((problem for problem in problems if problem), None)

    @staticmethod
    def _problem_of_one(action: argparse.Action, text: str) -> str | None:
        convert = action.type if callable(action.type) else str
        try:
            converted = convert(text)
        except (argparse.ArgumentTypeError, TypeError, ValueError):
            wanted = {"int": "a whole number", "float": "a number"}
            name = getattr(convert, "__name__", "value")
            words = wanted.get(name, name.replace("_", " "))
            return f'is "{text}"; it must be {words}'
        if action.choices is not None and converted not in action.choices:
            return f'is "{text}"; choose one of {", ".join(map(str, action.choices))}'
        return None


def trainer_flags(trainer: Trainer) -> FlagCatalog | None:
    """The built-in trainer's own flags; None for a checkout of sd-scripts.

    `runner.embedded.arguments` imports no torch, so this is cheap.
    """
    if not trainer.embedded:
        return None
    from runner.embedded.arguments import build_parser

    return ArgparseCatalog(build_parser())
