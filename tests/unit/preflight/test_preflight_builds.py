"""Do torch, xformers, bitsandbytes and triton fit the card and the driver? Judged by the lists that real
builds of torch print, and by a trainer's Python with packages that answer as real ones do."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runner.preflight.checks import builds
from runner.preflight.driver import Card, Driver, amd_cards, gfx_name, parse_smi, visible
from runner.preflight.facts import Facts
from runner.preflight.gpu_code import Fit, driver_runs, fit, gfx_override, wheel_for
from runner.preflight.model import NEEDS
from runner.preflight.probe import Device, Package, gpu_packages, last_report, probe
from runner.preflight.registry import BY_NAME, run_check
from runner.trainers.command import build_command
from tests.fake_nvml.machine import ROOT
from tests.fake_nvml.machine import nvml_library as nvml_library
from tests.unit.preflight.preflight_project import Project, project_fixture

project = project_fixture()
SD = f'sd_scripts = "sd"\npython = "{sys.executable}"'

#: as torch.cuda.get_arch_list prints them, by build
LISTS = {
    "2.4.1+cu121": "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
    "2.11.0+cu126": "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
    "2.7.1+cu128": "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120 compute_120",
    "2.10.0+cu128": "sm_70 sm_75 sm_80 sm_86 sm_90 sm_100 sm_120",
    "2.11.0+cu130": "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120 compute_120",
    "1.13.1+cu117": "sm_37 sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 compute_86",
    "2.1.2+cu118": "sm_37 sm_50 sm_60 sm_61 sm_70 sm_75 sm_80 sm_86 sm_90 compute_37",
    "2.6.0+rocm6.2": "gfx900 gfx906 gfx908 gfx90a gfx1030 gfx1100 gfx942",
}
CARDS = {
    "12.0": "NVIDIA GeForce RTX 5090", "9.0": "NVIDIA H100", "8.9": "NVIDIA GeForce RTX 4090",
    "7.5": "Tesla T4", "7.0": "Tesla V100", "6.1": "NVIDIA GeForce GTX 1080", "6.0": "Tesla P100",
    "5.2": "NVIDIA GeForce GTX 970", "3.7": "Tesla K80", "12.1": "NVIDIA GB10",
}  # fmt: skip


def torch(build: str, *capabilities: str) -> Device:
    cuda = build.partition("+cu")[2]
    return Device(
        "cuda" if capabilities else "cpu",
        torch=build,
        accelerate="1.6.0",
        cuda=bool(capabilities),
        cuda_build=f"{cuda[:2]}.{cuda[2:]}" if cuda else "6.2.41133",
        archs=tuple(LISTS[build].split()),
        names=tuple(CARDS.get(one, "AMD Radeon") for one in capabilities),
        capabilities=capabilities,
    )


@pytest.mark.parametrize(
    ("build", "card", "status", "evidence", "said"),
    [
        ("2.4.1+cu121", "12.0", "fail", "no code for 12.0", "whl/cu128"),
        ("2.11.0+cu126", "12.0", "fail", "no code for 12.0", "whl/cu128"),
        ("2.7.1+cu128", "12.0", "pass", "fits 12.0", ""),
        ("2.7.1+cu128", "12.1", "pass", "fits 12.1", ""),
        ("2.4.1+cu121", "8.9", "pass", "fits 8.9", ""),
        ("2.4.1+cu121", "6.1", "pass", "fits 6.1", ""),
        ("2.7.1+cu128", "6.1", "fail", "no code for 6.1", "whl/cu126"),
        ("2.7.1+cu128", "6.0", "fail", "no code for 6.0", "whl/cu126"),
        ("2.7.1+cu128", "5.2", "fail", "no code for 5.2", "whl/cu126"),
        ("2.7.1+cu128", "7.0", "fail", "no code for 7.0", "whl/cu126"),
        ("2.10.0+cu128", "7.0", "pass", "fits 7.0", ""),
        ("2.7.1+cu128", "3.7", "fail", "no code for 3.7", "no current build of torch supports"),
        ("1.13.1+cu117", "9.0", "warn", "only PTX for 9.0", "whl/cu128"),
        ("2.1.2+cu118", "12.0", "fail", "no code for 12.0", "whl/cu128"),
        ("2.11.0+cu130", "7.5", "pass", "fits 7.5", ""),
    ],
)
def test_torch_has_code_for_the_card_or_another_build_is_named(
    build: str, card: str, status: str, evidence: str, said: str
) -> None:
    found = builds.judge_torch(torch(build, card), Driver("580.95", "13.0"), {}, "python")
    assert (found.status, found.evidence) == (status, evidence)
    assert said in found.advice
    if status == "fail":
        assert CARDS[card] in found.detail and build in found.detail


def test_of_several_cards_those_that_are_used_must_fit() -> None:
    both = torch("2.7.1+cu128", "8.9", "6.1")
    found = builds.judge_torch(both, Driver(), {}, "python", processes=2)
    assert found.evidence == "no code for 6.1"
    assert "cu126" in found.advice, "that build fits both"
    one = builds.judge_torch(both, Driver(), {}, "python")
    assert one.evidence == "fits 8.9", "the second is for the screen"


def test_code_for_one_card_only_does_not_carry_over() -> None:
    assert fit("9.0", ["sm_90a"]) is Fit.FINISHED
    assert fit("10.3", ["sm_100a", "compute_100f"]) is Fit.NONE
    assert fit("10.3", ["sm_100"]) is Fit.FINISHED
    assert fit("8.0", ["sm_86", "compute_86"]) is Fit.NONE, "newer code does not run on older cards"


@pytest.mark.parametrize(
    ("driver", "cuda", "build", "evidence", "said"),
    [
        ("470.82", "11.4", "2.4.1+cu121", "driver too old", "whl/cu118"),
        ("550.54", "12.4", "2.11.0+cu130", "driver too old", "whl/cu128"),
        ("535.104", "12.2", "2.7.1+cu128", "fits 8.9", ""),
        ("", "", "2.7.1+cu128", "fits 8.9", ""),
    ],
)
def test_the_driver_must_know_the_cuda_of_torch(
    driver: str, cuda: str, build: str, evidence: str, said: str
) -> None:
    cards = (Card("GT 710", "3.5"), Card("NVIDIA GeForce RTX 4090", "8.9"))
    found = builds.judge_torch(torch(build), Driver(driver, cuda, cards), {}, "python")
    assert found.evidence == evidence
    seen = builds.judge_torch(torch(build, "8.9"), Driver(driver, cuda), {}, "python")
    assert seen.status == "pass", "torch uses the card, by a compatibility package"
    assert said in found.advice


def test_torch_itself_says_that_the_driver_is_too_old() -> None:
    told = Device(
        "cpu", torch="2.6.0+cu124", cuda_build="12.4", archs=("sm_80",),
        cuda_error="The NVIDIA driver on your system is too old (found version 11040).",
    )  # fmt: skip
    found = builds.judge_torch(told, Driver(), {}, "python")
    assert (found.status, found.evidence) == ("fail", "driver too old")
    assert "found version 11040" in found.detail


def test_an_older_driver_cannot_compile_a_newer_cudas_ptx() -> None:
    told = torch("1.13.1+cu117", "9.0")
    assert builds.judge_torch(told, Driver("515.1", "11.6"), {}, "python").status == "fail"
    assert driver_runs("12.2", "12.8") is True
    assert driver_runs("", "12.8") is None


def test_a_torch_for_the_cpu_on_a_machine_with_a_card() -> None:
    told = Device("cpu", torch="2.6.0+cpu", accelerate="1.6.0")
    driver = Driver("570.1", "12.8", (Card("NVIDIA GeForce RTX 5070", "12.0"),))
    found = builds.judge_torch(told, driver, {}, "/venv/bin/python")
    assert (found.status, found.evidence) == ("fail", "CPU build, has a GPU")
    assert "/venv/bin/python -m pip install --force-reinstall torch" in found.advice
    assert "whl/cu128" in found.advice and 'device = "cpu"' in found.advice
    assert builds.judge_torch(told, Driver(), {}, "python").status == "pass"
    assert wheel_for(["3.5"], "11.4") is None
    for card in (Card("NVIDIA GT 710", "3.5"), Card("AMD GPU", "gfx1036")):
        assert builds.judge_torch(told, Driver(cards=(card,)), {}, "python").status == "pass"


@pytest.mark.parametrize(
    ("card", "env", "status", "fix"),
    [
        ("gfx1030", {}, "pass", None),
        ("gfx1031", {}, "fail", "10.3.0"),
        ("gfx1101", {}, "fail", "11.0.0"),
        ("gfx803", {}, "fail", None),
        ("gfx1031", {"HSA_OVERRIDE_GFX_VERSION": "10.3.0"}, "pass", None),
    ],
)
def test_amd_cards(card: str, env: dict[str, str], status: str, fix: str | None) -> None:
    found = builds.judge_torch(torch("2.6.0+rocm6.2", card), Driver(), env, "python")
    assert found.status == status
    changes = [dict(one.changes) for one in found.fixes if one is not None]
    assert changes == ([{"HSA_OVERRIDE_GFX_VERSION": fix}] if fix else [])


def test_amd_cards_as_the_kernel_lists_them(tmp_path: Path) -> None:
    for number, version in enumerate((0, 100300, 90010, 110001)):
        node = tmp_path / str(number)
        node.mkdir()
        (node / "properties").write_text(f"simd_count 40\ngfx_target_version {version}\n")
    assert [card.capability for card in amd_cards(tmp_path)] == ["gfx1030", "gfx90a", "gfx1101"]
    assert amd_cards(tmp_path / "none") == ()
    assert gfx_name(90402) == "gfx942"
    assert gfx_override("gfx1031", ["gfx1100"]) is None


def test_a_mac_and_a_wish_for_the_cpu_are_left_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "device", lambda self, bare=False: torch("2.4.1+cu121", "12.0"))
    for need in ("python", "accelerate"):
        monkeypatch.setitem(NEEDS, need, lambda facts: None)
    for device in ("cpu", "mps"):
        found = project.find("torch_build", trainer=SD, expect=f'device = "{device}"')
        assert found.status == "skip"
    assert project.find("torch_build", trainer=SD).status == "fail"


# ----------------------------------------------------------------------------- the driver

TABLE = "| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: 12.4     |\n"
ROWS = "0, GPU-11, NVIDIA GeForce RTX 3060, 8.6\n1, GPU-22, NVIDIA GeForce RTX 4090, 8.9\n"


def test_the_drivers_command() -> None:
    found = parse_smi(TABLE, ROWS)
    assert (found.version, found.cuda) == ("550.54.15", "12.4")
    assert [(c.index, c.capability, c.key) for c in found.cards] == [
        (0, "8.6", "GPU-11"),
        (1, "8.9", "GPU-22"),
    ]
    old = parse_smi(TABLE, "0, GPU-11, Tesla K80, [N/A]\n")
    assert old.cards[0].capability == ""
    assert parse_smi("NVIDIA-SMI has failed", "") == Driver()


@pytest.mark.parametrize(
    ("answers", "capabilities"),
    [
        (["cards 2", "1.major 12", "1.minor 0"], ["8.9", "12.0"]),
        (["nvmlDeviceGetCudaComputeCapability 13"], [""]),
        (["nvmlSystemGetCudaDriverVersion 13"], ["8.9"]),
        (["nvmlInitWithFlags hang"], []),
        (["nvmlInitWithFlags 9"], []),
    ],
)
def test_the_drivers_library_is_asked_without_torch(
    nvml_library: Any, tmp_path: Path, answers: list[str], capabilities: list[str]
) -> None:
    (tmp_path / "nvml.txt").write_text("".join(f"{line}\n" for line in answers))
    code = """
