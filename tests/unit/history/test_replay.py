"""Playing a recorded run back: what is known at which moment, and that nothing is written."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from runner.history.replay import ReplayReader
from runner.history.replay_console import ConsoleIndex, Mark
from runner.history.replay_events import EventIndex, retimed
from runner.history.replay_log import recording_of_log
from runner.history.replay_recording import Recording
from runner.history.replay_timeline import Stretch, Timeline
from runner.history.replay_transport import SPEEDS, Transport, fitting_speed
from runner.history.report import current_step
from runner.model import Alarm, AlarmKind, JournalEvent, Outcome, Phase, RunSnapshot, RunState
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from tests import DATA
from tests.hostile import HOSTILE
from tests.replays import AGAIN_AT, BEGAN_AT, Recorder, recorded
from tests.speed import cpu_ratio


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(run: RunDir, speed: float | None = None) -> tuple[ReplayReader, Clock]:
    """Read to its end, and standing at the start."""
    clock = Clock()
    reader = ReplayReader(run.path, speed, clock)
    while reader.read(0.05).read_fraction < 1:
        pass
    reader.transport.pause()
    reader.transport.seek(0.0)
    return reader, clock


def at(reader: ReplayReader, when: float) -> RunSnapshot:
    """At a recorded time of day."""
    assert reader._recording is not None
    reader.transport.seek_s(reader._recording.timeline.played_s(when))
    return reader.read(0.05)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return recorded(tmp_path)


# --------------------------------------------------------------------------- moments


def test_before_the_first_step_nothing_is_trained(run: RunDir) -> None:
    reader, _ = opened(run)
    snapshot = at(reader, BEGAN_AT + 5)
    assert snapshot.state is RunState.RUNNING and snapshot.outcome is None
    assert snapshot.status is not None and snapshot.status.phase is Phase.LOADING
    assert current_step(snapshot) == 0 and snapshot.loss.rows == 0
    assert snapshot.status.total_steps is None and not snapshot.status.checkpoints
    assert snapshot.supervisor_alive and snapshot.hardware == ()


def test_in_the_middle_everything_is_of_that_moment(run: RunDir) -> None:
    reader, _ = opened(run)
    # ten seconds, thirty steps, one save of two seconds
    snapshot = at(reader, BEGAN_AT + 42.5)
    status = snapshot.status
    assert status is not None and current_step(snapshot) == 30
    assert (status.total_steps, status.epoch, status.device) == (100, 1, "cuda")
    assert snapshot.loss.last_step == 30 and snapshot.loss.last == pytest.approx(1 / 30)
    assert status.seconds_per_step == pytest.approx(1.0, rel=0.1)
    assert status.eta_s == pytest.approx(70, rel=0.15)
    assert [c.step for c in status.checkpoints] == [20] and status.safe_step == 20
    assert snapshot.hardware[-1].cpu_percent == 30.0
    assert snapshot.read_at == pytest.approx(BEGAN_AT + 42.5)
    assert status.trained_s == pytest.approx(42.5)
    assert "steps: 30/100" in snapshot.console[-1]
    assert all(event.at <= snapshot.read_at for event in snapshot.events)


def test_a_file_is_unknown_while_it_is_written_and_until_it_is_looked_at(run: RunDir) -> None:
    reader, _ = opened(run)
    saving = at(reader, BEGAN_AT + 31.0).status
    assert saving is not None and saving.phase is Phase.SAVING and saving.saving_since is not None
    assert [(c.complete, c.state_path) for c in saving.checkpoints] == [(None, None)]
    later = at(reader, BEGAN_AT + 32.5).status
    assert later is not None and later.checkpoints[0].state_path is not None
    assert later.checkpoints[0].complete is None and later.safe_step == 0
    known = at(reader, BEGAN_AT + 33.5).status
    assert known is not None and known.checkpoints[0].complete and known.safe_step == 20


def test_hours_between_attempts_are_cut_to_seconds_and_told(run: RunDir) -> None:
    reader, _ = opened(run)
    head = reader.playhead
    assert head.length_s < 300 and head.skipped_s > 35_000 and head.attempts == 2
    snapshot = at(reader, BEGAN_AT + 10_000)
    assert reader.playhead.pause_s is not None and reader.playhead.pause_s > 35_000
    assert snapshot.state is RunState.ENDED and snapshot.outcome is Outcome.KILLED
    assert snapshot.status is not None and snapshot.status.cause is None


def test_a_later_attempt_goes_on_from_its_base(run: RunDir) -> None:
    reader, _ = opened(run)
    before = at(reader, AGAIN_AT + 5)
    assert before.status is not None and before.status.attempt == 2
    assert current_step(before) == 40
    after = at(reader, AGAIN_AT + 13.5)
    assert current_step(after) == 43 and after.loss.last_step == 43
    assert after.status is not None and len(after.status.attempts) == 2
    assert after.status.attempts[0].exit is not None and after.status.attempts[1].exit is None
    assert after.status.trained_s == pytest.approx(64 + 13.5)


def test_at_the_end_it_is_the_run_as_recorded(run: RunDir) -> None:
    reader, _ = opened(run)
    reader.transport.seek(1.0)
    snapshot = reader.read(0.05)
    assert (snapshot.state, snapshot.outcome) == (RunState.ENDED, Outcome.SUCCEEDED)
    assert snapshot.loss.last_step == 100 and reader.playhead.at_end
    assert snapshot.status == reader._recording.final.status  # type: ignore[union-attr]


def test_any_order_of_seeks_shows_the_same(run: RunDir) -> None:
    """No moment depends on those that were shown before it."""
    reader, _ = opened(run)
    places = [k / 97 for k in range(98)]
    straight = {}
    for place in places:
        reader.transport.seek(place)
        straight[place] = reader.read(0.05)
    random.Random(5).shuffle(places)
    for place in places:
        reader.transport.seek(place)
        one, two = reader.read(0.05), straight[place]
        assert replace(one, loss=two.loss) == two
        assert one.loss.buckets == two.loss.buckets


def test_nothing_ever_runs_back(run: RunDir) -> None:
    reader, _ = opened(run)
    rows = offset = files = 0
    for k in range(401):
        reader.transport.seek(k / 400)
        snapshot = reader.read(0.05)
        status = snapshot.status
        assert status is not None
        assert snapshot.loss.rows >= rows and len(status.checkpoints) >= files
        if k < 400:
            assert snapshot.console_version >= offset
            offset = snapshot.console_version
        rows, files = snapshot.loss.rows, len(status.checkpoints)


def test_alarms_of_an_attempt_that_is_over_do_not_stand(tmp_path: Path) -> None:
    made = Recorder(tmp_path)
    made.attempt(1, BEGAN_AT, 1, 50, "killed")
    alarm = {"kind": "stalled", "since_at": BEGAN_AT + 20, "text": "no step", "step": 10}
    made.tell(BEGAN_AT + 21, "alarm", 1, **alarm)
    made.events.sort(key=lambda one: one.at)
    made.attempt(2, AGAIN_AT, 41, 100, "succeeded")
    reader, _ = opened(made.write())
    standing = at(reader, BEGAN_AT + 25).status
    assert standing is not None
    assert standing.alarms == (Alarm(AlarmKind.STALLED, BEGAN_AT + 20, "no step", 10),)
    assert at(reader, BEGAN_AT + 15).status.alarms == ()  # type: ignore[union-attr]
    later = at(reader, AGAIN_AT + 20).status
    assert later is not None and [a.over_at is not None for a in later.alarms] == [True]
    assert "alarm" in {one.kind for one in reader.playhead.moments}


def test_a_stop_that_was_ordered_shows_from_then_on(tmp_path: Path) -> None:
    made = Recorder(tmp_path)
    made.attempt(1, BEGAN_AT, 1, 50, "stopped")
    made.tell(BEGAN_AT + 40, "ordered", 1, order="stop", mode="default", by="ann")
    made.tell(BEGAN_AT + 45, "signalled", 1, signal="SIGINT")
    made.events.sort(key=lambda one: one.at)
    reader, _ = opened(made.write())
    assert at(reader, BEGAN_AT + 39).status.stop_by is None  # type: ignore[union-attr]
    assert at(reader, BEGAN_AT + 42).status.stop_by == "ann"  # type: ignore[union-attr]
    assert at(reader, BEGAN_AT + 46).state is RunState.STOPPING


# --------------------------------------------------------------------------- strange recordings


def test_a_recording_without_times_takes_a_second_a_step(tmp_path: Path) -> None:
    reader, _ = opened(recorded(tmp_path, timed=False))
    head = reader.playhead
    assert not head.times_known and 100 <= head.length_s <= 140
    reader.transport.seek_s(30.5)
    snapshot = reader.read(0.05)
    assert 28 <= current_step(snapshot) <= 32
    assert [c.step for c in snapshot.status.checkpoints] == [20]  # type: ignore[union-attr]


def test_a_run_without_any_journal_is_its_end_alone(run: RunDir) -> None:
    for path in (run.steps, run.events, run.hardware, run.console):
        path.unlink()
    reader, _ = opened(run)
    for k in range(11):
        reader.transport.seek(k / 10)
        reader.read(0.05)
    assert reader.read(0.05).state is RunState.ENDED


def test_torn_and_foreign_lines_are_passed_over(run: RunDir) -> None:
    for path in (run.steps, run.events, run.hardware):
        lines = path.read_bytes().splitlines(keepends=True)
        wild = [b"{", b'{"at":1e300,"kind":"phase","attempt":1,"data":{}}\n', b"\xff\xfe\n", b"[]\n",
                b'[999999999999999999999,1e300,"nan",null,null,1]\n']  # fmt: skip
        path.write_bytes(b"".join([*lines[:20], *wild[1:], *lines[20:], wild[0]]))
    reader, _ = opened(run)
    assert reader.playhead.length_s < 300
    for k in range(21):
        reader.transport.seek(k / 20)
        reader.read(0.05)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_bytes_are_read_as_they_are(tmp_path: Path, text: str) -> None:
    text = text.encode(errors="replace").decode()  # a journal holds no lone surrogate
    made = Recorder(tmp_path)
    made.attempt(1, BEGAN_AT, 1, 30, "killed")
    made.tell(BEGAN_AT + 35, "warning", 1, text=text, name=text, path=text, kind=text)
    made.console += text.encode() + b"\xff\xfe\x1b[2J"
    reader, _ = opened(made.write())
    for k in range(11):
        reader.transport.seek(k / 10)
        reader.read(0.05)


def test_a_run_whose_end_was_read_a_day_later_does_not_last_a_day(run: RunDir) -> None:
    """A supervisor that comes later journals what it reads with its own clock."""
    lines = [json.loads(line) for line in run.events.read_bytes().splitlines()]
    for line in lines:
        if line["attempt"] == 2 and line["at"] > AGAIN_AT + 40:
            line["at"] = AGAIN_AT + 86_400
    run.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    status = json.loads(run.status.read_bytes())
    write_json(run.status, status | {"heartbeat_at": AGAIN_AT + 86_400})
    reader, _ = opened(run)
    assert reader.playhead.length_s < 400


def test_little_time_to_read_loses_no_line(tmp_path: Path) -> None:
    """Journals whose last block is short, read a block a call."""
    made = Recorder(tmp_path)
    made.attempt(1, BEGAN_AT, 1, 50, "succeeded")
    while len(msgspec.json.encode(made.events)) < 280_000:
        made.tell(BEGAN_AT + 70, "warning", 1, text="x" * 9000)
    while len(msgspec.json.encode(made.samples)) < 280_000:
        made.samples += [replace(made.samples[-1], reasons={"gpu": "x" * 9000})] * 2
    run = made.write()
    for path in (run.events, run.hardware):
        assert 0 < path.stat().st_size - (1 << 18) < 60_000  # or the test asks nothing
    recording = Recording(run.path)
    while recording.build(0.0) < 1:
        pass
    assert len(recording.events.events) == len(made.events)
    assert len(recording.hardware.times) == len(made.samples)


def test_a_replay_writes_nothing(run: RunDir) -> None:
    def fingerprint() -> dict[str, tuple[str, int]]:
        return {
            p.name: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
            for p in sorted(run.path.iterdir())
        }

    before = fingerprint()
    reader, _ = opened(run)
    for k in range(21):
        reader.transport.seek(k / 20)
        reader.read(0.05)
    assert fingerprint() == before


@pytest.mark.slow
def test_a_long_run_is_sought_quickly(tmp_path: Path) -> None:
    made = Recorder(tmp_path)
    made.attempt(1, BEGAN_AT, 1, 100_000, "succeeded")
    reader, _ = opened(made.write())
    took = []
    for place in (0.9, 0.1, 0.5, 0.99, 0.01, 0.7):
        reader.transport.seek(place)
        took.append(cpu_ratio(lambda: reader.read(0.05)))
    assert sorted(took)[len(took) // 2] < 25, took  # 5,000 files; usually 6


# --------------------------------------------------------------------------- parts


def test_the_line_of_time_goes_there_and_back() -> None:
    line = Timeline([Stretch(100, 200, 1), Stretch(5000, 5100, 2)], 10)
    assert line.length_s == 210 and line.skipped_s == 4790
    for play_s in (0.0, 50.0, 99.9, 103.0, 110.1, 209.0):
        assert line.played_s(line.place(play_s).at) == pytest.approx(play_s)
    assert line.place(105).pause_s == 4800 and line.place(105).attempt == 1
    assert line.place(1e9).at == 5100 and line.place(-5).at == 100


def test_attempts_that_overlap_come_one_after_the_other() -> None:
    line = Timeline([Stretch(100, 200, 1), Stretch(150, 120, 2), Stretch(180, 300, 3)])
    assert line.length_s == 200 and line.place(199).attempt == 3


def test_an_empty_line_of_time_has_one_place() -> None:
    line = Timeline([])
    assert line.length_s == 0 and line.place(5).attempt == 1 and line.played_s(7) == 0


def test_the_transport_plays_pauses_and_ends() -> None:
    clock = Clock()
    one = Transport(10, clock)
    one.load(100)
    clock.now += 2
    assert (one.place_s(), one.playing) == (20, True)
    one.pause()
    clock.now += 50
    assert (one.place_s(), one.playing) == (20, False)
    one.set_speed(1)
    one.play()
    clock.now += 5
    assert one.place_s() == 25
    one.move(0.1)
    assert one.place_s() == 35
    one.seek(0.9)
    clock.now += 60
    assert (one.place_s(), one.at_end, one.playing) == (100, True, False)
    one.toggle()
    assert (one.place_s(), one.playing) == (0, True)


def test_a_change_of_speed_moves_nothing() -> None:
    clock = Clock()
    one = Transport(60, clock)
    one.load(10_000)
    clock.now += 10
    for _ in range(20):
        one.change_speed(1)
        assert one.place_s() == 600
    assert one.speed == SPEEDS[-1]
    for _ in range(20):
        one.change_speed(-1)
    assert one.speed == SPEEDS[0] and one.place_s() == 600


def test_the_first_speed_shows_the_whole_in_a_minute_or_two() -> None:
    assert fitting_speed(10) == 1.0
    assert fitting_speed(3600) == 60.0
    assert fitting_speed(1e9) == SPEEDS[-1]


def test_jumps_go_from_one_moment_of_note_to_the_next(run: RunDir) -> None:
    reader, _ = opened(run)
    kinds: list[str] = []
    while (kind := reader.jump(1)) and len(kinds) < 20:
        kinds.append(kind)
    assert kinds == ["checkpoint"] * 2 + ["attempt"] + ["checkpoint"] * 3 + ["end"]
    assert reader.jump(-1) == "checkpoint"
    reader.transport.seek(0)
    assert reader.jump(-1) == ""


def test_console_bytes_are_shared_out_by_steps_else_by_time(tmp_path: Path) -> None:
    index = ConsoleIndex(
        tmp_path / "none", [Mark(10, 0, 100), Mark(20, 10, 200), Mark(30, 10, 300)]
    )
    assert index.offset_at(5, 0) == 0
    assert index.offset_at(15, 1) == 110  # one step of ten, whatever the time
    assert index.offset_at(25, 10) == 250
    assert index.offset_at(99, 10) == 300
    assert index.lines(200) == ()


def test_half_a_line_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"one\r\ntwo\n\rsteps: 1/9\rsteps: 2/9\rsteps: 3/9")
    index = ConsoleIndex(path, [])
    assert index.lines(7) == ("one",)  # "two" is not whole yet
    assert index.lines(9) == ("one", "two")
    assert index.lines(24)[-1] == "steps: 1/9"
    assert index.lines(10_000)[-1] == "steps: 2/9"


def test_events_of_many_keyframes_report_the_same_as_one_pass(run: RunDir) -> None:
    from runner.store.journal import events_of

    events, _ = events_of(run.events.read_bytes())
    many = events * 40
    index = EventIndex(many)
    for count in (0, 1, 511, 512, 513, 1024, len(many)):
        whole = EventIndex(many[:count])
        assert index.state(count) == whole.state(count)


def test_a_part_of_an_accumulation_at_the_end_of_an_epoch_is_a_step_of_it() -> None:
    """5 batches, 2 of them a step: 3 steps an epoch, not 2."""
    rows: Any = SimpleNamespace(
        times=[float(step) for step in range(1, 7)],
        first_row={1: 0},
        time_of_step=lambda attempt, step: float(step),
    )
    banner = {"batches_per_epoch": 5, "accumulation": 2}
    events = [
        JournalEvent(0.0, "banner", 1, data=banner),
        JournalEvent(0.0, "epoch", 1, data={"epoch": 2, "epochs": 2}),
    ]
    assert [event.at for event in retimed(events, rows, 0.0)] == [0.0, 3.0]


# --------------------------------------------------------------------------- bare logs

LOGS = DATA / "runs"


def played(log: Path) -> tuple[ReplayReader, list[RunSnapshot]]:
    """Eleven places of a log's replay."""
    with recording_of_log(log) as path:
        reader, _ = opened(RunDir(path))
        found = []
        for k in range(11):
            reader.transport.seek(k / 10)
            found.append(reader.read(0.05))
    assert not path.exists()
    return reader, found


