"""A review as a document: sections of a few kinds of blocks. Types only. The Markdown summary and the screen
are both built from it, so they cannot differ. Texts are unmodified: the output side cleans them
(`runner.history.review.markdown`, `tui.text.clean`).
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.model import CheckResult


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Points:
    items: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`numeric`: indices of right-aligned columns; every row is as long as `heads`."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """Preformatted text, line by line. `kind`: the language of the fence (sh, toml, text)."""

    text: str
    kind: str = "text"


Block = Paragraph | Bullets | Points | Table | Code


@dataclass(frozen=True, slots=True)
class Section:
    """`key`: a stable name (`checkpoints`); `title`: its heading, stable as well."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """`front`: (key, value) pairs for tools, in order; `title`: the verdict in one line; `lead`: the
    sentences that explain it."""

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]
    front: tuple[tuple[str, object], ...] = ()
