"""`--print-completion`: shell completion of verbs, options, files and runs."""

from __future__ import annotations

from typing import Any

import shtab

from tui.cli.parser import Parser
from tui.themes import theme_names

_RUNS = (
    'command ls "${PLASMA_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/plasma-tui}/runs" 2>/dev/null'
)
#: by what `--help` calls an argument
_COMPLETED: dict[Any, Any] = {
    "FILE": shtab.FILE,
    "LOG": shtab.FILE,
    "LOG-or-RUN": shtab.FILE,
    "DIR": shtab.DIRECTORY,
    "RUN": {
        "bash": "_plasma_runs",
        "zsh": "_plasma_runs",
        "preamble": {
            "bash": f'_plasma_runs() {{ compgen -W "last $({_RUNS})" -- "$1"; }}',
            "zsh": f"_plasma_runs() {{ compadd last $({_RUNS}) }}",
        },
    },
}


def completion(parser: Parser, shell: str) -> str:
    """The script for `shell`."""
    for one in (parser, *parser.verbs().values()):
        for action in one._actions:
            if action.metavar in _COMPLETED:
                action.complete = _COMPLETED[action.metavar]  # type: ignore[attr-defined]
            elif action.dest == "theme":
                action.choices = theme_names()
    return shtab.complete(parser, shell)
