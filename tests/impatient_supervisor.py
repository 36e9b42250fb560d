"""A supervisor whose guard calls two seconds a stall, so that a test need not wait for a minute.

python impatient_supervisor.py RUN
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from runner.analysis import guard, guard_pace
from runner.supervisor import main as supervisor

guard_pace.STEP_LIMIT_S = 2.0
guard_pace.STEPS_OF_PATIENCE = 4.0
guard_pace.LEARNT = 1.0
guard_pace.LEARNT_FROM_STALL = 0.0
guard_pace.KNOWN_STEPS = 1
guard_pace.BLOCK_S = 0.5
guard.CLEAR_S = 0.5
supervisor.GUARD_POLL_S = 0.2

if __name__ == "__main__":
    sys.exit(supervisor.main(sys.argv[1]))
