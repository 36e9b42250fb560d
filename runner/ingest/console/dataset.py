"""The description of the dataset that the trainer prints, read subset by subset."""

from __future__ import annotations

import re

from runner.model.events import ConsoleEvent, SubsetSeen

_HEADING = re.compile(
    r"\[(?:Validation )?Dataset \d+\]|\[Subset \d+ of (Validation )?Dataset \d+\]"
)
_COUNT = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"(\w+): ?(.*)$")


class DatasetReader:
    """Lines of the block `[Dataset 0]` ... -> one `SubsetSeen` for each subset to train on.
    The block of a validation dataset is skipped."""

    def __init__(self) -> None:
        self.inside = False
        self._validation = False
        self._values: dict[str, str] = {}
        self._open_key = ""

    def heading(self, text: str) -> bool:
        """A line that opens the block of a dataset or of one of its subsets?"""
        if not text.startswith("[") or _HEADING.match(text) is None:
            return False
        self.inside, self._values, self._open_key = True, {}, ""
        self._validation = "Validation" in text
        return True

    def has(self, text: str) -> bool:
        """Without an indent: may the line be one of the block?"""
        return bool(self._open_key) or _KEY.match(text) is not None

    def line(self, text: str, end: int, events: list[ConsoleEvent]) -> None:
        """One line of the block, without its indent. `is_reg` is the last one needed."""
        if self._open_key:  # a path cut at the console width
            self._values[self._open_key] += text
            if text.endswith('"'):
                self._open_key = ""
            return
        match = _KEY.match(text)
        if match is None:
            return
        key, value = match[1], match[2]
        self._values[key] = value
        if key == "image_dir" and (not value or value.count('"') == 1):
            self._open_key = key
        if key not in ("is_reg", "metadata_file"):
            return
        values, self._values = self._values, {}
        images, repeats = values.get("image_count", ""), values.get("num_repeats", "")
        if not self._validation and _COUNT.fullmatch(images):
            times = int(repeats) if _COUNT.fullmatch(repeats) else None
            folder = values.get("image_dir", "").strip('"')
            events.append(
                SubsetSeen(end, folder, int(images), times, values.get("is_reg") == "True")
            )
