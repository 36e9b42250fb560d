"""Documents as rows: nothing wider than the screen, nothing that matters cut."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from runner.history.review.best import Candidate, rank
from runner.history.review.document import (
    Block,
    Bullets,
    Code,
    Document,
    Paragraph,
    Points,
    Section,
    Table,
)
from runner.model import Outcome
from tests import builders as b
from tests.hostile import HOSTILE
from tests.reviews import point
from tui.backend.results import SummarySheet
from tui.kit.paint import Span, plain, row_width
from tui.screens.document import (
    block_rows,
    pick_rows,
    picks_of,
    point_rows,
    summary_model,
    verdict_rows,
    without_common_ending,
)
from tui.text import cut_middle, wrap
from tui.words.table import Column, fit_columns


def lines(rows: object) -> list[str]:
    return [plain(row).rstrip() for row in rows]  # type: ignore[attr-defined]


def checkpoints_table(name: str = "spyke_plasma_v1-step00000{}.safetensors") -> Table:
    heads = ("file", "step", "size", "whole", "finite", "state", "loss", "norm", "change", "place",
             "remark")  # fmt: skip
    rows = tuple(
        (name.format(step), str(step), "72.1 MB", "yes", "yes", "yes", "0.0912", "1.26", "+3 %",
         str(place), "blow-up in unet mid: its norm grew 40 times" if step == 600 else "")
        for place, step in enumerate((200, 400, 600), start=1)
    )  # fmt: skip
    return Table(heads, rows, (1, 2, 6, 7, 8, 9))


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_a_table_fits_and_says_what_it_leaves_out(width: int) -> None:
    rows = block_rows(checkpoints_table(), width)
    assert all(row_width(row) <= width for row in rows)
    text = "\n".join(lines(rows))
    assert "step" in text or width < 40
    assert ("hidden (nar" in text) == (width < 120)


def test_names_keep_the_part_that_tells_them_apart() -> None:
    rows = lines(block_rows(checkpoints_table(), 80))
    assert [name in row for name, row in zip(("200", "400", "600"), rows[1:4], strict=True)]
    assert len({row.split()[0] for row in rows[1:4]}) == 3


def test_a_trouble_in_a_table_is_told_in_full() -> None:
    text = " ".join(" ".join(lines(block_rows(checkpoints_table(), 100))).split())
    for word in ("blow-up", "unet", "grew", "40", "times"):
        assert word in text


def test_answers_have_a_shape_only_in_columns_of_answers() -> None:
    rows = lines(block_rows(Table(("what", "value"), (("a", "no"), ("b", "fp16"))), 60))
    assert rows[1].split() == ["a", "no"]
    rows = lines(block_rows(Table(("check", "result"), (("a", "pass"), ("b", "warn"))), 60))
    assert [row.split()[1] for row in rows[1:]] == ["✓", "!"]


def test_a_column_without_content_is_left_out_silently() -> None:
    rows = lines(block_rows(Table(("file", "remark"), (("a", ""), ("b", ""))), 60))
    assert "remark" not in "".join(rows)


def test_a_table_without_rows_is_its_head() -> None:
    assert lines(block_rows(Table(("file", "step"), ()), 40)) == [" file  step"]


def test_points_show_their_status_as_a_shape_and_long_evidence_below() -> None:
    points = Points(
        (
            point("All steps were trained", "pass", "920 of 920"),
            point("Every file is there", "fail", "missing: " + "spyke-step00000200 " * 12),
            point("The GPU was busy", "skip", "not measured"),
        )
    )
    rows = lines(block_rows(points, 80))
    assert rows[0] == " ✓ All steps were trained  920 of 920"
    assert rows[1] == " ✗ Every file is there"
    assert rows[2].startswith("     missing: spyke-step00000200")
    assert rows[-1].startswith(" – The GPU was busy")
    assert all(cell_len(row) <= 80 for row in rows)


def test_code_is_wrapped_and_loses_nothing() -> None:
    line = "python train.py " + " ".join(f"--flag{i}=value" for i in range(40))
    rows = lines(block_rows(Code(line, "sh"), 60))
    joined = " ".join(row.removeprefix(" │ ").strip() for row in rows)
    assert joined == line


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [6, 40, 80])
def test_foreign_words_stay_within_the_width(text: str, width: int) -> None:
    blocks = (
        Paragraph(text),
        Bullets((text, text)),
        Points((point(text, text, text), point(text, "fail", text))),
        Table((text, "b"), ((text, text), (text, text)), (1,)),
        Code(f"{text}\n{text}", text),
    )
    made = Document(text, (text,), (Section(text, text, blocks),))
    one = b.checkpoint(400, name=text, path=text)
    found = (Candidate(one, 1, (text,), (text,)),)
    model = summary_model(SummarySheet(made, b.ended(Outcome.FAILED), found))
    rows = [*verdict_rows(model, width), *pick_rows(model.picks[0], width, "  1 of 1")]
    rows += point_rows(model.problems, width)
    rows += [
        row for fold in model.folds for block in fold.blocks for row in block_rows(block, width)
    ]
    for row in (*rows, *((Span(f"{fold.title} {fold.gist}"),) for fold in model.folds)):
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in plain(row))
    assert width < 40 or all(row_width(row) <= width for row in rows)


def test_a_folded_section_shows_its_gist() -> None:
    def gist(*blocks: Block) -> str:
        made = Document("t", (), (Section("x", "X", blocks),))
        return summary_model(SummarySheet(made, b.ended(Outcome.STOPPED))).folds[0].gist

    checks = (("a", "pass", "1"), ("b", "warn", "2"), ("c", "pass", "3"))
    assert gist(Paragraph("At the start."), Table(("check", "result", "why"), checks)) == (
        "2 passed, 1 warnings"
    )
    assert gist(Paragraph("920 losses.")) == "920 losses."
    assert gist(Table(("step", "name"), (("1", "a"),))) == "1 row"
    assert gist(Code("a\nb", "sh")) == "2 lines"


def test_a_shared_place_is_a_tie() -> None:
    files = [
        b.checkpoint(200, loss=0.09),
        b.checkpoint(400, loss=0.0901),
        b.checkpoint(600, loss=0.3),
    ]
    found = rank(files, series=b.series(b.losses(920)))
    ranks = [pick.rank for pick in picks_of(found)]
    assert ranks == ["Tied for best", "Tied for best", "Place 3"]


# --------------------------------------------------------------------------- the parts


def test_lines_break_at_spaces_and_only_long_words_are_broken() -> None:
    assert wrap("one two three", 8, words=True) == ["one two", "three"]
    assert (
        wrap("see spyke-step00000200.safetensors", 30, words=True)[1]
        == "spyke-step00000200.safetensors"
    )
    assert wrap("x" * 10, 4, words=True) == ["xxxx", "xxxx", "xx"]
    assert wrap("x" * 8, 4, words=True) == ["xxxx", "xxxx"]
    assert wrap("", 4, words=True) == [""]


def test_a_name_is_cut_in_its_middle() -> None:
    assert cut_middle("spyke_plasma_v1-step00000200", 15) == "spyke_…00000200"
    assert cell_len(cut_middle("模型训练文字模型训练文字", 11)) <= 11


def test_an_ending_goes_only_if_all_have_it() -> None:
    assert without_common_ending(["a.st", "b.st"]) == ["a", "b"]
    assert without_common_ending(["a.st", "b.ckpt"]) == ["a.st", "b.ckpt"]
    assert without_common_ending(["a.st"]) == ["a.st"]


def test_equal_decimals_are_no_ending() -> None:
    """Seen on a diverged run: four losses of 0.6068 were drawn as 0."""
    assert without_common_ending(["0.6068", "0.6068"]) == ["0.6068", "0.6068"]
    table = Table(("file", "loss"), (("a.st", "0.6068"), ("b.st", "1.6068")), (1,))
    assert [row.split() for row in lines(block_rows(table, 40))[1:]] == [
        ["a", "0.6068"],
        ["b", "1.6068"],
    ]


def test_numbers_are_never_cut_as_long_as_a_column_can_go() -> None:
    columns = (Column("name", least=15), Column("a", 1, right=True), Column("b", 2, right=True))
    row = ("x" * 30, "12345678", "12345678")
    assert fit_columns(columns, [row], 35) == {0: 15, 1: 8, 2: 8}
    assert fit_columns(columns, [row], 30) == {0: 20, 1: 8}
