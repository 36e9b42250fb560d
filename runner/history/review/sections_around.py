"""The sections of a review that tell of what was around the training: samples, machine, settings. Pure."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence

from runner.config.hiding import hidden_command, hidden_config, hidden_env
from runner.history.review.document import Block, Bullets, Code, Paragraph, Section, Table
from runner.history.review.model import Review
from runner.history.review.sections import moment
from runner.model import HardwareUse
from runner.model.units import UNKNOWN, count, duration, file_size, memory_size, some

WARNINGS = 30
STEPS_NAMED = 12
CONFIG_CHARACTERS = 20_000


def samples_section(review: Review) -> Section | None:
    found = review.samples
    if found is None or not found.count:
        return None
    steps = some([*map(str, found.steps)], STEPS_NAMED)
    items = [f"{count(found.count, 'image')}, {file_size(found.size_bytes)}, at steps {steps}"]
    if found.unplaced:
        items.append(f"of {count(found.unplaced, 'image')} the step is not known")
    items += [f"in {folder}" for folder in found.folders]
    blocks: list[Block] = [Bullets(tuple(items))]
    if found.prompts:
        told = tuple(f"{at:02d}: {text}" for at, text in enumerate(found.prompts))
        blocks += [Paragraph("Prompts, by the number in the names of the images:"), Bullets(told)]
    if found.names:
        rows = tuple(
            (str(step) if step is not None else UNKNOWN, name) for step, name in found.names
        )
        blocks.append(Table(("step", "newest images"), rows, (0,)))
    return Section("samples", "Samples", tuple(blocks))


def hardware_section(review: Review) -> Section | None:
    status = review.snapshot.status
    if status is None:
        return None
    use, newest = status.hardware, review.snapshot.hardware
    reasons = newest[-1].reasons if newest else {}
    rows = [
        ("device", status.device or UNKNOWN),
        *_gpu_rows(use, reasons),
        *_measured(use, _HOST_ROWS),
    ]
    rows.append(("measured while training", f"{duration(use.training_s)}, {use.samples} readings"))
    if status.gpu_users:
        names = dict.fromkeys(user.name or f"process {user.pid}" for user in status.gpu_users)
        rows.append(("others on the GPU", ", ".join(names)))
    return Section("hardware", "Hardware", (Table(("what", "value"), tuple(rows)),))


def _gpu_rows(use: HardwareUse, reasons: dict[str, str]) -> list[tuple[str, str]]:
    if use.gpu_util_max is None and use.gpu_memory_max_bytes is None:
        return [("GPU", f"not measured: {reasons.get('gpu', 'no source told anything')}")]
    busy = f"at most {use.gpu_util_max:.0f} %" if use.gpu_util_max is not None else UNKNOWN
    if use.gpu_util_mean is not None:
        busy += f", {use.gpu_util_mean:.0f} % on average while training"
    if use.gpu_idle_s is not None:
        busy += f", idle for {duration(use.gpu_idle_s)}"
    return [("GPU", use.gpu_name or UNKNOWN), ("GPU busy", busy), *_measured(use, _GPU_ROWS)]


def _measured(use: HardwareUse, rows: Sequence[_Row]) -> list[tuple[str, str]]:
    """Without what was not measured, where its row has no words for that."""
    found = ((what, getattr(use, name), words, without) for what, name, words, without in rows)
    told = (
        (what, without if value is None else words(value)) for what, value, words, without in found
    )
    return [(what, text) for what, text in told if text]


#: (what, field of HardwareUse, its value in words, words where it was not measured)
_Row = tuple[str, str, Callable[[float], str], str]
_GPU_ROWS: tuple[_Row, ...] = (
    ("GPU memory, peak", "gpu_memory_max_bytes", memory_size, UNKNOWN),
    ("of it this run's, peak", "gpu_memory_run_max_bytes", memory_size, ""),
    ("temperature, peak", "temperature_max_c", "{:.0f} °C".format, ""),
    ("power, mean", "power_mean_w", "{:.0f} W".format, ""),
    ("energy of the GPU", "energy_wh", "{:.1f} Wh".format, "not measured"),
    ("slowed by heat or power", "throttled_s", lambda s: duration(s) if s >= 1 else "", ""),
)
_HOST_ROWS: tuple[_Row, ...] = (
    ("memory of the training, peak", "tree_memory_max_bytes", memory_size, UNKNOWN),
    ("memory left, least", "memory_low_bytes", memory_size, ""),
    ("swap grown by", "swap_grown_bytes", memory_size, ""),
    ("CPU of the machine, mean", "cpu_mean", "{:.0f} %".format, ""),
    ("CPU of the training, mean", "tree_cpu_mean", lambda p: f"{p / 100:.1f} cores", ""),
)


def timeline_section(review: Review) -> Section | None:
    if not review.timeline:
        return None
    several = len({one.attempt for one in review.timeline}) > 1
    rows = tuple(
        (moment(one.at), *((str(one.attempt),) if several else ()), one.text)
        for one in review.timeline
    )
    heads = ("time", "attempt", "what") if several else ("time", "what")
    return Section("timeline", "Timeline", (Table(heads, rows, (1,) if several else ()),))


def warnings_section(review: Review) -> Section | None:
    """Alarms of the guard, then what the trainer itself warned of, counted."""
    status = review.snapshot.status
    blocks: list[Block] = []
    alarms = status.alarms if status is not None else ()
    if alarms:
        told = []
        for alarm in alarms:
            clock = time.strftime("%H:%M", time.localtime(alarm.since_at))
            over = (
                f" to {time.strftime('%H:%M', time.localtime(alarm.over_at))}"
                if alarm.over_at
                else ""
            )
            told.append(f"alarm, {str(alarm.kind).replace('_', ' ')}, {clock}{over}: {alarm.text}")
        blocks.append(Bullets(tuple(told)))
    if review.warnings:
        shown = review.warnings[:WARNINGS]
        items = [f"{number} x {text}" for text, number in shown]
        left = len(review.warnings) - len(shown)
        blocks.append(Bullets((*items, f"and {left} other texts") if left else tuple(items)))
    if not blocks:
        blocks.append(Paragraph("None."))
    return Section("warnings", "Warnings and alarms", tuple(blocks))


def preflight_section(review: Review) -> Section | None:
    checks = review.snapshot.preflight
    if not checks:
        return None
    told = [c for c in checks if c.status != "skip"]
    rows = tuple((c.title or c.name, c.status, c.detail or c.evidence) for c in told)
    left = len(checks) - len(told)
    more = f"; {count(left, 'check')} did not apply" if left else ""
    words = f"As it stood at the start{more}."
    table = Table(("check", "result", "evidence"), rows)
    return Section("preflight", "Preflight", (Paragraph(words), table))


def settings_section(review: Review) -> Section | None:
    spec = review.snapshot.spec
    if spec is None:
        return None
    blocks: list[Block] = []
    if review.before is None:
        blocks.append(Paragraph("There is no earlier run of this project to compare it with."))
    elif not review.changes:
        blocks.append(Paragraph(f"The same settings as in the run before, {review.before}."))
    else:
        blocks.append(Paragraph(f"What differs from the run before, {review.before}:"))
        rows = tuple((c.name, c.before or "not set", c.after or "not set") for c in review.changes)
        blocks.append(Table(("setting", "before", "now"), rows))
    if spec.config_text:
        text = hidden_config(spec.config_text)
        if len(text) > CONFIG_CHARACTERS:
            text = f"{text[:CONFIG_CHARACTERS]}\n# (cut here)"
        blocks.append(Paragraph(f"plasma.toml as it was at the start ({spec.config_path}):"))
        blocks.append(Code(text.strip("\n"), "toml"))
    return Section("settings", "Settings", tuple(blocks))


def command_section(review: Review) -> Section | None:
    """As it can be pasted into a shell, where nothing of it had to be hidden."""
    spec = review.snapshot.spec
    if spec is None or not spec.command:
        return None
    return Section("command", "Command", (Code(shell_lines(review), "sh"),))


def shell_lines(review: Review) -> str:
    spec = review.snapshot.spec
    assert spec is not None
    env = hidden_env(spec.env)
    unset = "".join(f" -u {name}" for name, value in env.items() if value is None)
    pairs = " ".join(f"{name}={shlex.quote(v)}" for name, v in env.items() if v is not None)
    head = f"env{unset} {pairs}".rstrip() if unset or pairs else ""
    lines = [head] if head else []
    for at, word in enumerate(hidden_command(spec.command)):
        quoted = shlex.quote(word)
        if at == 0 or word.startswith("--"):
            lines.append(quoted)
        else:
            lines[-1] += f" {quoted}"
    return f"cd {shlex.quote(spec.cwd)}\n" + " \\\n  ".join(lines)


def repeat_section(review: Review) -> Section | None:
    """Versions and hashes: what has to be the same for the same result."""
    spec = review.snapshot.spec
    if spec is None:
        return None
    rows = [("run", review.snapshot.id), ("host", spec.host), ("trainer", spec.trainer)]
    rows += [(name, value) for name, value in spec.versions.items()]
    rows += _base_rows(review)
    rows += _dataset_rows(review)
    skipped = {"ss_sd_model_name"}
    rows += [(k, v) for k, v in review.metadata.items() if k not in skipped]
    blocks: list[Block] = [Table(("what", "value"), tuple(rows))]
    if review.metadata_of:
        words = "What begins with ss, sshs or modelspec is the trainer's own word"
        text = f"{words}, from the header of {review.metadata_of}."
        blocks.append(Paragraph(text))
    return Section("repeat", "To repeat it", tuple(blocks))


def _base_rows(review: Review) -> list[tuple[str, str]]:
    base = review.base
    if base is None:
        return []
    rows = [("base model", base.path or base.name)]
    if base.size_bytes is not None:
        rows.append(("base model, size", f"{base.size_bytes} bytes"))
    if base.modified_at is not None:
        rows.append(("base model, changed", moment(base.modified_at)))
    return rows


def _dataset_rows(review: Review) -> list[tuple[str, str]]:
    facts = review.dataset
    if facts is None:
        return []
    rows = []
    if "dataset" in facts.then:
        number = f"{facts.then.get('dataset_images', '?')} images, {facts.then.get('dataset_captions', '?')}"
        rows.append(("dataset, sha256", facts.then["dataset"]))
        rows.append(("dataset, files", f"{number} captions"))
    if "dataset_cut" in facts.then:
        rows.append(("dataset, cut", facts.then["dataset_cut"]))
    if "dataset_config" in facts.then:
        rows.append(("dataset config, sha256", facts.then["dataset_config"]))
    word = {True: "unchanged", False: "HAS CHANGED since the start", None: UNKNOWN}[facts.same]
    rows.append(("dataset since the start", f"{word}{f': {facts.why}' if facts.why else ''}"))
    return rows


def notes_section(review: Review) -> Section | None:
    told = (*review.snapshot.problems, *review.notes)
    if not told:
        return None
    return Section("unknown", "Not known", (Bullets(tuple(told)),))
