"""Lines that every good run may print raise no alarm, no warning and no cause, wherever they stand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from runner.history.inspect import inspect_log
from runner.ingest.console.parser import ConsoleParser
from runner.model import Outcome
from runner.model.events import FatalSeen, WarningSeen
from tests import DATA
from tests.failure_logs import TRAINING, bar, record

LOGS = sorted([*(DATA / "runs").glob("*.log"), *(DATA / "failures").glob("*.log")])
EXITS = {
    row["file"]: row["exit"]
    for table in (DATA / "failures").glob("*.tsv")
    for row in csv.DictReader(table.open(), delimiter="\t")
}
TRITON = (
    "Traceback (most recent call last):\n"
    '  File "/venv/lib/python3.10/site-packages/xformers/__init__.py", line 55, in _is_triton_available\n'
    "    from xformers.triton.softmax import softmax as triton_softmax\n"
    "ModuleNotFoundError: No module named 'triton'\n"
)
BENIGN = {
    "no regularization": record("no regularization images / 正則化画像が見つかりません", "WARNING"),
    "no regularization, wrapped": (
        "2026-11-21 14:00:00 WARNING  no regularization images /         train_util.py:2172\n"
        "                             正則化画像が見つかりませんでした                     \n"
    ),
    "no regularization, plain": "no regularization images / 正則化画像が見つかりませんでした\n",
    "triton": "A matching Triton is not available, some optimizations will not be enabled.\n",
    "triton, logged": (
        "WARNING:xformers:A matching Triton is not available, some optimizations will not be enabled\n"
        + TRITON
    ),
    "triton, error": "Error caught was: No module named 'triton'\n",
    "triton, record": record("A matching Triton is not available", "WARNING"),
    "triton, traceback": TRITON,
    "triton, part": TRITON.replace("'triton'", "'triton.language'"),
    "future": (
        "/venv/diffusers/utils/outputs.py:63: FutureWarning: `torch.utils._pytree._register_pytree_node` "
        "is deprecated. Please use `torch.utils._pytree.register_pytree_node` instead.\n"
        "  torch.utils._pytree._register_pytree_node(\n"
    ),
    "user": (
        "/venv/torch/utils/checkpoint.py:31: UserWarning: None of the inputs have requires_grad=True. "
        'Gradients will be None\n  warnings.warn("None of the inputs have requires_grad=True.")\n'
    ),
    "user, two": "UserWarning: None of the inputs have requires_grad=True. Gradients will be None\n",
    "flash attention": (
        "/sd/library/original_unet.py:30: UserWarning: 1Torch was not compiled with flash attention. "
        "(Triggered internally at sdp_utils.cpp:455.)\n  out = F.scaled_dot_product_attention(\n"
    ),
    "mps falls back": (
        "/venv/torch/functional.py:512: UserWarning: The operator 'aten::_cdist_forward' is not "
        "currently supported on the MPS backend and will fall back to run on the CPU. This may have "
        "performance implications. (Triggered internally at MPSFallback.mm:14.)\n  return _VF.x(\n"
    ),
    "no cuda": (
        "/venv/torch/amp/autocast_mode.py:250: UserWarning: User provided device_type of 'cuda', but "
        "CUDA is not available. Disabling\n  warnings.warn(\n"
    ),
    "no driver": (
        "/venv/torch/cuda/__init__.py:107: UserWarning: CUDA initialization: Found no NVIDIA driver on "
        "your system. (Triggered internally at CUDAFunctions.cpp:108.)\n  return torch._C.x() > 0\n"
    ),
    "random states": record("Could not load random states"),
    "random states, warned": record("Could not load random states", "WARNING"),
    "epoch": record("epoch is not incremented. current_epoch: 0, epoch: 0", "WARNING"),
    "epoch, plain": "epoch is not incremented. current_epoch: 0, epoch: 0\n",
    "onednn": (
        "2026-11-21 14:00:00.123456: I tensorflow/core/util/port.cc:113] oneDNN custom operations are "
        "on. You may see slightly different numerical results due to floating-point round-off errors.\n"
    ),
    "cudnn": (
        "2026-11-21 14:00:00.123456: E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9261] "
        "Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one "
        "has already been registered\n"
    ),
    "cudnn, new": (
        "E0000 00:00:1732197600.000000    4711 cuda_dnn.cc:8310] Unable to register cuDNN factory: "
        "Attempting to register factory for plugin cuDNN when one has already been registered\n"
    ),
    "absl": "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    "tensorrt": (
        "2026-11-21 14:00:00.5: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: "
        "Could not find TensorRT\n"
    ),
    "xformers": (
        "WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:\n"
        "    PyTorch 2.1.0+cu121 with CUDA 1201 (you have 2.0.1+cu118)\n"
        "    Python  3.10.11 (you have 3.10.6)\n"
        "  Please reinstall xformers (see https://github.com/facebookresearch/xformers#installing)\n"
        "  Memory-efficient attention, SwiGLU, sparse and more won't be available.\n"
        "  Set XFORMERS_MORE_DETAILS=1 for more details\n"
    ),
    "redirects": "NOTE: Redirects are currently not supported in Windows or MacOs.\n",
    "socket": (
        "[W socket.cpp:663] [c10d] The client socket has failed to connect to [box]:29500 (system "
        "error: 10049 - The requested address is not valid in its context.).\n"
    ),
}


def placed(log: str, lines: str) -> list[str]:
    """The log with `lines` at its beginning, in its middle and between two states of the bar."""
    versions = [lines + log]
    for mark in ("running training", "Traceback (most recent call last)"):
        at = log.find(mark)
        if at > 0:
            start = log.rfind("\n", 0, at) + 1
            versions.append(log[:start] + lines + log[start:])
    loss = log.rfind("avr_loss=")
    end = log.find("]", loss) + 1
    if loss > 0 and end > 0:
        versions.append(f"{log[:end]}\n{lines}{log[end:]}")
    return versions


def seen(text: str) -> tuple[int, int, int]:
    parser = ConsoleParser()
    events = [*parser.feed(text.encode()), *parser.finish()]
    warnings = sum(isinstance(event, WarningSeen) for event in events)
    return warnings, sum(isinstance(event, FatalSeen) for event in events), parser.unknown_lines


@pytest.mark.parametrize("name", BENIGN)
def test_no_warning_and_nothing_unknown_in_a_good_run(name: str) -> None:
    log = TRAINING + "".join(map(bar, range(4, 9))) + "\nmodel saved.\n"
    before = seen(log)
    for text in placed(log, BENIGN[name]):
        assert seen(text) == before


@pytest.mark.parametrize("log", LOGS, ids=lambda p: p.stem)
def test_no_log_is_judged_otherwise_for_them(tmp_path: Path, log: Path) -> None:
    text = log.read_text(encoding="utf-8", errors="replace")
    exit_text = EXITS.get(log.name, "code:0")
    before = inspect_log(log, exit_text)
    path = tmp_path / "a.log"
    for other in placed(text, "".join(BENIGN.values())):
        path.write_text(other, encoding="utf-8", newline="")
        after = inspect_log(path, exit_text)
        assert (after.outcome, after.cause) == (before.outcome, before.cause)
        assert (after.steps_seen, after.images) == (before.steps_seen, before.images)
        assert after.checkpoints == before.checkpoints


def test_alone_they_are_no_cause(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for lines in BENIGN.values():
        path.write_text(TRAINING + "\n" + lines, encoding="utf-8")
        report = inspect_log(path)
        assert report.outcome is Outcome.KILLED
        assert report.cause is not None and "output stops" in report.cause.evidence