import os
from runner.preflight.driver import read_driver
found = read_driver()
print([card.capability for card in found.nvidia], found.version, found.cuda, flush=True)
os._exit(0)
"""
    env = {
        "FAKE_NVML": str(tmp_path / "nvml.txt"), "LD_LIBRARY_PATH": str(nvml_library()),
        "PATH": str(tmp_path), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    told = done.stdout.strip()
    assert told.startswith(str(capabilities)), done
    if capabilities:
        assert "550.54.15" in told
        assert ("12.4" in told) is ("CudaDriverVersion" not in answers[0])


@pytest.mark.parametrize(
    ("env", "ids", "keys"),
    [
        ({}, "", ["GPU-11", "GPU-22"]),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "", ["GPU-22"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, "", ["GPU-11", "GPU-22"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-2"}, "", ["GPU-22"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, "", []),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, "", []),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "0", ["GPU-11"]),
        ({}, "all", ["GPU-11", "GPU-22"]),
    ],
)
def test_the_cards_that_the_training_may_use(
    env: dict[str, str], ids: str, keys: list[str]
) -> None:
    assert [card.key for card in visible(parse_smi(TABLE, ROWS).cards, env, ids)] == keys


# ----------------------------------------------------------------------------- packages

GPU = torch("2.6.0+rocm6.2", "8.9")


@pytest.mark.parametrize(
    ("package", "status", "evidence"),
    [
        (Package("0.0.29", operators=("cutlassF",)), "pass", "0.0.29"),
        (Package("0.0.23", "xFormers can't load C++/CUDA extensions.", "2.1.2+cu121", "12.1"),
         "fail", "does not load"),
        (Package("0.0.16", "ModuleNotFoundError: No module named 'xformers._cpp_lib'"),
         "fail", "does not load"),
        (Package("0.0.22", built_torch="2.1.0", built_cuda="none"), "fail", "built without CUDA"),
        (Package("0.0.28", operators=()), "fail", "none for 8.9"),
    ],
)  # fmt: skip
def test_xformers_by_its_own_check(package: Package, status: str, evidence: str) -> None:
    found = builds.judge_xformers(GPU, package)
    assert (found.status, found.evidence) == (status, evidence)
    if status == "fail":
        assert dict(found.fixes[0].changes) == {"xformers": False, "sdpa": True}  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize(
    ("archs", "card", "status", "evidence"),
    [
        ("7.5 8.0+PTX 8.0 9.0a", "8.9", "pass", "0.0.29"),
        ("7.5 8.0+PTX 8.0 9.0a", "9.0", "pass", "0.0.29"),
        ("6.0+PTX 7.0 7.5 8.0+PTX 9.0a", "12.0", "warn", "old for 12.0"),
        ("7.5 8.0 9.0a", "12.0", "fail", "none for 12.0"),
        ("7.5 8.0+PTX 8.0 9.0a", "6.1", "fail", "none for 6.1"),
        ("", "12.0", "pass", "0.0.29"),
    ],
)
def test_xformers_is_built_for_some_cards(
    archs: str, card: str, status: str, evidence: str
) -> None:
    package = Package("0.0.29", archs=tuple(archs.split()))
    found = builds.judge_xformers(torch("2.7.1+cu128", card), package)
    assert (found.status, found.evidence) == (status, evidence)
    sure = Package("0.0.29", archs=tuple(archs.split()), operators=("cutlassB",))
    assert builds.judge_xformers(torch("2.7.1+cu128", card), sure).status == "pass"


@pytest.mark.parametrize(
    ("package", "device", "status", "evidence"),
    [
        (Package("0.45.0", gpu=True), GPU, "pass", "0.45.0"),
        (Package("0.45.0", gpu=True), torch("2.7.1+cu128", "12.0"), "fail", "too old for the GPU"),
        (Package("0.49.2", gpu=True), torch("2.7.1+cu128", "12.0"), "pass", "0.49.2"),
        (Package("0.41.1", gpu=False, libraries=("libbitsandbytes_cpu.so",)), GPU,
         "fail", "CPU library"),
        (Package("0.47.0", "No compatible CUDA binary found at x", gpu=False), GPU,
         "fail", "does not load"),
        (Package("0.37.0", "RuntimeError: CUDA Setup failed despite GPU being available."), GPU,
         "fail", "does not load"),
        (Package("0.49.2", "XPU/CPU can run without native library.", gpu=False),
         Device("cpu", torch="2.6.0+cpu"), "warn", "not for cpu"),
    ],
)  # fmt: skip
def test_bitsandbytes_by_its_own_check(
    package: Package, device: Device, status: str, evidence: str
) -> None:
    found = builds.judge_bitsandbytes(device, package)
    assert (found.status, found.evidence) == (status, evidence)
    assert found.advice or status == "pass"


@pytest.mark.parametrize(
    ("package", "device", "status", "evidence"),
    [
        (Package("3.2.0", wanted="3.2.0", compiler=True), GPU, "pass", "3.2.0"),
        (Package("3.1.0", wanted="3.2.0", compiler=True), GPU, "warn", "3.1.0"),
        (Package("", "ModuleNotFoundError: No module named 'triton'"), GPU, "fail", "does not load"),
        (Package("3.2.0", compiler=False), GPU, "fail", "no C compiler"),
        (Package("3.2.0", compiler=True), torch("2.4.1+cu121", "6.1"), "fail", "not for 6.1"),
        (Package("3.2.0", compiler=True), Device("cpu", torch="2.6"), "skip", "not for cpu"),
    ],
)  # fmt: skip
def test_triton(package: Package, device: Device, status: str, evidence: str) -> None:
    found = builds.judge_triton(device, package)
    assert (found.status, found.evidence) == (status, evidence)


def test_only_packages_that_the_flags_use_are_asked() -> None:
    assert gpu_packages({}) == []
    assert gpu_packages({"xformers": True, "optimizer_type": "PagedAdamW8bit"}) == [
        "xformers",
        "bitsandbytes",
    ]
    assert gpu_packages({"use_8bit_adam": True, "torch_compile": True}) == [
        "bitsandbytes",
        "triton",
    ]
    assert gpu_packages({"torch_compile": True, "dynamo_backend": "eager"}) == []


# ----------------------------------------------------------------------------- in a trainer's Python

TORCH = """
import types
__version__ = "2.4.1+cu121"
class version:
    cuda = "12.1"
