"""Hold resuming against the real loop: a training killed twice and resumed twice, beside an unbroken one.

    python scripts/check_resume.py <checkout of sd-scripts> <its python> [--script FILE] [--tokenizer DIR]

Everything goes through the command `plasma-tui`, in a temporary folder. Held are: steps 1 to the end trained,
each once but for the replays that are named; no file that was there before a resume has changed; every file
under its true step; the learning rate of every step as in the unbroken run; the weights at the end near those
of the unbroken run. A second pass does the same with gradient accumulation, a third with a max_train_steps that
is no whole number of epochs. Exit code 1 when something differs.

`--script`: a train_network.py with its models made small; default: scripts/real_loop.py, which needs no
tokenizer and whose loss gives the same weights to the bit. Takes some minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.forecast_cases.pictures import write_image  # noqa: E402

IMAGES, REPEATS, EPOCHS = 23, 10, 4
TOTAL = IMAGES * REPEATS * EPOCHS
#: a training that ends in the middle of its second epoch
PART, PART_REPEATS = 200, 6
CONFIG = """
name = "resumed"
[trainer]
sd_scripts = "{checkout}"
python = "{python}"
script = "{script}"
launcher = "accelerate"
env = {{ SD_SCRIPTS = "{checkout}", LOOP_SLEEP = "0.02", TINY_SLEEP = "0.02", OMP_NUM_THREADS = "1" }}
[train]
pretrained_model_name_or_path = "base.safetensors"
dataset_config = "dataset.toml"
output_dir = "{output}"
output_name = "x"
network_module = "networks.lora"
network_dim = 4
{length}
save_state = true
seed = 42
learning_rate = 1e-3
lr_scheduler = "cosine"
max_data_loader_n_workers = 0
cache_latents = true
{more}
"""
DATASET = """
[[datasets]]
resolution = 64
batch_size = 1
[[datasets.subsets]]
image_dir = "{folder}/images"
caption_extension = ".txt"
num_repeats = {repeats}
"""


@dataclass
class Report:
    """What held and what did not."""

    wrong: list[str] = field(default_factory=list)

    def hold(self, good: bool, text: str) -> None:
        print(f"  {'holds  ' if good else 'DIFFERS'} {text}", flush=True)
        if not good:
            self.wrong.append(text)


@dataclass(frozen=True)
class Place:
    """A project folder and how to call plasma-tui there."""

    folder: Path
    trainer: dict[str, str]

    def tui(self, *words: str, check: bool = True) -> str:
        env = {**os.environ, "PLASMA_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "tui.cli", *words], cwd=self.folder, env=env,
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode not in (0, 1):
            raise SystemExit(f"plasma-tui {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def config(self, output: str, more: str, length: str) -> None:
        text = CONFIG.format(output=output, more=more, length=length, **self.trainer)
        (self.folder / "plasma.toml").write_text(text)

    def start(self, *words: str) -> str:
        return self.tui("start", "--force", "resume check", *words).splitlines()[-1]

    def show(self, run: str) -> dict[str, Any]:
        return dict(json.loads(self.tui("show", run, "--json")))

    def run_dir(self, run: str) -> Path:
        return self.folder / "home" / "runs" / run

    def step(self, run: str) -> int:
        return max((row[0] for row in self.rows(run)[-3:]), default=0)

    def rows(self, run: str) -> list[list[Any]]:
        try:
            text = (self.run_dir(run) / "steps.jsonl").read_text()
        except OSError:
            return []
        return [json.loads(line) for line in text.splitlines()[-2000:] if line.endswith("]")]


def wait_for(place: Place, run: str, attempt: int, step: int) -> None:
    """Until the attempt has trained that true step."""
    for _ in range(6000):
        rows = [row for row in place.rows(run) if row[5] == attempt]
        if rows and rows[-1][0] >= step:
            return
        if ended(place, run, attempt):
            raise SystemExit(f"{run} ended before step {step}: {place.tui('show', run)}")
        time.sleep(0.02)
    raise SystemExit(f"{run} did not reach step {step}")


def ended(place: Place, run: str, attempt: int) -> bool:
    """A glance at the files: asking the command costs a second."""
    try:
        status = json.loads((place.run_dir(run) / "status.json").read_text())
    except (OSError, ValueError):
        return False
    return status["state"] == "ended" and status["attempt"] == attempt


def kill(place: Place, run: str, attempt: int, step: int) -> dict[str, Any]:
    """SIGKILL to the whole training, as an OOM killer or a power cut would; wait for the verdict."""
    wait_for(place, run, attempt, step)
    keeper = json.loads((place.run_dir(run) / "keeper.json").read_text())
    os.killpg(keeper["pgid"], signal.SIGKILL)
    return wait_for_end(place, run, attempt)


def wait_for_end(place: Place, run: str, attempt: int) -> dict[str, Any]:
    for _ in range(6000):
        if ended(place, run, attempt):
            return place.show(run)
        time.sleep(0.1)
    raise SystemExit(f"{run} did not end")


def hashes(folder: Path) -> dict[str, str]:
    """Of every file, states included."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rates(rows: list[list[Any]]) -> dict[int, float]:
    """Learning rate by true step; a later attempt's word counts."""
    return {row[0]: row[4] for row in rows if row[4] is not None}


