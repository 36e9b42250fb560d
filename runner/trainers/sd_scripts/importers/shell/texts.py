"""Texts that hold commands: functions, other scripts, `eval`, `bash -c "..."`. Nothing is run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell.builtins import use_venv
from runner.trainers.sd_scripts.importers.shell.scope import Scope
from runner.trainers.sd_scripts.importers.shell.tests import folder_of
from runner.trainers.sd_scripts.importers.shell.tree import Node, parse
from runner.trainers.sd_scripts.importers.shell.ways import MOST_CALLS, TRAINING
from runner.trainers.sd_scripts.importers.shell.words import ShellSyntax

#: a script takes milliseconds; a function that calls another one twice, and so on, takes forever
MOST_SECONDS = 5.0
#: take a command as one text
SHELLS = re.compile(
    r"(?:ba|z|s|da)?sh|su|sudo|tmux|screen|sbatch|qsub|srun|script|nohup|timeout|time|env|xvfb-run|flock"
    r"|docker|podman|singularity|apptainer|ssh|conda|mamba|micromamba|uv|poetry|runuser|kubectl|setsid"
)


_ELSEWHERE = {
    **dict.fromkeys(("docker", "podman", "singularity", "apptainer", "kubectl"), "in a container"),
    "ssh": "on another machine",
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """One program that the script would start. `place`: its line, and its file if that is another one. `cwd`:
    where; None: in an unknown folder. `moved`: the script itself went there. `python`: of the environment
    that the script activated. `again`: in a later round of a loop."""

    fields: tuple[Field, ...]
    place: str
    cwd: Path | None
    env: Mapping[str, str]
    python: str | None
    moved: bool
    redirected: bool
    notes: tuple[str, ...] = ()
    again: bool = False


def _nothing(path: Path) -> str | None:
    return None


@dataclass(slots=True)
class Texts:
    """`found`: what would be started, in order. `beside`: the text of a file next to the script, None if it
    may not be read. `searching`: take the ways on which a training is, if the straight way has none.
    `in_doubt`: number of enclosing unknown conditions; an `exit` in them does not end the reading;
    `conditional`: of conditions of any kind. `reading`: other scripts, outermost first. `outputs`: what is
    printed, by enclosing `$( )` or pipe. `characters`: printed and given to programs so far. `ended`: "exit",
    "return", "break" or "continue"."""

    scope: Scope
    beside: Callable[[Path], str | None] = _nothing
    searching: bool = False
    found: list[Invocation] = field(default_factory=list)
    functions: dict[str, list[Node]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    in_doubt: int = 0
    conditional: int = 0
    outputs: list[list[Field | None]] = field(default_factory=list)
    reading: list[Path] = field(default_factory=list)
    calls: int = 0
    characters: int = 0
    until: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)
    ended: str = ""

    def read(self, nodes: Sequence[Node], *, in_doubt: bool = False) -> bool | None:
        raise NotImplementedError

    def follow(self, node: Node, given: Field | None) -> bool | None:
        """One command; `given`: what it reads."""
        raise NotImplementedError

    def _deeper(self, nodes: Sequence[Node]) -> bool | None:
        if self.calls >= MOST_CALLS:
            return None
        self.calls += 1
        last = self.read(nodes)
        self.calls -= 1
        return last

    def _call(self, name: str, arguments: tuple[Field, ...] | None) -> bool | None:
        self.called.add(name)
        scope, before = self.scope, dict(self.scope.variables)
        outside = scope.arguments, scope.locals
        scope.arguments, scope.locals = arguments, set()
        last = self._deeper(self.functions[name])
        for local in scope.locals:
            scope.variables.pop(local, None)
        scope.variables |= {name: before[name] for name in scope.locals & before.keys()}
        scope.arguments, scope.locals = outside
        self.ended = self.ended if self.ended == "exit" else ""
        return last

    def _text(self, source: str, line: int) -> bool | None:
        """What `eval` and `bash -c` would read."""
        try:
            nodes, _ = parse("\n" * (line - 1) + source)
        except ShellSyntax as error:
            self.scope.say(error.line, f"a command in a text is skipped:  {error}")
            return None
        return self._deeper(nodes)

    def _source(self, fields: Sequence[Field], line: int) -> bool | None:
        """`source file`: of a file next to the script, or one that it has written."""
        given = "".join(one.text for one in fields[1:2])
        if Path(given).name.startswith("activate"):
            use_venv(self.scope, given)
            return True
        path = None if fields[-1].unknown else folder_of(given, self.scope.cwd)
        text = None if path is None else self._own_text(path)
        if path is None or text is None:
            self.scope.say(line, f"{given} is not read; add its variables to [trainer] env")
            return None
        before, self.scope.within = self.scope.within, path.name
        arguments, self.scope.arguments = (
            self.scope.arguments,
            tuple(fields[2:]) or self.scope.arguments,
        )
        self.reading.append(path)
        last = self._text(text, 1)
        self.reading.pop()
        self.scope.within, self.scope.arguments = before, arguments
        self.ended = "" if self.ended == "return" else self.ended
        return last

    def _own_text(self, path: Path) -> str | None:
        if path in self.reading or str(path) == self.scope.script:
            return None
        written = self.scope.files.get(path)
        return self.beside(path) if written is None else written.text

    def _another_script(self, fields: Sequence[Field]) -> bool:
        """`bash train.sh a b`, `./train.sh a b`: a script next to this one, or one that it has written."""
        words = [*fields]
        while len(words) > 1 and SHELLS.fullmatch(Path(words[0].text).name):
            words = words[1:]
            while len(words) > 1 and words[0].text.startswith("-"):
                if re.fullmatch(r"-\w*c", words[0].text):
                    return False
                del words[0]
        name = words[0]
        path = None if name.unknown else folder_of(name.text, self.scope.cwd)
        direct = words == [*fields]
        if path is None or (direct and "/" not in name.text) or path.suffix in (".py", ""):
            return False
        text = self._own_text(path)
        if text is None or not TRAINING.search(text):
            return False
        self._another(path, text, tuple(words[1:]))
        return True

    def _another(self, path: Path, text: str, arguments: tuple[Field, ...]) -> None:
        functions, self.functions = self.functions, {}
        with self._subshell():
            scope = self.scope
            scope.variables = {n: v for n, v in scope.variables.items() if n in scope.exported}
            scope.script, scope.arguments, scope.within = str(path), arguments, path.name
            self.reading.append(path)
            self._text(text, 1)
            self.reading.pop()
        self.functions = functions

    def _texts_for_others(self, fields: Sequence[Field], given: Field | None, node: Node) -> None:
        """Commands that another shell gets: `bash -c "..."`, `sbatch --wrap="..."`, `sbatch <<E`."""
        texts = [self.scope.source_of(one).removeprefix("--wrap=") for one in fields[1:]]
        for at, text in enumerate([*texts, given.text if given else ""]):
            if TRAINING.search(text) and any(char.isspace() for char in text.strip()):
                functions, self.functions = self.functions, dict(self.functions)
                with self._subshell():
                    if where := _ELSEWHERE.get(Path(fields[0].text).name):
                        self.scope.say(
                            node.line, f"the command runs {where}; its paths are those there"
                        )
                    self.scope.arguments = tuple(fields[at + 3 :]) if at < len(texts) else ()
                    self._text(text, node.line)
                self.functions = functions

    def read_uncalled(self) -> None:
        """Functions of a script that only defines them, each as if called."""
        self.ended = ""
        for name, body in list(self.functions.items()):
            if name not in self.called and body:
                count = len(self.found)
                self._call(name, None)
                if len(self.found) > count:
                    self.scope.say(body[0].line, f"{name} is never called; read as if it were")

    def read_written(self) -> None:
        """Scripts that the script only writes."""
        self.ended = ""
        for path, text in list(self.scope.files.items()):
            if TRAINING.search(text.text):
                self.scope.say(1, f"{path} is written, and not started; read as if it were")
                self._another(path, text.text, ())

    @contextmanager
    def _subshell(self) -> Iterator[None]:
        outside, self.scope = self.scope, self.scope.subshell()
        yield
        self.scope, self.ended = outside, ""
