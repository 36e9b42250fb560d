"""How fast the numbers of a checkpoint are looked at, with how much memory, and what a training feels of it.

Speed: a file in the page cache, read by a process as the supervisor starts it, the start of Python and
numpy left out. Slowdown: the same training alone and beside looks that follow each other without a
pause, which is far more than the one look that each checkpoint gets.
"""

from __future__ import annotations

import json
import statistics
import struct
import subprocess
import sys
import threading
from pathlib import Path

from scripts.bench import slowdown
from scripts.bench.figures import Figure
from scripts.bench.limits import rounds

SPEED_BUDGET_GB_S = 1.0
MEMORY_BUDGET_MB = 100.0
SIZE_BYTES = 256_000_000
ROUNDS = 5
PAIRS = 4
#: so long the pairs may take: as many as that is enough for, at least one
PAIRS_S = 80.0
ROOT = Path(__file__).resolve().parents[2]

#: in a process of its own: the peak of its memory is part of the answer
_TIMED = """
import json, os, resource, sys, time
from pathlib import Path
from runner.checkpoints.verify import ONE_THREAD, verify
os.environ.update(ONE_THREAD)
import numpy
os.nice(10)
path, rounds = Path(sys.argv[1]), int(sys.argv[2])
def peak():
    try:  # the other figure is handed down from the process that started this one
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, times = peak(), []
for _ in range(rounds + 1):
    wall, cpu = time.perf_counter(), time.process_time()
    found = verify(path)
    times.append((time.perf_counter() - wall, time.process_time() - cpu))
    assert found.complete and found.finite and found.norm
print(json.dumps({"times": times[1:], "before": before, "peak": peak()}))
"""


def measure_scan(folder: Path) -> list[Figure]:
    figures = []
    for dtype, item, rank in (("F32", 4, 32), ("BF16", 2, 32), ("F32", 4, 128), ("BF16", 2, 128)):
        path = folder / f"{dtype}-{rank}.safetensors"
        size = write_lora(path, dtype, item, rank)
        found = _timed(path)
        path.unlink()
        wall = tuple(size / 1e9 / seconds for seconds, _ in found["times"])
        cpu = statistics.median(size / 1e9 / seconds for _, seconds in found["times"])
        budget = SPEED_BUDGET_GB_S if rank == 32 else None
        figures.append(
            Figure(
                "scan", f"finite and norms, {dtype} rank {rank}", wall, "GB/s", budget, at_least=True,
                note=f"page cache, one core; {cpu:.2f} GB/s of its own processor time",
            )
        )  # fmt: skip
        if rank == 32:
            extra, whole = (found["peak"] - found["before"]) / 1e6, found["peak"] / 1e6
            note = f"beyond Python and numpy; {whole:.0f} MB in all"
            what = f"memory of a look, {dtype}"
            figures.append(Figure("scan", what, (extra,), "MB", MEMORY_BUDGET_MB, note=note))
    return [*figures, *_slowdown(folder)]


def write_lora(path: Path, dtype: str, item: int, rank: int, width: int = 1280) -> int:
    """A LoRA of made-up weights in the layout of sd-scripts; returns its size in bytes."""
    import numpy as np

    noise = np.random.default_rng(7).standard_normal(rank * width).astype(np.float32) * 0.02
    data = noise.tobytes() if dtype == "F32" else (noise.view("<u4") >> 16).astype("<u2").tobytes()
    header, at = {}, 0
    for number in range(SIZE_BYTES // (2 * len(data))):
        module = f"lora_unet_down_blocks_{number % 3}_attentions_{number}_to_k"
        for half, shape in (("lora_down", [rank, width]), ("lora_up", [width, rank])):
            place = [at, at + rank * width * item]
            entry = {"dtype": dtype, "shape": shape, "data_offsets": place}
            header[f"{module}.{half}.weight"] = entry
            at = place[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _ in header:
            out.write(data)
    return path.stat().st_size


def _timed(path: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", _TIMED, str(path), str(ROUNDS)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout)
    return found


# --------------------------------------------------------------------------- beside a training


class Looks:
    """Looks at a file again and again, until left."""

    def __init__(self, path: Path) -> None:
        self._path, self._over = path, threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.count = 0

    def _work(self) -> None:
        command = [sys.executable, "-m", "runner.checkpoints.verify", str(self._path)]
        while not self._over.is_set():
            subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
            self.count += 1

    def __enter__(self) -> Looks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _slowdown(folder: Path) -> list[Figure]:
    """The median of what each pair differs by: neighbours share the load of the machine."""
    from runner.demo.project import write_demo

    demo, path = folder / "scan-demo", folder / "looked-at.safetensors"
    write_demo(demo, sys.executable)
    write_lora(path, "F32", 4, 32)
    slowdown.train_alone(demo, "warm-up")
    wall, cpu, looks, trained_s = [], [], 0, 0.0
    for number in rounds(PAIRS, PAIRS_S):
        found = {}
        for arm in ("alone", "beside")[:: 1 if number % 2 else -1]:
            if arm == "alone":
                found[arm] = slowdown.train_alone(demo, f"alone-{number}")
                continue
            with Looks(path) as looking:
                found[arm] = slowdown.train_alone(demo, f"beside-{number}")
            looks += looking.count
            trained_s += found[arm].wall_s
        wall.append((found["beside"].wall_s / found["alone"].wall_s - 1) * 100)
        cpu.append((found["beside"].cpu_s / found["alone"].cpu_s - 1) * 100)
    path.unlink()
    note = f"{looks} looks at {SIZE_BYTES / 1e6:.0f} MB in {trained_s:.0f} s, without a pause"
    return [
        Figure("scan", "training slowed by endless looks", tuple(wall), "%", note=note),
        Figure("scan", "trainer's own CPU time by them", tuple(cpu), "%"),
    ]