_C = types.SimpleNamespace(_cuda_getArchFlags=lambda: "sm_80 sm_90")
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    get_device_name = staticmethod(lambda i: "NVIDIA GeForce RTX 5090")
    get_device_capability = staticmethod(lambda: (12, 0))
    is_bf16_supported = staticmethod(lambda including_emulation: True)
    get_device_properties = staticmethod(
        lambda i: types.SimpleNamespace(major=12, minor=0, uuid="abc"))
class backends:
    class mps:
        is_available = is_built = staticmethod(lambda: False)
"""
ACCELERATE = """
import types
__version__ = "1.6.0"
class Accelerator:
    def __init__(self, mixed_precision):
        self.device = types.SimpleNamespace(type="cuda", __str__=lambda self: "cuda")
        class Cuda(str):
            type = "cuda"
        self.device = Cuda("cuda")
"""
XFORMERS = """
class Built:
    torch_version, cuda_version = "2.1.2+cu121", 1201
    build_env = {"TORCH_CUDA_ARCH_LIST": "8.0+PTX 9.0a"}
class Wrong(Exception):
    build_info = Built
_build_metadata = None
_cpp_library_load_exception = Wrong("xFormers can't load C++/CUDA extensions.\\n  xFormers was built")
"""
BITSANDBYTES = """
class CPU:
    compiled_with_cuda = False
    def __getattr__(self, name):
        return lambda: None
