"""Scenes: named states of the screen. `test_scenes.py` compares each with an approved text, the gallery
writes pictures of them: `python -m tests.screens.scenes OUT [NAME ...]`."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from runner.config.catalog import Catalog, Flag, FlagReport
from runner.control.gate import GateStatus
from runner.history.review.document_of import document_of
from runner.history.review.model import Review
from runner.history.samples import Sample, SampleRhythm
from runner.hosts.runs import HostRuns
from runner.model import (
    AlarmKind,
    Approval,
    Cause,
    Expectation,
    JournalEvent,
    LossSeries,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
    Status,
    Waiting,
)
from runner.model.preview import FlagChange, Preview
from runner.preflight.cures.model import Cure
from runner.store.listing import listing_of
from runner.trainers.sd_scripts.importers.find import Found, FoundCheckout, FoundModel
from runner.trainers.sd_scripts.sample_prompts import PromptFile, SamplePrompt
from tests import builders as b
from tests import machines as m
from tests import reviews
from tests import stories as s
from tests.fakes import FakeBackend, FakeComparing, FakeSampleReader
from tests.replays import recorded
from tests.sample_runs import png
from tests.screens.helpers import app_on, screen_text, until
from tui.app import PlasmaApp
from tui.backend.results import FlagSheet, Plan, SummarySheet
from tui.words.samples import SampleSheet

Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((80, 24), (120, 40), (40, 15))
CONFIG = Path("/p/plasma.toml")


@dataclass(frozen=True)
class Scene:
    """`run`: on the screen; None: no run is open. `prepare`: fills the backend (the folder is for files).
    `keys` are pressed once `waits` is on the screen; `then` must be on it afterwards. `options`: of the app.
    `styled`: the approved text holds colours."""

    run: RunSnapshot | None = None
    keys: tuple[str, ...] = ()
    waits: str = ""
    then: str = ""
    prepare: Callable[[FakeBackend, Path], None] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    sizes: tuple[Size, ...] = SIZES
    styled: bool = False

    def app(self, folder: Path) -> PlasmaApp:
        backend = FakeBackend(self.run or b.snapshot(), runs=[b.listing(i) for i in range(30)])
        if self.prepare is not None:
            self.prepare(backend, folder)
        options = {
            name: value(folder) if callable(value) else value
            for name, value in self.options.items()
        }
        if self.run is None:
            options.setdefault("run_path", None)
        return app_on(actions=backend, **options)


async def play(scene: Scene, pilot: Pilot[Any]) -> None:
    """Until the scene is on the screen and nothing moves."""
    app = pilot.app
    assert isinstance(app, PlasmaApp)
    await until(pilot, lambda: scene.run is None or app.snapshot is not None)
    await until(pilot, lambda: scene.waits in screen_text(pilot))
    await _still(pilot)
    for key in scene.keys:
        await pilot.press(key)
        await _still(pilot)
    await until(pilot, lambda: scene.then in screen_text(pilot))
    await _still(pilot)


async def _still(pilot: Pilot[Any]) -> None:
    with contextlib.suppress(WorkerCancelled):  # a newer question of the same name
        await pilot.app.workers.wait_for_complete()
    before, same = "", 0
    while same < 3:
        await pilot.pause(0.01)
        now = screen_text(pilot)
        same, before = (same + 1 if now == before else 0), now


# --------------------------------------------------------------------------- runs


def _journal(*events: tuple[float, str, dict[str, Any]]) -> tuple[JournalEvent, ...]:
    """(seconds ago, kind, data) each."""
    return tuple(JournalEvent(b.NOW - ago, kind, 1, None, data) for ago, kind, data in events)


def _saved(step: int, ago: float) -> tuple[tuple[float, str, dict[str, Any]], ...]:
    name = f"spyke-step{step:08d}.safetensors"
    return (
        (
            ago,
            "checkpoint_verified",
            {"step": step, "name": name, "complete": True, "finite": True},
        ),
        (ago - 1, "state_verified", {"step": step, "complete": True}),
    )


EVENTS = _journal(
    (1270, "started", {}),
    (1260, "device", {"device": "mps"}),
    (1250, "epoch", {"epoch": 1, "epochs": 4}),
    *_saved(200, 657),
    (565, "epoch", {"epoch": 2, "epochs": 4}),
    (560, "sampling", {"step": 230}),
    *_saved(400, 37),
)

TRAINING = b.snapshot(412, events=EVENTS)
EMPTY = replace(b.in_phase(Phase.LAUNCHING), loss=LossSeries(), hardware=(), preflight=())


def _gap() -> RunSnapshot:
    gap = b.losses(412)
    gap[200:204] = [math.nan] * 4
    return replace(TRAINING, loss=b.series(gap))


def _ended(outcome: Outcome, step: int = 920, cause: Cause | None = None) -> RunSnapshot:
    how = {"outcome": outcome.value} | ({"cause": cause.key} if cause is not None else {})
    events = (*EVENTS, *_journal((2, "ended", how)))
    return replace(b.ended(outcome, step, cause), events=events)


def _stopped_by_person() -> RunSnapshot:
    """The trainer leaves with the traceback of the SIGINT that it was sent."""
    made = b.ended(Outcome.STOPPED, 412)
    assert made.status is not None
    events = _journal(
        (20, "ordered", {"order": "stop", "by": "anna"}),
        (20, "signalled", {"signal": "SIGINT"}),
        (12, "exception", {"name": "KeyboardInterrupt", "text": ""}),
        (2, "ended", {"outcome": "stopped"}),
    )
    return replace(made, status=replace(made.status, stop_by="anna"), events=(*EVENTS, *events))


def _stopping() -> RunSnapshot:
    events = _journal((7, "signalled", {"signal": "SIGINT"}))
    return b.snapshot(
        412,
        state=RunState.STOPPING,
        status_changes={"state": RunState.STOPPING},
        events=(*EVENTS, *events),
    )


def _smoke() -> RunSnapshot:
    made = b.ended(Outcome.SUCCEEDED, 5)
    assert made.status is not None
    forecast = b.forecast(5, 5, 1)
    return replace(
        made,
        spec=b.spec(smoke=True, forecast=forecast, created_at=b.NOW - 20),
        status=replace(
            made.status, total_steps=5, epochs=1, checkpoints=(b.checkpoint(5, final=True),)
        ),
        loss=b.series(b.losses(5)),
    )


def runs() -> dict[str, RunSnapshot]:
    """One run on the monitor each."""
    return {
        "training": TRAINING,
        "starting": EMPTY,
        "caching": b.in_phase(Phase.CACHING, detail="latents", hardware=b.hardware(3, gpu=False)),
        "first-step": replace(b.snapshot(1), loss=b.series(b.losses(1))),
        "saving": b.in_phase(
            Phase.SAVING, 400, status_changes={"saving_since": b.NOW - 2}, events=EVENTS[:-2]
        ),
        "armed": replace(b.snapshot(412, status_changes={"stop_after_save": True}), events=EVENTS),
        "stopping": _stopping(),
        "resumed": replace(s.resumed(), events=EVENTS),
        "troubled": s.troubled_files(),
        "diverging": b.diverged(live=True),
        "alarm-stalled": s.alarmed(s.alarm(AlarmKind.STALLED)),
        "alarm-over": s.alarmed(s.alarm(AlarmKind.ONE_BAD_STEP, over_at=b.NOW - 60)),
        "alarm-device": s.alarmed(s.alarm(AlarmKind.WRONG_DEVICE)),
        "orphaned": replace(b.snapshot(412, supervisor_alive=False), events=EVENTS),
        "succeeded": _ended(Outcome.SUCCEEDED),
        "failed": _ended(Outcome.FAILED, 412, s.OOM),
        "never-began": replace(
            _ended(Outcome.FAILED, 0, s.MODULE), loss=LossSeries(), preflight=b.CHECKS
        ),
        "nothing": replace(
            _ended(
                Outcome.NOTHING_TRAINED, 0, Cause("no_data", "No data found.", "Check image_dir")
            ),
            loss=LossSeries(),
        ),
        "diverged": s.diverged_with_cause(),
        "stopped": _stopped_by_person(),
        "killed": _ended(Outcome.KILLED, 412),
        "lost": b.snapshot(412, state=RunState.LOST, supervisor_alive=False),
        "smoke": _smoke(),
    }


def more_runs() -> dict[str, RunSnapshot]:
    """States for the gallery alone."""
    return {
        "unreadable": replace(
            EMPTY, spec=None, status=None, problems=("status.json: torn at byte 312",), id="x-1"
        ),
        "five-steps": replace(b.snapshot(5), loss=b.series(b.losses(5))),
        "spike": replace(TRAINING, loss=b.series(b.losses(412, spike_at=120))),
        "gap": _gap(),
        "alarm-nan": s.alarmed(s.alarm(AlarmKind.NONFINITE)),
        "alarm-slow": s.alarmed(s.alarm(AlarmKind.SLOW)),
        "alarm-disk": s.alarmed(s.alarm(AlarmKind.DISK_LOW)),
        "hw-nvidia": m.one_card(),
        "hw-two": m.two_cards(),
        "hw-mac": m.mac(),
        "hw-mac-pressed": m.mac(pressure=2),
        "hw-amd": m.amd(),
        "hw-none": m.no_gpu(),
        "hw-disk": m.filling_disk(),
        "hw-silent": m.silent_driver(),
        "average": replace(TRAINING, loss=b.series(b.losses(412), exact=False)),
        "no-total": b.snapshot(
            412,
            spec=b.spec(forecast=None, created_at=b.NOW - 1278),
            status_changes={"total_steps": None, "eta_s": None},
        ),
    }


# --------------------------------------------------------------------------- other screens

PREVIEW = Preview(
    "Resume spyke_plasma_v1",
    (
        "From the state of step 400 (spyke-step00000400-state) to step 920, as attempt 2.",
        "520 steps to train, about 27 min; epoch 2 of 4 continues.",
        "Saves at true steps 545, 745, 920.",
    ),
    ("No file of step 600, 800: past the first epoch, save steps shift on resume.",),
    (
        FlagChange("gradient_checkpointing", None, "true"),
        FlagChange("env.PYTORCH_MPS_HIGH_WATERMARK_RATIO", "0.7", "0.9"),
    ),
    "accelerate launch --num_cpu_threads_per_process 4 train_network.py "
    "--pretrained_model_name_or_path /models/base.safetensors --dataset_config dataset.toml "
    "--output_dir /project/output/spyke-attempt2 --output_name spyke --gradient_checkpointing "
    "--resume /project/output/spyke-step00000400-state --initial_step 400",
)
BROKEN = b.CheckResult(
    "trainer", "fail", "no lora.py", "trainer", "Trainer", "lora.py is missing.", "git submodule"
)


def _with_preview(backend: FakeBackend, folder: Path) -> None:
    backend.preview = PREVIEW


def _with_plan(*more: b.CheckResult) -> Callable[[FakeBackend, Path], None]:
    def prepare(backend: FakeBackend, folder: Path) -> None:
        backend.made_plan = Plan("spyke", b.forecast(), (*b.CHECKS, *more))

    return prepare


def _with_gate(backend: FakeBackend, folder: Path) -> None:
    """A passed smoke test waits for its approval; sources, an expectation that differs, and notes."""
    forecast = replace(
        b.forecast(),
        reg_images=23,
        duration_s=2852.0,
        seconds_per_step=3.1,
        sources={"steps": "4 epochs x 230 steps", "duration_s": "smoke test x-1"},
        warnings=("The regularisation images double the epoch.",),
    )
    lines = (
        b.CheckResult("smoke_device", "pass", "mps", None, "Device", "It trained on mps."),
        b.CheckResult("smoke_pace", "warn", "3.1 s", None, "Pace", "Slower than forecast."),
    )
    gate = GateStatus(True, False, "x-1 passed", "x-1", smoke_passed=True)
    expect = Expectation(steps=1840, images=23)
    backend.made_plan = Plan("spyke", forecast, b.CHECKS, gate=gate.text, gate_status=gate,
                             smoke_lines=lines, expect=expect)  # fmt: skip


def _with_fix(backend: FakeBackend, folder: Path) -> None:
    _with_plan(BROKEN)(backend, folder)
    will_do = ("in /kohya: git submodule update --init sd-scripts",)
    backend.cures["trainer"] = Cure(
        "trainer", "trainer", "Fetch the submodule", will_do, lambda on_output, cancelled: None
    )


def _with_broken_plan(backend: FakeBackend, folder: Path) -> None:
    problem = "plasma.toml line 12: [train] has no key 'learning_rat': did you mean learning_rate?"
    backend.made_plan = Plan("spyke", None, (), problem=problem, problems=(problem,))


FLAGS = Catalog(
    (
        Flag("learning_rate", "float", default=2e-06, help="learning rate / 学習率"),
        Flag("lowram", bare=True, help="enable low RAM optimization"),
        Flag("max_train_epochs", "int", help="training epochs (overrides max_train_steps)"),
        Flag("max_train_steps", "int", default=1600, help="training steps"),
        Flag("mixed_precision", choices=("no", "fp16", "bf16"), default="no", help="precision"),
        Flag("optimizer_args", "str", nargs="*", help='additional arguments (like "a=1 b=2")'),
        Flag("wandb_api_key", help="specify WandB API key to log in before starting training"),
    )
)


def _with_flags(backend: FakeBackend, folder: Path) -> None:
    _with_plan()(backend, folder)
    given = {"learning_rate": "1e-4", "max_train_epochs": "4", "wandb_api_key": "0123456789"}
    given["learning_rat"] = "1"
    sheet = FlagSheet("train_network.py", FlagReport(FLAGS), given, {"max_train_steps": "5"})
    backend.sheets = {False: sheet, True: sheet}


def _with_machine(backend: FakeBackend, folder: Path) -> None:
    backend.found = Found(
        (FoundCheckout(Path("/kohya/sd-scripts"), "the submodule is empty"),),
        (Path("/kohya/venv/bin/python"), Path("/usr/bin/python3")),
        (FoundModel(Path("/models/base.safetensors"), 2_000_000_000),),
    )


def _with_summary(review: Review) -> Callable[[FakeBackend, Path], None]:
    def prepare(backend: FakeBackend, folder: Path) -> None:
        document = document_of(review, plot=False)
        backend.sheet = SummarySheet(document, review.snapshot, review.candidates)

    return prepare


def _with_samples(backend: FakeBackend, folder: Path) -> None:
    prompts = PromptFile("/p.txt", (SamplePrompt("a red fox", seed=7), SamplePrompt("an owl")))
    found = []
    for step, color in ((100, (250, 0, 0)), (200, (0, 250, 0)), (400, (0, 0, 250))):
        for prompt in range(2):
            path = folder / f"spyke_{step:06d}_{prompt:02d}_20261121183011_7.png"
            path.write_bytes(png(32, 32, color))
            found.append(Sample(str(path), step, 1, prompt, 7, 1, path.stat().st_size, b.NOW))
    backend.sample_reader = FakeSampleReader(
        SampleSheet(tuple(found), prompts, SampleRhythm(every_steps=200))
    )


def _rated(run: RunSnapshot) -> RunSnapshot:
    """With a learning rate that falls as a cosine."""
    buckets = tuple(
        replace(one, rate=1e-4 * (0.5 + 0.5 * math.cos(one.last_step / 920 * math.pi)))
        for one in run.loss.buckets
    )
    return replace(run, loss=replace(run.loss, buckets=buckets))


def _steep() -> RunSnapshot:
    """The first steps are far above the others."""
    values = [loss + 3 * math.exp(-step / 6) for step, loss in enumerate(b.losses(412))]
    return replace(TRAINING, loss=b.series(values))


def _with_earlier_run(backend: FakeBackend, folder: Path) -> None:
    loss = b.series(b.losses(920, seed=5))
    backend.earlier = [replace(b.ended(Outcome.SUCCEEDED), path="/state/runs/x-7f3a", loss=loss)]


RUNS = (
    b.listing(id="20261121-182911-owl-aa03", name="owl", created_at=b.NOW - 1300, smooth=0.1093,
              state=RunState.RUNNING, outcome=None, step=414, project="/work/fox", checkpoints=2),
    b.listing(id="20261121-172911-spyke-aa01", name="spyke", created_at=b.NOW - 5000, smooth=0.0908,
              tags=("good", "v2"), note="the red cape", project="/work/spyke"),
    b.listing(id="20261121-172811-spyke-aa05", name="spyke", created_at=b.NOW - 5060, step=5,
              total_steps=5, smoke=True, checkpoints=1, duration_s=40.0, project="/work/spyke"),
    b.listing(id="20261120-182911-fox-aa02", name="fox", created_at=b.NOW - 90_000, loss=math.nan,
              step=520, outcome=Outcome.DIVERGED, project="/work/fox", checkpoints=2),
    b.listing(id="20261119-182911-fox-aa04", name="fox with a name that is too long for its column",
              created_at=b.NOW - 200_000, outcome=Outcome.FAILED, step=412, project="/work/fox"),
    b.listing(id="20261001-182911-old-aa06", name="old_lora", created_at=b.NOW - 9e6, step=1600,
              total_steps=None, outcome=None, origin="imported", loss=None, project="/work/old"),
    b.listing(id="20260930-182911-lost-aa07", name="lost", created_at=b.NOW - 9.1e6, step=77,
              state=RunState.LOST, outcome=None, project="/work/old"),
)  # fmt: skip
#: of the run `lost`, whose losses are read last
LAST_CURVE = "⠤──"
WIDTHS: tuple[Size, ...] = ((40, 15), (80, 24), (120, 40), (200, 30))


def _without_curves(backend: FakeBackend, folder: Path) -> None:
    """They are read one by one: a picture would depend on how far that has got."""
    backend.glance = lambda run_path: (_ for _ in ()).throw(OSError())  # type: ignore[method-assign]


def _with_runs(backend: FakeBackend, folder: Path) -> None:
    backend.runs = list(RUNS)


def _with_hosts(backend: FakeBackend, folder: Path) -> None:
    """`gpu1` has answered; `gpu2` is silent, and its runs are as it last listed them."""
    _without_curves(backend, folder)
    backend.runs = list(RUNS[1:4])
    far = (
        replace(RUNS[0], remote="gpu1", host="gpu1", device="cuda"),
        replace(RUNS[4], remote="gpu1", host="gpu1", device="cuda", checkpoints=2),
        b.listing(id="20261121-162911-moth-ab01", name="moth", created_at=b.NOW - 8300, remote="gpu2",
                  host="gpu2", state=RunState.RUNNING, outcome=None, step=310, project="/data/moth"),
    )  # fmt: skip
    backend.far = {
        "gpu1": HostRuns("gpu1", far[:2], b.NOW - 4, 2),
        "gpu2": HostRuns("gpu2", far[2:], b.NOW - 7380, 1).failed(
            "connection timed out", b.NOW - 7200
        ),
    }


def _without_runs(backend: FakeBackend, folder: Path) -> None:
    backend.runs = []


def _with_comparison(backend: FakeBackend, folder: Path) -> None:
    compared = [
        replace(
            b.ended(Outcome.SUCCEEDED),
            path=f"/state/runs/{letter}",
            loss=b.series(b.losses(920 - 100 * i, i + 1)),
            spec=b.spec(name=f"run number {i + 1}"),
        )
        for i, letter in enumerate("abc")
    ]
    settings = [{"learning_rate": f"{i + 1}e-4", "seed": "1"} for i in range(3)]
    backend.compared = FakeComparing(compared, settings)


GROUP = "spyke-sweep-a1b2"


def swept(
    rates: Sequence[str], dims: Sequence[int], ended: int
) -> tuple[list[RunSnapshot], list[dict[str, str]]]:
    """The runs of a sweep: the first `ended` are over, one trains, the others wait."""
    found, settings = [], []
    for at, (rate, dim) in enumerate((rate, dim) for rate in rates for dim in dims):
        run_id = f"20261121-18{at:02d}11-spyke-{at:04x}"
        spec = b.spec(id=run_id, name=f"spyke-lr{rate}-dim{dim}", group=GROUP)
        series = b.series([value * (1 + 0.04 * (at % 5)) for value in b.losses(920, at + 1)])
        files = [
            b.checkpoint(step, name=f"{spec.name}-step{step:08d}.safetensors", path=f"/o/{at}-{step}",
                         loss=series.buckets[step - 1].smooth)
            for step in (200, 400, 600, 800)
        ]  # fmt: skip
        run = b.ended(Outcome.DIVERGED if at == 2 and ended > 4 else Outcome.SUCCEEDED)
        if at == ended:
            run, series = b.snapshot(412), b.series(b.losses(412, at + 1))
        elif at > ended:
            status = Status(RunState.QUEUED, 1, b.NOW, waiting=Waiting())
            run = RunSnapshot("", "", b.NOW, RunState.QUEUED, status=status)
            series = LossSeries()
        if at < ended and run.status is not None:
            run = replace(run, status=replace(run.status, checkpoints=tuple(files)))
        found.append(replace(run, id=run_id, path=f"/state/runs/{run_id}", spec=spec, loss=series))
        settings.append({"learning_rate": rate, "network_dim": str(dim), "seed": "1"})
    return found, settings


def _with_sweep(
    ended: int, rates: Sequence[str], dims: Sequence[int]
) -> Callable[[FakeBackend, Path], None]:
    def prepare(backend: FakeBackend, folder: Path) -> None:
        _without_curves(backend, folder)
        runs, settings = swept(rates, dims, ended)
        listed = [listing_of(run) for run in reversed(runs)]
        backend.runs = listed + [b.listing(i + 30) for i in range(4)]
        backend.compared = FakeComparing(runs, settings)

    return prepare


SWEEP = _with_sweep(2, ("1e-4", "5e-5"), (16, 32))
LARGE_SWEEP = _with_sweep(13, ("1e-4", "5e-5", "2e-5", "1e-5"), (4, 8, 16, 32))


def _approved(run: RunSnapshot) -> RunSnapshot:
    approval = Approval("anna", b.NOW - 1500, "key", smoke_run="20261121-smoke")
    return replace(run, spec=replace(run.spec or b.spec(), approval=approval))


def scenes() -> dict[str, Scene]:
    """Those with an approved text."""
    found = {name: Scene(run) for name, run in runs().items()}
    planned: dict[str, Any] = {"config_path": CONFIG}
    on_spyke: dict[str, Any] = {"run_path": Path("/state/runs") / RUNS[1].id}
    return found | {
        "plan-ready": Scene(prepare=_with_plan(), options=planned, waits="Ready"),
        "plan-not-ready": Scene(prepare=_with_plan(BROKEN), options=planned, waits="Not ready"),
        "plan-broken": Scene(prepare=_with_broken_plan, options=planned, waits="Not ready"),
        "plan-gate": Scene(prepare=_with_gate, options=planned, waits="Ready"),
        "fix": Scene(
            prepare=_with_fix, options=planned, waits="Not ready", keys=("f",), then="Apply"
        ),
        "flags": Scene(
            prepare=_with_flags, options=planned, waits="Ready", keys=("v",), then="learning_rat "
        ),
        "flag-edit": Scene(
            prepare=_with_flags,
            options=planned,
            waits="Ready",
            keys=("v", "G", "enter"),
            then="in [",
        ),
        "start-question": Scene(prepare=_with_plan(), options=planned, waits="Ready", keys=("s",)),
        "stop-question": Scene(TRAINING, ("a",), then="Stop "),
        "resume-question": Scene(
            _ended(Outcome.KILLED, 412), ("r",), prepare=_with_preview, then="Resume"
        ),
        "console": Scene(TRAINING, ("l",)),
        "zoom-loss": Scene(TRAINING, ("z",)),
        "loss-zoomed": Scene(_rated(TRAINING), ("plus", "plus", "R", "shift+left")),
        "loss-earlier": Scene(
            _rated(TRAINING), ("c", "L", "x"), prepare=_with_earlier_run, then="dashed"
        ),
        "loss-steep": Scene(_steep()),
        "zoom-checkpoints": Scene(s.troubled_files(), ("tab", "z")),
        "zoom-machine": Scene(m.one_card(), ("tab", "tab", "z")),
        "preflight": Scene(_approved(TRAINING), ("p",)),
        "help": Scene(TRAINING, ("question_mark",)),
        "runs": Scene(TRAINING, ("h",), prepare=_with_runs, then=LAST_CURVE, sizes=WIDTHS[1:]),
        "runs-narrow": Scene(TRAINING, ("h",), prepare=_with_runs, then="owl", sizes=WIDTHS[:1]),
        "runs-grouped": Scene(
            TRAINING, ("h", "p"), prepare=_with_runs, then=LAST_CURVE, sizes=WIDTHS[1:2]
        ),
        "runs-grouped-narrow": Scene(
            TRAINING, ("h", "p"), prepare=_with_runs, then="/work/", sizes=WIDTHS[:1]
        ),
        "runs-by-loss": Scene(
            TRAINING, ("h", "s", "s", "r"), prepare=_with_runs, then=LAST_CURVE, sizes=WIDTHS[1:2]
        ),
        "runs-filtered": Scene(
            TRAINING, ("h", "slash", *"old"), prepare=_with_runs, then=LAST_CURVE, sizes=WIDTHS[1:2]
        ),
        "runs-marked": Scene(
            TRAINING,
            ("h", "space", "space"),
            prepare=_with_runs,
            then=LAST_CURVE,
            sizes=WIDTHS[1:2],
        ),
        "runs-hosts": Scene(
            TRAINING,
            ("h",),
            prepare=_with_hosts,
            then="timed out",
            options=on_spyke,
            sizes=SIZES[:2],
        ),
        "runs-hosts-grouped": Scene(
            TRAINING,
            ("h", "p"),
            prepare=_with_hosts,
            then="timed out",
            options=on_spyke,
            sizes=SIZES[:1],
        ),
        "runs-none": Scene(
            TRAINING, ("h",), prepare=_without_runs, then="No runs", sizes=WIDTHS[1:2]
        ),
        "summary": Scene(
            _ended(Outcome.SUCCEEDED),
            ("m",),
            prepare=_with_summary(reviews.good()),
            then="step 920",
        ),
        "summary-diverged": Scene(
            b.diverged(), ("m",), prepare=_with_summary(reviews.diverged()), then="520 of"
        ),
        "summary-unfolded": Scene(
            _ended(Outcome.SUCCEEDED),
            ("m", "a"),
            prepare=_with_summary(reviews.good()),
            sizes=((120, 120), (60, 160)),
        ),
        "filmstrip": Scene(
            TRAINING, prepare=_with_samples, waits="400 newest", sizes=((120, 40), (200, 60))
        ),
        "replay": Scene(
            None,
            ("space", "3"),
            waits="REPLAY playing",
            then="REPLAY paused",
            options={"replay_path": lambda folder: recorded(folder).path, "replay_speed": 1.0},
        ),
        "samples": Scene(TRAINING, ("i",), prepare=_with_samples, then="a red fox"),
        "compare": Scene(
            None, ("h", "space", "down", "space", "c"), prepare=_with_comparison, then="compared"
        ),
        "runs-sweep": Scene(None, ("h",), prepare=SWEEP, then="spyke-lr1e-4"),
        "compare-sweep": Scene(None, ("h", "c"), prepare=SWEEP, then="a1b2  4 runs"),
        "compare-samples": Scene(
            None,
            ("h", "c", "i"),
            prepare=lambda backend, folder: (
                SWEEP(backend, folder),
                _with_samples(backend, folder),
            )[0],
            then="a red fox",
            sizes=SIZES[:2],
        ),
        "runs-by-sweep": Scene(
            None, ("h", "p", "p"), prepare=SWEEP, then="no sweep", sizes=SIZES[:1]
        ),
        "compare-large-sweep": Scene(
            None, ("h", "c"), prepare=LARGE_SWEEP, then="a1b2  16 runs", sizes=SIZES[:2]
        ),
        "welcome": Scene(waits="here (n", prepare=_without_curves),
        "new-project": Scene(
            waits="No plasma.toml", keys=("n",), then='name = "lora"', prepare=_with_machine
        ),
        "import": Scene(waits="No plasma.toml", keys=("i", "x"), then="no such flag"),
        "label": Scene(TRAINING, ("h", "e"), then="Edit label"),
        "ascii": Scene(TRAINING, options={"ascii_only": True}, sizes=SIZES[:1]),
        "colors": Scene(b.diverged(), styled=True, sizes=SIZES[:1]),
        "colors-light": Scene(
            TRAINING, options={"theme_name": "plasma-light"}, styled=True, sizes=SIZES[:1]
        ),
    }


# --------------------------------------------------------------------------- pictures


async def picture(name: str, scene: Scene, size: Size, out: Path) -> None:
    from tui.svg import pin_text

    with tempfile.TemporaryDirectory() as folder:
        app = scene.app(Path(folder))
        async with app.run_test(size=size) as pilot:
            await play(scene, pilot)
            svg = app.export_screenshot(title=f"plasma-tui {name}")
    target = out / f"{name}-{size[0]}x{size[1]}.svg"
    target.write_text(pin_text(svg), encoding="utf-8")


def gallery() -> dict[str, Scene]:
    found = scenes() | {name: Scene(run) for name, run in more_runs().items()}
    for theme in ("plasma-light", "high-contrast", "nord", "ansi-dark"):
        found[theme] = Scene(TRAINING, options={"theme_name": theme})
    return found


async def main(out: Path, wanted: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, scene in gallery().items():
        for size in (*SIZES, (200, 60)):
            full = f"{name}-{size[0]}x{size[1]}"
            if not wanted or name in wanted or full in wanted:
                await picture(name, scene, size, out)


if __name__ == "__main__":
    os.environ.setdefault("COLORTERM", "truecolor")
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
