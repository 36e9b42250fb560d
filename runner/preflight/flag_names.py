"""Does the script know every flag that it is given, on the command line and in a --config_file?

The command line is held against the script's own argparse already when plasma.toml is read, where
it can be asked quickly; sd-scripts itself checks nothing of what stands in a config_file.
"""

from __future__ import annotations

from runner.config.catalog import Catalog, Effort, flag_report
from runner.config.catalog_file import config_file_problems
from runner.config.errors import nearest
from runner.model.units import count
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some, warned

_UNKNOWN = "is no flag of this trainer"


def look(facts: Facts) -> Finding:
    file = facts.train_config
    if file is not None and file.problem:
        evidence = "no config_file" if file.missing else "config_file unread"
        detail = f"{file.path}: {file.problem}, and the trainer ends at once without it."
        return failed(evidence, detail, "correct config_file in [train]")
    report = flag_report(facts.config.trainer, Effort.QUICK, cancelled=facts.cancelled)
    if report.catalog is None:
        return skipped("not known", f"{report.note}." if report.note else "")
    problems = _of_command_line(facts, report.catalog)
    beside = [str(one) for one in config_file_problems(file.path, report.catalog)] if file else []
    if problems or any(_UNKNOWN not in text for text in beside):
        detail = some([*problems, *beside], 5)
        evidence = count(len(problems) + len(beside), "error")
        return failed(evidence, f"{detail}.", "correct or remove these flags")
    if beside:
        return warned(f"{len(beside)} ignored", f"{some(beside, 5)}.", "correct or remove them")
    told = f"{count(len(facts.flags), 'flag')} known"
    return passed(told, f"The script knows every one of {count(len(facts.flags), 'flag')}.")


def _of_command_line(facts: Facts, catalog: Catalog) -> list[str]:
    found = []
    for name, value in facts.config.flags(smoke=facts.smoke).items():
        if name not in catalog.names:
            meant = nearest(name, catalog.names)
            found.append(f"{name} {_UNKNOWN}" + (f"; did you mean {meant}?" if meant else ""))
        elif problem := catalog.problem(name, value):
            found.append(f"{name} {problem}")
    return found


CHECK = Check("flag_names", "Flag names", look)
