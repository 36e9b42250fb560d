"""What the sample images asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.history.samples import Sample
from runner.trainers.sd_scripts.sample_prompts import PromptFile


@dataclass(frozen=True, slots=True)
class SampleSheet:
    """All images of a run, in the order of their steps, and the words they were drawn from."""

    samples: Sequence[Sample] = ()
    prompts: PromptFile = field(default_factory=PromptFile)


class SampleReader(Protocol):
    """Looks at the images of one run again and again."""

    def changed(self) -> bool:
        """A few stats: is there something that `read` has not seen?"""

    def read(self) -> SampleSheet: ...


class SamplesActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""

    def samples(self, run_path: Path) -> SampleReader: ...
