"""What sd-scripts builds from a dataset: images, repeats, buckets, batches an epoch.

Pure arithmetic over a listing; `files.FolderImages` is the only part here that opens files.
Facts are those of kohya-ss/sd-scripts v0.10 (`library/config_util.py`, `library/train_util.py`),
checked against the real code by `scripts/check_forecast.py`.
"""

from runner.trainers.sd_scripts.dataset.config import read_specs, specs_from_flags
from runner.trainers.sd_scripts.dataset.files import FolderImages
from runner.trainers.sd_scripts.dataset.plan import DatasetPlan, DatasetSummary, plan_datasets
from runner.trainers.sd_scripts.dataset.register import PlannedImage, SubsetSummary
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, SubsetSpec

__all__ = [
    "DatasetError",
    "DatasetPlan",
    "DatasetSpec",
    "DatasetSummary",
    "FolderImages",
    "PlannedImage",
    "SubsetSpec",
    "SubsetSummary",
    "plan_datasets",
    "read_specs",
    "specs_from_flags",
]
