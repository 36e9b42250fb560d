"""The other sections of a review, as blocks: samples, machine, settings. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

from runner.config.hiding import hidden_command, hidden_config, hidden_env
from runner.history.review.document import Block, Bullets, Code, Paragraph, Table
from runner.history.review.model import DatasetFacts, Review
from runner.history.review.sections import moment
from runner.model import Alarm, HardwareUse
from runner.model.units import UNKNOWN, clock, count, duration, file_size, memory_size, some

WARNINGS = 30
STEPS_NAMED = 12
CONFIG_CHARACTERS = 20_000


def samples(review: Review) -> Iterator[Block]:
    found = review.samples
    if found is None or not found.count:
        return
    steps = some([*map(str, found.steps)], STEPS_NAMED)
    items = [f"{count(found.count, 'image')}, {file_size(found.size_bytes)}, at steps {steps}"]
    if found.unplaced:
        items.append(f"{count(found.unplaced, 'image')} with unknown step")
    yield Bullets((*items, *(f"in {folder}" for folder in found.folders)))
    if found.prompts:
        yield Paragraph("Prompts, by the number in the image names:")
        yield Bullets(tuple(f"{at:02d}: {text}" for at, text in enumerate(found.prompts)))
    if found.names:
        rows = tuple((UNKNOWN if step is None else str(step), name) for step, name in found.names)
        yield Table(("step", "newest images"), rows, (0,))


def hardware(review: Review) -> Iterator[Block]:
    status = review.snapshot.status
    if status is None:
        return
    use, newest = status.hardware, review.snapshot.hardware
    reasons = newest[-1].reasons if newest else {}
    rows = [
        ("device", status.device or UNKNOWN),
        *_gpu_rows(use, reasons),
        *_measured(use, _HOST_ROWS),
        ("measured while training", f"{duration(use.training_s)}, {use.samples} readings"),
    ]
    if status.gpu_users:
        names = dict.fromkeys(user.name or f"process {user.pid}" for user in status.gpu_users)
        rows.append(("other GPU users", ", ".join(names)))
    yield Table(("what", "value"), tuple(rows))


def _gpu_rows(use: HardwareUse, reasons: dict[str, str]) -> list[tuple[str, str]]:
    if use.gpu_util_max is None and use.gpu_memory_max_bytes is None:
        return [("GPU", f"not measured: {reasons.get('gpu', 'no readings')}")]
    busy = f"at most {use.gpu_util_max:.0f} %" if use.gpu_util_max is not None else UNKNOWN
    if use.gpu_util_mean is not None:
        busy += f", {use.gpu_util_mean:.0f} % on average while training"
    if use.gpu_idle_s is not None:
        busy += f", idle for {duration(use.gpu_idle_s)}"
    return [("GPU", use.gpu_name or UNKNOWN), ("GPU busy", busy), *_measured(use, _GPU_ROWS)]


#: (what, field of HardwareUse, value as text, text if not measured: "" omits the row)
_Row = tuple[str, str, Callable[[float], str], str]
_GPU_ROWS: tuple[_Row, ...] = (
    ("GPU memory, peak", "gpu_memory_max_bytes", memory_size, UNKNOWN),
    ("used by this run, peak", "gpu_memory_run_max_bytes", memory_size, ""),
    ("temperature, peak", "temperature_max_c", "{:.0f} °C".format, ""),
    ("power, mean", "power_mean_w", "{:.0f} W".format, ""),
    ("GPU energy", "energy_wh", "{:.1f} Wh".format, "not measured"),
    ("slowed by heat or power", "throttled_s", lambda s: duration(s) if s >= 1 else "", ""),
)
_HOST_ROWS: tuple[_Row, ...] = (
    ("training memory, peak", "tree_memory_max_bytes", memory_size, UNKNOWN),
    ("memory left, minimum", "memory_low_bytes", memory_size, ""),
    ("swap grown by", "swap_grown_bytes", memory_size, ""),
    ("machine CPU, mean", "cpu_mean", "{:.0f} %".format, ""),
    ("training CPU, mean", "tree_cpu_mean", lambda p: f"{p / 100:.1f} cores", ""),
)


def _measured(use: HardwareUse, rows: Sequence[_Row]) -> Iterator[tuple[str, str]]:
    for what, name, words, without in rows:
        value = getattr(use, name)
        text = without if value is None else words(value)
        if text:
            yield what, text


def timeline(review: Review) -> Iterator[Block]:
    if not review.timeline:
        return
    rows = tuple((moment(one.at), str(one.attempt), one.text) for one in review.timeline)
    if len({one.attempt for one in review.timeline}) > 1:
        yield Table(("time", "attempt", "what"), rows, (1,))
    else:
        yield Table(("time", "what"), tuple((at, text) for at, _, text in rows))


def warnings(review: Review) -> Iterator[Block]:
    """Alarms of the guard, then the trainer's own warnings, counted."""
    status = review.snapshot.status
    if status is not None and status.alarms:
        yield Bullets(tuple(map(_alarm, status.alarms)))
    if review.warnings:
        items = [f"{number} x {text}" for text, number in review.warnings[:WARNINGS]]
        left = len(review.warnings) - len(items)
        yield Bullets((*items, f"and {left} other texts") if left else tuple(items))
    elif status is None or not status.alarms:
        yield Paragraph("None.")


