"""Verifies a weights file: complete? finite? rank and size? And a state folder: complete?

sd-scripts writes straight to the final name (a full disk or a kill leaves a truncated file), so the header is
compared with the file's size. Run as `python -m runner.checkpoints.verify PATH...` this prints a JSON line
per path; the supervisor uses that form, so that neither memory nor a slow disk affects it. That process is
niced: Linux and macOS derive its I/O priority from that, and one with idle I/O priority would never answer
next to a busy training.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from runner.checkpoints.state_folder import StateLook, look_at_state, whole_archive
from runner.files.diffusers_folder import FolderLook, is_diffusers_folder, look_at_folder
from runner.files.header import Broken, metadata_of, read_header, tensors_of
from runner.files.regular_file import open_regular
from runner.model import BlockNorm
from runner.model.units import count
from runner.store.identity import header_sha256, state_stamp

NICENESS = 10
#: longer metadata (tag frequencies of a large dataset) is left out
METADATA_LIMIT = 2000
PICKLES = (".ckpt", ".pt", ".pth", ".bin")
PICKLED = "a pickle file: its numbers are not checked"
#: one thread: the other cores are for the trainer
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a path is. `kind`: weights, state, pickle or diffusers (a folder). `complete` of a state: it can
    be resumed from. `finite`: None when not every number was checked; `problem` says why.

    `norms`, `norm` (mean) and `norm_largest`: see model.BlockNorm; `bad_blocks`: with NaN or infinity.
    `lora`: the norms are of what is added to base weights. `flaw`: of the first module that cannot be loaded.
    `step`: a state's own count."""

    path: str
    size_bytes: int = 0
    complete: bool = False
    finite: bool | None = None
    tensors: int = 0
    nonfinite_tensors: int = 0
    problem: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    kind: str = "weights"
    rank: int | None = None
    alpha: float | None = None
    norms: tuple[BlockNorm, ...] = ()
    norm: float | None = None
    norm_largest: float | None = None
    bad_blocks: tuple[str, ...] = ()
    lora: bool = False
    flaw: str | None = None
    step: int | None = None
    modified_at: float | None = None
    #: identity of the file, see runner.store.identity; `mtime_ns` of a state: of its newest file
    inode: int | None = None
    mtime_ns: int | None = None
    header_sha256: str | None = None


def verify(path: Path, *, finite: bool = True) -> Verification:
    """Verify one file or state folder. Never raises for its content; a missing one is a `problem`. `finite`
    False: only header and size, no numbers."""
    known: dict[str, Any] = {"path": str(path)}
    try:
        found = path.stat()
        known |= {"size_bytes": found.st_size, "modified_at": found.st_mtime}
        known |= {"inode": found.st_ino, "mtime_ns": found.st_mtime_ns}
        if path.is_dir():
            return _folder(path, known, finite)
        known["header_sha256"] = header_sha256(path) if path.is_file() else None
        if path.suffix.lower() in PICKLES:
            return _pickle(path, known, finite)
        return _weights(path, known, finite)
    except FileNotFoundError:
        return Verification(str(path), problem="the file does not exist")
    except OSError as error:
        why = error.strerror or str(error)
        return Verification(**known, problem=f"cannot be read: {why}")
    except Broken as error:
        return Verification(**known, problem=str(error))
    except RecursionError:
        return Verification(**known, problem="its metadata is nested too deeply")


def _weights(path: Path, known: dict[str, Any], finite: bool) -> Verification:
    header, start, wanted = read_header(path)
    size, metadata = known["size_bytes"], metadata_of(header)
    known["tensors"] = len(header) - ("__metadata__" in header)
    known["metadata"] = {k: v for k, v in metadata.items() if len(v) <= METADATA_LIMIT}
    if size != wanted:
        word = "cut off" if size < wanted else "too long"
        return Verification(**known, problem=f"{word}: {size:,} bytes instead of {wanted:,}")
    tensors = tensors_of(header)
    if not finite:
        return Verification(**known, complete=True)
    from runner.checkpoints.weight_modules import alpha_of, modules_of, rank_of
    from runner.checkpoints.weight_norms import summarize
    from runner.checkpoints.weights_scan import scan

    modules = modules_of(tensors)
    seen = scan(path, modules, start)
    bad = len(seen.nonfinite)
    problem = f"{bad} of {len(tensors)} tensors contain NaN or Inf" if bad else None
    if not bad and seen.unlooked:
        name, dtype = seen.unlooked[0]
        number = count(len(seen.unlooked), "tensor")
        problem = f"{number} not checked, unknown dtype ({name}: {dtype})"
    return Verification(
        **known,
        complete=True,
        finite=seen.finite,
        nonfinite_tensors=bad,
        problem=problem,
        rank=rank_of(modules, metadata),
        alpha=alpha_of(seen.alphas, metadata),
        **summarize(seen.norms),
        lora=any(module.adds for module in modules),
        flaw=next((flaw for module in modules if (flaw := module.flaw) is not None), None),
    )


