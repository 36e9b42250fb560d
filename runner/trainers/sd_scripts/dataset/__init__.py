"""What sd-scripts will make of a dataset: images, repeats, buckets, batches an epoch.

Pure arithmetic over a listing; `files.FolderImages` is the only module here that opens files.
Facts are those of kohya-ss/sd-scripts v0.10 (`library/config_util.py`, `library/train_util.py`),
checked against the real code by `scripts/check_forecast.py`.
"""

from runner.trainers.sd_scripts.dataset.config import (
    load_dataset_file,
    read_specs,
    specs_from_flags,
)
from runner.trainers.sd_scripts.dataset.files import FolderImages
from runner.trainers.sd_scripts.dataset.plan import (
    Bucket,
    DatasetPlan,
    DatasetSummary,
    PlannedImage,
    SubsetSummary,
    plan_datasets,
)
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, SubsetSpec

__all__ = [
    "Bucket",
    "DatasetError",
    "DatasetPlan",
    "DatasetSpec",
    "DatasetSummary",
    "FolderImages",
    "PlannedImage",
    "SubsetSpec",
    "SubsetSummary",
    "load_dataset_file",
    "plan_datasets",
    "read_specs",
    "specs_from_flags",
]