def _alarm(alarm: Alarm) -> str:
    times = [clock("%H:%M", at) for at in (alarm.since_at, alarm.over_at) if at]
    return f"alarm, {str(alarm.kind).replace('_', ' ')}, {' to '.join(times)}: {alarm.text}"


def preflight(review: Review) -> Iterator[Block]:
    checks = review.snapshot.preflight
    if not checks:
        return
    told = [c for c in checks if c.status != "skip"]
    left = len(checks) - len(told)
    more = f"; {count(left, 'check')} did not apply" if left else ""
    yield Paragraph(f"At the start{more}.")
    rows = tuple((c.title or c.name, c.status, c.detail or c.evidence) for c in told)
    yield Table(("check", "result", "evidence"), rows)


def settings(review: Review) -> Iterator[Block]:
    spec = review.snapshot.spec
    if spec is None:
        return
    if review.before is None:
        yield Paragraph("No earlier run of this project.")
    elif not review.changes:
        yield Paragraph(f"Same settings as the previous run, {review.before}.")
    else:
        yield Paragraph(f"Changes from the previous run, {review.before}:")
        rows = tuple((c.name, c.before or "not set", c.after or "not set") for c in review.changes)
        yield Table(("setting", "before", "now"), rows)
    if spec.config_text:
        text = hidden_config(spec.config_text)
        if len(text) > CONFIG_CHARACTERS:
            text = f"{text[:CONFIG_CHARACTERS]}\n# (cut here)"
        yield Paragraph(f"plasma.toml at the start ({spec.config_path}):")
        yield Code(text.strip("\n"), "toml")


def command(review: Review) -> Iterator[Block]:
    """Ready to paste into a shell, if nothing had to be hidden."""
    spec = review.snapshot.spec
    if spec is None or not spec.command:
        return
    env = hidden_env(spec.env)
    words = [f"-u {name}" for name, value in env.items() if value is None]
    words += [f"{name}={shlex.quote(value)}" for name, value in env.items() if value is not None]
    lines = [" ".join(["env", *words])] if words else []
    for at, word in enumerate(hidden_command(spec.command)):
        if at == 0 or word.startswith("--"):
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    yield Code(f"cd {shlex.quote(spec.cwd)}\n" + " \\\n  ".join(lines), "sh")


def repeat(review: Review) -> Iterator[Block]:
    """Versions and hashes: what must be identical to reproduce the result."""
    spec, base = review.snapshot.spec, review.base
    if spec is None:
        return
    rows = [("run", review.snapshot.id), ("host", spec.host), ("trainer", spec.trainer)]
    rows += spec.versions.items()
    if base is not None:
        rows.append(("base model", base.path or base.name))
        if base.size_bytes is not None:
            rows.append(("base model, size", f"{base.size_bytes} bytes"))
        if base.modified_at is not None:
            rows.append(("base model, changed", moment(base.modified_at)))
    rows += _dataset_rows(review.dataset) if review.dataset is not None else ()
    rows += ((key, value) for key, value in review.metadata.items() if key != "ss_sd_model_name")
    yield Table(("what", "value"), tuple(rows))
    if review.metadata_of:
        words = "Keys starting with ss, sshs or modelspec are from the trainer"
        yield Paragraph(f"{words}, from the header of {review.metadata_of}.")


def _dataset_rows(facts: DatasetFacts) -> Iterator[tuple[str, str]]:
    then = facts.then
    if "dataset" in then:
        images, captions = then.get("dataset_images", "?"), then.get("dataset_captions", "?")
        yield "dataset, sha256", then["dataset"]
        yield "dataset, files", f"{images} images, {captions} captions"
    if "dataset_cut" in then:
        yield "dataset, cut", then["dataset_cut"]
    if "dataset_config" in then:
        yield "dataset config, sha256", then["dataset_config"]
    word = {True: "unchanged", False: "HAS CHANGED since the start", None: UNKNOWN}[facts.same]
    yield "dataset since the start", f"{word}: {facts.why}" if facts.why else word


def notes(review: Review) -> Iterator[Block]:
    told = (*review.snapshot.problems, *review.notes)
    if told:
        yield Bullets(told)
