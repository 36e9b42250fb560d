"""A private Slurm on this machine, in one folder, with two made-up GPUs.

`python -m tests.slurm.cluster FOLDER` starts one and prints the line that selects it; Ctrl+C or SIGTERM ends
it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

DAEMONS = ("slurmctld", "slurmd")
CLIENTS = ("sbatch", "squeue", "scontrol", "scancel")
NEEDED = "needs a private Slurm: `apt-get install -y --no-install-recommends slurm-wlm munge`, then run as root"

_CONF = """\
ClusterName=t
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
GresTypes=gpu
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
SlurmctldLogFile={folder}/log/ctld.log
SlurmdLogFile={folder}/log/d.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SchedulerParameters=batch_sched_delay=0,sched_interval=1
MessageTimeout=5
KillWait=20
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 Gres=gpu:2
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
PartitionName=gpu Nodes=ALL Default=YES State=UP MaxTime=INFINITE OverSubscribe=FORCE:8
PartitionName=short Nodes=ALL Default=NO State=UP MaxTime=5 OverSubscribe=FORCE:8
PartitionName=urgent Nodes=ALL Default=NO State=UP MaxTime=60 PriorityTier=10
"""
_GRES = "Name=gpu File=/dev/null,/dev/zero\n"


def why_not() -> str | None:
    """Why no private Slurm can be started here; None: it can."""
    found = all(_program(name) for name in (*DAEMONS, *CLIENTS))
    return None if found and os.geteuid() == 0 else NEEDED


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass(slots=True)
class Cluster:
    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.conf)}

    def begin(self) -> None:
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        cpus = os.cpu_count() or 1
        text = _CONF.format(folder=self.folder, ports=_free_ports(2), cpus=cpus)
        self.conf.write_text(text)
        (self.folder / "gres.conf").write_text(_GRES)
        self.start_controller()
        self._daemon("slurmd", "-N", "localhost")
        self.await_node("idle")

    def _daemon(self, name: str, *arguments: str) -> None:
        program = _program(name)
        assert program is not None
        subprocess.run(
            [program, *arguments], env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=True, timeout=60, cwd="/",
        )  # fmt: skip

    def start_controller(self) -> None:
        self._daemon("slurmctld")

    def stop_controller(self) -> None:
        self._kill("ctld.pid")

    def await_node(self, state: str, wait_s: float = 60.0) -> None:
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if self.ask("sinfo", "-h", "-p", "gpu", "-o", "%t", check=False).strip() == state:
                return
            time.sleep(0.1)
        raise TimeoutError(f"the node is not {state}: see {self.folder}/log")

    def ask(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=check, timeout=60,
        )  # fmt: skip
        return done.stdout

    def end(self) -> None:
        """Cancel every job, then end both daemons; only those that were started here."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.ask("scancel", "--user", "root", check=False)
            deadline = time.monotonic() + 40
            while self.ask("squeue", "-h", check=False).strip() and time.monotonic() < deadline:
                time.sleep(0.2)
        self._kill("d.pid")
        self._kill("ctld.pid")

    def _kill(self, name: str) -> None:
        """By its pid file; gone afterwards."""
        try:
            pid = int((self.folder / name).read_text())
        except (OSError, ValueError):
            return
        deadline = time.monotonic() + 20
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
        (self.folder / name).unlink(missing_ok=True)


def main() -> None:
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a background shell hands down an ignored SIGINT
        signal.signal(number, signal.default_int_handler)
    cluster = Cluster(Path(sys.argv[1]).absolute())
    if (why := why_not()) is not None:
        sys.exit(why)
    try:
        cluster.begin()
        print(f"export SLURM_CONF={cluster.conf}", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.end()


if __name__ == "__main__":
    main()
