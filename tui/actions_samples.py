"""What the sample images asks of the outside world.

Every method may block, and is called from a worker thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tui.viewmodel.samples import SampleSheet


class SampleReader(Protocol):
    """Looks at the images of one run again and again."""

    def changed(self) -> bool:
        """A few stats: is there something that `read` has not seen?"""

    def read(self) -> SampleSheet: ...


class SamplesActions(Protocol):
    """All may raise `ActionFailed` with one sentence."""

    def samples(self, run_path: Path) -> SampleReader: ...
