"""Shell text -> commands made of words. Pure; nothing is expanded or run.

Covers what people write around `accelerate launch`: quotes, `\\` at the end of a line (and `^` and the
backtick of Windows shells), comments, arrays, redirections, here documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runner.trainers.sd_scripts.importers.shell_model import (
    Command,
    Part,
    ShellSyntax,
    Text,
    Word,
    joined,
)
from runner.trainers.sd_scripts.importers.shell_quotes import Cursor, read_parts

_BEFORE_ARRAY = re.compile(r"[A-Za-z_]\w*\+?=")
_OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "(", ")", "\n")
_INPUTS = ("<<<", "<<-", "<<", "<>", "<&", "<")
_REDIRECTION = re.compile(r"(?:\d*|&)(<<<|<<-|<<|<>|<&|<|>>|>&|>\||>)")
#: `--model=<path of the model>` of a manual; a shell would read a redirection
_PLACEHOLDER = re.compile(r"(?<![\w'\"])--[\w-]+[= ](<[^<>\n'\"]*>)")
_BLANK_ENDS = re.compile(r"(?:\\[ \t]+|[ \t][\^`][ \t]*)\n")


def read_commands(text: str) -> tuple[list[Command], list[str]]:
    """The commands and what was put right to read them, a sentence each. Raises ShellSyntax."""
    notes = []
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if match := re.search(r"\\[ \t]+\n", text):
        line = text.count("\n", 0, match.start()) + 1
        notes.append(
            f"line {line}: blanks behind the backslash; a shell would end the command there"
        )
    if match := _PLACEHOLDER.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise ShellSyntax(line, f"{match[1]} is a placeholder; put the real value in its place")
    lines = [line for line in text.split("\n") if line.strip()]
    if lines and lines[0].lstrip().startswith("$ "):  # pasted with its prompt
        text = re.sub(r"^[ \t]*\$[ \t]+", "", text, flags=re.M)
    return _Reader(Cursor(text)).commands(), notes


@dataclass(slots=True)
class _Reader:
    cursor: Cursor
    heredocs: list[str] = field(default_factory=list)

    def commands(self) -> list[Command]:
        found = []
        while not self.cursor.over:
            command = self.command()
            if command.words or command.end not in ("\n", ""):
                found.append(command)
        return found

    def command(self) -> Command:
        cursor, words, redirected = self.cursor, list[Word](), False
        self.skip_blanks()
        line, testing = cursor.line, False
        while True:
            self.skip_blanks()
            if cursor.over:
                return Command(tuple(words), line, "", redirected)
            if words:  # between `[[` and `]]` operators do not end the command
                testing = words[-1].plain() == "[[" or (testing and words[-1].plain() != "]]")
            if not testing and (sign := self.redirection()):
                redirected = redirected or sign not in _INPUTS
                continue
            operator = next((op for op in _OPERATORS if cursor.ahead(op)), None)
            if operator is None:
                words.append(self.word())
                continue
            cursor.step(len(operator))
            if testing and operator != "\n":
                words.append(Word((Text(operator),), cursor.line))
                continue
            if operator == "\n":
                self.skip_heredocs()
            return Command(tuple(words), line, operator, redirected)

    def skip_blanks(self) -> None:
        cursor = self.cursor
        while not cursor.over:
            if cursor.ahead("\\\n"):
                cursor.step(2)
            elif cursor.char == "\\" and (match := _BLANK_ENDS.match(cursor.text, cursor.at)):
                cursor.step(len(match.group()))
            elif cursor.char in " \t":
                match = _BLANK_ENDS.match(cursor.text, cursor.at)
                cursor.step(len(match.group()) if match else 1)
            elif cursor.char == "#":
                end = cursor.text.find("\n", cursor.at)
                cursor.at = len(cursor.text) if end < 0 else end
            else:
                return

    def redirection(self) -> str | None:
        """Step over `2>&1` and the like with its target; None when there is none."""
        cursor = self.cursor
        match = _REDIRECTION.match(cursor.text, cursor.at)
        if match is None:
            return None
        sign = match[1]
        cursor.step(len(match.group()))
        self.skip_blanks()
        if not cursor.over and cursor.char not in "\n;|":
            target = self.word()
            if sign in ("<<", "<<-"):
                texts = [part.text for part in target.parts if isinstance(part, Text)]
                self.heredocs.append("".join(texts))
        return sign

    def skip_heredocs(self) -> None:
        cursor = self.cursor
        for delimiter in self.heredocs:
            while not cursor.over:
                end = cursor.text.find("\n", cursor.at)
                line = cursor.step((len(cursor.text) if end < 0 else end) - cursor.at)
                cursor.step()
                if line.strip("\t") == delimiter:
                    break
        self.heredocs.clear()

    def word(self) -> Word:
        cursor = self.cursor
        line, parts = cursor.line, list[Part]()
        while not cursor.over:
            if cursor.ahead("\\\n"):
                cursor.step(2)
                continue
            if cursor.char == "\\" and _BLANK_ENDS.match(cursor.text, cursor.at):
                break
            if cursor.char == "(" and (array := self.array(Word(joined(parts), line))):
                return array
            if cursor.char in " \t\n;&|()<>":
                break
            parts += read_parts(cursor)
        return Word(joined(parts) or (Text(cursor.step()),), line)

    def array(self, name: Word) -> Word | None:
        """`NAME=( ... )`, once the bracket is reached; None when it is something else."""
        cursor, text = self.cursor, name.plain()
        if text is None or not _BEFORE_ARRAY.fullmatch(text):
            return None
        cursor.step()
        items: list[Word] = []
        while not cursor.over:
            self.skip_blanks()
            if cursor.char == ")":
                cursor.step()
                return Word(name.parts, name.line, tuple(items))
            if cursor.char == "\n":
                cursor.step()
            elif not cursor.over:
                items.append(self.word())
        raise ShellSyntax(name.line, f"the bracket of {text}( is not closed; add )")
