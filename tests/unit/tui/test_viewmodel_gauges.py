"""The panel of the hardware in words: devices, memory, users, ages, and why a value is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.model import GpuUser, HardwareSample, HardwareUse, Outcome, RunSnapshot
from tests import builders as b
from tests import machines as m
from tests.hostile import HOSTILE
from tui.panels.machine import gauge_board
from tui.words.machine import Gauge, GaugeBoard, Line, use_sentences, user_words, users_line


def board(shown: RunSnapshot, now: float = b.NOW) -> GaugeBoard:
    return gauge_board(shown, now, details=True)


def row(shown: RunSnapshot, label: str) -> Gauge:
    return next(gauge for gauge in board(shown).gauges if gauge.label == label)


def lines(shown: RunSnapshot) -> list[str]:
    return [one.text for one in board(shown).rows if isinstance(one, Line)]


def facts(shown: RunSnapshot, title: str) -> dict[str, str]:
    found = next(one for one in board(shown).sections if one.title.startswith(title))
    return {fact.label: fact.text for fact in found.facts}


# --------------------------------------------------------------------------- older journals


def test_a_journal_without_devices_shows_its_plain_numbers() -> None:
    shown = board(b.snapshot())
    by_label = {gauge.label: gauge for gauge in shown.gauges}
    assert list(by_label) == ["GPU", "GPU mem", "CPU", "trainer", "memory", "swap", "disk"]
    assert by_label["memory"].note == "of 16 GB"
    assert by_label["swap"].fraction == pytest.approx(600 / 2048)
    assert by_label["trainer"].note == "1.4 cores, 3 processes"
    assert by_label["disk"].fraction is None and by_label["disk"].value == "61.0 GB"
    assert shown.history == "3 min"
    history = by_label["GPU"].history
    assert len(history) == 29 and all(0.88 <= (value or 0) <= 0.96 for value in history)


def test_a_history_changes_once_a_bin() -> None:
    before = gauge_board(b.snapshot(hardware=b.hardware()[:-1]), b.NOW).gauges[0].history
    after = gauge_board(b.snapshot(), b.NOW).gauges[0].history
    assert before in (after, after[:-1])


def test_no_sample_is_said() -> None:
    assert gauge_board(b.snapshot(hardware=()), b.NOW).age == "no sample yet"
    over = replace(b.ended(Outcome.SUCCEEDED), hardware=())
    assert gauge_board(over, b.NOW).age == "none recorded"


# --------------------------------------------------------------------------- NVIDIA


def test_a_card_shows_load_memory_and_its_own_state() -> None:
    shown = m.one_card()
    gpu, memory = row(shown, "GPU"), row(shown, "GPU mem")
    assert (gpu.value, gpu.note) == ("94 %", "peak 99")
    assert (memory.value, memory.note) == ("12.6 GB", "of 24 GB")
    assert "11.4 left, peak 19.3, ours 12.0, others 0.6" in lines(shown)
    assert "74 °C, 320 of 450 W, 2.5 GHz" in lines(shown)
    assert len(gpu.history) > 50 and len(memory.history) > 50
    assert board(shown).age == "nvml, now"


def test_memory_of_others_stands_beside_this_runs() -> None:
    memory = row(m.two_cards(), "GPU mem")
    assert memory.fraction == pytest.approx(0.5, abs=0.01)
    assert memory.beside == pytest.approx(6.6 / 24, abs=0.01)
    alone = row(m.amd(), "GPU mem")
    assert alone.beside == 0 and alone.fraction == pytest.approx(14.2 / 24, abs=0.01)


def test_the_runs_own_card_comes_first_and_the_other_has_one_row() -> None:
    shown = m.two_cards()
    labels = [gauge.label for gauge in board(shown).gauges]
    assert labels[:3] == ["GPU 1", "GPU mem", "GPU 0"]
    other = row(shown, "GPU 0")
    assert (other.value, other.note) == ("3 %", "2.1/12 GB")


def test_the_runs_own_card_stays_its_own_while_its_processes_are_not_listed() -> None:
    shown = m.two_cards()
    assert shown.status is not None and shown.status.sample is not None
    newest = shown.status.sample
    blind = tuple(replace(gpu, memory_run_bytes=None, users=()) for gpu in newest.gpus)
    status = replace(shown.status, sample=replace(newest, gpus=blind))
    assert board(replace(shown, status=status)).gauges[0].label == "GPU 1"


def test_the_trainers_own_number_decides_where_nobody_lists_processes() -> None:
    two = m.sample(m.second(), m.rtx(index=1, memory_run_bytes=None, users=()))
    assert board(m.on(two, device="cuda:1")).gauges[0].label == "GPU 1"
    assert board(m.on(two, device="cuda:0")).gauges[0].label == "GPU 0"


def test_throttling_is_told_and_its_power_limit_is_nothing_special() -> None:
    hot = [one for one in board(m.two_cards()).rows if isinstance(one, Line)]
    assert next(one for one in hot if "slowed" in one.text).role == "warn"
    capped = m.on(m.sample(m.rtx(throttle=("power limit",))))
    mild = [one for one in board(capped).rows if isinstance(one, Line)]
    assert next(one for one in mild if "slowed" in one.text).role == "dim"


def test_a_card_in_trouble_says_so_first() -> None:
    lost = m.on(m.sample(m.rtx(percent=None, memory_used_bytes=None, problem="GPU is lost")))
    first = board(lost).rows[0]
    assert isinstance(first, Line) and first.text == "GPU is lost" and first.role == "bad"


def test_a_card_near_its_end_is_marked() -> None:
    full = m.on(m.sample(m.rtx(memory_used_bytes=int(23.6 * m.GB))))
    assert row(full, "GPU mem").role == "warn"
    assert row(m.one_card(), "GPU mem").role == "text"


def test_an_instance_of_a_card_has_memory_and_a_reason_for_the_rest() -> None:
    mig = m.rtx(percent=None, reasons={"percent": "MIG tells no utilisation"})
    shown = m.on(m.sample(mig), lambda i: 0.0)
    gpu = row(shown, "GPU")
    assert not gpu.known and gpu.note == "MIG tells no utilisation"
    assert row(shown, "GPU mem").value == "12.6 GB"
    assert facts(shown, "GPU")["load"] == "not measured: MIG tells no utilisation"


# --------------------------------------------------------------------------- Apple, none


def test_apples_load_is_a_mean_and_says_so() -> None:
    shown = m.mac()
    gpu = row(shown, "GPU")
    assert gpu.note.startswith("20 s mean") and 0.7 <= (gpu.fraction or 0) <= 0.9
    assert "GPU mem" not in [gauge.label for gauge in board(shown).gauges]
    assert "pressure normal, 4.8 left, GPU holds 7.9" in lines(shown)
    assert row(shown, "trainer").value == "9.4 GB"


@pytest.mark.parametrize(
    ("level", "word", "role"),
    [(1, "normal", "dim"), (2, "high", "warn"), (4, "critical", "bad"), (5, "critical", "bad")],
)
def test_apples_pressure_in_words(level: int, word: str, role: str) -> None:
    found = [one for one in board(m.mac(level)).rows if isinstance(one, Line)]
    line = next(one for one in found if one.text.startswith("pressure"))
    assert line.text.startswith(f"pressure {word}") and line.role == role


def test_swap_that_grew_during_the_run_is_told() -> None:
    pressed, calm = row(m.mac(2), "swap"), row(m.mac(1), "swap")
    assert pressed.note == "+2.8 GB, of 4 GB" and pressed.role == "warn"
    assert calm.note == "of 4 GB" and calm.role == "text"


def test_without_a_gpu_it_is_said_plainly() -> None:
    shown = m.no_gpu()
    gpu = row(shown, "GPU")
    assert (gpu.value, gpu.note) == ("No GPU", "trains on the CPU")
    assert row(shown, "CPU").note == "16 cores"
    assert row(shown, "trainer").note == "7.2 cores, 6 processes"
    assert facts(shown, "Not measured")["nvidia"] == "no NVIDIA driver here"


def test_a_training_on_a_gpu_that_nobody_reads_is_not_called_one_on_the_cpu() -> None:
    gpu = row(m.on(m.sample(), device="cuda"), "GPU")
    assert (gpu.value, gpu.note) == ("not measured", "no NVIDIA driver here")


# --------------------------------------------------------------------------- ages


def test_old_samples_are_stale_only_while_it_runs() -> None:
    live = gauge_board(b.snapshot(), b.NOW + 60)
    assert live.stale and live.age == "1 min ago"
    over = gauge_board(b.ended(Outcome.SUCCEEDED), b.NOW + 6000)
    assert not over.stale and over.age == "at the end of the run"
    assert not any(gauge.stale for gauge in over.gauges)


def test_a_source_that_does_not_answer_greys_its_own_values_alone() -> None:
    shown = board(m.silent_driver())
    stale = {gauge.label: gauge.stale for gauge in shown.gauges}
    assert stale["GPU"] and stale["GPU mem"] and not stale["CPU"] and not stale["disk"]
    assert "no answer for 40 s" in lines(m.silent_driver()) and not shown.stale
    assert shown.silent and shown.age == "nvml, 40 s ago"
    device = next(one for one in shown.sections if one.title.startswith("GPU"))
    assert device.stale and device.note == "nvml, no answer for 40 s"


def test_a_disk_that_hangs_greys_the_machines_values() -> None:
    shown = board(m.on(m.sample(m.rtx(), ages_s={"host": 30.0, "nvidia": 0.4})))
    stale = {gauge.label: gauge.stale for gauge in shown.gauges}
    assert stale["CPU"] and stale["memory"] and not stale["GPU"]


# --------------------------------------------------------------------------- other users


def test_another_user_of_the_gpu_has_a_line() -> None:
    assert "ComfyUI 6.1 GB, 40 %, for 2 h" in lines(m.two_cards())
    assert not any("ComfyUI" in text for text in lines(m.one_card()))


def test_another_training_is_told_where_there_is_no_gpu_as_well() -> None:
    busy = m.on(m.sample(), gpu_users=(GpuUser(12, "another training", since_at=b.NOW - 130),))
    assert "another training, for 2 min" in lines(busy)


def test_several_users_are_counted() -> None:
    more = (m.COMFY, GpuUser(1, "Blender", m.GB), GpuUser(2, "Ollama", m.GB))
    assert users_line(more, b.NOW) == "ComfyUI 6.1 GB, and 2 others, 40 %, for 2 h"


def test_a_user_of_whom_little_is_known_is_told_all_the_same() -> None:
    assert user_words(GpuUser(12), b.NOW) == "process 12"
    outside = GpuUser(None, "", 3 * m.GB, outside=True)
    assert user_words(outside, b.NOW) == "a process outside this container 3.0 GB"
    young = GpuUser(12, "Blender", None, 0.2, since_at=b.NOW - 20)
    assert user_words(young, b.NOW) == "Blender"


# --------------------------------------------------------------------------- everything, zoomed


def test_the_zoomed_panel_tells_everything() -> None:
    shown = m.two_cards()
    own = facts(shown, "GPU 1")
    assert own["memory"] == "18.6 GB of 24 GB, 5.4 GB left"
    assert "fan 54 %" in own["card"] and "memory 10501 MHz" in own["card"]
    assert own["other"] == "ComfyUI 6.1 GB (process 4242), 40 %, for 2 h"
    assert "train_network.py 12.0 GB (process 4711)" in own["ours"]
    assert facts(shown, "GPU 0")["load"] == "3 %"
    assert "load 5.2" in facts(shown, "CPU")["in use"]
    assert "saves to come need" in facts(shown, "Disks")["output"]


def test_users_that_no_device_lists_have_a_place_of_their_own() -> None:
    shown = m.on(m.sample(m.rtx()), gpu_users=(m.COMFY,))
    assert "ComfyUI" in facts(shown, "Others at work")["other"]
    titles = [one.title for one in board(m.two_cards()).sections]
    assert "Others at work" not in titles


def test_a_machine_without_swap_says_none() -> None:
    bare = m.on(m.sample(m.rtx(), swap_used_bytes=0, swap_total_bytes=0))
    assert row(bare, "swap").value == "none" and facts(bare, "Memory")["swap"] == "none"


def test_a_card_of_its_own_in_a_mac_has_its_memory_gauge() -> None:
    card = m.apple(name="AMD Radeon Pro 5500M", memory_total_bytes=8 * m.GB)
    shown = m.on(m.sample(card, pressure=1))
    assert row(shown, "GPU mem").note == "of 8 GB" and row(shown, "GPU").note.startswith(
        "20 s mean"
    )


def test_the_use_of_the_gpu_in_a_sentence() -> None:
    assert use_sentences(m.USE)[0] == (
        "GPU busy 87 % on average while training, at most 99 %, idle for 12 s."
    )
    assert use_sentences(HardwareUse()) == ()
    young = HardwareUse(training_s=2.0, gpu_util_max=40.0, gpu_util_mean=3.0)
    assert use_sentences(young) == ("GPU busy at most 40 %.",)


def test_details_cost_nothing_where_nobody_sees_them() -> None:
    assert gauge_board(m.one_card(), b.NOW).sections == ()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_words_are_clean(text: str) -> None:
    user = GpuUser(1, text, m.GB, 3.0)
    reasons = {"percent": text, text: text}
    for gpu in (
        m.rtx(
            name=text, source=text, problem=text, throttle=(text,), users=(user,), reasons=reasons
        ),
        m.rtx(percent=None, memory_used_bytes=None, reasons=reasons),
    ):
        disk = replace(m.DISKS[0], what=text, path=text, free_bytes=1)
        shown = m.on(m.sample(gpu, reasons={text: text}, disks=(disk,)), gpu_users=(user,))
        found = board(shown)
        words = [found.age]
        for one in found.rows:
            words += [one.label, one.text] if isinstance(one, Line) else [one.label, one.note]
        for section in found.sections:
            words += [section.title, section.note]
            words += [part for fact in section.facts for part in (fact.label, fact.text)]
        assert all(word.isprintable() for word in words)


def test_an_empty_sample_says_what_is_missing() -> None:
    shown = b.snapshot(hardware=(HardwareSample(b.NOW, reasons={"host": "psutil failed"}),))
    gauges = board(shown).gauges
    assert all(not gauge.known for gauge in gauges)
    assert row(shown, "CPU").note == "psutil failed"
