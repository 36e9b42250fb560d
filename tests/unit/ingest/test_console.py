"""What the console says, in all the forms in which sd-scripts and its launchers say it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeVar

import pytest

from runner.ingest.console.parser import ConsoleParser
from runner.model import Phase
from runner.model.events import (
    AttemptSeen,
    BannerSeen,
    CheckpointRemoved,
    CheckpointSaving,
    ConsoleEvent,
    DeviceSeen,
    EpochStarted,
    ExceptionSeen,
    FatalSeen,
    ModelSaved,
    NothingToTrain,
    PhaseChanged,
    ResumeSeen,
    SampleStarted,
    StateRemoved,
    StateSaved,
    StateSaving,
    StepShown,
    SubsetSeen,
    ValidationSeen,
    WarningSeen,
)
from tests import DATA

LOGS = sorted([*DATA.glob("runs/*.log"), *DATA.glob("expected/*.log")])
SPACES = " " * 20
T = TypeVar("T", bound=ConsoleEvent)


def events(log: str | bytes) -> list[ConsoleEvent]:
    parser = ConsoleParser()
    data = log.encode() if isinstance(log, str) else log
    return [*parser.feed(data), *parser.finish()]


def only(kind: type[T], log: str | bytes) -> list[T]:
    return [event for event in events(log) if isinstance(event, kind)]


def record(message: str, level: str = "INFO", width: int = 200) -> str:
    """A log record as rich prints it without a terminal."""
    line = f"{SPACES}{level:<8} {message}"
    return f"{line:<{width - 17}}train_util.py:123\n"


def phases(log: str) -> list[str]:
    return [str(event.phase) for event in only(PhaseChanged, log)]


def unknown(log: str) -> int:
    parser = ConsoleParser()
    parser.feed(log.encode())
    parser.finish()
    return parser.unknown_lines


# ------------------------------------------------------------------ bars


@pytest.mark.parametrize(
    ("bar", "step", "total", "values"),
    [
        ("steps:   0%|          | 0/230 [00:00<?, ?it/s]", 0, 230, {}),
        (
            "steps:   5%|▌         | 12/230 [00:12<03:40,  1.01it/s, avr_loss=0.123]",
            12,
            230,
            {"avr_loss": 0.123},
        ),
        (
            "steps:  17%|█▋        | 1/6 [00:20<01:41, 20.29s/it, avr_loss=1.17]",
            1,
            6,
            {"avr_loss": 1.17},
        ),
        (
            "steps:   1%|          | 9/5800 [00:09<1:45:28,  1.09s/it, loss=0.128]",
            9,
            5800,
            {"loss": 0.128},
        ),
        (
            "steps: 690it [00:18, 38.00it/s, avr_loss=0.81]",
            690,
            None,
            {"avr_loss": 0.81},
        ),
        (
            "steps:  50%|#####     | 2/4 [1:02:03<1:02:03, 99.9s/it, Average key norm=0.00118, "
            "Keys Scaled=0, avr_loss=1.08]",
            2,
            4,
            {"Average key norm": 0.00118, "Keys Scaled": 0.0, "avr_loss": 1.08},
        ),
        (
            "steps:  99%|\x1b[32m████\x1b[0m| 99/100 [26:10:05<00:01, 1.2e+03it/s, avr_loss=1e-05]",
            99,
            100,
            {"avr_loss": 1e-05},
        ),
    ],
)
def test_forms_of_the_bar(bar: str, step: int, total: int | None, values: dict[str, float]) -> None:
    (shown,) = only(StepShown, f"\r{bar}")
    assert (shown.shown_step, shown.total, shown.values) == (step, total, values)
    assert shown.average == (values.get("avr_loss", values.get("loss")))
    assert shown.offset == 1 + len(bar.encode())


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_losses_that_are_no_numbers(text: str) -> None:
    (shown,) = only(StepShown, f"steps:  17%|█▋ | 1/6 [00:20<01:41, 20.29s/it, avr_loss={text}]")
    assert shown.average is not None and not math.isfinite(shown.average)


def test_both_states_of_a_step_are_reported_the_second_with_the_new_average() -> None:
    log = (
        "\rsteps:  17%|█▋ | 1/6 [00:20<01:41, 20.29s/it]"
        "\rsteps:  17%|█▋ | 1/6 [00:20<01:41, 20.29s/it, avr_loss=1.17]"
        "\rsteps:  33%|███| 2/6 [00:41<01:22, 20.71s/it, avr_loss=1.17]"
        "\rsteps:  33%|███| 2/6 [00:41<01:22, 20.71s/it, avr_loss=1.05]"
    )
    shown = only(StepShown, log)
    assert [(e.shown_step, e.average) for e in shown] == [
        (1, None),
        (1, 1.17),
        (2, 1.17),
        (2, 1.05),
    ]


def test_a_bar_is_reported_before_anything_follows_it() -> None:
    parser = ConsoleParser()
    bar = "\rsteps:  17%|█▋ | 1/6 [00:20<01:41, 20.29s/it, avr_loss=1.17]".encode()
    assert [type(e) for e in parser.feed(bar[:-1])] == []
    assert [type(e) for e in parser.feed(bar[-1:])] == [PhaseChanged, StepShown]


def test_a_record_glued_to_a_bar() -> None:
    log = "\rsteps:   0%|          | 0/230 [00:00<?, ?it/s]" + record("model saved.")
    assert [type(e) for e in events(log)][-3:] == [StepShown, PhaseChanged, ModelSaved]


def test_an_epoch_glued_to_a_bar_as_versions_up_to_0_6_print_it() -> None:
    log = "\rsteps:   0%|          | 0/920 [00:00<?, ?it/s]epoch 1/4\n"
    assert [(e.epoch, e.epochs) for e in only(EpochStarted, log)] == [(1, 4)]


def test_a_bar_cut_at_the_width_of_the_terminal_still_counts() -> None:
    (shown,) = only(StepShown, "\rsteps:  17%|█▋ | 39/230 [00:20<01:41, 20.2\r")
    assert (shown.shown_step, shown.total, shown.average) == (39, 230, None)


def test_bars_without_any_separator_between_them() -> None:
    bar = "steps:  17%|█▋ | {}/230 [00:20<01:41,  1.2it/s, avr_loss=1]"
    log = "".join(bar.format(n) for n in range(50))
    assert [e.shown_step for e in only(StepShown, log)] == list(range(50))


def test_bare_bars_are_named_after_the_sentence_before_them() -> None:
    log = record("caching latents...") + "".join(
        f"\r{n}%|█ | {n}/100 [00:00<00:05,  3.85it/s]" for n in range(100)
    )
    details = [e.detail for e in only(PhaseChanged, log) if e.phase is Phase.CACHING]
    assert details[:3] == ["", "caching latents 0 %", "caching latents 10 %"]
    assert len(details) == 11


def test_validation_bars_are_no_steps_and_reported_once() -> None:
    log = (DATA / "expected" / "validation.log").read_bytes()
    assert [e.shown_step for e in only(StepShown, log)] == [0, 1, 2, 3, 4, 4]
    seen = [(e.loss, e.whole_epoch) for e in only(ValidationSeen, log)]
    assert seen == [(1.04, False), (1.04, False), (1.04, True)]
    assert only(PhaseChanged, log)[-1].phase is Phase.FINISHED


# ------------------------------------------------------------------ sentences


@pytest.mark.parametrize("form", ["record", "plain", "ranked", "coloured"])
@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            "saving checkpoint: out/zed-000001.safetensors",
            CheckpointSaving(0, "out/zed-000001.safetensors"),
        ),
        (
            "saving checkpoint: my out/a b.safetensors",
            CheckpointSaving(0, "my out/a b.safetensors"),
        ),
        ("saving model: out/zed-000001", CheckpointSaving(0, "out/zed-000001")),
        (
            "save trained model as StableDiffusion checkpoint to out/last.safetensors",
            CheckpointSaving(0, "out/last.safetensors"),
        ),
        ("save trained model as Diffusers to out/last", CheckpointSaving(0, "out/last")),
        ("save trained model to out/last.ckpt", CheckpointSaving(0, "out/last.ckpt")),
        ("removing old checkpoint: out/a.ckpt", CheckpointRemoved(0, "out/a.ckpt")),
        ("removing old model: out/a", CheckpointRemoved(0, "out/a")),
        ("removing old state: out/a-state", StateRemoved(0, "out/a-state")),
        ("Saving current state to out/a-state", StateSaving(0, "out/a-state")),
        ("Random states saved in out/a-state/random_states_0.pkl", StateSaved(0, "out/a-state")),
        ("model saved.", ModelSaved(0)),
        ("accelerator device: cuda:0", DeviceSeen(0, "cuda:0")),
        ("generating sample images at step / サンプル画像生成 ステップ: 3", SampleStarted(0, 3)),
        (
            "resume training from local state: out/a-state",
            ResumeSeen(0, state_path="out/a-state"),
        ),
        (
            "load train state from out/a-state/train_state.json: {'current_epoch': 2, "
            "'current_step': 400}",
            ResumeSeen(0, state_path="out/a-state", state_step=400, state_epoch=2),
        ),
        ("skipping 400 steps / 400ステップをスキップします", ResumeSeen(0, skip_steps=400)),
        (
            "found directory /data/10_zed contains 23 image files",
            SubsetSeen(0, "/data/10_zed", 23),
        ),
        ("num batches per epoch / 1epochのバッチ数: 230", BannerSeen(0, "batches_per_epoch", 230)),
        ("num examples / サンプル数: 23", BannerSeen(0, "train_images", 23)),
        (
            "gradient ccumulation steps / 勾配を合計するステップ数 = 4",
            BannerSeen(0, "accumulation", 4),
        ),
        ("total optimization steps: 920", BannerSeen(0, "total_steps", 920)),
    ],
)
def test_sentences_in_every_dress(text: str, event: ConsoleEvent, form: str) -> None:
    log = {
        "record": record(text, width=400),
        "plain": f"\n{text}\n",
        "ranked": f"[rank0]: {text}\n",
        "coloured": f"\x1b[2;36m{SPACES}\x1b[0m\x1b[34mINFO    \x1b[0m {text}{' ' * 80}"
        "\x1b]8;id=1;file:///x/train_util.py\x1b\\\x1b[2mtrain_util.py\x1b[0m\x1b]8;;\x1b\\:1\r\n",
    }[form]
    found = only(type(event), log)
    assert [repr(e).partition(", ")[2] for e in found] == [repr(event).partition(", ")[2]]
    assert unknown(log) == 0


def test_paths_cut_over_lines_are_whole_again() -> None:
    log = (DATA / "expected" / "width_80.log").read_bytes()
    assert [e.path for e in only(StateSaving, log)] == [
        "out/zed-step00000002-state",
        "out/zed-step00000004-state",
        "out/zed-state",
    ]
    assert [e.path for e in only(StateSaved, log)] == [e.path for e in only(StateSaving, log)]
    grad = (DATA / "runs" / "tiny_grad_accum.log").read_bytes()
    assert [e.path for e in only(StateSaved, grad)][-1] == "/home/rig/out/ga2/zed-state"


def test_words_broken_over_lines_keep_their_blank() -> None:
    log = (
        f"{SPACES}WARNING  ignore directory without repeats / train_util.py:1\n"
        f"{' ' * 29}繰り返し回数のないディレクトリ: my\n{' ' * 29}imgs\n" + record("make buckets")
    )
    assert [e.text for e in only(WarningSeen, log)] == ["ignore directory without repeats: my imgs"]


def test_a_short_record_on_a_wide_console_does_not_wait_for_the_next_line() -> None:
    parser = ConsoleParser()
    found = parser.feed(record("Saving current state to out/a-state", width=400).encode())
    assert any(isinstance(e, StateSaving) for e in found)


def test_the_dataset_is_read_subset_by_subset() -> None:
    log = (DATA / "runs" / "seed_full.log").read_bytes()
    subsets = [e for e in only(SubsetSeen, log) if e.is_reg is not None]
    assert [(e.images, e.repeats, e.is_reg) for e in subsets] == [(23, 10, False), (30, 1, True)]
    assert subsets[0].image_dir == "/home/me/train/train/10_spyke_plasma_v1"


def test_messages_without_level_and_time() -> None:
    log = (DATA / "expected" / "console_log_simple.log").read_bytes()
    assert [(e.images, e.repeats, e.is_reg) for e in only(SubsetSeen, log)] == [
        (4, None, None),
        (4, 10, False),
    ]
    assert [e.name for e in only(BannerSeen, log)][-1] == "total_steps"
    assert [e.shown_step for e in only(StepShown, log)] == [0, 1, 2, 3, 4, 4]


def test_no_data_is_told_by_its_own_event() -> None:
    log = (DATA / "failures" / "empty_dir.log").read_bytes()
    (nothing,) = only(NothingToTrain, log)
    assert nothing.text.startswith("No data found. Please verify arguments")
    assert "No data" not in " ".join(e.text for e in only(WarningSeen, log))


@pytest.mark.parametrize(
    "text",
    [
        "no regularization images / 正則化画像が見つかりませんでした",
        "epoch is not incremented. current_epoch: 1, epoch: 1",
        "/data/001.png",
        "/data/001.png... and 18 more",
    ],
)
def test_harmless_warnings_are_not_reported(text: str) -> None:
    assert only(WarningSeen, record(text, "WARNING")) == []


def test_our_own_marker_begins_a_new_attempt() -> None:
    log = (
        "model saved.\n--- plasma-tui attempt 2 2026-11-21 14:03:11 ---\n"
        "steps:   0%|          | 0/9 [00:00<?, ?it/s]\n"
    )
    assert [e.attempt for e in only(AttemptSeen, log)] == [2]
    assert phases(log) == ["launching", "finished", "launching", "training"]
    assert unknown(log) == 0


# ------------------------------------------------------------------ phases


def test_phases_of_a_whole_run() -> None:
    data = (DATA / "runs" / "samples_val.log").read_bytes()
    order = [str(e.phase) for e in only(PhaseChanged, data) if not e.detail]
    before = "launching|preparing data|preparing|loading model|caching|preparing"
    first = "training|sampling|training|sampling|training|saving"
    second = "training|sampling|training|sampling|saving|finished"
    assert "|".join(order) == f"{before}|{first}|{second}"


def test_a_bar_drawn_again_in_the_middle_of_a_save_is_no_training() -> None:
    bar = "\rsteps:  {0}%|█ | {0}/100 [00:20<01:41,  1.2it/s, avr_loss={1}]"
    log = bar.format(1, 0.5) + "\nsaving checkpoint: a.safetensors\n" + bar.format(1, 0.5)
    assert phases(log)[-1] == "saving"
    assert phases(log + bar.format(2, 0.5))[-1] == "training"


# ------------------------------------------------------------------ faults


def test_an_exception_carries_its_functions_and_its_whole_message() -> None:
    log = (DATA / "failures" / "v2_flag.log").read_bytes()
    (seen,) = only(ExceptionSeen, log)
    assert seen.name == "RuntimeError"
    assert seen.message.startswith("Error(s) in loading state_dict for UNet2DConditionModel:\nsize")
    file, _, function = seen.frames[-2].rpartition(":")
    assert function == "load_models_from_stable_diffusion_checkpoint"
    assert file.endswith("library/model_util.py")
    assert len(seen.message) < 4100


def test_torchrun_tells_which_signal_ended_a_rank() -> None:
    log = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in main\n    x()\n'
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "============================================================\n"
        "train_network.py FAILED\n"
        "------------------------------------------------------------\n"
        "Failures:\n  <NO_OTHER_FAILURES>\n"
        "Root Cause (first observed failure):\n[0]:\n  rank      : 1 (local_rank: 1)\n"
        "  exitcode  : -9 (pid: 4711)\n  traceback : Signal 9 (SIGKILL) received by PID 4711\n"
        "============================================================\n"
    )
    (seen,) = only(ExceptionSeen, log)
    assert "Signal 9 (SIGKILL)" in seen.message
    assert unknown(log) == 0


@pytest.mark.parametrize(
    "line",
    [
        "train_network.py: error: unrecognized arguments: --no_such_flag",
        "/usr/bin/python3: can't open file '/x/train_network.py': [Errno 2] No such file or directory",
        "Segmentation fault (core dumped)",
        "run.sh: line 3: 12345 Killed                  python train_network.py",
        "bad/nocfg.toml not found.",
    ],
)
def test_last_words_without_a_traceback(line: str) -> None:
    assert [e.text for e in only(FatalSeen, line + "\n")] == [line]


def test_a_traceback_that_a_full_disk_cut_off_is_no_silence() -> None:
    log = (
        "\rsteps:  17%|#7        | 17/100 [00:02<00:10,  8.12it/s, avr_loss=0.0221]"
        "Traceback (most recent call last):\n"
        '  File "/x/train.py", line 89, in train\n    loop.run()\n'
        '  File "/x/event_file_writer.py", line 125, in flush\n    self._async_writer.flush()\n'
        '  File "/x/event_file_writer.py", lin'
        "\rsteps:  17%|#7        | 17/100 [00:02<00:10,  8.12it/s, avr_loss=0.0221]"
    )
    (seen,) = only(FatalSeen, log)
    assert seen.text == "the output ends within a traceback, at /x/event_file_writer.py:flush"
    assert not only(FatalSeen, log + "\nOSError: [Errno 28] No space left on device\n")


# ------------------------------------------------------------------ the measure of drift


@pytest.mark.parametrize("log", LOGS, ids=lambda p: p.stem)
def test_nothing_in_recorded_runs_is_unknown(log: Path) -> None:
    parser = ConsoleParser()
    parser.feed(log.read_bytes())
    parser.finish()
    assert parser.unknown_lines == 0


def test_lines_like_nothing_known_are_counted() -> None:
    assert unknown("Wibble 17 wobbled\nfrobnicating the quux\nmodel saved.\n") == 2
