"""A recorded run of two attempts with a pause of ten hours between them: for tests of its replay."""

from __future__ import annotations

from pathlib import Path

import msgspec

from runner.model import (
    AttemptPlan,
    AttemptStatus,
    Cause,
    Checkpoint,
    ExitRecord,
    HardwareSample,
    JournalEvent,
    Outcome,
    Phase,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import step_row, write_json
from runner.store.rundir import RunDir

BEGAN_AT = 1_795_000_000.0
AGAIN_AT = BEGAN_AT + 36_000.0
TOTAL = 100


class Recorder:
    """Writes a run as a supervisor would: a step a second, a save every twenty steps."""

    def __init__(self, folder: Path, name: str = "spyke", *, timed: bool = True) -> None:
        self.run = RunDir(folder / "runs" / "20261126-recorded")
        self.run.path.mkdir(parents=True)
        self.name, self.timed = name, timed
        self.events: list[JournalEvent] = []
        self.rows: list[bytes] = []
        self.samples: list[HardwareSample] = []
        self.files: list[Checkpoint] = []
        self.attempts: list[AttemptStatus] = []
        self.console = bytearray()

    def tell(self, at: float, kind: str, attempt: int, /, **data: object) -> None:
        self.events.append(JournalEvent(at, kind, attempt, len(self.console), dict(data)))

    def attempt(self, number: int, at: float, first: int, last: int, outcome: str) -> None:
        write_json(
            self.run.attempt(number),
            AttemptPlan(number, ("python",), {}, "/", None, None, base_step=first - 1),
        )
        began_at = at
        self.say(f"--- plasma-tui attempt {number} ---\n")
        self.tell(at + 1, "started", number, pid=1)
        self.tell(at + 4, "phase", number, phase="loading model")
        self.tell(at + 8, "device", number, device="cuda")
        self.tell(at + 8, "banner", number, total_steps=TOTAL, batches_per_epoch=50, epochs=2)
        self.tell(at + 9, "phase", number, phase="training")
        at += 10
        for step in range(first, last + 1):
            if step % 50 == 1:
                self.tell(at, "epoch", number, epoch=step // 50 + 1, epochs=2)
            at += 1
            self.say(f"\rsteps: {step}/{TOTAL} [avr_loss=0.1]")
            seconds = at - BEGAN_AT if self.timed else None
            self.rows.append(step_row(step, seconds, 1.0 / step, 0.1, 1e-4, number))
            self.samples.append(HardwareSample(round(at, 1), cpu_percent=float(step)))
            if step % 20 == 0:
                at = self.save(number, at, step)
        self.say("\n")
        exit_ = ExitRecord(number, 0 if outcome == "succeeded" else None, None, at)
        self.attempts.append(AttemptStatus(number, began_at, first, last, exit_))
        self.tell(at + 1, "ended", number, outcome=outcome, cause=None)

    def save(self, number: int, at: float, step: int) -> float:
        """Takes two seconds; a second later it is looked at."""
        name = f"{self.name}-step{step:08d}.safetensors"
        self.tell(at, "phase", number, phase="saving")
        self.say(f"saving checkpoint: /out/{name}\n")
        self.tell(at, "checkpoint_saving", number, name=name, path=f"/out/{name}", step=step)
        self.tell(at + 2, "state_saved", number, path=f"/out/{name}-state", step=step)
        self.tell(at + 2, "phase", number, phase="training")
        self.tell(at + 3, "checkpoint_verified", number, name=name, step=step, complete=True)
        self.tell(at + 3, "state_verified", number, path=f"/out/{name}-state", step=step,
                  complete=True)  # fmt: skip
        self.files.append(
            Checkpoint(name, f"/out/{name}", step, None, number, at, 100, True, True,
                       state_path=f"/out/{name}-state", state_complete=True, loss=0.1)
        )  # fmt: skip
        return at + 2

    def say(self, text: str) -> None:
        self.console += text.encode()

    def write(self, state: RunState = RunState.ENDED, cause: Cause | None = None) -> RunDir:
        run, last = self.run, self.attempts[-1]
        assert last.exit is not None
        run.console.write_bytes(self.console)
        run.steps.write_bytes(b"".join(self.rows))
        run.events.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in self.events))
        run.hardware.write_bytes(b"".join(msgspec.json.encode(s) + b"\n" for s in self.samples))
        write_json(
            run.spec,
            RunSpec(run.id, self.name, ("python",), "/", {}, BEGAN_AT, "here", output_dir="/out"),
        )
        write_json(
            run.status,
            Status(
                state, last.attempt, last.exit.at, Phase.FINISHED,
                outcome=Outcome.FAILED if cause else Outcome.SUCCEEDED, cause=cause,
                step=last.last_step or 0, total_steps=TOTAL, started_at=BEGAN_AT,
                ended_at=last.exit.at, attempts=tuple(self.attempts),
                checkpoints=tuple(self.files), safe_step=100,
            ),
        )  # fmt: skip
        return run


def recorded(folder: Path, name: str = "spyke", *, timed: bool = True) -> RunDir:
    """Killed at step 50 of 100, resumed ten hours later from step 40."""
    made = Recorder(folder, name, timed=timed)
    made.attempt(1, BEGAN_AT, 1, 50, "killed")
    made.attempt(2, AGAIN_AT, 41, 100, "succeeded")
    return made.write()
