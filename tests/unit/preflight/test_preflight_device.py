"""Device, launcher, precision and MPS, judged by answers of the probe; the launcher's own file."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from runner.preflight import probe_cache
from runner.preflight.checks import device
from runner.preflight.checks.device import watermark_problem
from runner.preflight.cures.accelerate import changed
from runner.preflight.facts import Facts
from runner.preflight.model import NEEDS
from runner.preflight.probe import Device, cached_probe, device_of, last_word, probe, probe_command
from runner.preflight.registry import BY_NAME, cure_for, run_check
from runner.trainers.accelerate import default_path, read_config
from runner.trainers.command import build_command
from tests import DATA
from tests.unit.preflight.preflight_project import Project, look, project_fixture

PROBES = DATA / "probes"
SD = 'sd_scripts = "sd"'


def answer(name: str) -> Device:
    return device_of(json.loads((PROBES / f"{name}.json").read_text()))


project = project_fixture()


@pytest.mark.parametrize(
    ("name", "expected", "status", "said"),
    [
        ("mps", "mps", "pass", "gives the training mps"),
        ("cpu", "cpu", "pass", "gives the training cpu"),
        ("cuda", "cuda", "pass", "cuda (NVIDIA GeForce RTX 4090)"),
        ("mps_forced_cpu", "mps", "fail", "use_cpu"),
        ("mac_old_system", "mps", "fail", "macOS offers none"),
        ("mac_torch_without_mps", "mps", "fail", "not built for it"),
        ("cuda_no_driver", "cuda", "fail", "no driver offers it a GPU"),
        ("cuda_hidden", "cuda", "fail", 'CUDA_VISIBLE_DEVICES is ""'),
        ("cpu", "cuda", "fail", "built for the CPU"),
        ("launch_obsolete_type", "mps", "fail", "not a valid DistributedType"),
    ],
)
def test_the_device_and_why_it_is_another(name: str, expected: str, status: str, said: str) -> None:
    found = device.judge_device(answer(name), expected, "c.yaml")
    assert found.status == status
    assert said in found.detail


@pytest.mark.parametrize(
    ("launched", "bare", "status", "evidence", "said"),
    [
        ("mps", "mps", "pass", "same as bare", "Both get mps"),
        ("mps_forced_cpu", "mps", "warn", "cpu, bare mps", "use_cpu in c.yaml"),
        ("launch_obsolete_type", "mps", "fail", "launch fails", "Python alone gets mps"),
        ("launch_obsolete_type", "launch_obsolete_type", "fail", "accelerate fails", "Asking"),
    ],
)
def test_launch_and_bare_are_held_against_each_other(
    launched: str, bare: str, status: str, evidence: str, said: str
) -> None:
    found = device.judge_launcher(answer(launched), answer(bare), "c.yaml", True)
    assert (found.status, found.evidence) == (status, evidence)
    assert said in found.detail


def test_gpu_ids_explain_a_difference() -> None:
    masked = device_of({**json.loads((PROBES / "cuda_hidden.json").read_text()), "visible": "7"})
    found = device.judge_launcher(masked, answer("cuda"), "c.yaml", False)
    assert (found.status, found.advice) == ("warn", "correct gpu_ids in [accelerate]")


@pytest.mark.parametrize(
    ("name", "asked", "status", "evidence"),
    [
        ("mps", "no", "pass", "float32"),
        ("mps_fp16_accelerate_1_6", "fp16", "fail", "no fp16 on mps"),
        ("mps_bf16_accelerate_1_6", "bf16", "fail", "no bf16 on mps"),
        ("mps_fp16_accelerate_1_11", "fp16", "warn", "fp16 on MPS"),
        ("cpu", "fp16", "fail", "fp16 on a CPU"),
        ("cpu", "bf16", "pass", "bf16 on cpu"),
        ("cuda", "bf16", "pass", "bf16 on cuda"),
        ("cuda_turing_bf16", "bf16", "warn", "bf16 is emulated"),
        ("cuda_turing_bf16", "fp16", "pass", "fp16 on cuda"),
    ],
)
def test_the_precision_must_be_one_of_the_device(
    name: str, asked: str, status: str, evidence: str
) -> None:
    found = device.judge_precision(answer(name), asked)
    assert (found.status, found.evidence) == (status, evidence)
    assert "accelerate" in found.detail or found.status != "fail" or "CPU" in found.detail


def test_the_cure_of_a_refused_precision_takes_its_flags_along(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = answer("mps_fp16_accelerate_1_6")
    monkeypatch.setattr(Facts, "device", lambda self, bare=False: told)
    train = 'mixed_precision = "fp16"\nfull_fp16 = true'
    own = f'{SD}\npython = "{sys.executable}"'
    for need in ("python", "accelerate"):
        monkeypatch.setitem(NEEDS, need, lambda facts: None)
    found = project.find("precision", trainer=own, train=train)
    assert found.status == "fail"
    found.cures[0].apply(lambda line: None)
    text = (project.root / "plasma.toml").read_text()
    assert 'mixed_precision = "no"' in text and "full_fp16" not in text


@pytest.mark.parametrize(
    ("name", "status", "evidence"),
    [
        ("mps", "pass", "available, built"),
        ("mac_old_system", "fail", "built, unavailable"),
        ("mac_torch_without_mps", "fail", "not built"),
        ("launch_obsolete_type", "fail", "accelerate fails"),
    ],
)
def test_mps_is_available_and_built_or_not(name: str, status: str, evidence: str) -> None:
    found = device.judge_mps(answer(name))
    assert (found.status, found.evidence) == (status, evidence)


MPS = 'device = "mps"'


@pytest.mark.parametrize(
    ("train", "status", "evidence"),
    [
        ('optimizer_type = "AdamW8bit"', "fail", "8-bit optimizer +1"),
        ("xformers = true", "fail", "xformers +1"),
        ("validation_split = 0.1", "fail", "validation +1"),
        ("max_data_loader_n_workers = 1", "pass", "none"),
        ("", "warn", "many workers"),
        ('max_data_loader_n_workers = 0\nmixed_precision = "fp16"', "warn", "half precision"),
        ("max_data_loader_n_workers = 0\nfp8_base = true", "fail", "fp8"),
    ],
)
def test_what_does_not_work_on_mps(
    project: Project, train: str, status: str, evidence: str
) -> None:
    found = project.find("mps_traps", trainer=SD, train=train, expect=MPS)
    assert (found.status, found.evidence) == (status, evidence)
    assert project.find("mps_traps", trainer=SD, train=train, expect='device = "cuda"').status == (
        "skip"
    )


def test_the_fallback_is_set_in_the_trainers_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTORCH_ENABLE_MPS_FALLBACK", raising=False)
    found = project.find("mps_fallback", trainer=SD, expect=MPS)
    assert (found.status, found.evidence) == ("warn", "not set")
    found.cures[0].apply(lambda line: None)
    text = (project.root / "plasma.toml").read_text()
    assert 'PYTORCH_ENABLE_MPS_FALLBACK = "1"' in text
    own = f'{SD}\nenv = {{ PYTORCH_ENABLE_MPS_FALLBACK = "1" }}'
    assert project.find("mps_fallback", trainer=own, expect=MPS).status == "pass"
    assert project.find("mps_fallback", trainer=SD, expect='device = "cpu"').status == "skip"


@pytest.mark.parametrize(
    ("high", "low", "wrong"),
    [
        (None, None, False),
        ("0.0", None, False),
        ("1.2", None, True),
        ("1.2", "0.8", False),
        ("1.7", None, False),
        ("x", None, True),
    ],
)
def test_the_watermark_ratios_must_be_in_order(
    high: str | None, low: str | None, wrong: bool
) -> None:
    assert (watermark_problem(high, low) is not None) is wrong


# ----------------------------------------------------------------------------- the launcher's file

HEAD = "compute_environment: LOCAL_MACHINE\n"


@pytest.fixture
def home(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hugging Face home, with room for the launcher's file."""
    folder = project.root / "hf" / "accelerate"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HF_HOME", str(project.root / "hf"))
    return folder / "default_config.yaml"


