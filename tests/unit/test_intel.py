"""Intel graphics: the name always, figures only from xpu-smi."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.hardware.asking import Unanswered
from runner.hardware.intel import EVERY_S, TRIES, IntelSource, Linux, figures_in
from runner.hardware.source import Asked
from tests.unit.sysfs_tree import Tree

HEAD = (
    "Timestamp, DeviceId, GPU Utilization (%), GPU Power (W), GPU Frequency (MHz), "
    "GPU Core Temperature (Celsius Degree), GPU Memory Used (MiB)\n"
)
DUMP = f"{HEAD}08:08:16.817,    0, 87.25, 281.13, 1600.00, 35.50, 2048.00\n".encode()


class FakeSmi:
    def __init__(self, tree: Tree, answer: bytes | None, here: bool = True) -> None:
        self.answer, self.now = answer, 10.0
        self.asked: list[tuple[str, ...]] = []
        self.source = IntelSource(
            Linux(
                "linux", tree.root, ask=self.ask, clock=lambda: self.now,
                find=lambda name: f"/usr/bin/{name}" if here else None,
            )
        )  # fmt: skip

    def ask(self, command: Sequence[str], timeout_s: float) -> bytes:
        self.asked.append(tuple(command))
        if self.answer is None:
            raise Unanswered("xpu-smi failed with exit code 1")
        return self.answer


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    found = Tree(tmp_path)
    found.card(0, "0000:4d:00.0", 0x8086, 0x56A0, "xe")
    return found


def test_without_xpu_smi_there_is_a_name_and_a_reason(tree: Tree) -> None:
    (gpu,) = FakeSmi(tree, DUMP, here=False).source.read(Asked()).gpus
    assert (gpu.key, gpu.name) == ("intel:0000:4d:00.0", "Intel DG2 [Arc A770]")
    assert (gpu.percent, gpu.memory_used_bytes, gpu.source) == (None, None, "xe")
    assert gpu.reasons["percent"] == "needs xpu-smi, which is not in PATH"
    assert gpu.reasons["memory_total_bytes"] == "the driver xe does not tell"


def test_xpu_smi_is_asked_by_address_and_seldom(tree: Tree) -> None:
    fake = FakeSmi(tree, DUMP)
    (gpu,) = fake.source.read(Asked()).gpus
    assert (gpu.percent, gpu.power_w, gpu.clock_mhz) == (87.25, 281.13, 1600.0)
    assert (gpu.temperature_c, gpu.memory_used_bytes) == (35.5, 2 << 30)
    assert gpu.source == "xpu-smi"
    assert set(gpu.reasons) == {"memory_total_bytes"}
    fake.source.read(Asked())
    assert fake.asked == [
        ("/usr/bin/xpu-smi", "dump", "-d", "0000:4d:00.0", "-m", "0,1,2,3,18", "-n", "1")
    ]


def test_figures_that_are_not_available_are_left_out() -> None:
    line = b"08:08:16.817,    0,  N/A, 281.13, , nan, -1\n"
    assert figures_in(HEAD.encode() + line) == {"power_w": 281.13}
    assert figures_in(HEAD.encode() + b"t, 0, 137.5\n") == {"percent": 100.0}


@pytest.mark.parametrize("odd", [b"", b"\n", HEAD.encode(), b"Error: no device\n", b"\xff\xfe"])
def test_an_odd_answer_is_a_reason(tree: Tree, odd: bytes) -> None:
    (gpu,) = FakeSmi(tree, odd).source.read(Asked()).gpus
    assert gpu.percent is None
    assert gpu.reasons["percent"] == "the answer of xpu-smi is not understood"


def test_an_xpu_smi_that_fails_is_left_alone_after_some_tries(tree: Tree) -> None:
    fake = FakeSmi(tree, None)
    for _ in range(TRIES + 2):
        (gpu,) = fake.source.read(Asked()).gpus
        assert gpu.reasons["percent"] == "xpu-smi failed with exit code 1"
        fake.now += EVERY_S
    assert len(fake.asked) == TRIES


def test_what_no_graphics_driver_has_is_no_gpu(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.card(0, "0000:4d:00.0", 0x8086, 0x56A0, "vfio-pci")
    tree.card(1, "0000:03:00.0", 0x1002, 0x73BF, "amdgpu")
    reading = FakeSmi(tree, DUMP).source.read(Asked())
    assert (reading.gpus, reading.final, reading.reason) == ((), True, "no Intel graphics here")


def test_another_system_is_told_for_good(tree: Tree) -> None:
    assert IntelSource(Linux("darwin", tree.root)).read(Asked()).final
