"""The command `plasma-tui`. stdout is data, stderr is narration.

Exit codes: 0 yes, 1 no (a failed check, a run that did not succeed), 2 wrong use, 3 not found. Textual
is imported only when a screen opens; nothing here imports torch, numpy or tensorboard.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from tui.cli.exits import NO, OK, WRONG_USE, Fail
from tui.cli.parser import build_parser

#: verbs that need no runs, and verbs that create one
_WITHOUT_RUNS = frozenset({"verify"})
_MAKE_RUNS = frozenset({"demo", "start", "sweep", "resume", "retry", "import"})


def main(arguments: list[str] | None = None) -> int:
    """Run one command; never raises for bad input."""
    _allow_any_locale()
    parser = build_parser()
    options = parser.parse(arguments)
    if options.version:
        from importlib.metadata import version

        sys.stdout.write(f"plasma-tui {version('plasma-tui')}\n")
        return OK
    if options.print_completion:
        from tui.cli.completions import completion

        sys.stdout.write(f"{completion(parser, options.print_completion)}\n")
        return OK
    if options.verb not in _WITHOUT_RUNS:
        from runner.store.home_check import home_problem
        from tui.text import clean

        problem = home_problem(writing=options.verb in _MAKE_RUNS)
        if problem is not None:
            sys.stderr.write(f"plasma-tui: {clean(problem)}\n")
            return WRONG_USE
    module, function = options.handler.split(":")
    try:
        if options.verb != "runs" and getattr(options, "host", None):
            from tui.cli.hosts import there

            return there(options, sys.argv[1:] if arguments is None else arguments)
        handler = getattr(import_module(f"tui.cli.{module}"), function)
        return int(handler(options))
    except Fail as error:
        _explain(error)
        return error.code
    except Exception as error:
        return _refused(error)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130


def _refused(error: Exception) -> int:
    """What the runner refuses is a sentence; anything else is raised again."""
    from runner.model.refusal import Refusal

    if isinstance(error, BrokenPipeError):  # `plasma-tui log last | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    if not isinstance(error, Refusal):
        raise error
    _explain(error)
    return NO


def _explain(error: Exception) -> None:
    """Its text may hold names of files and of runs."""
    from tui.text import clean

    text = "\n".join(clean(line) for line in str(error).split("\n"))
    sys.stderr.write(f"plasma-tui: {text}\n")


def _allow_any_locale() -> None:
    """A locale without UTF-8, such as C, gets look-alikes instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        encoding = (getattr(stream, "encoding", None) or "").lower()
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and "utf" not in encoding:
            from tui.cli.plain_codec import PLAIN

            reconfigure(errors=PLAIN)


if __name__ == "__main__":
    sys.exit(main())
