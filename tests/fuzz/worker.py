"""One target in one process, under atheris where it is installed, else with plain mutations, until its time is
over. A child of `__main__`, because a crash or a limit ends the process."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

#: bounds of one process: memory in all, one written file, processor time beyond what it was given
MEMORY_BYTES, FILE_BYTES, GRACE_S = 3 << 30, 1 << 28, 120
LARGEST_BYTES = 1 << 16
#: packages whose branches guide atheris
_INSTRUMENTED = ["runner", "tui.images", "tui.themes"]


def limit(seconds: float) -> None:
    """A runaway input ends this process, not the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = int(seconds) + GRACE_S
    resource.setrlimit(resource.RLIMIT_CPU, (most, most + 10))


class Notes:
    """What the process found, as a JSON file that survives its end."""

    def __init__(self, path: Path, target: Target, found: Path) -> None:
        self._path, self._target, self._found = path, target, found
        self.runs = 0
        self.signatures: dict[str, str] = {}
        self._began_s = time.process_time()

    def one(self, data: bytes) -> None:
        """Run the target; a finding is kept once for each place in the code."""
        self.runs += 1
        if self.runs % 500 == 0:
            self.write()
        try:
            self._target.run(data)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the point of it all
            self._keep(data, error)

    def _keep(self, data: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [one for one in frames if "/runner/" in one.filename or "/tui/" in one.filename]
        place = (ours or frames)[-1]
        signature = (
            f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno} {place.name}"
        )
        if type(error).__name__ == "Broken":
            signature += f": {str(error)[:60]}"
        if signature in self.signatures:
            return
        name = f"{self._target.name}-{hashlib.sha256(signature.encode()).hexdigest()[:8]}"
        self.signatures[signature] = name
        self._found.mkdir(parents=True, exist_ok=True)
        (self._found / name).write_bytes(data)
        text = "".join(traceback.format_exception(error, limit=-12))[-6000:]
        (self._found / f"{name}.txt").write_text(f"{signature}\n\n{text}", errors="replace")
        self.write()

    def write(self) -> None:
        told = {
            "runs": self.runs,
            "cpu_s": time.process_time() - self._began_s,
            "found": self.signatures,
        }
        self._path.write_text(json.dumps(told))


def mutation_loop(target: Target, one: Callable[[bytes], None], seconds: float, seed: int) -> None:
    """Without atheris: mutations of the corpus and of what was made of it."""
    from tests.fuzz.mutate import mutated

    chance = random.Random(seed)
    pool = [*target.inputs(), b""]
    for data in pool:
        one(data)
    until = time.process_time() + seconds
    while time.process_time() < until:
        data = mutated(chance.choice(pool), chance, target.words)
        one(data)
        if chance.random() < 0.01 and len(pool) < 2000:
            pool.append(data)


def with_atheris(
    atheris: Any,
    target: Target,
    one: Callable[[bytes], None],
    seconds: float,
    work: Path,
    grown: Path,
    done: Callable[[], None],
) -> None:
    """The repository's corpus is only read; `grown`, libFuzzer's own, is continued next time. Ends the
    process."""
    words = work / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if len(word) < 100))
    seeds = work / "seeds"
    for folder in (seeds, grown):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.inputs()):
        (seeds / str(number)).write_bytes(data)
    until = time.process_time() + seconds

    def bounded(data: bytes) -> None:
        if time.process_time() > until:
            done()
            os._exit(0)  # libFuzzer would go on after an exception
        one(data)

    options = [
        f"-dict={words}", f"-max_len={LARGEST_BYTES}", "-timeout=300", "-rss_limit_mb=2560",
        f"-artifact_prefix={work}/", "-print_final_stats=0", "-len_control=20", "-reload=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], str(grown), str(seeds), *options], bounded)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main(arguments: list[str]) -> None:
    name, seconds, work, found, how = arguments
    limit(float(seconds))
    # both are removed with `work`, however this process ends
    inputs = Path(work) / "inputs"
    inputs.mkdir()
    os.environ |= {"PLASMA_HOME": f"{work}/home", "PLASMA_FUZZ_FOLDER": str(inputs)}
    atheris: Any = None
    if how == "atheris":
        import atheris

        atheris.instrument_imports(include=_INSTRUMENTED).__enter__()
    from tests.fuzz.targets import BY_NAME

    target = BY_NAME[name]
    notes = Notes(Path(work) / "notes.json", target, Path(found))
    notes.write()
    if atheris is None:
        mutation_loop(target, notes.one, float(seconds), seed=os.getpid())
        notes.write()
    else:
        grown = Path(found) / "grown" / name
        with_atheris(atheris, target, notes.one, float(seconds), Path(work), grown, notes.write)


if __name__ == "__main__":
    main(sys.argv[1:])