LAUNCH = f'{SD}\nlauncher = "accelerate"'


@pytest.mark.parametrize(
    ("text", "expect", "status", "evidence"),
    [
        (f"{HEAD}distributed_type: 'NO'\nuse_cpu: false\n", "", "pass", "no conflict"),
        (f"{HEAD}distributed_type: NO\nuse_cpu: no\n", "", "pass", "no conflict"),
        (f"{HEAD}distributed_type: 'NO'\nuse_cpu: true\n", "", "warn", "use_cpu is true"),
        (f"{HEAD}distributed_type: 'NO'\nuse_cpu: true\n", MPS, "fail", "use_cpu is true"),
        (
            f"{HEAD}distributed_type: 'NO'\nuse_cpu: true\n", 'device = "cpu"', "pass",
            "no conflict",
        ),
        (f"{HEAD}distributed_type: MPS\nuse_cpu: false\n", "", "fail", "type MPS"),
        (f"{HEAD}distributed_type: MULTI_GPU\nnum_processes: 2\n", "", "warn", "type MULTI_GPU"),
        (f"{HEAD}use_cpu: false\n", "", "fail", "incomplete"),
        ("", "", "fail", "not readable"),
        ("no such thing\n", "", "fail", "not readable"),
        ('{"distributed_type": "NO", "use_cpu": true}', MPS, "fail", "use_cpu is true"),
        ("{", "", "fail", "not readable"),
    ],
)  # fmt: skip
def test_what_stands_in_the_launchers_file(
    project: Project, home: Path, text: str, expect: str, status: str, evidence: str
) -> None:
    home.write_text(text)
    found = project.find("accelerate", trainer=LAUNCH, expect=expect)
    assert (found.status, found.evidence) == (status, evidence), found
    assert bool(found.cures) is (status != "pass")


