"""The command `plasma-tui`: every verb. stdout is data, stderr is narration.

Exit codes: 0 yes, 1 no (a failed check, a run that did not succeed), 2 wrong use, 3 not found. Textual
is imported only when a screen opens; nothing here imports torch, numpy or tensorboard.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import NoReturn

from tui.exits import OK, WRONG_USE, Fail


class Parser(argparse.ArgumentParser):
    """argparse with one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def build_parser() -> argparse.ArgumentParser:
    """Every verb and its options."""
    parser = Parser(
        prog="plasma-tui",
        description="Runs, watches and judges LoRA trainings made with kohya-ss sd-scripts.",
        epilog="Without a verb: the screen on ./plasma.toml, or the list of runs. "
        "RUN is an id, the beginning of one, or `last`.",
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    _screen_options(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, text: str, *, run: bool = False, json: bool = False) -> Parser:
        found: Parser = verbs.add_parser(name, help=text, description=text)
        if run:
            found.add_argument("run", metavar="RUN", help="id, beginning of an id, or `last`")
        if json:
            found.add_argument("--json", action="store_true", help="one JSON object on stdout")
        return found

    demo = verb("demo", "train a small real LoRA with the built-in trainer and watch it")
    demo.add_argument("--dir", metavar="DIR", help="project folder (default: ./plasma-demo)")
    demo.add_argument("--headless", action="store_true", help="no screen: progress and a summary")
    _screen_options(demo)
    init = verb("init", "write plasma.toml from a script, a configuration, or what is found here")
    init.add_argument("--from", dest="source", metavar="FILE",
                      help="a shell script, a kohya_ss JSON, an sd-scripts TOML; - reads stdin")  # fmt: skip
    init.add_argument("--dir", metavar="DIR", help="project folder (default: the working folder)")
    init.add_argument("--force", action="store_true", help="replace plasma.toml, keep a backup")
    init.add_argument("--yes", "-y", action="store_true", help="ask nothing")
    for name, text in (
        ("forecast", "steps, epochs, checkpoint names and the exact command; starts nothing"),
        ("check", "the preflight checklist; exit 0 if nothing failed"),
        ("start", "start a training, detached; prints its id"),
    ):
        one = verb(name, text, json=name != "start")
        one.add_argument("--config", "-c", metavar="FILE", help="default: ./plasma.toml")
        one.add_argument("--set", metavar="FLAG=VALUE", action="append", default=[],
                         help="a trainer flag over the file's (false takes it out)")  # fmt: skip
        if name == "check":
            one.add_argument("--fix", metavar="NAME", help="cure what the check NAME finds")
            one.add_argument("--yes", action="store_true", help="cure without asking")
        if name == "start":
            one.add_argument("--smoke", action="store_true", help="the short test of [smoke]")
            one.add_argument("--force", nargs="?", const="", metavar="REASON",
                             help="start although checks failed; with a REASON, also without an "
                             "approved smoke test and over existing checkpoints")  # fmt: skip
            one.add_argument("--wait", action="store_true", help="exit 0 only if it succeeded")
    runs = verb("runs", "every run of this machine", json=True)
    runs.add_argument("--filter", metavar="TEXT", help="words that must occur, also tag:good")
    runs.add_argument("--sort", choices=("when", "name", "loss", "steps", "took", "outcome"),
                      default="when", help="default: when, the newest first")  # fmt: skip
    runs.add_argument("--group", action="store_true", help="by project")
    runs.add_argument("--limit", type=int, metavar="N", help="only the first N")
    label = verb("label", "name a run, tag it, note something; shows it too", run=True, json=True)
    label.add_argument("--name", metavar="TEXT", help='what you call the run; "" takes it away')
    label.add_argument("--tag", metavar="TAG", action="append", default=[], help="add a tag")
    label.add_argument("--untag", metavar="TAG", action="append", default=[], help="take a tag")
    label.add_argument("--note", metavar="TEXT", help='what you want to keep; "" takes it away')
    remove = verb("remove", "delete run folders; checkpoints in output folders stay")
    remove.add_argument("run", metavar="RUN", nargs="+", help="id, beginning of one, your name")
    remove.add_argument("--yes", "-y", action="store_true", help="ask nothing")
    remove.add_argument("--with-checkpoints", action="store_true",
                        help="also checkpoints that lie inside the run folder")  # fmt: skip
    show = verb("show", "all that is known of a run", run=True, json=True)
    show.add_argument("--markdown", action="store_true", help="the summary as Markdown")
    compared = verb("compare", "several runs side by side: losses, results, settings", json=True)
    compared.add_argument("run", metavar="RUN", nargs="+", help="2 to 8 runs, each as for show")
    compared.add_argument("--by", choices=("step", "epoch", "time", "images"), default="step",
                          help="what the losses are laid along (default: step)")  # fmt: skip
    shown = verb("log", "the trainer's console", run=True)
    shown.add_argument("--follow", "-f", action="store_true", help="until the run has ended")
    shown.add_argument("--lines", "-n", type=int, metavar="N", help="only the last N lines")
    stop = verb("stop", "stop a run, with all of its processes", run=True)
    when = stop.add_mutually_exclusive_group()
    when.add_argument("--after-save", action="store_true",
                      help="after the next checkpoint that is whole, with its state")  # fmt: skip
    when.add_argument(
        "--now", action="store_true", help="kill every process at once, even during a save"
    )
    when.add_argument("--cancel", action="store_true", help="cancel a stop that has not begun")
    waiting = stop.add_mutually_exclusive_group()
    waiting.add_argument("--no-wait", action="store_true", help="only leave the order")
    waiting.add_argument("--wait", action="store_true",
                         help="with --after-save too, until it has stopped")  # fmt: skip
    resume = verb("resume", "go on with a run from its newest whole state", run=True, json=True)
    resume.add_argument("--from", dest="source", metavar="WHAT",
                        help="the checkpoint to go on from: its step, name or path")  # fmt: skip
    retry = verb(
        "retry", "try a failed run again with the cure of its cause, or with --set", run=True
    )
    retry.add_argument(
        "--restart", action="store_true", help="from step 0, even if a state is there"
    )
    retry.add_argument("--force", nargs="?", const="", metavar="REASON",
                       help="start although a check fails; with a REASON, also with settings that no smoke "
                       "test approved")  # fmt: skip
    resume.add_argument("--force", metavar="REASON",
                        help="also with settings that no smoke test approved")  # fmt: skip
    for again in (resume, retry):
        again.add_argument("--set", metavar="FLAG=VALUE", action="append", default=[],
                           help="a setting that differs; env.NAME=VALUE, accelerate.NAME=VALUE")  # fmt: skip
        again.add_argument("--dry-run", action="store_true", help="only say what would be done")
        again.add_argument("--wait", action="store_true", help="exit 0 only if it succeeded")
    yes = verb("approve", "let the long run start after this smoke test", run=True)
    yes.add_argument("--note", metavar="TEXT", default="", help="kept with the approval")
    attach = verb("attach", "the screen on a run", run=True)
    attach.add_argument("--read-only", action="store_true", help="no key changes anything")
    _screen_options(attach)
    again = verb("replay", "play an ended run, or a console log, back on the same screen")
    again.add_argument("run", metavar="LOG-or-RUN", help="a console log, or a run as for show")
    again.add_argument("--speed", metavar="N", help="seconds of the run in a second, 0.25 to 3600 "
                       "(default: all of it in a minute or two)")  # fmt: skip
    _screen_options(again)
    copy = verb("export", "copy a checkpoint of a run into a folder, never over a file",
                run=True, json=True)  # fmt: skip
    copy.add_argument("--checkpoint", metavar="WHICH", default="best",
                      help="its step, its name, `final`, or `best` (default: by the run's losses)")  # fmt: skip
    copy.add_argument("--to", metavar="DIR", help="a folder that is there, as ComfyUI/models/loras")
    copy.add_argument("--name", metavar="NAME", help="of the copy (default: the file's own)")
    copy.add_argument("--force", action="store_true", help="also one that is not whole or finite")
    inspect = verb("inspect", "parse and judge any console log", json=True)
    inspect.add_argument("log", metavar="LOG", help="a file with a trainer's output; - reads stdin")
    inspect.add_argument("--exit", metavar="HOW", help="how it ended: code:1 or signal:9")
    inspect.add_argument("--tensorboard", metavar="DIR", help="its event files, if there are any")
    inspect.add_argument("--no-keep", action="store_true", help="make no read-only run of it")
    found = verb(
        "import", "checkpoints and event files from before, as runs of the list", json=True
    )
    found.add_argument(
        "folder", metavar="DIR", help="it and what is below it; nothing there is changed"
    )
    found.add_argument("--name", metavar="TEXT", help="instead of the name in the files")
    found.add_argument("--dry-run", action="store_true", help="only say what would be imported")
    found.add_argument("--verify", action="store_true", help="look at every number of every file")
    notices = verb("notify", "what [notify] of plasma.toml tells, and by which ways")
    notices.add_argument("--test", action="store_true", help="send a test notice on each of them")
    notices.add_argument("--config", "-c", metavar="FILE", help="default: ./plasma.toml")
    machine = verb("hardware", "what this machine has, and who is on it", json=True)
    machine.add_argument("--follow", "-f", action="store_true", help="until Ctrl+C")
    verify = verb("verify", "are these checkpoints complete and finite?", json=True)
    verify.add_argument("files", metavar="FILE", nargs="+")
    return parser


def _screen_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--theme", metavar="NAME", help="a theme's name")
    parser.add_argument("--ascii", action="store_true", help="no characters beyond ASCII")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    parser.add_argument("--low-bandwidth", action="store_true", help="for slow links")
    parser.add_argument("--images", choices=("auto", "kitty", "blocks", "off"),
                        help="how sample images are shown (default: $PLASMA_IMAGES, else auto)")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run one command; never raises for what a person typed."""
    options = build_parser().parse_args(arguments)
    if options.version:
        from importlib.metadata import version

        sys.stdout.write(f"plasma-tui {version('plasma-tui')}\n")
        return OK
    module, function = _HANDLERS[options.verb]
    if options.verb not in _WITHOUT_RUNS:
        from runner.store.home_check import home_problem
        from tui.text import clean

        problem = home_problem(writing=options.verb in _MAKE_RUNS)
        if problem is not None:
            sys.stderr.write(f"plasma-tui: {clean(problem)}\n")
            return WRONG_USE
    try:
        handler = getattr(import_module(module), function)
        return int(handler(options))
    except Fail as error:
        sys.stderr.write(f"plasma-tui: {error}\n")
        return error.code
    except BrokenPipeError:
        # `plasma-tui log last | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130


#: verbs that look at no run, and those that make one
_WITHOUT_RUNS = frozenset({"verify"})
_MAKE_RUNS = frozenset({"demo", "start", "resume", "retry", "import"})

_HANDLERS: dict[str | None, tuple[str, str]] = {
    None: ("tui.verbs.screen", "open_screen"),
    "demo": ("tui.verbs.demo", "demo"),
    "attach": ("tui.verbs.screen", "attach"),
    "init": ("tui.verbs.init", "init"),
    "forecast": ("tui.verbs.start", "forecast"),
    "check": ("tui.verbs.start", "check"),
    "start": ("tui.verbs.start", "start"),
    "approve": ("tui.verbs.orders", "approve"),
    "runs": ("tui.verbs.listing", "runs"),
    "label": ("tui.verbs.labels", "label"),
    "remove": ("tui.verbs.removing", "remove"),
    "show": ("tui.verbs.runs", "show"),
    "compare": ("tui.verbs.compare", "compare"),
    "log": ("tui.verbs.runs", "log"),
    "stop": ("tui.verbs.orders", "stop"),
    "resume": ("tui.verbs.again", "resume"),
    "retry": ("tui.verbs.again", "retry"),
    "hardware": ("tui.verbs.hardware", "hardware"),
    "export": ("tui.verbs.export", "export"),
    "notify": ("tui.verbs.notify", "notify"),
    "replay": ("tui.verbs.replay", "replay"),
    "inspect": ("tui.verbs.files", "inspect"),
    "verify": ("tui.verbs.files", "verify"),
    "import": ("tui.verbs.import_runs", "import_runs"),
}


if __name__ == "__main__":
    sys.exit(main())
