"""Known vulnerabilities of the installed packages, by pip-audit in an environment of its own.

    python scripts/audit.py        # or `make audit`

Exit code 0: none known; 1: some are; 3: the service cannot be reached.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

UNREACHABLE = 3


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def reachable(found: list[dict[str, Any]]) -> bool:
    """Without the service, pip-audit knows no package at all and reports each as skipped."""
    return any("skip_reason" not in one for one in found)


def lines(found: list[dict[str, Any]]) -> list[str]:
    """One per vulnerability, then one for what was not audited."""
    told = [
        f"{one['name']} {one['version']}: {flaw['id']}"
        f"{', fixed in ' + ', '.join(flaw['fix_versions']) if flaw.get('fix_versions') else ''}"
        for one in found
        for flaw in one.get("vulns", ())
    ]
    skipped = [one["name"] for one in found if "skip_reason" in one]
    return [*told, *([f"not audited: {', '.join(skipped)}"] if skipped else [])]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="plasma-audit-") as scratch:
        python = Path(scratch) / "venv" / "bin" / "python"
        venv.create(Path(scratch) / "venv", with_pip=True)
        done = run(python, "-m", "pip", "install", "--quiet", "pip-audit")
        if done.returncode:
            sys.stderr.write(f"pip-audit cannot be installed: {done.stderr.strip()[-300:]}\n")
            return UNREACHABLE
        packages = Path(scratch) / "packages.txt"
        packages.write_text(run(sys.executable, "-m", "pip", "freeze", "--exclude-editable").stdout)
        done = run(
            python, "-m", "pip_audit", "-r", packages, "--no-deps", "--disable-pip", "--format", "json",
            "--progress-spinner", "off",
        )  # fmt: skip
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = done.stderr.strip().splitlines()[-1:] or ["no answer"]
        sys.stderr.write(f"the vulnerability service cannot be reached: {last[0][:300]}\n")
        return UNREACHABLE
    if not reachable(found):
        sys.stderr.write("the vulnerability service cannot be reached: nothing was audited\n")
        return UNREACHABLE
    sys.stdout.writelines(f"{line}\n" for line in lines(found))
    bad = any(one.get("vulns") for one in found)
    sys.stdout.write("" if bad else f"no known vulnerabilities in {len(found)} packages\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
