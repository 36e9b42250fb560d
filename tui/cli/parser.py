"""Every verb and its options. Imports nothing but argparse, so that each verb starts at once."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any, NoReturn

from tui.cli.exits import WRONG_USE

#: as `--help` prints them
GROUPS = {
    "Get started": ("demo", "init"),
    "Before training": ("forecast", "check"),
    "Train": ("start", "sweep", "queue", "approve", "stop", "resume", "retry"),
    "Watch and compare": ("attach", "runs", "show", "log", "compare", "replay"),
    "Keep and tidy up": ("label", "export", "import", "remove"),
    "Files and machine": ("inspect", "verify", "hardware", "notify"),
}
#: names from other tools
MEANT = {
    "ls": "runs", "list": "runs", "ps": "runs", "status": "show", "info": "show", "logs": "log", "tail": "log",
    "train": "start", "run": "start", "kill": "stop", "continue": "resume", "rm": "remove", "delete": "remove",
    "watch": "attach", "monitor": "attach", "diff": "compare", "copy": "export", "rename": "label",
}  # fmt: skip
SHELLS = ("bash", "zsh", "fish", "tcsh")
RUN_HELP = "an ID, the start of one, the name of a run or project, or `last`"

#: an option: its flags and argparse's words for it; a list of them: at most one of them
Option = tuple[tuple[str, ...], dict[str, Any]]


def _value(*flags: str, **words: Any) -> Option:
    return flags, words


def _on(*flags: str, help: str) -> Option:
    return flags, {"action": "store_true", "help": help}


def _many(flag: str, metavar: str, help: str) -> Option:
    return (flag,), {"metavar": metavar, "action": "append", "default": [], "help": help}


RUN = _value("run", metavar="RUN", help=RUN_HELP)
GROUP_HELP = f"{RUN_HELP}; or the group of a sweep"
RUN_OR_GROUP = _value("run", metavar="RUN", help=GROUP_HELP)
JSON = _on("--json", help="print one JSON object")
YES = _on("--yes", "-y", help="don't ask")
QUEUE = _on("--queue", help="wait in the queue for a free GPU (without a GPU: for this machine)")
WAIT = _on("--wait", help="wait for the end; exit 0 only if training succeeded")
FOLLOW = _on("--follow", "-f", help="keep printing until Ctrl+C or the end of the run")
HOST = _many("--host", "NAME", "on that machine, over ssh: a name of your ssh configuration")
DRY_RUN = _on("--dry-run", help="only print what would be done")
CONFIG = _value("--config", "-c", metavar="FILE", help="default: ./plasma.toml")
SET = _many("--set", "FLAG=VALUE", "override a trainer flag (false removes it)")
AGAIN = _many("--set", "FLAG=VALUE", "change a setting; also env.NAME=VALUE, accelerate.NAME=VALUE")
FORCE = "start even if checks fail; with a REASON, also without an approved smoke test"
SCREEN = (
    _value("--theme", metavar="NAME", help="theme"),
    _on("--ascii", help="ASCII characters only"),
    _on("--no-mouse", help="leave the mouse to the terminal"),
    _on("--low-bandwidth", help="for slow links: fewer redraws, no animation"),
    _value("--images", choices=("auto", "kitty", "blocks", "off"),
           help="how sample images are shown (default: $PLASMA_IMAGES or auto)"),
)  # fmt: skip

#: name, handler, help, options
VERBS: tuple[tuple[str, str, str, tuple[Option | list[Option], ...]], ...] = (
    ("demo", "demo:demo", "train a small real LoRA with the built-in trainer and watch it", (
        _value("--dir", metavar="DIR", help="project folder (default: ./plasma-demo)"),
        _on("--headless", help="no screen: print progress and a summary"), *SCREEN)),
    ("init", "init:init", "write plasma.toml from what is given or found; exit 1: it cannot be started yet", (
        _value("--from", dest="source", metavar="FILE",
               help="a script, notebook, configuration or LoRA; - reads stdin"),
        _value("--dir", metavar="DIR", help="project folder (default: the working folder)"),
        _on("--force", help="replace plasma.toml and keep a backup"), YES)),
    ("forecast", "start:forecast", "print steps, epochs, checkpoint names and the exact command", (
        JSON, CONFIG, SET)),
    ("check", "start:check", "run the preflight checks; exit 0 if none failed", (
        JSON, CONFIG, SET, _value("--fix", metavar="NAME", help="fix what the check NAME found"), YES)),
    ("start", "start:start", "start training, detached; prints the run ID", (
        _value("files", metavar="FILE", nargs="*", help="instead of --config; several only with --queue"),
        CONFIG, SET, HOST, QUEUE, _on("--smoke", help="the short test described in [smoke]"), WAIT,
        _value("--force", nargs="?", const="", metavar="REASON",
               help=f"{FORCE} and over existing checkpoints"))),
    ("sweep", "sweep:start", "queue a run for every combination of several settings", (
        _many("--set", "FLAG=A,B", "the values of a setting; also env.NAME=A,B, accelerate.NAME=A,B"),
        CONFIG, JSON, DRY_RUN, YES, _on("--missing", help="only the runs that don't exist yet"),
        _value("--force", nargs="?", const="", metavar="REASON",
               help=f"{FORCE} and over existing checkpoints"))),
    ("queue", "queue:queue", "list the runs that wait for a GPU, or change their order", (
        _value("run", metavar="RUN", nargs="?", help=RUN_HELP), JSON,
        [_on("--first", help="RUN starts next"), _on("--up", help="one place up"),
         _on("--down", help="one place down"), _on("--last", help="RUN starts last"),
         _on("--release", help="a held RUN waits for its turn again")])),
    ("approve", "orders:approve", "let the long run start after this smoke test", (
        RUN, _value("--note", metavar="TEXT", default="", help="stored with the approval"))),
    ("stop", "orders:stop", "stop a run and all of its processes", (
        RUN_OR_GROUP, HOST,
        [_on("--after-save", help="after the next complete checkpoint with its state"),
         _on("--now", help="kill every process at once, even during a save"),
         _on("--cancel", help="cancel a stop that has not begun")],
        [_on("--no-wait", help="don't wait for the run to stop"),
         _on("--wait", help="with --after-save: wait until the run has stopped")])),
    ("resume", "again:resume", "resume a run from its newest complete state", (
        RUN_OR_GROUP, JSON, _value("--from", dest="source", metavar="WHAT",
                          help="the checkpoint to resume from: its step, name or path"),
        AGAIN, DRY_RUN, QUEUE, WAIT,
        _value("--force", metavar="REASON", help="also with settings no smoke test approved"))),
    ("retry", "again:retry", "retry a failed run with the fix for its cause, or with --set", (
        RUN, AGAIN, _on("--restart", help="from step 0, even if a state exists"), DRY_RUN, QUEUE, WAIT,
        _value("--force", nargs="?", const="", metavar="REASON", help=FORCE))),
    ("attach", "screen:attach", "open the screen on a run", (
        RUN, HOST, _on("--read-only", help="no key changes anything"), *SCREEN)),
    ("runs", "listing:runs", "list all runs on this machine and on the hosts of your config.toml", (
        JSON, _many("--host", "NAME", "only of that machine, over ssh; may be repeated"),
        _value("--filter", metavar="TEXT", help="words that must occur; also tag:good"),
        _value("--sort", choices=("when", "name", "loss", "steps", "took", "outcome"), default="when",
               help="default: when, newest first"),
        _on("--group", help="by project"),
        _value("--limit", type=int, metavar="N", help="only the first N"))),
    ("show", "runs:show", "show everything known about a run", (
        RUN, JSON, HOST, _on("--markdown", help="the summary as Markdown"))),
    ("log", "runs:log", "print the trainer's console output", (
        RUN, FOLLOW, _value("--lines", "-n", type=int, metavar="N", help="only the last N lines"))),
    ("compare", "compare:compare", "compare runs side by side: losses, results, settings", (
        _value("run", metavar="RUN", nargs="+", help="2 to 26 runs, or the group of a sweep"), JSON,
        _value("--by", choices=("step", "epoch", "time", "images"), default="step",
               help="x axis of the losses (default: step)"))),
    ("replay", "replay:replay", "replay an ended run or a console log on the screen", (
        _value("run", metavar="LOG-or-RUN", help="a console log or a run"),
        _value("--speed", metavar="N", help="seconds of the run per second, 0.25 to 3600 "
               "(default: the complete run in a minute or two)"), *SCREEN)),
    ("label", "labels:label", "name or tag a run, add a note, or show them", (
        RUN, JSON, _value("--name", metavar="TEXT", help='name of the run; "" removes it'),
        _many("--tag", "TAG", "add a tag"), _many("--untag", "TAG", "remove a tag"),
        _value("--note", metavar="TEXT", help='a note; "" removes it'))),
    ("export", "export:export", "copy a checkpoint to another folder, never over a file", (
        RUN, JSON, _value("--checkpoint", metavar="WHICH", default="best",
                          help="its step, its name, `final` or `best` (default, by loss)"),
        _value("--to", metavar="DIR", help="e.g. ComfyUI/models/loras; created if it doesn't exist"),
        _value("--name", metavar="NAME", help="of the copy (default: the file's own)"),
        _on("--force", help="export even if incomplete or non-finite"), YES)),
    ("import", "import_runs:import_runs", "import existing checkpoints and TensorBoard logs as runs", (
        _value("folder", metavar="DIR", help="searched with its subfolders; nothing in it is changed"),
        JSON, _value("--name", metavar="TEXT", help="instead of the name in the files"), DRY_RUN,
        _on("--verify", help="check every value of every file"))),
    ("remove", "removing:remove", "delete run folders; checkpoints in output folders stay", (
        _value("run", metavar="RUN", nargs="+", help=GROUP_HELP), YES,
        _on("--with-checkpoints", help="also checkpoints inside the run folder"))),
    ("inspect", "files:inspect", "parse and evaluate any console log of a trainer", (
        _value("log", metavar="LOG", help="a file with a trainer's output; - reads stdin"), JSON,
        _value("--exit", metavar="HOW", help="how it ended: code:1 or signal:9"),
        _value("--tensorboard", metavar="DIR", help="its TensorBoard event files"),
        _on("--no-keep", help="don't add it to the runs"))),
    ("verify", "files:verify", "check that checkpoints are complete and finite", (
        _value("files", metavar="FILE", nargs="+", help="checkpoints or state folders"), JSON)),
    ("hardware", "hardware:hardware", "show what this machine has for training and who uses it", (
        JSON, FOLLOW)),
    ("notify", "notify:notify", "show what [notify] in plasma.toml reports, and where", (
        _on("--test", help="send a test notice through every channel"), CONFIG)),
)  # fmt: skip


class Formatter(argparse.HelpFormatter):
    """Groups the verbs, and names the themes, which are read only for --help."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        self._indent()
        verbs = {
            one.dest: super(Formatter, self)._format_action(one) for one in action._choices_actions
        }
        self._dedent()
        groups = (
            f"  {title}:\n{''.join(verbs[name] for name in names)}"
            for title, names in GROUPS.items()
        )
        return "\n".join(groups)

    def _expand_help(self, action: argparse.Action) -> str:
        text = super()._expand_help(action)
        if action.dest != "theme":
            return text
        from tui.themes import theme_names

        return f"{text}: {', '.join(theme_names())}"