def test_a_log_whose_bar_tells_the_time_is_played_in_that_time() -> None:
    reader, found = played(LOGS / "seed_full.log")
    head = reader.playhead
    assert (
        head.times_known and not head.dated and 330 < head.length_s < 345
    )  # with the loading, by the records' times
    steps = [current_step(one) for one in found]
    assert steps == sorted(steps) and steps[0] == 0 and steps[-1] == 40
    assert 10 < steps[5] < 30 and found[-1].outcome is Outcome.SUCCEEDED
    assert f" {steps[5]}/40" in found[5].console[-1]


def test_a_log_whose_bar_stands_still_takes_a_second_a_step() -> None:
    reader, found = played(LOGS / "tiny_first_run_killed.log")
    assert not reader.playhead.times_known and reader.playhead.length_s == pytest.approx(412, abs=3)
    assert Phase.TRAINING in {one.status.phase for one in found if one.status is not None}


@pytest.mark.parametrize("how", ["utf-16", "gzip", "crlf"])
def test_logs_of_other_systems_are_the_same_log(tmp_path: Path, how: str) -> None:
    data = (LOGS / "seed_full.log").read_bytes()
    log = tmp_path / "log"
    if how == "utf-16":
        log.write_bytes(data.decode(errors="replace").encode("utf-16"))
    elif how == "gzip":
        log.write_bytes(gzip.compress(data))
    else:
        log.write_bytes(data.replace(b"\n", b"\r\n"))
    _, found = played(log)
    _, plain = played(LOGS / "seed_full.log")
    assert [current_step(a) for a in found][-1] == [current_step(b) for b in plain][-1] == 40


