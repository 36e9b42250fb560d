"""Cures that change the dataset config: the TOML file, and [dataset] of plasma.toml where it has one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from runner.preflight.cures.model import Cure, OnOutput
from runner.preflight.cures.plasma_toml import toml_text
from runner.preflight.cures.toml_edit import edit_file, never_cancelled, put, table
from runner.preflight.facts import Facts


def dataset_cure(
    facts: Facts,
    check: str,
    title: str,
    values: Mapping[str, Any],
    *,
    removed: Sequence[str] = (),
) -> Cure | None:
    """Set keys wherever they stand, else in [general]; take out `removed` everywhere.

    None where the dataset is no TOML of ours to change: a JSON file, folders by flags.
    """
    file = facts.dataset_file()
    own = facts.config.dataset is not None
    targets = []
    if file is not None and file.suffix.lower() == ".toml" and file.is_file():
        targets.append(file)
    if not targets and not own:
        return None

    def edit(document: MutableMapping[str, Any]) -> None:
        set_everywhere(document, values, removed)

    def edit_own(document: MutableMapping[str, Any]) -> None:
        set_everywhere(table(document, "dataset"), values, removed)

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        never_cancelled(cancelled)
        for target in targets:
            edit_file(target, [edit], on_output)
        if own:
            edit_file(facts.config.path, [edit_own], on_output)

    places = [str(target) for target in targets]
    if own:
        places.append(f"[dataset] of {facts.config.path}")
    words = [f"{name} = {toml_text(value)}" for name, value in values.items()]
    words += [f"{name} is taken out" for name in removed]
    return Cure(check, check, title, (f"in {' and '.join(places)} (a copy is kept):", *words), act)


def set_everywhere(
    document: MutableMapping[str, Any], values: Mapping[str, Any], removed: Sequence[str] = ()
) -> None:
    """A value of a subset wins over its dataset's and [general]'s, so all that stand there change."""
    for name in removed:
        for holder in list(_tables(document)):
            holder.pop(name, None)
    for name, value in values.items():
        holders = [holder for holder in _tables(document) if name in holder]
        for holder in holders or [table(document, "general")]:
            put(holder, name, value)


def _tables(document: MutableMapping[str, Any]) -> Iterator[MutableMapping[str, Any]]:
    if isinstance(document.get("general"), MutableMapping):
        yield document["general"]
    for dataset in document.get("datasets") or []:
        yield dataset
        yield from dataset.get("subsets") or []
