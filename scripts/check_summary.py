"""Hold the summary of a run against the files of the run: every number is computed again, by other code.

    python scripts/check_summary.py RUN_FOLDER [--markdown FILE] [--json FILE]

RUN_FOLDER: `$PLASMA_HOME/runs/<id>` of a run that has ended. By default its own summary.md and summary.json are
checked. Prints what was compared; exit code 1 when something differs, with a line for each difference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts import summary_facts as facts  # noqa: E402


class Checker:
    """Collects comparisons of one run."""

    def __init__(self, run: Path, told: dict[str, Any], markdown: str) -> None:
        self.run, self.told, self.markdown = run, told, markdown
        self.wrong: list[str] = []
        self.count = 0
        self.spec = json.loads((run / "spec.json").read_text())
        self.status = json.loads((run / "status.json").read_text())
        self.events = facts.lines_of(run / "events.jsonl")
        self.steps = facts.Steps(facts.lines_of(run / "steps.jsonl"))
        self.smooth = self.steps.smoothed()
        console = run / "console.log"
        self.console = console.read_text("utf-8", "replace") if console.exists() else ""
        self.banner = facts.console_numbers(self.console)

    def same(self, what: str, told: Any, true: Any, near: float = 1e-6) -> None:
        self.count += 1
        if isinstance(told, float) and isinstance(true, int | float):
            if math.isclose(told, true, rel_tol=near, abs_tol=1e-9):
                return
        elif told == true and type(told) is type(true):
            return
        self.wrong.append(f"{what}: the summary says {told!r}, the files say {true!r}")

    def all(self) -> list[str]:
        for part in (
            self.losses, self.epochs, self.attempts, self.checkpoints, self.around, self.dataset,
            self.event_files, self.points, self.text,
        ):  # fmt: skip
            part()
        return self.wrong

    # ------------------------------------------------------------- losses

    def losses(self) -> None:
        loss, rows, steps = self.told["loss"], self.steps.rows, self.steps
        values = {step: steps.value(step) for step in rows}
        bad = [step for step, v in values.items() if v is not None and not math.isfinite(v)]
        known = [v for v in values.values() if v is not None and math.isfinite(v)]
        last = max(rows)
        settled = dict(list(self.smooth.items())[30:])
        lowest = min(settled, key=lambda n: settled[n]) if settled else None
        self.same("rows", loss["rows"], len(rows))
        self.same("finite", loss["finite_rows"], len(known))
        self.same("not finite", loss["nonfinite_rows"], len(bad))
        self.same("exact", loss["exact_rows"], sum(r["loss"] is not None for r in rows.values()))
        self.same("missing", loss["missing_steps"], last - min(rows) + 1 - len(rows))
        self.same("last step", loss["last_step"], last)
        value = values[last]
        finite = value is not None and math.isfinite(value)
        self.same("last loss", loss["last"], value if finite else None)
        self.same("smoothed", loss["smooth"], self.smooth.get(last))
        self.same("first bad step", loss["first_nonfinite_step"], min(bad, default=None))
        self.same("lowest step", loss["lowest_smooth_step"], lowest)
        self.same("lowest", loss["lowest_smooth"], settled.get(lowest))
        for step, mean, smooth in self.told["loss_curve"]:
            self.same(f"curve at {step}", smooth, self.smooth.get(step))
            self.count += mean is not None

    def per_epoch(self) -> int:
        return -(-self.banner["batches"] // self.banner.get("accumulation", 1))

    def epochs(self) -> None:
        size, times = self.per_epoch(), self.steps.times()
        self.same("steps an epoch", self.told["steps_per_epoch"], size)
        table = {row["epoch"]: row for row in self.told["epoch_table"]}
        wanted = {(step - 1) // size + 1 for step in self.steps.rows}
        self.same("epochs", sorted(table), sorted(wanted))
        shown = [float(v) for v in re.findall(r"val_epoch_avg_loss=([\d.]+)", self.console)]
        for number, row in table.items():
            mine = [n for n in self.steps.rows if (n - 1) // size + 1 == number]
            values = [self.steps.value(n) for n in mine]
            good = [v for v in values if v is not None and math.isfinite(v)]
            name = f"epoch {number}"
            self.same(f"{name} first", row["first_step"], mine[0])
            self.same(f"{name} last", row["last_step"], mine[-1])
            self.same(f"{name} steps", row["steps"], len(mine))
            self.same(f"{name} mean", row["mean"], sum(good) / len(good) if good else None)
            self.same(f"{name} lowest", row["lowest"], min(good, default=None))
            self.same(f"{name} highest", row["highest"], max(good, default=None))
            self.same(f"{name} smooth", row["smooth"], self.smooth.get(mine[-1]))
            bad = sum(v is not None for v in values) - len(good)
            self.same(f"{name} not finite", row["nonfinite"], bad)
            timed = [times[n] for n in mine if n in times]
            self.same(f"{name} seconds", row["seconds"], sum(timed) if timed else None)
            self.same(f"{name} whole", row["whole"], len(mine) == size)
            if row["validation"] is not None:
                near = min((abs(v - row["validation"]) for v in shown), default=math.inf)
                self.same(
                    f"{name} validation is in the console",
                    near <= 0.006 * max(1, row["validation"]),
                    True,
                )

    # ------------------------------------------------------------- attempts

    def attempts(self) -> None:
        told, true = self.told["attempts"], self.status["attempts"]
        self.same("attempts", len(told), len(true))
        created = self.spec["created_at"]
        rows = facts.lines_of(self.run / "steps.jsonl")
        for at, (one, fact) in enumerate(zip(told, true, strict=False)):
            n, name = fact["attempt"], f"attempt {fact['attempt']}"
            for key in ("first_step", "last_step", "started_at"):
                self.same(f"{name} {key}", one[key], fact[key])
            self.same(f"{name} trained", one["trained_steps"], self.steps.trained.get(n, 0))
            self.same(f"{name} again", one["replayed_steps"], len(self.steps.replaced.get(n, [])))
            self.same(f"{name} again, s", one["replayed_s"], self.steps.replaced_s.get(n))
            ended = fact["exit"]["at"] if fact["exit"] else None
            if ended is not None:
                self.same(f"{name} ended", one["ended_at"], ended)
            first = next((row[1] for row in rows if row[5] == n), None)
            if first is not None:
                startup = created + first - fact["started_at"]
                self.same(f"{name} startup", one["startup_s"], max(0.0, startup), 1e-4)
            if at + 1 < len(true) and ended is not None:
                self.same(f"{name} idle", one["idle_s"], true[at + 1]["started_at"] - ended, 1e-4)

    # ------------------------------------------------------------- files

    def checkpoints(self) -> None:
        for one in self.told["checkpoints"]:
            path, name = Path(self.spec["cwd"]) / one["path"], one["name"]
            if one["removed"] or one["missing"]:
                self.same(f"{name} is gone", path.exists(), False)
                continue
            self.same(f"{name} bytes", one["bytes"], path.stat().st_size)
            self.same(f"{name} bytes now", one["bytes_now"], path.stat().st_size)
            if not self._trained_again(one):
                self.same(f"{name} loss", one["loss"], self.smooth.get(one["step"]))
            self._validation_of(one)
            if path.suffix != ".safetensors":
                continue
            arrays, metadata, whole = facts.tensors_of(path)
            self.same(f"{name} complete", one["complete"], whole)
            finite = all(bool(facts.np.isfinite(a).all()) for a in arrays.values())
            self.same(f"{name} finite", one["finite"], finite)
            norms = facts.lora_norms(arrays)
            if norms and finite:
                self.same(f"{name} norm", one["norm"], sum(norms) / len(norms), 1e-3)
                self.same(f"{name} largest norm", one["norm_largest"], max(norms), 1e-3)
            self._step_in_name(one)
            if name == self.told["repeat"]["metadata_of"]:
                for key, value in self.told["repeat"]["metadata"].items():
                    self.same(f"metadata {key}", value, metadata[key][:300])
        places = [one["place"] for one in self.told["best"]]
        self.same("ranking", places, sorted(places))

    def _validation_of(self, one: dict[str, Any]) -> None:
        """The nearest validation at the end of an epoch speaks for a file (half the distance of saves)."""
        at, ends = (
            one["validation_step"],
            {r["last_step"]: r["validation"] for r in self.told["epoch_table"]},
        )
        if at is None or at not in ends:
            return
        nearest = min((abs(end - one["step"]) for end, v in ends.items() if v is not None))
        self.same(f"{one['name']} validation is the nearest", abs(at - one["step"]), nearest)
        self.same(f"{one['name']} validation", one["validation_loss"], ends[at])

    def _step_in_name(self, one: dict[str, Any]) -> None:
        found = re.search(r"-step(\d{8})\.safetensors$", one["name"])
        if found:
            self.same(f"{one['name']} step", one["step"], int(found[1]))

    def around(self) -> None:
        happened, banner = self.told["happened"], self.banner
        self.same("batches", happened["batches_per_epoch"], banner["batches"])
        self.same("epochs planned", happened["epochs"], banner["epochs"])
        self.same("steps planned", happened["planned_steps"], banner["total"])
        kept = [c for c in self.told["checkpoints"] if not (c["removed"] or c["missing"])]
        self.same("files", happened["files_kept"], len(kept))
        self.same("bytes", happened["bytes_kept"], sum(c["bytes"] for c in kept) if kept else None)
        texts = [e["data"]["text"] for e in self.events if e["kind"] == "warning"]
        self.same("warnings", sum(w["count"] for w in self.told["warning_texts"]), len(texts))
        for key in (
            "step",
            "total_steps",
            "epoch",
            "epochs",
            "device",
            "outcome",
            "started_at",
            "ended_at",
        ):
            self.same(key, self.told[key], self.status[key])
        hardware, use = self.told["hardware"], self.status["hardware"]
        for key in ("gpu_util_mean", "gpu_idle_s", "energy_wh", "temperature_max_c", "memory_low_bytes",
                    "training_s", "samples"):  # fmt: skip
            self.same(key, hardware[key], use[key])
        seen = [
            line.get("tree_memory_bytes") or 0
            for line in facts.lines_of(self.run / "hardware.jsonl")
        ]
        peak = hardware["training_memory_max_bytes"] or 0
        self.same(
            "peak of memory is at least what was journaled", peak >= max(seen, default=0), True
        )
        self.same("versions", self.told["repeat"]["versions"], self.spec["versions"])
        self._samples()

    def _samples(self) -> None:
        plans = [json.loads(p.read_text()) for p in sorted(self.run.glob("attempt-*.json"))]
        folders = {Path(p["cwd"]) / p["output_dir"] / "sample" for p in plans if p["output_dir"]}
        files = [f for folder in folders for f in folder.glob("*.png")]
        samples = self.told["samples"] or {"count": 0, "bytes": 0}
        replaced = len(files) - samples["count"]
        self.same("samples are files", 0 <= replaced <= len(files), True)
        if len(plans) == 1:
            self.same("samples", samples["count"], len(files))
            self.same("bytes of samples", samples["bytes"], sum(f.stat().st_size for f in files))

    def dataset(self) -> None:
        told = (self.told["repeat"] or {}).get("dataset") or {"then": {}}
        flags = dict(re.findall(r"--(\w+)=(\S+)", " ".join(self.spec["command"])))
        if (
            "dataset" not in told["then"]
            or "dataset_config" not in flags
            or told["same"] is not True
        ):
            return
        base = Path(self.spec["cwd"])
        config = base / flags["dataset_config"]
        digest, images, captions = facts.dataset_files(config, base)
        self.same("fingerprint", told["then"]["dataset"], digest)
        self.same("images of it", told["then"]["dataset_images"], str(images))
        self.same("captions of it", told["then"]["dataset_captions"], str(captions))
        self.same(
            "configuration",
            told["then"]["dataset_config"],
            hashlib.sha256(config.read_bytes()).hexdigest(),
        )

    def _trained_again(self, one: dict[str, Any]) -> bool:
        """Its step belongs to a later attempt by now, and so do the rows that are left of it."""
        return any(
            later["attempt"] > one["attempt"] and (later["first_step"] or math.inf) <= one["step"]
            for later in self.told["attempts"]
        )

    def event_files(self) -> None:
        """steps.jsonl itself against what the trainer wrote: every exact loss of every attempt, in order."""
        rows = facts.lines_of(self.run / "steps.jsonl")
        for plan in sorted(self.run.glob("attempt-*.json")):
            told = json.loads(plan.read_text())
            folder = told["logging_dir"] or self.spec["logging_dir"]
            mine: dict[int, float] = {}
            for step, _, loss, _, _, attempt in rows:
                if attempt == told["attempt"] and loss is not None:
                    mine[step] = facts.number(loss)
            written = facts.exact_losses(Path(told["cwd"]) / folder) if folder and mine else []
            series = [value for one in written for value in one]
            ordered = [mine[step] for step in sorted(mine)]
            if told.get("stop_step") in mine:
                # what it trained beyond the planned end does not count
                series = series[: len(ordered)]
            if len(written) != 1 or len(series) != len(ordered):
                self.same(f"exact losses of attempt {told['attempt']}", len(ordered), len(series))
                continue
            bad = [at for at, (a, b) in enumerate(zip(ordered, series, strict=True))
                   if not (math.isclose(a, b, rel_tol=1e-5) or (math.isnan(a) and math.isnan(b)))]  # fmt: skip
            self.same(f"exact losses of attempt {told['attempt']} that differ", bad, [])
            self.count += len(series)

    # ------------------------------------------------------------- words

    def points(self) -> None:
        told = {point["name"]: point for point in self.told["checklist"]}
        by_name = {c["name"]: c for c in self.told["checkpoints"]}
        due = self.told["expected_files"]
        whole = [
            n for n in due if n in by_name and by_name[n]["bytes_now"] and by_name[n]["finite"]
        ]
        files = told["files"]
        if due:
            self.same("the point of the files", files["status"] == "pass", len(whole) == len(due))
            for name in due[:8]:
                self.same(f"{name} is named", name in files["evidence"], True)
        loss = told["last_loss"]
        last = max(self.steps.rows)
        self.same("the last step is named", f"at step {last}" in loss["evidence"], True)
        self.same("all steps", told["steps"]["status"] == "pass",
                  self.status["step"] == self.status["total_steps"]
                  and self.spec["expect"]["steps"] in (None, self.status["step"]))  # fmt: skip

    def text(self) -> None:
        """The tables of the Markdown against the JSON, in their own rounding."""
        flat = self.markdown.replace("\\", "")
        for row in self.told["epoch_table"]:
            cells = [
                str(row["epoch"]),
                *(short(row[k]) for k in ("mean", "lowest", "highest", "smooth")),
            ]
            lines = [line for line in flat.split("\n") if re.match(rf"\| +{row['epoch']} \|", line)]
            good = any(set(cells) <= {c.strip() for c in line.split("|")} for line in lines)
            self.same(f"epoch {row['epoch']} in the Markdown", good, True)
        for one in self.told["checkpoints"]:
            cells = {one["name"], str(one["step"]), short(one["loss"])}
            lines = [line for line in flat.split("\n") if line.startswith(f"| {one['name']} ")]
            good = any(cells <= {c.strip() for c in line.split("|")} for line in lines)
            self.same(f"{one['name']} in the Markdown", good, True)
        front = dict(re.findall(r"^(\w+): (.*)$", self.markdown.split("\n---\n")[0], re.MULTILINE))
        pairs = {
            "run": self.told["id"],
            "steps": self.told["step"],
            "outcome": self.told["outcome"],
            "loss_smoothed": self.told["loss"]["smooth"],
            "attempts": len(self.told["attempts"]),
        }
        for key, value in pairs.items():
            self.same(f"{key} in the front matter", json.loads(front[key]), value)


def short(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 10 else f"{value:.3g}"


def check(run: Path, told: dict[str, Any], markdown: str) -> tuple[int, list[str]]:
    """(comparisons made, what differs)."""
    checker = Checker(run, told, markdown)
    wrong = checker.all()
    return checker.count, wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    told = json.loads((options.json or options.run / "summary.json").read_text())
    markdown = (options.markdown or options.run / "summary.md").read_text()
    checker = Checker(options.run, told, markdown)
    for line in checker.all():
        print(f"DIFFERS  {line}")
    print(f"{checker.count} comparisons, {len(checker.wrong)} differ")
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