lib = CPU()
"""
USES = 'xformers = true\noptimizer_type = "AdamW8bit"'


@pytest.fixture
def trainer(project: Project) -> str:
    packages = project.root / "packages"
    for name, text in {
        "torch.py": TORCH,
        "accelerate/__init__.py": ACCELERATE,
        "accelerate/state.py": "class AcceleratorState: pass\n",
        "xformers/__init__.py": "",
        "xformers/_cpp_lib.py": XFORMERS,
        "bitsandbytes/__init__.py": "",
        "bitsandbytes/cextension.py": BITSANDBYTES,
        "bitsandbytes/libbitsandbytes_cpu.so": "",
        "bitsandbytes-0.41.1.dist-info/METADATA": "Name: bitsandbytes\nVersion: 0.41.1\n",
    }.items():
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text(text)
    return f'{SD}\nenv = {{ PYTHONPATH = "{packages}" }}'


def test_the_probe_asks_the_packages_themselves(project: Project, trainer: str) -> None:
    config = project.config(trainer=trainer, train=USES)
    command = build_command(config)
    found = probe(config, command, threading.Event(), packages=("xformers", "bitsandbytes"))
    assert (found.name, found.archs, found.capabilities) == ("cuda", ("sm_80", "sm_90"), ("12.0",))
    assert found.keys == ("GPU-abc",)
    assert found.packages["xformers"] == Package(
        problem="xFormers can't load C++/CUDA extensions. xFormers was built",
        built_torch="2.1.2+cu121",
        built_cuda="12.1",
        archs=("8.0+PTX", "9.0a"),
    )
    told = found.packages["bitsandbytes"]
    assert (told.version, told.gpu, told.problem) == ("0.41.1", False, None)
    assert told.libraries == ("libbitsandbytes_cpu.so",)
    assert not probe(config, command, threading.Event()).packages


def test_a_package_that_crashes_python_does_not_hide_the_device(
    project: Project, trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    (project.root / "packages/bitsandbytes/cextension.py").write_text(crash)
    monkeypatch.setattr(Facts, "missing", lambda self: [])
    monkeypatch.setitem(NEEDS, "accelerate", lambda facts: None)
    facts = Facts(project.config(trainer=trainer, train=USES))
    assert facts.device().name == "cuda"
    result = run_check(BY_NAME["bitsandbytes"], facts)
    assert (result.status, result.evidence) == ("fail", "crashes")
    assert run_check(BY_NAME["torch_build"], facts).evidence == "no code for 12.0"


def test_the_last_report_counts_and_a_torn_one_does_not() -> None:
    mark = "\x1ePLASMA "
    assert last_report(f'x\n{mark}{{"a": 1}}\n{mark}{{"a": 2}}\n') == {"a": 2}
    assert last_report(f'{mark}{{"a": 1}}\n{mark}{{"a": 2, "b\n') == {"a": 1}
    assert last_report("nothing") is None


def test_the_fix_of_a_card_without_a_build_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "device", lambda self, bare=False: torch("2.6.0+rocm6.2", "gfx1031"))
    for need in ("python", "accelerate"):
        monkeypatch.setitem(NEEDS, need, lambda facts: None)
    found = project.find("torch_build", trainer=SD)
    found.cures[0].apply(lambda line: None)
    assert 'HSA_OVERRIDE_GFX_VERSION = "10.3.0"' in (project.root / "plasma.toml").read_text()