def _pickle(path: Path, known: dict[str, Any], finite: bool) -> Verification:
    """Reading its numbers would execute its content."""
    known |= {"kind": "pickle"}
    with open_regular(path) as stream:
        start = stream.read(9)
    if start[8:] == b"{":  # the header of a safetensors file: only its name is wrong
        return _weights(path, known | {"kind": "weights"}, finite)
    start = start[:4]
    if not start:
        raise Broken("the file is empty (0 bytes)")
    if start[:2] == b"PK" and not whole_archive(path):
        return Verification(**known, problem="truncated torch file")
    if start[:2] != b"PK" and start[:1] != b"\x80":
        return Verification(**known, problem=f"not a torch file (it starts with {start!r})")
    return Verification(**known, complete=True, problem=PICKLED)


def _folder(path: Path, known: dict[str, Any], finite: bool) -> Verification:
    """A training state or a diffusers model, with results of the weights files inside; the first broken one
    counts for all."""
    look: StateLook | FolderLook
    if is_diffusers_folder(path):
        look = look_at_folder(path)
        known |= {
            "kind": "diffusers",
            "modified_at": look.mtime_ns / 1e9,
            "mtime_ns": look.mtime_ns,
        }
    elif path.name.endswith("-state") or (path / "optimizer.bin").exists():
        look = look_at_state(path)
        known |= {"kind": "state", "step": look.step, "mtime_ns": state_stamp(path)}
    else:
        return Verification(**known, problem="a folder, but not a training state")
    known["size_bytes"] = look.size_bytes
    result, unread = Verification(**known, problem=look.problem, complete=not look.problem), None
    for file in look.weights if result.complete else ():
        inner = verify(file, finite=finite)
        problem = f"{file.relative_to(path)}: {inner.problem}" if inner.problem else None
        if inner.kind == "pickle" and inner.complete:
            unread, problem = problem, None
        result = replace(
            result,
            complete=inner.complete and inner.finite is not False,
            finite=inner.finite,
            tensors=result.tensors + inner.tensors,
            nonfinite_tensors=inner.nonfinite_tensors,
            problem=problem,
        )
        if problem is not None:
            return result
    return replace(result, finite=None, problem=unread) if unread is not None else result


def state_complete(path: Path) -> bool | None:
    """Is a state folder complete, by names, sizes and headers? None: no such folder."""
    if not path.is_dir():
        return None
    return verify(path, finite=False).complete


def verify_apart(
    paths: Sequence[str], *, timeout_s: float | None = None
) -> tuple[list[Verification], str]:
    """`verify` in a separate process, so that numpy and large files stay out of this one. In the order of the
    paths, fewer if it failed; and its last line, "" if none. Raises nothing."""
    import subprocess

    from runner.process.spawn import module_command

    try:
        done = subprocess.run(
            module_command("runner.checkpoints.verify", *paths),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        found = [msgspec.json.decode(line, type=Verification) for line in done.stdout.splitlines()]
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        return [], str(error)
    words = done.stderr.decode(errors="replace").strip().splitlines()
    return found, words[-1] if words else ""


def main(arguments: list[str]) -> int:
    """Print a JSON line per path; exit 0 if all are complete and finite. `-`: read paths from stdin, one JSON
    string per line, and answer each before reading the next."""
    os.environ.update(ONE_THREAD)
    if sys.platform != "win32":
        os.nice(NICENESS)
    good, given = True, (msgspec.json.decode(line, type=str) for line in sys.stdin.buffer)
    for name in given if arguments == ["-"] else arguments:
        found = verify(Path(name))
        good = good and found.complete and found.finite is True
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
