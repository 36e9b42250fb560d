"""The NVIDIA source in a process of its own, so that its loader finds the fake library.

For each line of JSON on stdin (`run_pids`) one line of JSON comes back; `count`: readings in a row, of which
the last is told, with what they cost together.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from dataclasses import asdict

from runner.hardware.nvidia import NvidiaSource
from runner.hardware.nvidia_facts import Processes
from runner.hardware.source import Asked, Reading


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    options = json.loads(sys.argv[1])
    source = NvidiaSource(options["pause_s"], Processes(trusted=options["trusted"]))
    for line in sys.stdin:
        order = json.loads(line)
        asked = Asked(frozenset(order.get("run_pids", ())))
        readings: list[Reading] = []
        before, began = cpu_s(), time.monotonic()

        def ask(asked: Asked = asked, order: dict = order, readings: list = readings) -> None:  # type: ignore[type-arg]
            for _ in range(order.get("count", 1)):
                readings.append(source.read(asked))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(order.get("wait_s", 20.0))
        answer = {
            "reading": asdict(readings[-1]) if readings and not thread.is_alive() else None,
            "cpu_s": cpu_s() - before,
            "took_s": time.monotonic() - began,
            "pynvml": "pynvml" in sys.modules,
            "period_s": source.period_s,
        }
        print(json.dumps(answer), flush=True)
    source.close()


main()
