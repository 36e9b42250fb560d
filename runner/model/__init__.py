"""Frozen types that the rooms hand to each other; nothing here reads or writes.

Units are in the names: `_s` seconds, `_bytes` bytes, `_at` seconds since the epoch (wall clock). "True step"
is the number of optimizer steps trained since the beginning of the run, over all its attempts; "shown step"
is what sd-scripts prints, which restarts on a resume.

In: nothing. Out: types. Begin with `status.Status` and `snapshot.RunSnapshot`, what the screen is made of.
"""

from typing import TYPE_CHECKING

from runner.model.checkpoint import BlockNorm, Checkpoint, ExpectedCheckpoint
from runner.model.checks import Cause, CheckResult
from runner.model.hardware import DiskFree, GpuSample, GpuUser, HardwareSample, HardwareUse
from runner.model.journal import JournalEvent
from runner.model.kinds import SCHEMA, AlarmKind, Outcome, Phase, RunState
from runner.model.run import (
    Approval,
    AttemptPlan,
    Expectation,
    Forecast,
    GuardSettings,
    Label,
    NotifyRules,
    Overwrite,
    RunSpec,
)
from runner.model.snapshot import LossBucket, LossSeries, RunListing, RunSnapshot
from runner.model.status import Alarm, AttemptStatus, ExitRecord, KeeperRecord, Status

if TYPE_CHECKING:
    from runner.model.events import (
        AttemptSeen,
        BannerSeen,
        CheckpointRemoved,
        CheckpointSaving,
        ConsoleEvent,
        DeviceSeen,
        EpochStarted,
        ExceptionSeen,
        FatalSeen,
        ModelSaved,
        NothingToTrain,
        PhaseChanged,
        ResumeSeen,
        SampleStarted,
        StateRemoved,
        StateSaved,
        StateSaving,
        StepShown,
        SubsetSeen,
        ValidationSeen,
        WarningSeen,
    )

__all__ = [
    "SCHEMA",
    "Alarm",
    "AlarmKind",
    "Approval",
    "AttemptPlan",
    "AttemptSeen",
    "AttemptStatus",
    "BannerSeen",
    "BlockNorm",
    "Cause",
    "CheckResult",
    "Checkpoint",
    "CheckpointRemoved",
    "CheckpointSaving",
    "ConsoleEvent",
    "DeviceSeen",
    "DiskFree",
    "EpochStarted",
    "ExceptionSeen",
    "ExitRecord",
    "Expectation",
    "ExpectedCheckpoint",
    "FatalSeen",
    "Forecast",
    "GpuSample",
    "GpuUser",
    "GuardSettings",
    "HardwareSample",
    "HardwareUse",
    "JournalEvent",
    "KeeperRecord",
    "Label",
    "LossBucket",
    "LossSeries",
    "ModelSaved",
    "NothingToTrain",
    "NotifyRules",
    "Outcome",
    "Overwrite",
    "Phase",
    "PhaseChanged",
    "ResumeSeen",
    "RunListing",
    "RunSnapshot",
    "RunSpec",
    "RunState",
    "SampleStarted",
    "StateRemoved",
    "StateSaved",
    "StateSaving",
    "Status",
    "StepShown",
    "SubsetSeen",
    "ValidationSeen",
    "WarningSeen",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The console's events: only a parser of consoles needs them, and they take time to import."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from runner.model import events

        return getattr(events, name)