class Parser(argparse.ArgumentParser):
    """argparse with one sentence instead of a page of usage, and the nearest name for a typo."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**({"formatter_class": Formatter} | named))

    def error(self, message: str) -> NoReturn:
        from tui.text import clean  # what was typed may be pasted

        self.exit(WRONG_USE, f"{self.prog}: {clean(message)} (see `{self.prog} --help`)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            near = MEANT.get(value) or _near(value, action.choices)
            self.error(f"no verb is called {value!r}{near and f'; did you mean {near}?'}")
        super()._check_value(action, value)

    def verbs(self) -> dict[str, argparse.ArgumentParser]:
        """The parser of each verb."""
        verbs = (one for one in self._actions if isinstance(one, argparse._SubParsersAction))
        return dict(next(verbs).choices)

    def parse(self, arguments: list[str] | None) -> argparse.Namespace:
        """Exits with one sentence for a typo."""
        options, rest = self.parse_known_args(arguments)
        if rest:
            parser = self.verbs().get(options.verb, self)
            word, _, _ = rest[0].partition("=")
            if not word.startswith("-"):
                parser.error(f"unexpected argument {word!r}")
            near = _near(word, parser._option_string_actions)
            parser.error(f"no option is called {word}{near and f'; did you mean {near}?'}")
        return options


def _near(word: str, known: Iterable[str]) -> str:
    """ "" where nothing is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), 1, 0.7)), "")


def build_parser() -> Parser:
    """`handler` of the result is `module:function`, below `tui.cli`."""
    parser = Parser(
        prog="plasma-tui",
        description="Runs, watches and evaluates LoRA trainings made with kohya-ss sd-scripts.",
        epilog=f"Without a verb: the screen for ./plasma.toml, or your runs. RUN is {RUN_HELP}.",
    )
    parser.set_defaults(handler="screen:open_screen")
    completion = _value("--print-completion", choices=SHELLS, help="print a completion script")
    _add(parser, (_on("--version", help="print the version"), completion, *SCREEN))
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name, handler, text, options in VERBS:
        found = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        found.set_defaults(handler=handler)
        _add(found, options, below=True)
    return parser


def _add(parser: Any, options: Iterable[Option | list[Option]], *, below: bool = False) -> None:
    """`below`: of a verb; options given before the verb stay."""
    for option in options:
        if isinstance(option, list):
            _add(parser.add_mutually_exclusive_group(), option)
        else:
            unset = {"default": argparse.SUPPRESS} if below and option in SCREEN else {}
            parser.add_argument(*option[0], **option[1], **unset)