def test_a_device_lost_to_the_launcher_is_cured_at_its_root(
    project: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text(f"{HEAD}distributed_type: 'NO'\nuse_cpu: true\n")
    for need in ("python", "accelerate"):
        monkeypatch.setitem(NEEDS, need, lambda facts: None)
    monkeypatch.setattr(Facts, "device", lambda self, bare=False: answer("mps_forced_cpu"))
    config = project.config(trainer=LAUNCH, expect=MPS)
    cure = cure_for("device", config)
    assert cure is not None and cure.name == "accelerate"
    assert run_check(BY_NAME["device"], Facts(config)).fix == "accelerate"
    monkeypatch.setattr(Facts, "device", lambda self, bare=False: answer("cuda_no_driver"))
    assert cure_for("device", config) is None, "no configuration brings a driver"


def test_without_a_file_or_a_launcher_there_is_nothing_to_read(
    project: Project, home: Path
) -> None:
    assert project.find("accelerate", trainer=LAUNCH).evidence == "no file"
    home.write_text(f"{HEAD}distributed_type: MPS\n")
    assert project.find("accelerate", trainer=SD).status == "skip"


def test_a_launcher_told_to_use_the_cpu(project: Project, home: Path) -> None:
    rest = "[accelerate]\ncpu = true\nnum_machines = 1\n"
    found = project.find("accelerate", trainer=LAUNCH, expect=MPS, rest=rest)
    assert (found.status, found.evidence) == ("fail", "cpu is set")
    assert found.cures[0].will_do[1] == "[accelerate] cpu is removed"
    found.cures[0].apply(lambda line: None)
    assert "cpu = true" not in (project.root / "plasma.toml").read_text()


def test_a_named_file_must_be_there(project: Project) -> None:
    rest = '[accelerate]\nconfig_file = "mine.yaml"\n'
    found = project.find("accelerate", trainer=LAUNCH, rest=rest)
    assert (found.status, found.evidence) == ("fail", "no config_file")


def test_the_first_cure_leaves_the_users_file_alone(project: Project, home: Path) -> None:
    old = f"{HEAD}distributed_type: MPS\nuse_cpu: true\n"
    home.write_text(old)
    own, theirs = project.find("accelerate", trainer=LAUNCH, expect=MPS).cures
    assert (own.name, theirs.name) == ("accelerate", "accelerate_file")
    own.apply(lambda line: None)
    assert home.read_text() == old
    assert 'config_file = "accelerate.yaml"' in (project.root / "plasma.toml").read_text()
    written = read_config(project.root / "accelerate.yaml")
    assert written is not None
    assert (written.distributed_type, written.use_cpu, written.processes) == ("NO", False, 1)


def test_the_users_file_is_changed_only_by_the_second_cure_which_keeps_a_copy(
    project: Project, home: Path
) -> None:
    old = f"# mine\n{HEAD}distributed_type: MPS\nuse_cpu: true\nnum_processes: 1\n"
    home.write_text(old)
    _, theirs = project.find("accelerate", trainer=LAUNCH, expect=MPS).cures
    assert "use_cpu: false" in theirs.will_do and "distributed_type: NO" in theirs.will_do
    theirs.apply(lambda line: None)
    assert home.read_text() == (
        f"# mine\n{HEAD}distributed_type: 'NO'\nuse_cpu: false\nnum_processes: 1\n"
    )
    assert [file.read_text() for file in home.parent.glob("*.bak")] == [old]
    assert project.find("accelerate", trainer=LAUNCH, expect=MPS).status == "pass"


def test_json_under_the_yaml_name_stays_json() -> None:
    """`accelerate config default` writes it so (accelerate 1.6)."""
    text = json.dumps({"distributed_type": "NO", "use_cpu": True, "debug": False})
    assert json.loads(changed(text, {"use_cpu": "false"})) == {
        "distributed_type": "NO",
        "use_cpu": False,
        "debug": False,
    }
    assert changed("a: 1\n", {"use_cpu": "false"}) == "a: 1\nuse_cpu: false\n"


def test_the_older_json_is_read_only_where_there_is_no_yaml(home: Path) -> None:
    env = {"HF_HOME": str(home.parent.parent)}
    assert default_path(env) == home
    older = home.with_suffix(".json")
    older.write_text("{}")
    assert default_path(env) == older
    home.write_text("a: 1\n")
    assert default_path(env) == home
    assert default_path({"XDG_CACHE_HOME": "/c"}) == Path(
        "/c/huggingface/accelerate/default_config.yaml"
    )


# ----------------------------------------------------------------------------- the probe itself

FAKE_TORCH = """
class version:
    cuda = None
class cuda:
    is_available = staticmethod(lambda: False)
    device_count = staticmethod(lambda: 0)
class backends:
    class mps:
        is_available = staticmethod(lambda: True)
        is_built = staticmethod(lambda: True)
__version__ = "2.5.1"
"""
FAKE_ACCELERATE = """
import os
__version__ = "1.6.0"
open(os.environ["ASKED"], "a").write("x")
class Accelerator:
    def __init__(self, mixed_precision):
        if mixed_precision == "fp16":
            raise ValueError("fp16 mixed precision requires a GPU (not 'mps').")
        self.device, self.distributed_type, self.num_processes = "mps", "DistributedType.NO", 1
"""
FAKE_STATE = "class AcceleratorState:\n    _reset_state = staticmethod(lambda partial: None)\n"


@pytest.fixture
def mac(project: Project) -> Project:
    """A trainer's Python with packages that answer as on a Mac; `asked` grows a byte a question."""
    packages = project.root / "packages"
    (packages / "accelerate").mkdir(parents=True)
    (packages / "torch.py").write_text(FAKE_TORCH)
    (packages / "accelerate/__init__.py").write_text(FAKE_ACCELERATE)
    (packages / "accelerate/state.py").write_text(FAKE_STATE)
    (project.root / "asked").touch()
    return project


def on_mac(mac: Project) -> str:
    env = f'{{ PYTHONPATH = "{mac.root}/packages", ASKED = "{mac.root}/asked" }}'
    return f'{SD}\npython = "{sys.executable}"\nenv = {env}'


def test_a_refused_precision_does_not_hide_the_device(mac: Project) -> None:
    config = mac.config(trainer=on_mac(mac), train='mixed_precision = "fp16"')
    found = probe(config, build_command(config), threading.Event())
    assert (found.name, found.problem) == ("mps", None)
    assert found.refused == "fp16 mixed precision requires a GPU (not 'mps')."
    assert (found.torch, found.accelerate, found.mps_built) == ("2.5.1", "1.6.0", True)
    assert device.judge_precision(found, "fp16").evidence == "no fp16 on mps"


def asked(mac: Project) -> int:
    return len((mac.root / "asked").read_text())


def test_the_answer_is_remembered_until_something_it_depends_on_changes(
    mac: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = mac.config(trainer=on_mac(mac))

    def ask() -> Device:
        return cached_probe(config, build_command(config), threading.Event())

    first = ask()
    assert (ask(), asked(mac)) == (first, 1), "the second answer comes from the disk"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert (ask().visible, asked(mac)) == ("1", 2), "the environment is part of it"
    config = mac.config(trainer=on_mac(mac), train='mixed_precision = "fp16"')
    assert (ask().refused is not None, asked(mac)) == (True, 3), "the precision is part of it"
    monkeypatch.setattr(probe_cache, "MAX_AGE_S", -1.0)
    ask()
    assert asked(mac) == 4, "no answer holds for ever"


def test_the_launchers_file_is_part_of_what_the_answer_depends_on(mac: Project, home: Path) -> None:
    config = mac.config(trainer=on_mac(mac))
    env = {"HF_HOME": str(home.parent.parent)}
    first = probe_cache.key_of(["a"], config, env, "s")
    home.write_text("use_cpu: true\n")
    assert probe_cache.key_of(["a"], config, env, "s") != first


def test_a_failed_probe_is_asked_again(mac: Project) -> None:
    (mac.root / "packages/torch.py").write_text("raise ImportError('libcudart.so')\n")
    config = mac.config(trainer=on_mac(mac))
    command = build_command(config)
    for _ in range(2):
        found = cached_probe(config, command, threading.Event())
        assert found.name is None and "libcudart.so" in (found.problem or "")
    assert not list(probe_cache.folder().glob("*.json"))


def test_a_torn_or_foreign_answer_is_asked_again(mac: Project) -> None:
    config = mac.config(trainer=on_mac(mac))
    command = build_command(config)
    cached_probe(config, command, threading.Event())
    (file,) = probe_cache.folder().glob("*.json")
    for text in ("", "[1]", '{"name": 3}'):
        file.write_text(text)
        assert cached_probe(config, command, threading.Event()).name == "mps"
    assert asked(mac) == 4


def test_the_launcher_is_asked_in_float32_because_it_would_refuse_by_itself(
    project: Project,
) -> None:
    config = project.config(trainer=LAUNCH, train='mixed_precision = "bf16"')
    words = probe_command(config, build_command(config), Path("p.py"))
    assert "--mixed_precision=no" in words and words[-1] == "bf16"
    bare = probe_command(config, build_command(config), Path("p.py"), bare=True)
    assert "accelerate.commands.launch" not in bare


def test_the_launchers_own_last_line_is_not_the_cause() -> None:
    errors = "Traceback\nValueError: 'MPS' is no\nsubprocess.CalledProcessError: Command 'x'\n"
    assert last_word(errors, 1) == "ValueError: 'MPS' is no"
    assert last_word("", 3) == "exit code 3"


def test_checks_of_the_probe_say_alike_why_nobody_can_be_asked(project: Project) -> None:
    config = project.config(trainer=f'{SD}\npython = "/no/such/python"', expect=MPS)
    for name in ("device", "mps", "precision"):
        found = look(name, config)
        assert (found.status, found.evidence) == ("skip", "python does not run")
    begin = time.monotonic()
    config = project.config(trainer=f'{LAUNCH}\npython = "/no/such/python"')
    assert look("launcher", config).status == "skip"
    assert time.monotonic() - begin < 2
