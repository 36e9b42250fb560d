"""Frozen types shared by all rooms; nothing here reads or writes.

Units are in the names: `_s` seconds, `_bytes` bytes, `_at` seconds since the epoch (wall clock). "True step"
is the number of optimizer steps trained since the beginning of the run, over all its attempts; "shown step"
is what sd-scripts prints, which restarts on a resume.

In: nothing. Out: types. Begin with `status.Status` and `snapshot.RunSnapshot`, which the screen shows.
"""

from runner.model.checkpoint import BlockNorm as BlockNorm
from runner.model.checkpoint import Checkpoint as Checkpoint
from runner.model.checkpoint import ExpectedCheckpoint as ExpectedCheckpoint
from runner.model.checks import Cause as Cause
from runner.model.checks import CheckResult as CheckResult
from runner.model.engine import Engine as Engine
from runner.model.engine import JobRecord as JobRecord
from runner.model.hardware import DiskFree as DiskFree
from runner.model.hardware import GpuSample as GpuSample
from runner.model.hardware import GpuUser as GpuUser
from runner.model.hardware import HardwareSample as HardwareSample
from runner.model.hardware import HardwareUse as HardwareUse
from runner.model.kinds import OVER as OVER
from runner.model.kinds import SCHEMA as SCHEMA
from runner.model.kinds import AlarmKind as AlarmKind
from runner.model.kinds import JobPhase as JobPhase
from runner.model.kinds import Outcome as Outcome
from runner.model.kinds import Phase as Phase
from runner.model.kinds import RunState as RunState
from runner.model.run import Approval as Approval
from runner.model.run import AttemptPlan as AttemptPlan
from runner.model.run import Expectation as Expectation
from runner.model.run import Forecast as Forecast
from runner.model.run import GuardSettings as GuardSettings
from runner.model.run import Label as Label
from runner.model.run import NotifyRules as NotifyRules
from runner.model.run import Overwrite as Overwrite
from runner.model.run import RunSpec as RunSpec
from runner.model.snapshot import LossBucket as LossBucket
from runner.model.snapshot import LossSeries as LossSeries
from runner.model.snapshot import RunListing as RunListing
from runner.model.snapshot import RunSnapshot as RunSnapshot
from runner.model.status import Alarm as Alarm
from runner.model.status import AttemptStatus as AttemptStatus
from runner.model.status import ExitRecord as ExitRecord
from runner.model.status import JournalEvent as JournalEvent
from runner.model.status import KeeperRecord as KeeperRecord
from runner.model.status import Status as Status
from runner.model.status import Waiting as Waiting