def test_what_is_no_log_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello\n")
    with (
        pytest.raises(ValueError, match="does not look like"),
        recording_of_log(tmp_path / "x.txt"),
    ):
        pass


def test_what_a_killed_replay_left_is_taken_away_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, check=True)  # fmt: skip
    left = tmp_path / f"plasma-replay-{int(gone.stdout)}-abc"
    own, foreign = tmp_path / f"plasma-replay-{os.getpid()}-abc", tmp_path / "plasma-replay-abc"
    for one in (left, own, foreign):
        (one / "run").mkdir(parents=True)
    with recording_of_log(LOGS / "nan_step1.log") as path:
        assert path.is_relative_to(tmp_path)
        assert not left.exists() and own.exists() and foreign.exists()
    assert sorted(tmp_path.iterdir()) == sorted((own, foreign))


def test_attempts_of_a_log_without_times_lie_where_their_steps_do(tmp_path: Path) -> None:
    log = tmp_path / "nohup.out"
    log.write_bytes(
        b"".join(
            (LOGS / f"{name}.log").read_bytes()
            for name in ("tiny_first_run_killed", "tiny_resume_skip")
        )
    )
    reader, _ = played(log)
    assert not reader.playhead.times_known
    (begins,) = [one for one in reader.playhead.moments if one.kind == "attempt"]
    assert begins.play_s == pytest.approx(412, abs=20)
    reader.transport.seek_s(begins.play_s + 5)
    assert reader.playhead.attempt == 2
    reader.transport.seek_s(begins.play_s - 10)
    assert reader.playhead.attempt == 1
