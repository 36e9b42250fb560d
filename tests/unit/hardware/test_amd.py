"""AMD cards by a tree of /sys as the amdgpu driver lays it out."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from runner.hardware.amd import ASLEEP, SELDOM_S, AmdSource, Linux, read_text
from runner.hardware.source import Asked
from runner.model import GpuSample
from tests.unit.hardware.sysfs_tree import Tree

AT = "0000:03:00.0"
AMD, NAVI = 0x1002, 0x73BF
GIB = 1 << 30
CARD: dict[str, str | bytes] = {
    "gpu_busy_percent": "97\n",
    "mem_busy_percent": "41\n",
    "mem_info_vram_used": f"{11 * GIB}\n",
    "mem_info_vram_total": f"{16 * GIB}\n",
    "mem_info_gtt_used": f"{GIB}\n",
    "mem_info_gtt_total": f"{32 * GIB}\n",
    "power__runtime_status": "active\n",
    "gpu_metrics": b"\x78\x00\x01\x03rest",
    "hwmon__hwmon4__temp1_input": "61000\n",
    "hwmon__hwmon4__temp1_label": "edge\n",
    "hwmon__hwmon4__temp2_input": "78000\n",
    "hwmon__hwmon4__temp2_label": "junction\n",
    "hwmon__hwmon4__temp3_input": "70000\n",
    "hwmon__hwmon4__temp3_label": "mem\n",
    "hwmon__hwmon4__power1_average": "213000000\n",
    "hwmon__hwmon4__power1_cap": "255000000\n",
    "hwmon__hwmon4__fan1_input": "1500\n",
    "hwmon__hwmon4__fan1_max": "3000\n",
    "hwmon__hwmon4__freq1_input": "2350000000\n",
    "hwmon__hwmon4__freq2_input": "1000000000\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def one(tree: Tree, asked: Asked | None = None, **more: object) -> GpuSample:
    linux = Linux("linux", tree.root, uid=os.getuid(), **more)  # type: ignore[arg-type]
    (gpu,) = AmdSource(linux).read(asked or Asked()).gpus
    return gpu


def test_a_whole_card(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", **CARD)
    gpu = one(tree)
    assert (gpu.key, gpu.source, gpu.index) == (f"amd:{AT}", "amdgpu", 0)
    assert gpu.name == "AMD Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]"
    assert (gpu.percent, gpu.memory_used_bytes, gpu.memory_total_bytes) == (97, 11 * GIB, 16 * GIB)
    assert (gpu.temperature_c, gpu.power_w, gpu.power_limit_w) == (61.0, 213.0, 255.0)
    assert (gpu.clock_mhz, gpu.memory_clock_mhz, gpu.fan_percent) == (2350.0, 1000.0, 50.0)
    unknown = {"memory_run_bytes", "memory_others_bytes", "energy_j"}
    assert set(gpu.reasons) == unknown


@pytest.mark.parametrize(
    ("labels", "degrees"),
    [
        ({1: "junction", 2: "edge"}, 20.0),
        ({1: "mem", 2: "junction"}, 20.0),
        ({1: "mem"}, 10.0),
        ({}, 10.0),
    ],
)
def test_the_edge_stands_for_the_card(tree: Tree, labels: dict[int, str], degrees: float) -> None:
    files: dict[str, str | bytes] = {"hwmon__hwmon0__temp1_input": "10000"}
    files["hwmon__hwmon0__temp2_input"] = "20000"
    files |= {f"hwmon__hwmon0__temp{n}_label": label for n, label in labels.items()}
    tree.card(0, AT, AMD, NAVI, "amdgpu", **files)
    assert one(tree).temperature_c == degrees


def test_newer_drivers_tell_the_power_of_the_moment(tree: Tree) -> None:
    files = {k: v for k, v in CARD.items() if not k.endswith("power1_average")}
    tree.card(0, AT, AMD, NAVI, "amdgpu", **files, hwmon__hwmon4__power1_input="99500000")
    assert one(tree).power_w == 99.5


def test_a_fan_without_a_known_fastest_speed_is_what_it_is_told(tree: Tree) -> None:
    files = {k: v for k, v in CARD.items() if not k.endswith("fan1_max")}
    tree.card(0, AT, AMD, NAVI, "amdgpu", **files, hwmon__hwmon4__pwm1="51")
    assert one(tree).fan_percent == 20.0


def test_graphics_inside_a_processor_share_the_memory_of_the_system(tree: Tree) -> None:
    inside = {**CARD, "gpu_metrics": b"\x80\x00\x02\x02", "mem_info_vram_total": str(GIB // 2),
              "mem_info_vram_used": str(GIB // 4)}  # fmt: skip
    tree.card(0, AT, AMD, 0x164E, "amdgpu", **inside)
    gpu = one(tree)
    assert gpu.memory_used_bytes == GIB // 4 + GIB
    assert gpu.memory_total_bytes == GIB // 2 + 32 * GIB
    assert gpu.reasons["memory"] == "shared with the system"


def test_a_sleeping_card_is_told_and_not_woken(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", **{**CARD, "power__runtime_status": "suspended\n"})
    read: list[str] = []

    def watched(path: Path) -> str:
        read.append(path.name)
        return read_text(path)

    gpu = one(tree, read=watched)
    assert (gpu.percent, gpu.memory_used_bytes, gpu.power_w) == (None, None, None)
    assert gpu.reasons["percent"] == gpu.reasons["temperature_c"] == ASLEEP
    assert gpu.problem is None
    assert set(read) <= {"vendor", "device", "product_name", "runtime_status"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EBUSY, "the driver is busy"),
        (errno.EINVAL, "refused by the driver"),
        (errno.EACCES, "not allowed to read it"),
        (errno.EIO, "not measured: Input/output error"),
    ],
)
def test_a_file_that_fails_costs_its_own_field_alone(tree: Tree, code: int, words: str) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", **CARD)

    def failing(path: Path) -> str:
        if path.name == "gpu_busy_percent":
            raise OSError(code, os.strerror(code))
        return read_text(path)

    gpu = one(tree, read=failing)
    assert (gpu.percent, gpu.reasons["percent"]) == (None, words)
    assert gpu.memory_used_bytes == 11 * GIB


def test_missing_files_are_never_zero(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", gpu_busy_percent="\n")
    gpu = one(tree)
    assert (gpu.percent, gpu.memory_total_bytes, gpu.fan_percent) == (None, None, None)
    assert gpu.reasons["percent"] == "the driver's value is not a number"
    assert gpu.reasons["memory_total_bytes"] == "not reported by the driver"
    assert gpu.reasons["fan_percent"] == "not reported by the driver"


def test_another_driver_has_no_figures_and_is_named(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "vfio-pci", **CARD)
    gpu = one(tree)
    assert gpu.percent is None
    assert gpu.reasons["percent"] == "its driver is vfio-pci, not amdgpu"


def test_without_a_list_of_names_the_number_stands(tmp_path: Path) -> None:
    tree = Tree(tmp_path, names=False)
    tree.card(0, AT, AMD, NAVI, "amdgpu", **CARD)
    assert one(tree).name == "AMD GPU 0x73bf"


def test_the_own_name_of_a_product_comes_first(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", product_name="AMD Instinct MI210\n")
    assert one(tree).name == "AMD Instinct MI210"


def test_cards_are_counted_by_their_address(tree: Tree) -> None:
    tree.card(1, "0000:03:00.0", AMD, NAVI, "amdgpu", gpu_busy_percent="1")
    tree.card(0, "0000:43:00.0", AMD, NAVI, "amdgpu", gpu_busy_percent="2")
    tree.card(2, "0000:00:02.0", 0x8086, 0x56A0, "i915")
    gpus = AmdSource(Linux("linux", tree.root)).read(Asked()).gpus
    assert [(gpu.index, gpu.percent) for gpu in gpus] == [(0, 1.0), (1, 2.0)]


@pytest.mark.parametrize(("system", "words"), [("linux", "no AMD card"), ("darwin", "on Linux")])
def test_without_a_card_it_says_so_once(tree: Tree, system: str, words: str) -> None:
    reading = AmdSource(Linux(system, tree.root)).read(Asked())
    assert reading.final and words in (reading.reason or "")
    (tree.root / "sys/class/drm").rmdir()
    assert AmdSource(Linux(system, tree.root)).read(Asked()).final


@pytest.mark.skipif(sys.platform != "linux", reason="reads /sys")
def test_the_real_machine_is_read_without_noise(capfd: pytest.CaptureFixture[str]) -> None:
    reading = AmdSource().read(Asked())
    assert reading.gpus or reading.final
    assert capfd.readouterr() == ("", "")


# ----------------------------------------------------------------- processes


def fdinfo(client: int, vram: str, compute_ns: int, gfx_ns: int = 0) -> str:
    return (
        f"pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\ndrm-client-id:\t{client}\n"
        f"drm-pdev:\t{AT}\ndrm-memory-vram:\t{vram}\ndrm-memory-gtt:\t12 KiB\n"
        f"drm-engine-gfx:\t{gfx_ns} ns\ndrm-engine-compute:\t{compute_ns} ns\n"
    )


RENDER = "/dev/dri/renderD128"


def test_processes_hold_memory_and_shares_of_the_time(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", **CARD)
    copy = (RENDER, fdinfo(7, "8388608 KiB", 10**9))
    tree.process(50, "python", opened={3: copy, 4: copy, 5: ("/dev/null", "pos: 0\n")})
    tree.process(60, "blender", opened={9: (RENDER, fdinfo(8, "512 MiB", 0, 2 * 10**9))})
    now = 100.0
    source = AmdSource(Linux("linux", tree.root, clock=lambda: now))
    asked = Asked(frozenset({50}), 50)
    (gpu,) = source.read(asked).gpus
    assert [(u.pid, u.name, u.memory_bytes, u.percent, u.ours) for u in gpu.users] == [
        (50, "python", 8 * GIB, None, True),
        (60, "blender", 512 << 20, None, False),
    ]
    assert gpu.memory_run_bytes == 8 * GIB
    assert gpu.memory_others_bytes == 3 * GIB
    now += SELDOM_S
    tree.write(tree.root / "proc/60/fdinfo/9", fdinfo(8, "512 MiB", 0, 7 * 10**9))
    tree.write(tree.root / "proc/50/fdinfo/3", fdinfo(9, "8 GiB", 10**9))
    tree.write(tree.root / "proc/50/fdinfo/4", fdinfo(9, "8 GiB", 10**9))
    (gpu,) = source.read(asked).gpus
    assert [user.percent for user in gpu.users] == pytest.approx([5.0, 25.0])


def test_the_share_of_a_rocm_process_is_not_known_instead_of_zero(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", **CARD)
    newer = fdinfo(7, "", 0).replace("drm-memory-vram:\t\n", "drm-resident-vram:\t4 GiB\n")
    tree.process(50, "python", opened={3: (RENDER, newer), 4: ("/dev/kfd", "pos: 0\n")})
    now = 100.0
    source = AmdSource(Linux("linux", tree.root, clock=lambda: now))
    source.read(Asked(frozenset({50})))
    now += SELDOM_S
    (user,) = source.read(Asked(frozenset({50}))).gpus[0].users
    assert (user.memory_bytes, user.percent) == (4 * GIB, None)


def test_processes_of_others_are_not_looked_at(tree: Tree) -> None:
    tree.card(0, AT, AMD, NAVI, "amdgpu", **CARD)
    tree.process(50, "python", opened={3: (RENDER, fdinfo(7, "1 GiB", 0))})
    linux = Linux("linux", tree.root, uid=os.getuid() + 1)
    (gpu,) = AmdSource(linux).read(Asked(frozenset({50}))).gpus
    assert gpu.users == ()
    assert gpu.memory_run_bytes is None
    assert gpu.reasons["memory_run_bytes"] == "no process of the training found on it"
