"""What ioreg prints, from M1 to M5: values of public captures, built again as property lists."""

from __future__ import annotations

import plistlib
from typing import Any

import pytest

from runner.hardware.apple_ioreg import UNIFIED, NotUnderstood, accelerators, clients


def figures(**more: Any) -> dict[str, Any]:
    names = {
        "device": "Device Utilization %",
        "renderer": "Renderer Utilization %",
        "tiler": "Tiler Utilization %",
        "used": "In use system memory",
        "driver": "In use system memory (driver)",
        "alloc": "Alloc system memory",
        "pb": "Allocated PB Size",
        "scene": "TiledSceneBytes",
        "split": "SplitSceneCount",
        "recoveries": "recoveryCount",
        "last_recovery": "lastRecoveryTime",
    }
    return {names.get(key, key): value for key, value in more.items()}


def entry(kind: str, model: str | bytes, /, **more: Any) -> dict[str, Any]:
    return {"IOClass": kind, "model": model, "PerformanceStatistics": figures(**more)}


M1_PRO = {
    **entry("AGXAcceleratorG13X", "Apple M1 Pro", device=28, renderer=26, tiler=28,
            used=617349120, driver=0, alloc=6789218304),
    "IONameMatched": "gpu,t6000", "gpu-core-count": 16,
}  # fmt: skip
M1_MAX = {
    **entry("AGXAcceleratorG13X", "Apple M1 Max", device=76, renderer=3, tiler=3,
            used=22186737664, driver=0, alloc=22906798080, pb=9175040, split=0, scene=1933312,
            last_recovery=0, recoveries=0),
    "gpu-core-count": 32,
}  # fmt: skip
M2 = entry("AGXAcceleratorG14G", "Apple M2", device=4, renderer=0, tiler=0, used=632307712,
           alloc=3455598592, scene=557056, pb=73400320)  # fmt: skip
M3_PRO = entry("AGXAcceleratorG15X", "Apple M3 Pro", device=12, renderer=7, used=1142489088,
               alloc=4455694336)  # fmt: skip
M4 = {
    **entry("AGXAcceleratorG16G", "Apple M4", device=30, renderer=29, tiler=30, used=356089856,
            alloc=2181693440),
    "gpu-core-count": 10,
}  # fmt: skip
M4_MAX = entry("AGXAcceleratorG16X", "Apple M4 Max", device=98, renderer=1, tiler=0,
               alloc=58093305856)  # fmt: skip
M5_PRO = {
    **entry("AGXAcceleratorG17X", "Apple M5 Pro", device=0, used=925630464, alloc=4859609088,
            pb=135266304, scene=851968),
    "gpu-core-count": 16,
}  # fmt: skip


def answer(*entries: dict[str, Any]) -> bytes:
    return plistlib.dumps(list(entries))


@pytest.mark.parametrize(
    ("captured", "model", "percent", "used", "recoveries"),
    [
        (M1_PRO, "Apple M1 Pro", 28, 617349120, None),
        (M1_MAX, "Apple M1 Max", 76, 22186737664, 0),
        (M2, "Apple M2", 4, 632307712, None),
        (M3_PRO, "Apple M3 Pro", 12, 1142489088, None),
        (M4, "Apple M4", 30, 356089856, None),
        (M4_MAX, "Apple M4 Max", 98, None, None),
        (M5_PRO, "Apple M5 Pro", 0, 925630464, None),
    ],
)
def test_every_generation_is_read(
    captured: dict[str, Any], model: str, percent: float, used: int | None, recoveries: int | None
) -> None:
    (found,) = accelerators(answer(captured))
    assert (found.name, found.percent) == (model, percent)
    assert (found.memory_used_bytes, found.recoveries) == (used, recoveries)
    assert found.memory_total_bytes is None
    assert found.reasons["memory_total_bytes"] == "shared with the system"
    assert ("memory_used_bytes" in found.reasons) == (used is None)
    assert ("recoveries" in found.reasons) == (recoveries is None)


def test_the_printed_xml_of_an_m1_pro_is_read() -> None:
    text = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><array><dict>
 <key>IOClass</key><string>AGXAcceleratorG13X</string>
 <key>IONameMatched</key><string>gpu,t6000</string>
 <key>PerformanceStatistics</key><dict>
  <key>Alloc system memory</key><integer>6789218304</integer>
  <key>Device Utilization %</key><integer>28</integer>
  <key>In use system memory</key><integer>617349120</integer>
  <key>In use system memory (driver)</key><integer>0</integer>
  <key>Renderer Utilization %</key><integer>26</integer>
  <key>Tiler Utilization %</key><integer>28</integer></dict>
 <key>gpu-core-count</key><integer>16</integer><key>model</key><string>Apple M1 Pro</string>
