"""The configurations that scripts/check_forecast.py trains: datasets and flags as data."""

from scripts.forecast_cases.case import Case, Size
from scripts.forecast_cases.datasets import BATCHES, BUCKETING, REGULARISATION, REPEATS
from scripts.forecast_cases.length import LENGTH, SAMPLES, SAVING
from scripts.forecast_cases.masks import MASKS
from scripts.forecast_cases.metadata import METADATA
from scripts.forecast_cases.validation import REFUSED, VALIDATION

CASES = [
    *REPEATS,
    *REGULARISATION,
    *BUCKETING,
    *BATCHES,
    *VALIDATION,
    *LENGTH,
    *SAVING,
    *SAMPLES,
    *REFUSED,
    *METADATA,
    *MASKS,
]

__all__ = ["CASES", "Case", "Size"]