def weights(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return {name: array.astype("float64") for name, array in load_file(path).items()}


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    return float(sum(((one[name] - other[name]) ** 2).sum() for name in one) ** 0.5)


def write_dataset(folder: Path, repeats: int) -> None:
    (folder / "dataset.toml").write_text(DATASET.format(folder=folder, repeats=repeats))


def prepare(folder: Path) -> None:
    for number in range(IMAGES):
        write_image(folder / "images" / f"{number:02d}.png", (64, 64), number)
        (folder / "images" / f"{number:02d}.txt").write_text(f"figure {number}")
    write_dataset(folder, REPEATS)
    header = b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    data = len(header).to_bytes(8, "little") + header + bytes(8)
    (folder / "base.safetensors").write_bytes(data)


def trained_once(report: Report, found: dict[str, Any], rows: list[list[Any]], total: int) -> None:
    """Every step is there, and only the steps after a source were trained twice."""
    attempts = found["attempts"]
    ranges = [(a["first_step"], a["last_step"]) for a in attempts]
    report.hold(
        {row[0] for row in rows} == set(range(1, total + 1)),
        f"the journal has the steps 1 to {total}",
    )
    joined = all(b[0] <= a[1] + 1 for a, b in itertools.pairwise(ranges))
    report.hold(joined and ranges[-1][1] == total, f"the attempts join: {ranges}")
    last: dict[int, int] = {}
    for row in rows:
        last[row[0]] = row[5]
    for number, (first, _) in enumerate(ranges[1:], start=2):
        kept = all(last[step] >= number for step in last if step >= first)
        report.hold(kept, f"from step {first} on attempt {number} counts")


def same_files(report: Report, before: dict[str, str], folder: Path, when: str) -> None:
    now = hashes(folder)
    changed = [name for name, digest in before.items() if now.get(name) != digest]
    report.hold(
        not changed, f"{len(before)} files from before are unchanged {when} {changed or ''}"
    )


def broken_run(place: Place, report: Report, kills: tuple[int, ...], total: int) -> dict[str, Any]:
    """Start, kill, resume, kill, resume to the end."""
    run = place.start()
    out = place.folder / "broken"
    expected: list[dict[str, Any]] = []
    for attempt, step in enumerate(kills, start=1):
        killed = kill(place, run, attempt, step)["step"]
        before = hashes(out)
        told = json.loads(place.tui("resume", run, "--json"))
        print(f"  killed at {killed}, resumed from {told['from_step']}", flush=True)
        for note in told["notes"]:
            print(f"    ! {note}")
        expected = told["checkpoints"]
        wait_for(place, run, attempt + 1, told["from_step"] - told["replayed_steps"] + 1)
        same_files(report, before, out, f"after the start of attempt {attempt + 1}")
    found = wait_for_end(place, run, len(kills) + 1)
    same_files(report, before, out, "at the end")
    report.hold(found["outcome"] == "succeeded", f"outcome {found['outcome']} {found['reasons']}")
    trained_once(report, found, place.rows(run), total)
    for one in expected:
        report.hold((out / one["name"]).is_file(), f"step {one['step']}: {one['name']}")
    named = [c for c in found["checkpoints"] if c["step"] is not None and "-step" in c["name"]]
    wrong = [c["name"] for c in named if f"-step{c['step']:08d}" not in c["name"]]
    report.hold(not wrong, f"{len(named)} step files stand under their true step {wrong or ''}")
    report.hold(
        all(c["complete"] and c["finite"] for c in found["checkpoints"]), "all complete and finite"
    )
    return found


def compare(place: Place, report: Report, whole: str, broken: str, tolerance: float) -> None:
    """Learning rates step by step, and the weights at the end."""
    one, other = rates(place.rows(whole)), rates(place.rows(broken))
    apart = [s for s in one if s not in other or abs(one[s] - other[s]) > 1e-9 * max(one.values())]
    report.hold(
        bool(one) and not apart,
        f"{len(one)} learning rates as in the unbroken run {apart[:5] or ''}",
    )
    last = max(one)
    print(f"    at step {last}: {one[last]:.3e} and {other.get(last, float('nan')):.3e}")
    ends = [weights(place.folder / name / "x.safetensors") for name in ("whole", "broken")]
    begun = weights(sorted((place.folder / "whole").glob("x-*.safetensors"))[0])
    share = distance(*ends) / (distance(ends[0], begun) or 1.0)
    report.hold(share <= tolerance, f"final weights differ by {share:.2%} of what training changed")


def scenario(
    place: Place,
    report: Report,
    more: str,
    kills: tuple[int, ...],
    total: int,
    tolerance: float,
    length: str = f"max_train_epochs = {EPOCHS}",
) -> None:
    for name in ("whole", "broken", "home"):
        shutil.rmtree(place.folder / name, ignore_errors=True)
    place.config("whole", more, length)
    whole = place.start("--wait")
    report.hold(place.show(whole)["outcome"] == "succeeded", "the unbroken run succeeded")
    place.config("broken", more, length)
    found = broken_run(place, report, kills, total)
    compare(place, report, whole, found["id"], tolerance)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout")
    parser.add_argument("python")
    parser.add_argument("--script", default=str(ROOT / "scripts" / "real_loop.py"))
    parser.add_argument("--tokenizer", help="folder for --tokenizer_cache_dir")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="of the final weights")
    parser.add_argument(
        "--only", choices=("epochs", "accumulation", "part"), help="one of the three passes"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    args = parser.parse_args()
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="check-resume-"))
    names = ("checkout", "python", "script")
    trainer = {name: str(Path(getattr(args, name)).absolute()) for name in names}
    place = Place(folder, trainer)
    prepare(folder)
    more = f'tokenizer_cache_dir = "{args.tokenizer}"\n' if args.tokenizer else ""
    if args.only in (None, "epochs"):
        print(f"killed twice, {TOTAL} steps", flush=True)
        saves = more + "save_every_n_steps = 100"
        scenario(place, report, saves, (412, 655), TOTAL, args.tolerance)
    if args.only in (None, "accumulation"):
        accumulated = -(-IMAGES * REPEATS // 4) * EPOCHS
        print(f"gradient accumulation 4, {accumulated} steps", flush=True)
        saves = more + "gradient_accumulation_steps = 4\nsave_every_n_epochs = 1"
        scenario(place, report, saves, (75, 150), accumulated, args.tolerance)
    if args.only in (None, "part"):
        print(f"{PART} steps, {IMAGES * PART_REPEATS} an epoch", flush=True)
        write_dataset(folder, PART_REPEATS)
        saves = more + "save_every_n_steps = 20"
        length = f"max_train_steps = {PART}"
        scenario(place, report, saves, (163, 185), PART, args.tolerance, length)
    if not args.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(report.wrong)} differ" if report.wrong else "all holds")
    return int(bool(report.wrong))


if __name__ == "__main__":
    sys.exit(main())
