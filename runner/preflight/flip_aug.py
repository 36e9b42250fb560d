"""Are images mirrored? What is only on one side of a character is then learnt on both."""

from __future__ import annotations

from runner.preflight.cures.dataset_edit import dataset_cure
from runner.preflight.cures.model import Cure
from runner.preflight.cures.plasma_toml import REMOVED, flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, warned
from runner.trainers.sd_scripts.dataset import DatasetError


def look(facts: Facts) -> Finding:
    try:
        subsets = facts.subsets()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    flipped = [subset for subset in subsets if subset.flip_aug and not subset.is_reg]
    if not flipped:
        return passed("no flip_aug", "No image is mirrored, so left stays left.")
    detail = (
        f"flip_aug mirrors half of the images of {flipped[0].name}: a one-sided costume, scar "
        "or parting is learnt on both sides."
    )
    finding = warned("flip_aug is on", detail, "flip_aug = false, unless all is symmetric")
    return finding.curable(_cure(facts))


def _cure(facts: Facts) -> Cure | None:
    if facts.dataset_file() is not None or facts.config.dataset is not None:
        return dataset_cure(facts, "flip_aug", "mirror nothing", {"flip_aug": False})
    return flag_cure(facts.config, "flip_aug", "mirror nothing", {"flip_aug": REMOVED})


CHECK = Check("flip_aug", "Mirroring", look)
