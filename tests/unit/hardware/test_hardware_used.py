"""Was the machine used? Sums over the time of training, warnings, history, and a board that never waits."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import msgspec
import pytest

from runner.hardware.board import Board
from runner.hardware.samples import Cadence, line_of, own_gpu, with_own_gpu
from runner.hardware.source import Asked, Reading
from runner.hardware.used import UseMeter
from runner.hardware.watch import About, HardwareWatch
from runner.model import AlarmKind, GpuSample, GpuUser, HardwareSample

GB = 1 << 30
CARD = GpuSample(
    "GPU-1", "nvml", "RTX 4090", 0, 90.0, 20 * GB, 24 * GB, 18 * GB, 2 * GB, 64.0, 300.0, 450.0
)
SAMPLE = HardwareSample(
    0.0, 50.0, 8 * GB, 16 * GB, 0, 4 * GB, 120.0, 2 * GB, 3, 100 * GB, 90.0, 20 * GB, 24 * GB,
    gpus=(CARD,), cpu_count=4,
)  # fmt: skip
TRAINING = About("cuda", None, True)


def at(seconds: float, **changes: object) -> HardwareSample:
    return replace(SAMPLE, at=seconds, **changes)  # type: ignore[arg-type]


def busy(seconds: float, percent: float, **card: object) -> HardwareSample:
    gpu = replace(CARD, percent=percent, **card)  # type: ignore[arg-type]
    return at(seconds, gpus=(gpu,), gpu_percent=percent)


# --------------------------------------------------------------------------- sums


def test_means_and_idleness_count_only_the_time_of_training() -> None:
    meter = UseMeter()
    for n in range(5):  # loading: the GPU rests, and that is no idleness of the training
        meter.add(busy(2.0 * n, 0.0), training=False, device="cuda")
    for n in range(5, 15):
        meter.add(busy(2.0 * n, 80.0), training=True, device="cuda")
    for n in range(15, 20):
        meter.add(busy(2.0 * n, 0.0), training=True, device="cuda")
    use = meter.use
    assert use.gpu_util_max == 80.0
    assert use.training_s == use.gpu_training_s == 30.0
    assert use.gpu_util_mean == pytest.approx(80.0 * 20 / 30)
    assert use.gpu_idle_s == 10.0


def test_sums_go_on_over_a_restart_and_an_unwatched_gap_counts_nothing() -> None:
    first = UseMeter()
    for n in range(6):
        first.add(busy(2.0 * n, 50.0), training=True, device="cuda")
    second = UseMeter(first.use)
    for n in range(6):
        second.add(busy(1000 + 2.0 * n, 100.0), training=True, device="cuda")
    assert second.use.training_s == 20.0
    assert second.use.gpu_util_mean == 75.0


def test_energy_by_the_cards_counter_else_by_power_and_time() -> None:
    meter = UseMeter()
    for n in range(3):
        meter.add(busy(2.0 * n, 90.0, energy_j=1000.0 + 3600 * n), training=True, device="cuda")
    assert meter.use.energy_wh == 2.0
    meter = UseMeter()
    for n in range(3):
        meter.add(busy(2.0 * n, 90.0, power_w=1800.0), training=True, device="cuda")
    assert meter.use.energy_wh == pytest.approx(2.0)


def test_a_power_cap_is_normal_and_heat_is_not() -> None:
    for words, seconds in ((("power cap",), 0.0), (("power cap", "thermal"), 4.0)):
        meter = UseMeter()
        for n in range(3):
            meter.add(busy(2.0 * n, 90.0, throttle=words), training=True, device="cuda")
        assert meter.use.throttled_s == seconds


def test_a_run_on_the_cpu_has_used_no_gpu_whatever_others_do() -> None:
    meter = UseMeter()
    for n in range(3):
        meter.add(busy(2.0 * n, 90.0), training=True, device="cpu")
    assert meter.use.gpu_util_max is None
    assert meter.use.tree_cpu_mean == 120.0


def test_memory_left_and_swap_growth() -> None:
    meter = UseMeter()
    for used, swap in ((8, 1), (15, 3), (9, 2)):
        meter.add(
            at(0.0, memory_used_bytes=used * GB, swap_used_bytes=swap * GB),
            training=True,
            device=None,
        )
    assert meter.use.memory_low_bytes == GB
    assert meter.use.swap_grown_bytes == 2 * GB


# --------------------------------------------------------------------------- whose card


def test_the_runs_card_is_the_one_that_holds_its_memory() -> None:
    other = replace(CARD, key="GPU-0", memory_run_bytes=None, percent=99.0, index=1)
    assert own_gpu((other, CARD), "cuda") is CARD
    unknown = replace(CARD, memory_run_bytes=None)
    assert own_gpu((unknown, other), "cuda:1") is other
    assert own_gpu((unknown, other), "cuda") is other  # the busiest
    ours = replace(unknown, users=(GpuUser(7, ours=True),))
    assert own_gpu((other, ours), None) is ours
    assert own_gpu((), "cuda") is None


def test_a_steady_choice_is_where_the_memory_was_lately_and_never_the_busiest() -> None:
    quiet = replace(CARD, memory_run_bytes=None, percent=0.0)
    other = replace(quiet, key="GPU-0", percent=99.0, index=1)
    in_journal = replace(CARD, key=CARD.key[-8:])
    assert own_gpu((other, quiet), None, [(other, quiet), (other, in_journal)]) is quiet
    assert own_gpu((quiet, other), None, steady=True) is quiet
    assert own_gpu((quiet, other), "cuda:1", steady=True) is other
    assert own_gpu((quiet, other), None) is other


def test_without_a_gpu_the_reason_is_plain() -> None:
    found = with_own_gpu(HardwareSample(0.0), None)
    assert found.gpu_percent is None and found.reasons["gpu"] == "no GPU found"


# --------------------------------------------------------------------------- warnings


def watched(*samples: HardwareSample, about: About = TRAINING) -> dict[AlarmKind, str]:
    watch = HardwareWatch()
    for sample in samples:
        watch.add(sample, about)
    return dict(watch.findings(about))


def test_all_is_well() -> None:
    assert watched(*(busy(2.0 * n, 90.0) for n in range(40))) == {}


def test_an_idle_gpu_is_told_after_a_minute_and_spikes_are_no_idleness() -> None:
    idle = [busy(2.0 * n, 0.0) for n in range(40)]
    assert "has been idle" in watched(*idle)[AlarmKind.GPU_IDLE]
    assert AlarmKind.GPU_IDLE not in watched(*idle[:20])
    spiky = [busy(2.0 * n, 60.0 if n % 7 == 0 else 0.0) for n in range(40)]
    assert AlarmKind.GPU_IDLE not in watched(*spiky)
    loading = About("cuda", None, False)
    assert AlarmKind.GPU_IDLE not in watched(*idle, about=loading)
    blind = [at(2.0 * n, gpu_percent=None, gpus=(replace(CARD, percent=None),)) for n in range(40)]
    assert AlarmKind.GPU_IDLE not in watched(*blind)


def test_training_on_the_cpu_of_a_gpu_box_is_told_unless_it_was_asked_for() -> None:
    assert "RTX 4090" in watched(at(0.0), about=About("cpu", None, True))[AlarmKind.WRONG_DEVICE]
    assert AlarmKind.WRONG_DEVICE not in watched(at(0.0), about=About("cpu", "cpu", True))
    wrong = watched(at(0.0), about=About("cpu", "mps", True))[AlarmKind.WRONG_DEVICE]
    assert "[expect] device is mps" in wrong
    alone = replace(SAMPLE, gpus=())
    assert AlarmKind.WRONG_DEVICE not in watched(alone, about=About("cpu", None, True))


def test_memory_pressure_must_last_except_when_it_is_critical() -> None:
    pressed = [at(2.0 * n, pressure=2) for n in range(8)]
    assert "pressure is high" in watched(*pressed)[AlarmKind.MEMORY_LOW]
    assert AlarmKind.MEMORY_LOW not in watched(
        *(at(2.0 * n, pressure=1) for n in range(7)), pressed[7]
    )
    assert "critical" in watched(at(0.0, pressure=4))[AlarmKind.MEMORY_LOW]


def test_swap_that_grows_while_training_is_told_with_its_size() -> None:
    grown = [at(2.0 * n, swapped_out_bytes=n * GB // 4, pressure=1) for n in range(10)]
    assert "swap has grown by 2.2 GB" in watched(*grown)[AlarmKind.MEMORY_LOW]


def test_near_the_oom_killer() -> None:
    full = [
        at(2.0 * n, memory_used_bytes=16 * GB - GB // 4, swap_used_bytes=4 * GB) for n in range(8)
    ]
    assert "the kernel will kill the largest process" in watched(*full)[AlarmKind.MEMORY_LOW]
    roomy = [replace(s, swap_used_bytes=GB) for s in full]
    assert AlarmKind.MEMORY_LOW not in watched(*roomy)


def test_gpu_memory_near_its_end_names_who_else_holds_some() -> None:
    used = int(23.7 * GB)
    card = replace(CARD, memory_used_bytes=used)
    full = [at(2.0 * n, gpu_memory_used_bytes=used, gpus=(card,)) for n in range(8)]
    text = watched(*full)[AlarmKind.GPU_MEMORY_LOW]
    assert (
        "0.3 GB of memory left; other programs hold 2.0 GB" in text or "MB of memory left" in text
    )


def test_a_disk_on_which_the_next_save_does_not_fit() -> None:
    about = replace(TRAINING, next_save_bytes=200_000_000)
    low = at(0.0, disk_free_bytes=150_000_000)
    assert "the next save needs 200" in watched(low, about=about)[AlarmKind.DISK_LOW]
    assert AlarmKind.DISK_LOW not in watched(low)
    assert AlarmKind.DISK_LOW not in watched(at(0.0), about=about)


def test_a_card_in_trouble_and_one_that_was_restarted() -> None:
    lost = busy(0.0, 0.0, problem="the driver has lost the card")
    assert "lost the card" in watched(lost)[AlarmKind.GPU_TROUBLE]
    hung = [busy(2.0 * n, 50.0, recoveries=3 + (n > 4)) for n in range(8)]
    assert "restarted by its driver, 1 times" in watched(*hung)[AlarmKind.GPU_TROUBLE]


def test_the_best_minute_is_kept_to_compare_a_slow_one_with() -> None:
    watch = HardwareWatch()
    for n in range(20):
        watch.add(at(2.0 * n, cpu_percent=50.0), TRAINING)
    watch.mark_best()
    for n in range(20, 100):
        watch.add(at(2.0 * n, cpu_percent=100.0), TRAINING)
    assert {s.cpu_percent for s in watch.best} == {50.0}
    assert {s.cpu_percent for s in watch.now} == {100.0}


# --------------------------------------------------------------------------- history


def test_a_week_of_history_with_two_gpus_stays_below_100_mb() -> None:
    cadence, bytes_written = Cadence(), 0
    full = replace(
        SAMPLE, at=1_795_285_000.123, cpu_percent=51.23456, gpus=(CARD, replace(CARD, key="GPU-2")),
        reasons={"fan": "not supported by this card"}, ages_s={"host": 0.4}, pressure=1, load=1.2,
        swapped_out_bytes=123_456_789, footprint_bytes=5 * GB,
    )  # fmt: skip
    line = len(line_of(full)) + 1
    for second in range(0, 7 * 86_400, 2):
        bytes_written += line if cadence.due(float(second)) else 0
    assert bytes_written < 100_000_000


def test_a_lean_line_reads_back_as_a_sample() -> None:
    found = msgspec.json.decode(line_of(SAMPLE), type=HardwareSample)
    assert found.gpu_percent == 90.0 and found.gpus[0].memory_used_bytes == 20 * GB


# --------------------------------------------------------------------------- the board


def test_a_machine_that_cannot_be_read_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise OSError("no /proc here")

    monkeypatch.setattr("psutil.virtual_memory", failing)
    board = Board("/", [])
    board.start()
    deadline = time.monotonic() + 20
    while not board.answered and time.monotonic() < deadline:
        time.sleep(0.02)
    sample = board.sample()
    board.stop()
    assert sample is not None and sample.memory_total_bytes is None
    assert "no /proc here" in sample.reasons["host"] and "host" in sample.ages_s


class Hanging:
    """A driver that never comes back."""

    name, period_s = "hanging", 0.05

    def __init__(self) -> None:
        self.released = threading.Event()
        self.calls = 0

    def read(self, asked: Asked) -> Reading:
        self.calls += 1
        if self.calls > 1:
            self.released.wait(30)
        return Reading(gpus=(CARD,))

    def close(self) -> None: ...


class Broken:
    name, period_s = "broken", 0.05

    def read(self, asked: Asked) -> Reading:
        raise RuntimeError("no")

    def close(self) -> None: ...


class Absent:
    name, period_s = "absent", 0.05

    def __init__(self) -> None:
        self.calls = 0

    def read(self, asked: Asked) -> Reading:
        self.calls += 1
        return Reading(reason="no driver here", final=True)

    def close(self) -> None: ...


def test_a_driver_that_hangs_blocks_nothing_and_its_reading_grows_old() -> None:
    hanging, absent = Hanging(), Absent()
    board = Board({"output": "/"}, [hanging, Broken(), absent])
    board.start()
    deadline = time.monotonic() + 20
    while not (board.answered and hanging.calls > 1) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    began = time.monotonic()
    sample = board.sample()
    assert time.monotonic() - began < 1.0
    assert sample is not None and sample.gpu_percent == 90.0
    assert sample.ages_s["hanging"] >= 0.25
    assert sample.reasons["broken"] == "broken failed: RuntimeError: no"
    assert sample.reasons["absent"] == "no driver here"
    assert "absent" not in sample.ages_s and absent.calls == 1
    board.stop()
    hanging.released.set()