</dict></array></plist>
"""
    (found,) = accelerators(text)
    assert (found.percent, found.memory_used_bytes) == (28.0, 617349120)
    assert found.key == "apple:gpu,t6000"


def test_a_model_as_data_ends_at_its_nul() -> None:
    (found,) = accelerators(answer(entry("AGXAcceleratorG13G", b"Apple M1\0", device=1)))
    assert found.name == "Apple M1"


@pytest.mark.parametrize(
    ("value", "percent"), [(137, 100.0), (-1, 0.0), (41.5, 41.5), ("41", None), (True, None)]
)
def test_the_share_is_clamped_and_never_guessed(value: Any, percent: float | None) -> None:
    (found,) = accelerators(answer(entry("AGXAcceleratorG16X", "Apple M4 Max", device=value)))
    assert found.percent == percent
    assert ("percent" in found.reasons) == (percent is None)


def test_an_older_driver_tells_its_activity() -> None:
    (found,) = accelerators(answer(entry("IntelAccelerator", "", **{"GPU Activity(%)": 7.25})))
    assert (found.percent, found.name) == (7.25, "IntelAccelerator")


def test_a_card_of_amd_in_an_intel_mac_has_memory_of_its_own() -> None:
    card = entry("AMDRadeonX6000_AMDNavi21GraphicsAccelerator", b"AMD Radeon Pro W6800X\0",
                 vramUsedBytes=5 << 30, vramFreeBytes=27 << 30, device=63)  # fmt: skip
    (found,) = accelerators(answer(card))
    assert (found.memory_used_bytes, found.memory_total_bytes) == (5 << 30, 32 << 30)
    assert found.reasons.get("memory_total_bytes") != UNIFIED
    assert found.percent == 63


def test_what_has_no_figures_is_no_gpu() -> None:
    bridge = {"IOClass": "IOAcceleratorBridge"}
    assert [one.name for one in accelerators(answer(bridge, M2))] == ["Apple M2"]


@pytest.mark.parametrize(
    "nothing",
    [
        b"",
        b"\n",
        b"garbage",
        b"<?xml version='1.0'?><plist version='1.0'><array><dict><key>",
        b"<plist><array><integer>x</integer></array></plist>",
        b"bplist00\x00\x01garbage",
        plistlib.dumps([]),
        plistlib.dumps({"IOClass": "AGXAcceleratorG13X"}),
        plistlib.dumps(["a", 3]),
        plistlib.dumps([{"PerformanceStatistics": "none"}]),
    ],
)
def test_nothing_and_garbage_are_never_zero(nothing: bytes) -> None:
    with pytest.raises(NotUnderstood, match="ioreg"):
        accelerators(nothing)


TEXT = """\
+-o AGXDeviceUserClient  <class AGXDeviceUserClient, id 0x100000a11, !registered, !matched, active>
  {
    "IOUserClientCreator" = "pid 4245, python3.12"
    "AppUsage" = ({"API"="Metal","lastSubmittedTime"=88,"accumulatedGPUTime"=123632000000},\
{"API"="Metal","lastSubmittedTime"=90,"accumulatedGPUTime"=368000000})
  }

+-o AGXDeviceUserClient  <class AGXDeviceUserClient, id 0x100000a12, !registered, !matched, active>
  {
    "AppUsage" = ()
    "IOUserClientCreator" = "pid 610, WindowServer"
  }

+-o AGXDeviceUserClient  <class AGXDeviceUserClient, id 0x100000a13, !registered, !matched, active>
  {
    "AppUsage" = ()
  }
"""


def test_clients_are_read_from_text() -> None:
    found = clients(TEXT.encode())
    assert [(one.node, one.pid, one.name, one.gpu_ns) for one in found] == [
        ("0x100000a11", 4245, "python3.12", 124_000_000_000),
        ("0x100000a12", 610, "WindowServer", 0),
    ]


def test_clients_are_read_from_a_property_list() -> None:
    usage = [{"API": "Metal", "lastSubmittedTime": 1, "accumulatedGPUTime": 5}, "odd"]
    creator = "pid 77, Google Chrome Helper (GPU)"
    listed = answer(
        {"IOUserClientCreator": creator, "AppUsage": usage, "IORegistryEntryID": 4294969873},
        {"IOUserClientCreator": "pid 78, idle", "AppUsage": [], "IORegistryEntryID": 2},
        {"AppUsage": usage},
    )
    found = clients(listed)
    assert [(one.pid, one.name, one.gpu_ns) for one in found] == [
        (77, "Google Chrome He", 5),
        (78, "idle", 0),
    ]
    assert found[0].node == "4294969873"


def test_a_property_list_in_no_encoding_is_not_understood() -> None:
    with pytest.raises(NotUnderstood):
        clients(b'<?xml version="1.0" encoding="UTF-0"?><plist/>')


@pytest.mark.parametrize("nothing", [b"", b"\n", b"no node"])
def test_text_without_a_client_lists_none(nothing: bytes) -> None:
    assert clients(nothing) == ()
