"""`inspect` and `verify`: evaluate any console log, any checkpoint."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.model.units import count, file_size
from runner.store.rundir import home
from tui.cli.common import print_json, say, write
from tui.cli.exits import NO, NOT_FOUND, OK, WRONG_USE, Fail
from tui.text import clean

if TYPE_CHECKING:
    from runner.checkpoints.verify import Verification
    from runner.model import Checkpoint


def inspect(options: argparse.Namespace) -> int:
    """Parse and evaluate a console log."""
    from runner.history.inspect import inspect_log

    folder = Path(options.tensorboard).expanduser() if options.tensorboard else None
    if folder is not None and not folder.is_dir():
        raise Fail(f"no folder {folder}: --tensorboard takes a folder of event files", NOT_FOUND)
    with _plain_log(options.log) as path:
        try:
            report = inspect_log(path, options.exit, folder)
        except ValueError as error:
            raise Fail(str(error), WRONG_USE) from None
        except OSError as error:
            raise Fail(f"{options.log} cannot be read: {error.strerror}") from None
        foreign = not report.trainer_log
        run = None if options.no_keep or foreign else _keep(options, path, folder)
    data = report.to_json() | {"run": run.name if run is not None else None}
    if options.json:
        print_json(data)
    if foreign:
        raise Fail(
            f"{options.log} is not a console log of a trainer: {report.reasons[0]} "
            "(--exit HOW evaluates it anyway)"
        )
    if not options.json:
        from tui.cli.inspect_text import inspect_lines

        write(*inspect_lines(report))
    if run is not None:
        say(f"added to the runs: `plasma-tui attach {run.name}` opens it")
    if report.outcome is None:
        raise Fail("no verdict; add --exit HOW if you know how it ended")
    return OK


@contextlib.contextmanager
def _plain_log(named: str) -> Iterator[Path]:
    """The log as UTF-8: the file itself, or a copy if it is compressed, UTF-16 or stdin (`-`)."""
    from runner.history.imported_runs.log_bytes import NoLog, copy_log, is_plain

    path = Path(named).expanduser()
    if named != "-" and not path.is_file():
        raise Fail(f"no file {path}: give the path of a console log", NOT_FOUND)
    try:
        if named != "-" and is_plain(path):
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="plasma-inspect-") as scratch:
            copy = Path(scratch) / "stdin.log"
            copy_log(sys.stdin.buffer if named == "-" else path, copy)
            yield copy
    except NoLog as error:
        raise Fail(f"{named} cannot be read: {error}") from None
    except OSError as error:
        raise Fail(f"{named} cannot be read: {error.strerror or error}") from None


def _keep(options: argparse.Namespace, plain: Path, folder: Path | None) -> Path | None:
    """Add the log to the runs; a failure is only reported."""
    from runner.history.imported_runs.from_log import run_of_log

    source = plain if options.log == "-" else Path(options.log).expanduser()
    try:
        with source.open("rb") as stream:
            return run_of_log(
                source, exit_text=options.exit, tensorboard=folder,
                stream=stream if options.log == "-" else None,
            )  # fmt: skip
    except ValueError as error:
        say(f"not added to the runs: {error}")
    except OSError as error:
        say(f"not added to the runs: {error.filename or home()}: {error.strerror or error}")
    return None


def verify(options: argparse.Namespace) -> int:
    """Complete? Finite? How large? In a separate process, so that this one stays small."""
    from runner.checkpoints.verify import verify_apart

    paths = [str(Path(name).expanduser().absolute()) for name in options.files]
    found, words = verify_apart(paths)
    if len(found) < len(paths):
        raise Fail(f"{paths[len(found)]} could not be verified: {words or 'no answer'}")
    files = _as_json(found)
    if options.json:
        print_json({"schema": 1, "files": files})
    else:
        for one, data in zip(found, files, strict=True):
            write(clean(_sentence(one)), *(f"  {clean(line)}" for line in _details(data)))
    if any(not Path(path).exists() for path in paths):
        return NOT_FOUND
    return OK if all(f.complete and f.finite for f in found) else NO


def _as_json(found: list[Verification]) -> list[dict[str, Any]]:
    """Each compared with the newest one of the same training given before it."""
    import msgspec

    from runner.checkpoints.checkpoint_facts import file_alone, of_one_training
    from runner.checkpoints.weight_norms import change_of, remark_on

    files: list[dict[str, Any]] = []
    good: list[tuple[Checkpoint, Verification]] = []
    for one in found:
        now = file_alone(one)
        same = (c for c, v in reversed(good) if of_one_training((c, v), (now, one)))
        before = next(same, None)
        change = change_of(one.norm, before.norm) if before is not None else None
        remark = remark_on(now, one, before)
        files.append(msgspec.to_builtins(one) | {"norm_change": change, "remark": remark})
        if one.kind == "weights" and one.complete and one.finite:
            good.append((now, one))
    return files


def _sentence(one: Verification) -> str:
    complete = "complete" if one.complete else "INCOMPLETE"
    numbers = {True: "finite", False: "NOT FINITE", None: "values not checked"}[one.finite]
    what = " (a training state)" if one.kind == "state" else ""
    why = f": {one.problem}" if one.problem else ""
    return f"{one.path}{what}: {complete}, {numbers}, {file_size(one.size_bytes)}{why}"


def _details(data: dict[str, Any]) -> list[str]:
    """Rank, norms and a remark on them."""
    lines = []
    if data["rank"] is not None:
        alpha = f", alpha {data['alpha']:g}" if data["alpha"] is not None else ""
        lines.append(f"rank {data['rank']}{alpha}")
    if data["norm"] is not None:
        change = data["norm_change"]
        grown = f", {change:+.1%} from the previous file" if change is not None else ""
        lines.append(f"mean norm {data['norm']:.4g}, largest {data['norm_largest']:.4g}{grown}")
    lines += [
        f"  {b['block']}: mean {b['mean']:.4g}, largest {b['largest']:.4g}, "
        f"{count(b['modules'], 'module')}"
        for b in data["norms"]
    ]
    return [*lines, data["remark"]] if data["remark"] else lines
