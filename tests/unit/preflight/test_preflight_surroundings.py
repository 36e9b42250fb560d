"""What preflight finds around the training: other programs, sleep, variables, ports, logs, states."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runner.config.interpreter import Interpreter
from runner.hardware.comfy import comfy_ports, listening, port_users
from runner.hardware.programs import Hold, Process
from runner.hardware.users import Listing, User, other_users
from runner.model import GpuSample, GpuUser
from runner.preflight.checks import launch, machine, trainer, unattended
from runner.preflight.checks.launch import in_use
from runner.preflight.checks.reporting import logging as look_at_logging
from runner.preflight.facts import Facts
from tests.unit.preflight import preflight_models as models
from tests.unit.preflight.preflight_project import Project, project_fixture

SD = 'sd_scripts = "sd"'
LAUNCH = f'{SD}\nlauncher = "accelerate"'


project = project_fixture()


def user_of(process: Process) -> User | None:
    """The user that this process is by itself, if it holds a model or may."""
    found = other_users(Listing.of((process,)), ())
    return next((user for user in found if user.hold is not Hold.IDLE), None)


@pytest.mark.parametrize(
    ("argv", "cwd", "title"),
    [
        (["python", "main.py"], "/home/u/ComfyUI", "ComfyUI"),
        (["/opt/ComfyUI/venv/bin/python", "/opt/ComfyUI/main.py", "--listen"], "/", "ComfyUI"),
        (["python3", "main.py", "--port", "8188"], "/srv", "ComfyUI"),
        (
            ["python", "launch.py", "--xformers"],
            "/u/stable-diffusion-webui",
            "Stable Diffusion web",
        ),
        (["python", "webui.py"], "/u/stable-diffusion-webui-forge", "Stable Diffusion web UI"),
        (["/v/bin/python", "/v/bin/invokeai-web"], "/", "InvokeAI"),
        (["python", "entry_with_update.py"], "/u/Fooocus", "Fooocus"),
        (["ollama", "runner", "--model", "x"], "", "Ollama"),
        (["/tmp/ollama/ollama_llama_server", "--model", "x"], "", "Ollama"),
        (["llama-server", "-m", "x.gguf"], "", "llama.cpp"),
        (["python", "-u", "sdxl_train_network.py", "--seed=1"], "/k", "another training"),
        (["python", "/k/sd-scripts/train_db.py"], "/k", "another training"),
    ],
)
def test_programs_that_use_the_gpu_are_known_by_their_command_line(
    argv: list[str], cwd: str, title: str
) -> None:
    found = user_of(Process(7, argv[0], tuple(argv), cwd))
    assert found is not None and found.title.startswith(title)


@pytest.mark.parametrize(
    "argv",
    [
        ["python", "main.py"],
        ["vim", "train_network.py.txt"],
        ["ollama", "serve"],
        ["python", "-m", "http.server", "--port", "80"],
        ["/usr/bin/python3", "launch.py"],
        ["WindowServer"],
        [],
    ],
)
def test_other_programs_are_left_out(argv: list[str]) -> None:
    assert user_of(Process(7, argv[0] if argv else "kworker", tuple(argv), "/home/u/game")) is None


def test_users_are_told_with_pid_and_memory_and_never_as_a_failure() -> None:
    comfy = user_of(Process(71, "python", ("python", "main.py"), "/u/ComfyUI", 3 << 30))
    other = user_of(Process(72, "python", ("python", "train_network.py")))
    assert comfy and other
    found = machine.judge_gpu_users([comfy, other])
    assert (found.status, found.evidence) == ("warn", "ComfyUI +1")
    assert "ComfyUI (pid 71, 3.0 GB), another training (pid 72)" in found.detail
    assert found.cures == (), "nothing is ended from here"
    assert machine.judge_gpu_users([]).status == "pass"


def test_users_are_not_looked_for_where_there_is_no_gpu(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "read_once", lambda *_: ())
    monkeypatch.setattr(machine, "users", lambda *_: pytest.fail("looked for"))
    monkeypatch.setattr(machine, "driver_here", lambda: False)
    monkeypatch.setattr(Facts, "device_wanted", property(lambda _: None))
    found = project.find("gpu_users")
    assert (found.status, found.evidence) == ("skip", "no GPU")


def test_this_very_process_is_no_other_user() -> None:
    import os

    trainer = Process(os.getpid(), "python", ("python", "train_network.py"))
    listing = Listing.of([trainer])
    assert os.getpid() in {user.pid for user in machine.users(listing)}
    found = machine.users(listing, runs=frozenset({os.getpid()}))
    assert os.getpid() not in {user.pid for user in found}
    assert os.getpid() not in machine.others().processes


def test_any_process_that_the_driver_sees_on_the_gpu_is_named() -> None:
    card = GpuSample(
        "gpu",
        "nvml",
        users=(GpuUser(91, "julia", 5 << 30), GpuUser(None, "", 2 << 30, outside=True)),
    )
    listing = Listing.of([Process(91, "julia", ("julia", "solve.jl"))])
    found = machine.judge_gpu_users(machine.users(listing, (card,)))
    assert found.status == "warn"
    assert "julia (pid 91, 5.0 GB on the GPU)" in found.detail
    assert "a process outside this container" in found.detail


def test_a_program_started_from_the_same_shell_is_another_user() -> None:
    """Everything descends from the first process, which is ours as well."""
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "train_network.py"]) as child:
        try:
            assert child.pid in machine.others().processes
            found = [user.pid for user in machine.users(machine.others())]
            assert child.pid in found
        finally:
            child.kill()


def test_whoever_listens_where_comfy_does_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.setenv("COMFYUI_PORT", str(port))
        assert port in comfy_ports()
        assert listening([port]) == {port: os.getpid()}
        listing = Listing.of([Process(os.getpid(), "python3", ("python3", "srv.py"))])
        (user,) = [user for user in port_users(listing, ()) if user.port == port]
        assert (user.pid, user.title) == (os.getpid(), f"python3 on port {port}")
        assert [u for u in port_users(listing, (), own={os.getpid()}) if u.port == port] == []
    assert listening([port]) == {}


@pytest.mark.parametrize(
    ("pmset", "status", "evidence"),
    [
        ("System-wide power settings:\n sleep                1\n", "warn", "sleeps in 1 min"),
        (" sleep                0\n", "pass", "never sleeps"),
        (" sleep                1 (sleep prevented by caffeinate)\n", "pass", "held awake"),
        (" displaysleep 10\n", "warn", "unknown"),
        (None, "warn", "unknown"),
    ],
)
def test_when_a_mac_sleeps(pmset: str | None, status: str, evidence: str) -> None:
    found = unattended.judge_mac(pmset, caffeinate=False)
    assert (found.status, found.evidence) == (status, evidence)
    if status == "warn":
        assert "system settings" in found.advice
        # it is held awake by plasma-tui itself where it can be
        held = unattended.judge_mac(pmset, caffeinate=True)
        assert (held.status, held.evidence) == ("pass", "kept awake")
        assert "a closed lid still sleeps" in held.detail


@pytest.mark.parametrize(
    ("states", "inhibitors", "desktop", "status"),
    [
        (None, "", True, "pass"),
        ("freeze mem disk", None, True, "pass"),
        ("freeze mem disk", "", False, "pass"),
        ("freeze mem disk", "", True, "warn"),
        ("mem", "NetworkManager 0 root 1 NetworkManager sleep x delay", True, "warn"),
        ("mem", "plasma 0 root 1 python sleep:idle training block", True, "pass"),
    ],
)
def test_when_a_linux_machine_sleeps(
    states: str | None, inhibitors: str | None, desktop: bool, status: str
) -> None:
    assert unattended.judge_linux(states, inhibitors, desktop=desktop).status == status


@pytest.mark.parametrize(
    ("env", "wanted", "status", "evidence"),
    [
        ({}, "cuda", "pass", "clean"),
        ({"LOCAL_RANK": "0"}, "cuda", "fail", "LOCAL_RANK is set"),
        ({"WORLD_SIZE": "2"}, "cuda", "fail", "WORLD_SIZE is set"),
        ({"WORLD_SIZE": "1", "MASTER_ADDR": "a", "LOCAL_RANK": "-1"}, "cuda", "pass", "clean"),
        ({"ACCELERATE_USE_CPU": "true"}, "mps", "fail", "forced to the CPU"),
        ({"ACCELERATE_USE_CPU": "true"}, "cpu", "pass", "clean"),
        ({"ACCELERATE_TORCH_DEVICE": "cpu"}, "cuda", "fail", "forced to cpu"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "cuda", "fail", "GPUs are hidden"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "cpu", "pass", "clean"),
        ({"PYTHONHOME": "/x"}, None, "warn", "PYTHONHOME is set"),
    ],
)
def test_variables_that_lead_a_training_astray(
    env: dict[str, str], wanted: str | None, status: str, evidence: str
) -> None:
    found = launch.judge_environment(env, wanted, 1)
    assert (found.status, found.evidence) == (status, evidence)


def test_several_processes_need_a_free_port(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        rest = f"[accelerate]\nnum_processes = 2\nmain_process_port = {port}\n"
        found = project.find("processes", trainer=LAUNCH, rest=rest)
        assert (found.status, found.evidence) == ("fail", f"port {port} in use")
        told = found.cures[0].will_do[-1]
        offered = int(told.removeprefix("[accelerate] main_process_port = "))
        assert offered > port and not in_use(offered)
    assert project.find("processes", trainer=LAUNCH, rest=rest).status == "pass"


def test_port_0_is_a_warning_with_a_port_that_is_free(project: Project) -> None:
    rest = "[accelerate]\nnum_processes = 2\nmain_process_port = 0\n"
    found = project.find("processes", trainer=LAUNCH, rest=rest)
    assert (found.status, found.evidence) == ("warn", "port 0")
    assert "main_process_port = 0" not in found.cures[0].will_do[-1]


@pytest.mark.parametrize(
    ("rest", "expect", "evidence"),
    [
        ("multi_gpu = true", "", "multi_gpu, 1 process"),
        ("num_processes = 2\ngpu_ids = 1", "", "one gpu_id"),
        ("num_processes = 2", 'device = "mps"', "several processes"),
    ],
)
def test_processes_that_accelerate_refuses(
    project: Project, rest: str, expect: str, evidence: str
) -> None:
    text = f"[accelerate]\n{rest}\n"
    found = project.find("processes", trainer=LAUNCH, rest=text, expect=expect)
    assert (found.status, found.evidence) == ("fail", evidence)


def test_known_breaks_between_versions() -> None:
    fine = {"torch": "2.13.0+cpu", "numpy": "2.4.6", "toml": ""}
    assert trainer.judge_versions(fine, "python").status == "pass"
    found = trainer.judge_versions({"torch": "2.2.1", "numpy": "2.0.0"}, "/v/bin/python")
    assert (found.status, found.evidence) == ("fail", "numpy 2.0.0")
    assert found.advice == '/v/bin/python -m pip install "numpy<2"'
    hub = {"diffusers": "0.25.0", "huggingface_hub": "0.26.2"}
    assert trainer.judge_versions(hub, "python").status == "fail"
    assert trainer.judge_versions({"torch": None, "numpy": ""}, "python").status == "skip"


# ----------------------------------------------------------------------------- logging


class Asked(Facts):
    """Facts whose interpreter is given."""

    def __init__(self, project: Project, train: str, **modules: str | None) -> None:
        super().__init__(project.config(trainer=SD, train=train))
        self._modules = {"tensorboard": "2.20", "wandb": None, **modules}

    def interpreter(self) -> Interpreter:
        return Interpreter("/v/bin/python", None, "3.11.7", "/v", self._modules)


@pytest.mark.parametrize(
    ("train", "modules", "status", "evidence"),
    [
        ("", {}, "pass", "tensorboard"),
        ("", {"tensorboard": None}, "warn", "no tensorboard"),
        ('log_with = "tensorboard"', {"tensorboard": None}, "fail", "no tensorboard"),
        ('logging_dir = "logs"', {"tensorboard": None}, "fail", "no tensorboard"),
        ('log_with = "wandb"', {}, "fail", "no wandb"),
        ('log_with = "wandb"', {"wandb": "0.20"}, "fail", "wandb: no login"),
        ('log_with = "wandb"\nwandb_api_key = "k"', {"wandb": "0.20"}, "warn", "wandb only"),
        ('log_with = "all"\nwandb_api_key = "k"', {"wandb": "0.20"}, "pass", "tensorboard"),
    ],
)
def test_where_the_losses_are_written(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    train: str,
    modules: dict[str, str | None],
    status: str,
    evidence: str,
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(project.root / "netrc"))
    found = look_at_logging(Asked(project, train, **modules))
    assert (found.status, found.evidence) == (status, evidence)


# ----------------------------------------------------------------------------- resuming


def state(project: Project, step: int = 20, rank: int = 4) -> Path:
    folder = project.root / "out" / "hero-step00000020-state"
    models.write(folder / "model.safetensors", models.lora(rank))
    for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("archive/data.pkl", b"x" * 100)
    (folder / "train_state.json").write_text(json.dumps({"current_epoch": 1, "current_step": step}))
    return folder


RESUME = 'resume = "out/hero-step00000020-state"\nskip_until_initial_step = true\nseed = 1\n'


def test_a_whole_state_is_resumed(project: Project) -> None:
    assert project.find("resume", trainer=SD).evidence == "from the start"
    state(project)
    found = project.find("resume", trainer=SD, train=RESUME)
    assert (found.status, found.evidence) == ("pass", "from step 20"), found


@pytest.mark.parametrize(
    ("harm", "status", "evidence", "said"),
    [
        ("gone", "fail", "no such state", "does not exist"),
        ("file", "fail", "no such state", "is a file"),
        ("optimizer", "fail", "incomplete", "optimizer.bin is truncated"),
        ("weights", "fail", "incomplete", "model.safetensors: cut off"),
        ("no weights", "fail", "incomplete", "no weights (model.safetensors)"),
        ("empty", "fail", "incomplete", "random_states_0.pkl is empty"),
        ("no random", "warn", "maybe incomplete", "random states"),
        ("no step", "warn", "step unknown", "has no step"),
    ],
)
def test_a_state_that_cannot_be_resumed(
    project: Project, harm: str, status: str, evidence: str, said: str
) -> None:
    folder = state(project)
    if harm in ("gone", "file"):
        folder.rename(folder.with_name("other-state"))
        if harm == "file":
            folder.write_text("x")
    elif harm == "optimizer":
        (folder / "optimizer.bin").write_bytes((folder / "optimizer.bin").read_bytes()[:-30])
    elif harm == "weights":
        models.write(folder / "model.safetensors", models.lora(4), cut=1)
    elif harm == "no weights":
        (folder / "model.safetensors").unlink()
    elif harm == "empty":
        (folder / "random_states_0.pkl").write_bytes(b"")
    elif harm == "no random":
        (folder / "random_states_0.pkl").unlink()
    elif harm == "no step":
        (folder / "train_state.json").unlink()
    found = project.find("resume", trainer=SD, train=RESUME)
    assert (found.status, found.evidence) == (status, evidence), found
    assert said in found.detail


def test_a_state_near_by_is_named(project: Project) -> None:
    state(project).rename(project.root / "out" / "hero-step00000040-state")
    assert "hero-step00000040-state" in project.find("resume", trainer=SD, train=RESUME).advice


def test_a_state_of_another_rank_or_of_the_end_fails(project: Project) -> None:
    state(project, rank=8)
    found = project.find("resume", trainer=SD, train=RESUME)
    assert (found.status, found.evidence) == ("fail", "rank 8, not 4")
    assert "[train] network_dim = 8" in found.cures[0].will_do
    state(project, step=40)
    found = project.find("resume", trainer=SD, train=RESUME)
    assert (found.status, found.evidence) == ("fail", "already at the end")
    assert "40 steps are requested" in found.detail


def test_resuming_without_skipping_repeats_the_epoch(project: Project) -> None:
    state(project)
    train = RESUME.replace("skip_until_initial_step = true\n", "")
    found = project.find("resume", trainer=SD, train=train)
    assert (found.status, found.evidence) == ("warn", "repeats from 20")
    assert "[train] skip_until_initial_step = true" in found.cures[0].will_do
    state(project, step=10)
    found = project.find("resume", trainer=SD, train=f"{train}gradient_accumulation_steps = 2")
    assert found.evidence == "repeats from 10"
    assert found.cures == (), "skipping counts wrong there"


def test_a_step_without_a_state_is_only_a_number(project: Project) -> None:
    found = project.find("resume", trainer=SD, train="initial_step = 20")
    assert (found.status, found.evidence) == ("warn", "number only")


def test_files_of_an_earlier_training_can_be_moved_but_not_the_state_that_is_resumed(
    project: Project,
) -> None:
    state(project)
    train = f"{RESUME}save_every_n_steps = 20\nsave_state = true"
    found = project.find("overwrite", trainer=SD, train=train)
    assert found.status == "warn" and found.cures == ()
    train = "save_every_n_steps = 20\nsave_state = true"
    found = project.find("overwrite", trainer=SD, train=train)
    assert [cure.name for cure in found.cures] == ["overwrite"]


def test_the_trainers_workers_are_no_more_than_the_cores(project: Project) -> None:
    found = project.find("workers", trainer=SD, train="max_data_loader_n_workers = 0")
    assert found.evidence == "no workers"
    if sys.platform == "linux":
        assert project.find("workers", trainer=SD).status in ("pass", "warn")
