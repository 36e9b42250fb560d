"""Trainings in folders and under names that shells, formats and screens misread.

python -m tests.torture.strange_paths [--folder DIR] [WORD ...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.many import plasma_command
from tests.torture.outcome import Result, Tally, table

TRAINER = Path(__file__).with_name("soak_trainer.py")
#: file names, as bytes
NAMES: dict[str, bytes] = {
    "spaces": b" my  runs ",
    "newline": b"a\nb",
    "quotes": b'it\'s "x" `y`',
    "shell": b"$(touch pwned);touch pwned&",
    "composed": "\u00e9\u6f22\u5b57".encode(),
    "decomposed": "e\u0301".encode(),
    "dash": b"-rf",
    "long": b"n" * 200,
    "bytes": b"caf\xe9 \xff",
    "format": b"%s %(x)s {y} %n",
    "markup": b"[red]x[/] [@click=app.quit]",
    "escape": b"\x1b]0;t\x07",
    "hash": b"a#b=c,d:e",
    "star": b"*?[a]",
}
STEPS = 20
PATIENCE_S = 180.0
_TRACE = b"Traceback"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one training happens. `output_name`, `output_dir`: as plasma.toml has them."""

    label: str
    project: bytes
    output_dir: str = "out"
    output_name: str = "soak"


def places(top: bytes) -> list[Place]:
    """Each name as the project's folder, with the run folders below it, and as name and folder of the output;
    and a deep folder."""
    found = []
    for label, name in NAMES.items():
        found.append(Place(f"project {label}", os.path.join(top, b"p", name)))
        with_text = name.decode("utf-8", "replace")
        if with_text.encode() == name:
            found.append(
                Place(
                    f"output {label}",
                    os.path.join(top, b"o-" + label.encode()),
                    with_text,
                    with_text,
                )
            )
    deep = os.path.join(top, *[b"d" * 100] * 11)
    return [*found, Place("project of 1,100 bytes", deep)]


def strange_paths(seed: int, folder: Path, words: tuple[str, ...] = ()) -> Result:
    """The scenario; the same with any seed. `words`: only places with one of these in their label."""
    tally = Tally("strange paths")
    for place in places(os.fsencode(folder)):
        if not words or any(word in place.label for word in words):
            _train(tally, place)
            print(f"{place.label}: {len(tally.lost)} lost so far", file=sys.stderr, flush=True)
    pwned = [str(path) for path in folder.rglob("pwned")]
    tally.claim(not pwned, f"a name was run by a shell: {pwned}")
    return tally.result()


def _train(tally: Tally, place: Place) -> None:
    project = Path(os.fsdecode(place.project))
    project.mkdir(parents=True, exist_ok=True)
    scripts = project / "scripts"
    scripts.mkdir(exist_ok=True)
    lines = (
        'name = "strange"', "[trainer]", 'sd_scripts = "scripts"', f"python = {json.dumps(sys.executable)}",
        f"script = {json.dumps(str(TRAINER))}", 'launcher = "python"', "[train]",
        f"output_dir = {json.dumps(place.output_dir)}", f"output_name = {json.dumps(place.output_name)}",
        f"max_train_steps = {STEPS}", "save_every_n_steps = 10",
    )  # fmt: skip
    (project / "plasma.toml").write_text("\n".join(lines) + "\n")
    began = time.monotonic()
    code, output, errors = _run(project, "start", "--force", "--wait")
    tally.numbers[f"{place.label}_s"] = time.monotonic() - began
    said = (output + errors).strip()
    tally.claim(_TRACE not in said, f"{place.label}: a traceback: {said[-600:]!r}")
    started = any(_runs(project))
    if not started:
        # before it: what the checks found, which --force accepted
        sentence = errors.strip().rpartition(b"\n")[2]
        wanted = code in (1, 2) and sentence.startswith(b"plasma-tui: ")
        tally.claim(wanted, f"{place.label}: refused with {code}, not in a sentence: {sentence!r}")
        tally.numbers[f"{place.label}: refused"] = 1
        return
    tally.claim(code == 0, f"{place.label}: exit {code}: {said[-600:]!r}")
    for words in (
        ("show", "last"),
        ("show", "last", "--json"),
        ("runs",),
        ("log", "last"),
        ("stop", "last"),
    ):
        code, output, errors = _run(project, *words)
        wanted = 1 if words[0] == "stop" else 0
        tally.claim(code == wanted, f"{place.label}: {words} exits {code}: {errors[-400:]!r}")
        tally.claim(_TRACE not in errors, f"{place.label}: {words}: {errors[-400:]!r}")
        if "--json" in words and code == 0:
            found = json.loads(output)
            names = [(one["complete"], one["finite"]) for one in found["checkpoints"]]
            tally.claim(found["outcome"] == "succeeded", f"{place.label}: {found['outcome']}")
            tally.claim(names == [(True, True)] * 2, f"{place.label}: checkpoints {names}")
            tally.claim(found["step"] == STEPS, f"{place.label}: step {found['step']}")


def _runs(project: Path) -> list[Path]:
    folder = project / "home" / "runs"
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _run(project: Path, *words: str) -> tuple[int, bytes, bytes]:
    env = {
        **os.environ,
        "PLASMA_HOME": str(project / "home"),
        "XDG_CONFIG_HOME": str(project / "config"),
    }
    done = subprocess.run(
        [*plasma_command(), *words], cwd=project, env=env, capture_output=True, check=False,
        stdin=subprocess.DEVNULL, timeout=PATIENCE_S,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only places with such a label")
    parser.add_argument("--folder", type=Path, help="kept; without it a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="paths-") as temporary:
        result = strange_paths(1, args.folder or Path(temporary), tuple(args.words))
    print(table(result).encode("utf-8", "replace").decode())
    return 1 if result.lost else 0


if __name__ == "__main__":
    sys.exit(main())
