"""Sample images in order, the cursor among them, and what is said of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.history.samples import Sample, SampleRhythm
from runner.trainers.sd_scripts.sample_prompts import PromptFile, SamplePrompt
from tests import builders as b
from tests.hostile import HOSTILE
from tui.images.store import Made, Wish
from tui.kit.paint import Span, plain, row_width
from tui.panels.sample_grid import draw_grid, tiles_of, wishes_of
from tui.panels.sample_image import word_rows
from tui.words.loss import loss_at
from tui.words.progress import progress_of
from tui.words.samples import Board, Place, SampleSheet, board_of, image_words, next_sample


def sample(step: int | None, prompt: int = 0, **changes: object) -> Sample:
    made = Sample(
        f"/out/sample/spyke_{step or 0:06d}_{prompt:02d}_20261121183011_7.png", step,
        1 if step else None, prompt, 7, 1, 320_000, b.NOW,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


PROMPTS = PromptFile(
    "/p.txt", (SamplePrompt("a fox", "blurry", 512, 768, 7, 25, 7.0), SamplePrompt("an owl"))
)


def board(*samples: Sample, prompts: PromptFile = PROMPTS) -> Board:
    found = samples or tuple(sample(s, p) for s in (100, 200, 300) for p in (0, 1))
    return board_of(SampleSheet(found, prompts))


def test_rows_are_prompts_and_columns_are_steps_in_order() -> None:
    made = board(sample(300), sample(100, 1), sample(None, epoch=9), sample(100))
    assert [m.words for m in made.moments] == ["step 100", "step 300", "epoch 9"]
    assert made.prompts == (0, 1)


def test_the_cursor_begins_at_the_newest_and_follows_it() -> None:
    first, more = board(), board(*(sample(s) for s in (100, 200, 300, 400)))
    place = Place()
    assert first.image_at(place) == sample(300)
    assert more.image_at(place) == sample(400)


def test_a_cursor_that_was_moved_stays_at_its_step() -> None:
    place = board().moved(Place(), columns=-1)
    more = board(*(sample(s) for s in (50, 100, 200, 300, 400)))
    assert more.image_at(place) == sample(200)
    assert more.column(more.moved(place, columns=99)) == 4
    assert more.moved(place, columns=99).moment is None
    assert more.column(more.moved(place, columns=-99)) == 0


def test_a_step_that_is_gone_gives_way_to_the_next() -> None:
    place = board().moved(Place(), columns=-1)
    assert board(sample(100), sample(300)).image_at(place) == sample(300)


def test_prompts_are_chosen_up_and_down_and_never_left() -> None:
    made = board()
    place = made.moved(Place(), rows=1)
    assert made.image_at(place) == sample(300, 1)
    assert made.row(made.moved(place, rows=5)) == 1
    assert made.row(made.moved(place, rows=-5)) == 0


def test_an_empty_board_has_no_cursor() -> None:
    made = board_of(SampleSheet())
    assert made.image_at(Place()) is None
    assert made.moved(Place(), 1, 1) == Place()
    assert made.around(Place()) == []


def test_neighbours_are_wished_for_the_likeliest_first() -> None:
    made = board()
    place = made.moved(Place(), columns=-1)
    assert made.around(place) == [
        sample(200), sample(300), sample(100), sample(200, 1),
    ]  # fmt: skip


def test_the_loss_is_the_smoothed_one_of_that_step() -> None:
    buckets = b.series(b.losses(100), fold=10).buckets
    assert loss_at(buckets, 1) == buckets[0].smooth
    assert loss_at(buckets, 15) == buckets[1].smooth
    assert loss_at(buckets, 101) is None
    assert loss_at((buckets[0], buckets[2]), 15) == buckets[0].smooth
    assert loss_at((), 5) is None


def test_words_of_one_image() -> None:
    buckets = b.series(b.losses(300)).buckets
    said = image_words(board(), Place(), buckets)
    assert said.place.startswith("step 300, epoch 1, loss 0.")
    assert said.facts[:5] == ("512x768", "320 kB", "seed 7", "25 sampling steps", "scale 7")
    assert (said.prompt, said.negative) == ("a fox", "blurry")
    assert said.name.endswith("_7.png")
    assert said.remarks == ()
    assert image_words(board(), Place(), buckets, (64, 64)).facts[0] == "64x64"


def test_words_of_what_a_person_must_know() -> None:
    changed = replace(PROMPTS, changed=True)
    gone = PromptFile("/p.txt", problem="p.txt is not there any more")
    old = sample(300, replaced=True)
    assert "changed" in image_words(board(prompts=changed), Place(), ()).remarks[0]
    assert image_words(board(prompts=gone), Place(), ()).remarks == (
        "P.txt is not there any more.",
    )
    assert "trained this step again" in image_words(board(old), Place(), ()).remarks[0]
    hole = board(sample(100), sample(200), sample(100, 1))
    assert "No image" in image_words(hole, Place(1), ()).remarks[0]
    assert image_words(board(sample(0)), Place(), ()).place == "step 0, before the first"
    assert "NaN" in image_words(board(), Place(), (), (64, 64), black=True).remarks[0]


def test_hostile_prompts_and_names_stay_in_their_rows() -> None:
    for text in HOSTILE:
        prompts = PromptFile(text, (SamplePrompt(text, text),), True)
        made = board(sample(100, path=f"/out/{text}.png"), sample(200), prompts=prompts)
        for place in (Place(), made.moved(Place(), columns=-1)):
            words = image_words(made, place, ())
            for width, height in ((36, 9), (8, 3), (1, 1), (100, 40)):
                rows = word_rows(words, "prompt 1 of 1", width, height)
                assert len(rows) <= height
                assert all(row_width(row) <= max(8, width) for row in rows)
                assert all("\x1b" not in plain(row) for row in rows)


def test_a_long_prompt_leaves_room_for_remarks_and_the_name() -> None:
    prompts = PromptFile("/p", (SamplePrompt("word " * 400),), changed=True)
    rows = word_rows(
        image_words(board(sample(100), prompts=prompts), Place(), ()), "prompt 1", 30, 14
    )
    text = "\n".join(map(plain, rows))
    assert len(rows) == 14
    assert "…" in text
    assert "changed" in text
    assert "_7.png" in text


# --------------------------------------------------------------------------- the grid


def taken(wish: Wish) -> Made:
    return Made(((Span("x" * wish.columns),),) * wish.rows, wish.columns, (8, 8))


@pytest.mark.parametrize("size", [(80, 21), (120, 36), (200, 56), (40, 7), (10, 3), (1, 1)])
@pytest.mark.parametrize("prompts", [1, 2, 7, 40])
def test_the_grid_fits_and_shows_the_cursor(size: tuple[int, int], prompts: int) -> None:
    many = board(*(sample(s, p) for s in range(100, 3000, 100) for p in range(prompts)))
    place = Place(prompts - 1, (0.0, 1500.0))
    for pictures in (True, False):
        tiles = tiles_of(many, place, size, (0, 0), pictures=pictures)
        rows = draw_grid(many, place, tiles, size[0], taken if pictures else None)
        assert tiles.left <= many.column(place) < tiles.left + tiles.across
        assert tiles.top <= many.row(place) < tiles.top + tiles.down
        if size[0] >= 40:
            assert len(rows) <= size[1]
            assert all(row_width(row) <= size[0] for row in rows)
            assert "1500" in plain(rows[0])


def test_the_grid_scrolls_only_as_far_as_it_must() -> None:
    many = board(*(sample(s) for s in range(100, 1100, 100)))
    kept = tiles_of(many, Place(0, (0.0, 500.0)), (80, 21), (4, 0), pictures=False)
    assert kept.left == 4
    assert tiles_of(many, Place(0, (0.0, 400.0)), (80, 21), (4, 0), pictures=False).left == 3


def test_without_pictures_the_grid_tells_sizes() -> None:
    tiles = tiles_of(board(), Place(), (80, 21), (0, 0), pictures=False)
    text = "\n".join(map(plain, draw_grid(board(), Place(), tiles, 80, None)))
    assert text.count("320 kB") == 6
    assert "a fox" in text


def test_tiles_wish_for_what_is_in_sight_before_what_may_come() -> None:
    many = board(*(sample(s) for s in range(100, 3000, 100)))
    tiles = tiles_of(many, Place(0, (0.0, 1500.0)), (80, 21), (0, 0), pictures=True)
    wishes = wishes_of(many, tiles)
    assert len(wishes) == tiles.across + 2
    assert {(w.columns, w.rows) for w in wishes} == {(tiles.width, tiles.height)}


def test_problems_and_pictures_that_are_to_come_have_their_tile() -> None:
    def take(wish: Wish) -> Made | None:
        return (
            Made(problem="The picture is damaged or not whole.") if "000100" in wish.path else None
        )

    tiles = tiles_of(board(), Place(), (80, 21), (0, 0), pictures=True)
    rows = draw_grid(board(), Place(), tiles, 80, take)
    assert "damaged" in "\n".join(map(plain, rows))
    assert all(row_width(row) <= 80 for row in rows)


# --------------------------------------------------------------------------- when the next ones come


@pytest.mark.parametrize(
    ("rhythm", "step", "words"),
    [
        (SampleRhythm(every_epochs=1), 412, "epoch 2, in 2 min"),
        (SampleRhythm(every_epochs=1), 460, "epoch 3, in 11 min"),
        (SampleRhythm(every_epochs=3, every_steps=10), 412, "epoch 3, in 14 min"),
        (SampleRhythm(every_epochs=3), 700, ""),
        (SampleRhythm(every_steps=300), 412, "step 600, in 9 min"),
        (SampleRhythm(every_steps=300, origin_step=230), 412, "step 530, in 6 min"),
        (SampleRhythm(every_steps=300), 910, ""),
        (SampleRhythm(every_epochs=1), 920, ""),
        (SampleRhythm(), 412, ""),
    ],
)
def test_the_next_sample_is_named_with_its_time(
    rhythm: SampleRhythm, step: int, words: str
) -> None:
    assert next_sample(rhythm, progress_of(b.snapshot(step))) == words
