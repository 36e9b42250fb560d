"""Which GPUs a queue finds in use by others."""

from __future__ import annotations

import json

import pytest

from runner.hardware import list_gpus
from runner.hardware.list_gpus import in_use
from runner.hardware.programs import Process
from runner.hardware.users import Listing
from runner.model import GpuSample, GpuUser

GB = 1 << 30
TRAINING = Process(10, "python", ("python", "sdxl_train_network.py"))
COMFY = Process(20, "python", ("python", "/home/me/ComfyUI/main.py", "--port", "8188"))
OTHER = Process(30, "python", ("python", "something.py"))
DESKTOP = Process(40, "Xorg", ("/usr/lib/xorg/Xorg",))


def found(*users: GpuUser, ours: frozenset[int] = frozenset()) -> dict[str, str]:
    gpu = GpuSample("GPU-1", "nvml", "X", 0, users=users)
    names = {30: "alice", 40: "root"}
    listing = Listing.of((TRAINING, COMFY, OTHER, DESKTOP))
    return in_use(
        (gpu, GpuSample("GPU-2", "nvml", "X", 1)), listing, ours, lambda p: names.get(p, "")
    )


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (GpuUser(10, "python", 8 * GB), "another training (pid 10, 8.0 GB)"),
        (GpuUser(30, "python", 18 * GB), "python of alice (pid 30, 18.0 GB)"),
    ],
)
def test_a_training_and_a_large_program_of_another_user_occupy_their_gpu(
    user: GpuUser, words: str
) -> None:
    assert found(user) == {"GPU-1": words}


@pytest.mark.parametrize(
    "user",
    [
        GpuUser(20, "python", 12 * GB),  # the user's own ComfyUI: a warning of the preflight
        GpuUser(30, "python", GB // 2),
        GpuUser(30, "python", None),
        GpuUser(40, "Xorg", 2 * GB),  # the desktop
        GpuUser(None, "python", 18 * GB, outside=True),  # outside the container: perhaps our own
    ],
)
def test_everything_else_does_not(user: GpuUser) -> None:
    assert found(user) == {}


def test_our_own_runs_do_not() -> None:
    assert found(GpuUser(10, "python", 8 * GB), ours=frozenset({10})) == {}


def test_a_waiting_process_of_an_earlier_version_gets_the_list_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(list_gpus, "read_once", lambda *_: (GpuSample("GPU-1", "nvml", "X", 0),))
    answers = []
    for words in (["list_gpus"], ["list_gpus", "--in-use"]):
        monkeypatch.setattr("sys.argv", words)
        list_gpus.main()
        answers.append(json.loads(capsys.readouterr().out))
    gpus = [["GPU-1", "nvidia", 0]]
    assert answers == [gpus, {"gpus": gpus, "in_use": {}}]
