"""Who else uses the GPU: the table, and what GPU sources add to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.hardware.processes import EVERY_S, UserWatch, myself, running
from runner.hardware.programs import RULES, Hold, Process, port_of, rule_of
from runner.hardware.users import Listing, User, as_gpu_users, known_users, other_users
from runner.model import GpuSample, GpuUser

GB = 1 << 30
NOBODY: frozenset[int] = frozenset()


def process(
    pid: int, *argv: str, cwd: str = "/w", parent: int | None = 1, **more: object
) -> Process:
    name = str(more.pop("name", argv[0] if argv else "x"))
    return Process(pid, name, argv, cwd, parent_pid=parent, **more)  # type: ignore[arg-type]


def gpu(*users: GpuUser, key: str = "GPU-1") -> GpuSample:
    return GpuSample(key, "nvml", users=users)


def told(
    *processes: Process, gpus: tuple[GpuSample, ...] = (), own: frozenset[int] = NOBODY
) -> list[User]:
    return list(other_users(Listing.of(processes), gpus, own))


def user_of(process: Process) -> User | None:
    """The user that this process is by itself."""
    return next(iter(told(process)), None)


@pytest.mark.parametrize(
    ("argv", "cwd", "title", "hold", "port"),
    [
        ("python main.py", "/u/ComfyUI", "ComfyUI", Hold.MIGHT, 8188),
        ("/opt/ComfyUI/venv/bin/python /opt/ComfyUI/main.py --listen", "/", "ComfyUI", Hold.MIGHT, 8188),
        ("python3 main.py --port 8188", "/srv", "ComfyUI", Hold.MIGHT, 8188),
        ("python main.py --port 8189", "/u/ComfyUI", "ComfyUI", Hold.MIGHT, 8189),
        ("python main.py --user-directory /u/x --port=8001", "/app", "ComfyUI", Hold.MIGHT, 8001),
        ("/Applications/ComfyUI.app/Contents/MacOS/ComfyUI", "", "ComfyUI", Hold.MIGHT, 8000),
        ("python launch.py", "/u/stable-diffusion-webui-forge", "Stable Diffusion web UI", Hold.MIGHT, 7860),
        ("python webui.py", "/u/sd.next", "Stable Diffusion web UI", Hold.MIGHT, 7860),
        ("/v/bin/python /v/bin/invokeai-web", "/", "InvokeAI", Hold.MIGHT, 9090),
        ("python -m invokeai.app.run_app", "/", "InvokeAI", Hold.MIGHT, 9090),
        ("python entry_with_update.py", "/u/Fooocus", "Fooocus", Hold.MIGHT, 7865),
        ("./SwarmUI --port 7801", "/u/swarm", "SwarmUI", Hold.MIGHT, 7801),
        ("dotnet src/bin/SwarmUI.dll", "/u/swarm", "SwarmUI", Hold.MIGHT, 7801),
        ("python kohya_gui.py --headless", "/k", "kohya_ss GUI", Hold.IDLE, 7860),
        ("python -u sdxl_train_network.py --seed=1", "/k", "another training", Hold.MODEL, None),
        ("python src/musubi_tuner/wan_train_network.py", "/k", "another training", Hold.MODEL, None),
        ("python /k/sd-scripts/train_db.py", "/k", "another training", Hold.MODEL, None),
        ("python flux_train.py", "/k", "another training", Hold.MODEL, None),
        ("/v/bin/python -m runner.embedded --seed 1", "/k", "another training", Hold.MODEL, None),
        ("python train.py", "/u/SimpleTuner", "SimpleTuner", Hold.MODEL, None),
        ("python scripts/train_ui.py", "/u/OneTrainer", "OneTrainer", Hold.MIGHT, None),
        ("python run.py config.yaml", "/u/ai-toolkit", "ai-toolkit", Hold.MODEL, None),
        ("ollama serve", "", "Ollama", Hold.IDLE, 11434),
        ("/usr/local/bin/ollama runner --model x", "", "Ollama", Hold.MODEL, 11434),
        ("/tmp/ollama/ollama_llama_server --model x", "", "Ollama", Hold.MODEL, 11434),
        ("llama-server -m x.gguf --port 9000", "", "llama.cpp", Hold.MODEL, 9000),
        ("lms server start", "", "LM Studio", Hold.MIGHT, None),
        ("/v/bin/python /v/bin/vllm serve m", "", "vLLM", Hold.MODEL, 8000),
        ("VLLM::EngineCore", "", "vLLM", Hold.MODEL, 8000),
        ("/v/bin/python /v/bin/mlx_lm.server", "", "MLX server", Hold.MODEL, 8080),
        ("/usr/bin/blender -b x.blend", "", "Blender", Hold.MIGHT, None),
        ("/opt/resolve/bin/resolve", "", "DaVinci Resolve", Hold.MIGHT, None),
        ("obs", "", "OBS", Hold.MIGHT, None),
        ("/Applications/DiffusionBee.app/Contents/MacOS/DiffusionBee", "", "DiffusionBee", Hold.MIGHT, None),
    ],
)  # fmt: skip
def test_every_row_of_the_table_is_known(
    argv: str, cwd: str, title: str, hold: Hold, port: int | None
) -> None:
    found = user_of(process(7, *argv.split(" "), cwd=cwd))
    assert found is not None
    assert (found.title, found.hold, found.port) == (title, hold, port)
    assert found.how


def test_programs_with_a_blank_in_their_name_are_known() -> None:
    for path, title in (
        ("/Applications/Draw Things.app/Contents/MacOS/Draw Things", "Draw Things"),
        ("/Applications/LM Studio.app/Contents/MacOS/LM Studio", "LM Studio"),
        ("/Applications/LM Studio.app/Contents/Resources/node", "LM Studio"),
    ):
        found = user_of(process(7, path))
        assert found is not None and found.title == title


@pytest.mark.parametrize(
    "argv",
    [
        "", "python main.py", "vim train_network.py", "tail -f /k/sdxl_train_network.py",
        "/usr/bin/python3 launch.py", "python -m http.server --port 80", "grep -r ComfyUI main.py",
        "less ComfyUI/main.py", "docker run x", "accelerate config", "bash webui.sh", "obsidian",
        "python -m pytest tests/train_network", "ollama list", "python train.py", "python run.py",
        "git log ollama serve",
    ],
)  # fmt: skip
def test_others_are_not(argv: str) -> None:
    assert user_of(process(7, *argv.split(" "), cwd="/home/u/game")) is None


@pytest.mark.parametrize(
    "name", ["WindowServer", "Xorg", "gnome-shell", "kwin_x11", "Xwayland", "Dock"]
)
def test_what_draws_the_desktop_is_never_counted_even_where_the_gpu_sees_it(name: str) -> None:
    desk = process(5, f"/usr/bin/{name}", name=name)
    seen = gpu(GpuUser(5, name, 2 * GB, 60.0), GpuUser(6, f"/usr/libexec/{name}", GB, 30.0))
    assert told(desk, gpus=(seen,)) == []


def test_a_web_ui_is_known_by_the_script_beside_it() -> None:
    found = user_of(process(7, "python", "launch.py", cwd="/u/art", beside=("webui.sh",)))
    assert found is not None and found.title == "Stable Diffusion web UI"


def test_a_launcher_and_its_workers_are_one_training() -> None:
    argv = ("/v/bin/python", "sdxl_train_network.py", "--seed=1")
    found = told(
        process(10, "/v/bin/python", "/v/bin/accelerate", "launch", "sdxl_train_network.py"),
        process(11, *argv, parent=10, memory_bytes=5 * GB),
        process(12, *argv, parent=11, memory_bytes=GB),
        process(13, *argv, parent=11, memory_bytes=GB),
    )
    assert [(user.pid, user.title, user.memory_bytes) for user in found] == [
        (11, "another training", 5 * GB)
    ]


def test_a_launcher_of_an_unknown_script_stands_for_its_largest_child() -> None:
    found = told(
        process(10, "torchrun", "mine.py"),
        process(11, "python", "mine.py", parent=10, memory_bytes=GB, since_at=5.0),
        process(12, "python", "mine.py", parent=11, memory_bytes=100),
    )
    assert [(user.pid, user.since_at) for user in found] == [(11, 5.0)]
    alone = told(process(10, "torchrun", "mine.py"))
    assert [user.pid for user in alone] == [10]


def test_a_server_and_the_child_that_holds_its_model_are_one_entry() -> None:
    found = told(
        process(10, "ollama", "serve"), process(11, "ollama", "runner", "--model", "x", parent=10)
    )
    assert [(user.pid, user.hold) for user in found] == [(11, Hold.MODEL)]
    desktop = told(
        process(20, "/Applications/ComfyUI.app/Contents/MacOS/ComfyUI"),
        process(21, "python", "main.py", "--user-directory", "/u", "--port", "8003", parent=20),
    )
    assert [(user.pid, user.port) for user in desktop] == [(21, 8003)]


def test_own_processes_are_left_out_with_all_that_they_started() -> None:
    argv = ("python", "train_network.py")
    seen = gpu(GpuUser(12, "python", 9 * GB), GpuUser(30, "python", GB, ours=True))
    own = told(
        process(10, "keeper"),
        process(11, "accelerate", "launch", "train_network.py", parent=10),
        process(12, *argv, parent=11),
        gpus=(seen,),
        own=frozenset({10}),
    )
    assert own == []


def test_a_process_in_both_is_one_and_a_gpu_source_knows_better_what_it_holds() -> None:
    comfy = process(71, "python", "main.py", cwd="/u/ComfyUI", memory_bytes=3 * GB, since_at=100.0)
    (found,) = told(comfy, gpus=(gpu(GpuUser(71, "python3", 5 * GB, 40.0)),))
    assert (found.title, found.memory_bytes, found.gpu_memory_bytes) == ("ComfyUI", 3 * GB, 5 * GB)
    assert (found.gpu_percent, found.since_at, found.on_gpu) == (40.0, 100.0, True)
    assert found.hold is Hold.MODEL
    (small,) = told(comfy, gpus=(gpu(GpuUser(71, "python3", 300 << 20)),))
    assert small.hold is Hold.MIGHT


def test_two_cards_add_up_and_a_child_counts_for_its_program() -> None:
    server = process(50, "/v/bin/python", "/v/bin/vllm", "serve", "m")
    child = process(51, "python", "-c", "spawn_main", parent=50)
    cards = (
        gpu(GpuUser(51, "python", 2 * GB, 30.0)),
        gpu(GpuUser(51, "python", 3 * GB, 70.0), key="GPU-2"),
    )
    (found,) = told(server, child, gpus=cards)
    assert (found.pid, found.title, found.gpu_memory_bytes) == (50, "vLLM", 5 * GB)
    assert found.gpu_percent == 70.0


def test_a_gpu_process_that_the_table_does_not_know_has_its_own_name() -> None:
    game = process(90, "/opt/witcher", name="witcher", memory_bytes=GB, since_at=7.0)
    (found,) = told(game, gpus=(gpu(GpuUser(90, "wit", 2 * GB)),))
    assert (found.title, found.hold, found.since_at) == ("witcher", None, 7.0)
    (unlisted,) = told(gpus=(gpu(GpuUser(91, "other-users-job", 2 * GB, since_at=3.0)),))
    assert (unlisted.title, unlisted.since_at) == ("other-users-job", 3.0)


def test_a_process_of_outside_is_told_without_a_number() -> None:
    seen = gpu(GpuUser(None, "", 4 * GB, outside=True))
    (found,) = told(process(1, "init"), gpus=(seen,))
    assert found.pid is None and found.outside
    assert found.title == "a process outside this container"
    assert found.gpu_memory_bytes == 4 * GB


@pytest.mark.parametrize("name", ["Google Chrome Helper (GPU)", "com.apple.WebKit.GPU", "firefox"])
def test_browsers_are_told_only_while_the_gpu_says_that_they_draw(name: str) -> None:
    browser = process(60, f"/x/{name}", name=name)
    assert told(browser) == []
    assert told(browser, gpus=(gpu(GpuUser(60, name, GB)),)) == []
    assert told(browser, gpus=(gpu(GpuUser(60, name, GB, 5.0)),)) == []
    (found,) = told(browser, gpus=(gpu(GpuUser(60, name, GB, 5.1)),))
    assert (found.title, found.gpu_percent) == ("a browser", 5.1)


def test_the_largest_user_comes_first_and_idle_ones_last() -> None:
    found = told(
        process(4, "ollama", "serve", memory_bytes=9 * GB),
        process(2, "blender", memory_bytes=GB),
        process(3, "/x/game", name="game"),
        gpus=(gpu(GpuUser(3, "game", GB)),),
    )
    assert [user.title for user in found] == ["game", "Blender", "Ollama"]


def test_for_the_status_memory_is_that_of_the_gpu() -> None:
    users = told(
        process(2, "blender", memory_bytes=GB, since_at=4.0),
        process(3, "/x/game", name="game"),
        gpus=(gpu(GpuUser(3, "game", GB, 12.0)),),
    )
    assert as_gpu_users(users) == (
        GpuUser(3, "game", GB, 12.0),
        GpuUser(2, "Blender", None, None, since_at=4.0),
    )


def test_parents_that_go_round_end() -> None:
    listing = Listing.of(
        [process(1, "a", parent=2), process(2, "b", parent=1), process(3, "c", parent=3)]
    )
    assert listing.ancestors(1) == [2]
    assert listing.ancestors(3) == []
    assert listing.with_descendants({2}) == {1, 2}
    assert known_users(listing, NOBODY) == []


@pytest.mark.parametrize(
    ("argv", "port"),
    [("--port", 8188), ("--port x", 8188), ("--port 0", 8188), ("--port 70000", 8188), ("--port 81", 81),
     ("--port=82", 82), ("--port ８１", 8188), ("--port " + "9" * 5000, 8188)],
)  # fmt: skip
def test_the_port_of_a_command_line(argv: str, port: int) -> None:
    assert port_of(argv.split(" "), 8188) == port
    assert port_of(argv.split(" "), None) is None


def test_the_table_is_written_as_it_is_compared() -> None:
    for rule in RULES:
        texts = (*rule.programs, *rule.scripts, *rule.modules, *rule.words, *rule.places)
        assert all(text == text.lower() for text in texts), rule
        assert texts or rule.beside, rule
        assert rule.how and rule.title


# --------------------------------------------------------------------------- the processes of here


@pytest.fixture
def comfy(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    folder = tmp_path / "ComfyUI"
    folder.mkdir()
    (folder / "main.py").write_text("import time\ntime.sleep(60)\n")
    made = subprocess.Popen([sys.executable, "main.py", "--port", "8190"], cwd=folder)
    yield made
    made.kill()
    made.wait()


def test_a_running_program_is_found_with_its_age_and_memory(comfy: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    found: list[User] = []
    while not found and time.monotonic() < deadline:
        users = other_users(Listing.of(running()), ())
        found = [user for user in users if user.pid == comfy.pid]
    (mine,) = found
    assert (mine.title, mine.port) == ("ComfyUI", 8190)
    assert mine.memory_bytes and mine.memory_bytes > 1 << 20
    assert mine.since_at is not None and abs(time.time() - mine.since_at) < 60
    assert os.getpid() in myself()


def test_a_script_beside_is_looked_for_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "webui.sh").touch()
    (tmp_path / "launch.py").write_text("import time\ntime.sleep(60)\n")
    made = subprocess.Popen([sys.executable, "launch.py"], cwd=tmp_path)
    try:
        deadline = time.monotonic() + 10
        seen = False
        while not seen and time.monotonic() < deadline:
            rules = [rule_of(p) for p in running() if p.pid == made.pid]
            seen = any(rule is not None and "web UI" in rule.title for rule in rules)
        assert seen
    finally:
        made.kill()
        made.wait()
        shutil.rmtree(tmp_path, ignore_errors=True)


def test_listing_never_holds_up_who_asks_and_is_done_seldom() -> None:
    gate, calls = threading.Event(), []
    clock = [0.0]

    def slowly() -> Iterator[Process]:
        calls.append(clock[0])
        gate.wait(10)
        yield process(71, "python", "main.py", cwd="/u/ComfyUI")

    watch = UserWatch(slowly, clock=lambda: clock[0])
    began = time.monotonic()
    assert watch.users(()) == ()
    clock[0] = EVERY_S + 1
    assert watch.users((gpu(GpuUser(3, "game", GB)),))[0].title == "game"
    assert time.monotonic() - began < 5
    assert calls == [0.0], "one that hangs is not asked twice"
    gate.set()
    assert watch.ready.wait(10)
    deadline = time.monotonic() + 10
    while len(calls) < 2 and time.monotonic() < deadline:
        users = watch.users(())
    assert users[0].title == "ComfyUI"
    clock[0] += EVERY_S / 2
    watch.users(())
    assert len(calls) == 2


def test_a_listing_that_fails_leaves_the_last_one() -> None:
    def broken() -> Iterator[Process]:
        yield process(2, "blender")
        raise RuntimeError("psutil has a bad day")

    watch = UserWatch(broken)
    assert watch.users(()) == ()
    assert watch.ready.wait(10)
    assert watch.users(()) == ()
