"""The machine panel: an approved text for each machine, histories, what is stale, what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import GpuUser, HardwareSample, HardwareUse, Outcome, RunSnapshot
from tests import builders as b
from tests import machines as m
from tests.goldens import approve
from tests.hostile import HOSTILE
from tui.kit import glyphs
from tui.kit.chart import PAST_BINS, blocks
from tui.kit.paint import Row, plain, row_width
from tui.panels.machine import (
    Gauge,
    GaugeBoard,
    gauge_board,
    gauge_row,
    pace_history,
    section_rows,
)
from tui.words.machine import use_sentences, user_words, users_line

GOLDENS = Path(__file__).parent / "goldens"
MACHINES = {
    "nvidia": m.one_card(),
    "two-cards": m.two_cards(),
    "mac-pressed": m.mac(2),
    "amd": m.amd(),
    "no-gpu": m.no_gpu(),
    "full-disk": m.filling_disk(),
    "silent-driver": m.silent_driver(),
    "silent-host": m.on(m.sample(m.rtx(), ages_s={"host": 30.0, "nvidia": 0.4})),
    "older-journal": b.snapshot(),
    "nothing-measured": b.snapshot(
        hardware=(HardwareSample(b.NOW, reasons={"host": "no psutil"}),)
    ),
}


def board(shown: RunSnapshot, now: float = b.NOW) -> GaugeBoard:
    return gauge_board(shown, now, details=True)


def rows(shown: RunSnapshot, width: int) -> list[Row]:
    found = board(shown)
    return [gauge_row(one, width, found.stale) for one in found.rows]


def row(shown: RunSnapshot, label: str) -> Gauge:
    return next(one for one in board(shown).rows if one.label == label)


@pytest.mark.parametrize("name", MACHINES)
def test_the_panel_is_as_approved(name: str, pytestconfig: pytest.Config) -> None:
    shown = MACHINES[name]
    found = board(shown)
    text = [f"{found.title} | {found.span} | {found.age}"]
    for width in (36, 58, 118):
        text += ["", f"{width} columns", *(plain(one).rstrip() for one in rows(shown, width))]
    text += ["", "zoomed", *(plain(one).rstrip() for one in section_rows(found.sections, 100))]
    approve(GOLDENS / f"machine-{name}.txt", "\n".join(text).rstrip() + "\n", pytestconfig)


@pytest.mark.parametrize("name", MACHINES)
def test_every_row_fits_at_every_width(name: str) -> None:
    sections = board(MACHINES[name]).sections
    for width in (20, 24, 30, 38, 43, 44, 54, 80, 120, 200):
        for made in (*rows(MACHINES[name], width), *section_rows(sections, width)):
            assert row_width(made) <= width, width


@pytest.mark.parametrize("width", [36, 58, 118])
def test_blocks_have_the_same_place_in_every_row(width: int) -> None:
    places = set()
    for shown in MACHINES.values():
        for made in rows(shown, width):
            cells = [x for x, one in enumerate(plain(made)) if one in glyphs.SPARKS]
            places |= {cells[-1]} if cells else set()
    assert len(places) == 1


# --------------------------------------------------------------------------- the last five minutes


def test_blocks_are_as_high_as_their_share_and_end_now() -> None:
    assert plain(blocks([0.0, 0.5, 1.0], 38))[-3:] == "▁▅█"
    assert plain(blocks([None, 0.5], 38))[-2:] == " ▅"
    assert plain(blocks([0.2, 0.6, 1.0, 1.0], 19))[-2:] == "▄█", "two readings a cell: their mean"
    assert [row_width(blocks([0.5] * 90, width)) for width in (0, 1, 7, 60)] == [0, 1, 7, 60]


def test_a_history_changes_once_a_bin() -> None:
    before = gauge_board(b.snapshot(hardware=b.hardware()[:-1]), b.NOW).rows[0].past
    after = gauge_board(b.snapshot(), b.NOW).rows[0].past
    assert before in (after, after[:-1])


def test_small_changes_paint_nothing() -> None:
    after = m.sample(
        m.rtx(power_w=324.0, temperature_c=74.3, clock_mhz=2535.0, percent=94.2),
        cpu_percent=31.3,
        tree_cpu_percent=141.0,
    )
    assert rows(m.on(m.sample(m.rtx())), 42) == rows(m.on(after), 42)


def paced(seconds: list[float], created_ago: float | None = None) -> RunSnapshot:
    """Steps of so many seconds each, the last one just now."""
    at, buckets = 0.0, []
    for bucket, each in zip(b.series(b.losses(len(seconds))).buckets, seconds, strict=True):
        at += each
        buckets.append(replace(bucket, elapsed_s=at))
    shown = b.snapshot(len(seconds), spec=b.spec(created_at=b.NOW - (created_ago or at)))
    return replace(shown, loss=replace(shown.loss, buckets=tuple(buckets)))


def test_a_steady_pace_is_a_level_row_at_half_the_height() -> None:
    past = pace_history(paced([3.0] * 200), 3.0, b.NOW)
    assert len(past) == PAST_BINS
    assert {glyphs.SPARKS[int((value or 0) * 8)] for value in past} == {"▅"}


def test_slower_steps_stand_higher_and_a_break_is_a_gap() -> None:
    past = pace_history(paced([2.0] * 100 + [3.9] * 20), 2.0, b.NOW)
    assert past[-2] == 1.0 and (past[0] or 0) < 0.6
    resumed = pace_history(paced([2.0] * 100 + [100.0] + [2.0] * 20), 2.0, b.NOW)
    assert None in resumed and resumed[-2] is not None


def test_a_run_that_hangs_shows_no_steps_up_to_now() -> None:
    shown = paced([2.0] * 100)
    assert pace_history(shown, 2.0, b.NOW)[-1] is not None
    later = pace_history(shown, 2.0, b.NOW + 60)
    assert later[-4:] == () or set(later[-4:]) == {None} or len(later) < PAST_BINS
    assert pace_history(shown, 2.0, b.NOW + 4) == pace_history(shown, 2.0, b.NOW)


def test_folded_steps_have_the_same_pace() -> None:
    values = b.losses(400)
    for fold in (1, 8):
        shown = b.snapshot(
            400, loss=b.series(values, fold=fold), spec=b.spec(created_at=b.NOW - 1240)
        )
        known = {round(value or 0, 2) for value in pace_history(shown, 3.1, b.NOW)}
        assert known == {0.56}


def test_without_times_there_is_no_pace() -> None:
    assert pace_history(b.snapshot(loss=b.series(b.losses(50), per_step_s=None)), 3.1, b.NOW) == ()
    empty = b.snapshot(0, loss=b.series([]), status_changes={"seconds_per_step": None})
    assert "pace" not in [one.label for one in board(empty).rows]


# --------------------------------------------------------------------------- whose card, which words


def test_no_reading_is_said() -> None:
    assert gauge_board(None, b.NOW).age == "no reading yet"
    assert gauge_board(b.snapshot(hardware=()), b.NOW).age == "no reading yet"
    assert (
        gauge_board(replace(b.ended(Outcome.SUCCEEDED), hardware=()), b.NOW).age == "none recorded"
    )


def test_the_runs_own_card_comes_first_also_while_its_processes_are_not_listed() -> None:
    shown = m.two_cards()
    assert shown.status is not None and shown.status.sample is not None
    newest = shown.status.sample
    blind = tuple(replace(gpu, memory_run_bytes=None, users=()) for gpu in newest.gpus)
    hidden = replace(shown, status=replace(shown.status, sample=replace(newest, gpus=blind)))
    for one in (shown, hidden):
        assert board(one).rows[0].label == "GPU 1"


def test_the_trainers_own_number_decides_where_no_processes_are_listed() -> None:
    two = m.sample(m.second(), m.rtx(index=1, memory_run_bytes=None, users=()))
    assert board(m.on(two, device="cuda:1")).rows[0].label == "GPU 1"
    assert board(m.on(two, device="cuda:0")).rows[0].label == "GPU 0"


def test_a_second_card_that_the_run_uses_says_so() -> None:
    both = m.sample(m.rtx(), m.second(memory_run_bytes=m.GB, index=1))
    assert row(m.on(both), "GPU 1").note == "ours, 2.1 of 12 GB"


def test_a_cards_power_limit_is_nothing_special_and_heat_is() -> None:
    def slowed(shown: RunSnapshot) -> str:
        return next(one.role for one in board(shown).rows if "slowed" in one.note)

    assert slowed(m.two_cards()) == "warn"
    assert slowed(m.on(m.sample(m.rtx(throttle=("power limit",))))) == "dim"


def test_a_card_in_trouble_says_so_first() -> None:
    lost = m.on(m.sample(m.rtx(percent=None, memory_used_bytes=None, problem="GPU is lost")))
    first = board(lost).rows[0]
    assert (first.note, first.role) == ("GPU is lost", "bad")


def test_a_card_that_is_almost_full_is_marked() -> None:
    full = row(m.on(m.sample(m.rtx(memory_used_bytes=int(23.6 * m.GB)))), "VRAM")
    assert full.role == "warn" and full.note.startswith("0.4 GB left")
    assert row(m.one_card(), "VRAM").role == "text"


def test_an_instance_of_a_card_has_memory_and_a_reason_for_the_rest() -> None:
    mig = m.rtx(percent=None, reasons={"percent": "MIG has no utilisation"})
    shown = m.on(m.sample(mig), lambda i: 0.0)
    assert row(shown, "GPU").note == "not measured: MIG has no utilisation"
    assert row(shown, "VRAM").value == "12.6 GB"


def test_a_training_on_a_gpu_without_readings_is_not_called_one_on_the_cpu() -> None:
    assert row(m.on(m.sample(), device="cuda"), "GPU").note == "not measured: no NVIDIA driver here"
    assert row(m.on(m.sample(), device=None), "GPU").note == "No GPU: will train on the CPU"


@pytest.mark.parametrize(
    ("level", "word", "role"),
    [(1, "", "text"), (2, "high", "warn"), (4, "critical", "bad"), (5, "critical", "bad")],
)
def test_memory_pressure_has_one_word(level: int, word: str, role: str) -> None:
    memory = row(m.mac(level, hardware=HardwareUse()), "mem")
    assert memory.role == role and memory.note.startswith(
        f"pressure {word}" if word else "of 16 GB"
    )


def test_a_card_of_its_own_in_a_mac_has_its_memory_gauge() -> None:
    card = m.apple(name="AMD Radeon Pro 5500M", memory_total_bytes=8 * m.GB)
    assert row(m.on(m.sample(card, pressure=1)), "VRAM").note == "0.1 GB left, of 8 GB"


# --------------------------------------------------------------------------- ages


def test_old_samples_are_stale_only_while_it_runs() -> None:
    live = gauge_board(b.snapshot(), b.NOW + 60)
    assert live.stale and live.age == "1 min ago"
    over = gauge_board(b.ended(Outcome.SUCCEEDED), b.NOW + 6000)
    assert not over.stale and over.age == "at the end"
    assert not any(one.stale for one in over.rows)


def test_a_source_that_does_not_answer_greys_its_own_values_alone() -> None:
    for name, silent in (
        ("silent-driver", {"GPU", "VRAM", ""}),
        ("silent-host", {"mem", "CPU", "disk"}),
    ):
        assert {one.label for one in board(MACHINES[name]).rows if one.stale} == silent
    assert board(m.silent_driver()).silent and not board(m.silent_driver()).stale


# --------------------------------------------------------------------------- other users


def test_another_training_is_reported_where_there_is_no_gpu_as_well() -> None:
    busy = m.on(m.sample(), gpu_users=(GpuUser(12, "another training", since_at=b.NOW - 130),))
    assert row(busy, "others").note == "another training, for 2 min"
    comfy = m.on(m.sample(), gpu_users=(m.COMFY,))
    assert "others" not in [one.label for one in board(comfy).rows], "it holds only a GPU's memory"


def test_other_users_in_words() -> None:
    more = (m.COMFY, GpuUser(1, "Blender", m.GB), GpuUser(2, "Ollama", m.GB))
    assert users_line(more, b.NOW) == "ComfyUI 6.1 GB, and 2 others, 40 %, for 2 h"
    assert user_words(GpuUser(12), b.NOW) == "process 12"
    outside = GpuUser(None, "", 3 * m.GB, outside=True)
    assert user_words(outside, b.NOW) == "a process outside this container 3.0 GB"
    young = GpuUser(12, "Blender", None, 0.2, since_at=b.NOW - 20)
    assert user_words(young, b.NOW) == "Blender"


def test_users_that_no_device_lists_have_a_section_of_their_own() -> None:
    titles = [one.title for one in board(m.on(m.sample(m.rtx()), gpu_users=(m.COMFY,))).sections]
    assert "Also running" in titles
    assert "Also running" not in [one.title for one in board(m.two_cards()).sections]


def test_the_use_of_the_gpu_in_a_sentence() -> None:
    assert use_sentences(HardwareUse()) == ()
    young = HardwareUse(training_s=2.0, gpu_util_max=40.0, gpu_util_mean=3.0)
    assert use_sentences(young) == ("GPU busy at most 40 %.",)


def test_details_cost_nothing_where_they_are_not_shown() -> None:
    assert gauge_board(m.one_card(), b.NOW).sections == ()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_words_are_clean(text: str) -> None:
    user = GpuUser(1, text, m.GB, 3.0)
    reasons = {"percent": text, text: text}
    hostile = {
        "name": text,
        "source": text,
        "throttle": (text,),
        "users": (user,),
        "reasons": reasons,
    }
    for gpu in (
        m.rtx(problem=text, **hostile),
        m.rtx(percent=None, memory_used_bytes=None, **hostile),
    ):
        disk = replace(m.DISKS[0], what=text, path=text, free_bytes=1)
        shown = m.on(m.sample(gpu, reasons={text: text}, disks=(disk,)), gpu_users=(user,))
        found = board(shown)
        words = [found.age, found.title]
        for made in (*rows(shown, 58), *section_rows(found.sections, 80)):
            words.append(plain(made))
        assert all(word.isprintable() for word in words)
