"""The one error of this package."""

from __future__ import annotations


class DatasetError(ValueError):
    """sd-scripts would refuse this dataset, or crash on it.

    The message is one sentence for a person: what, where, what to do. `trainer_error` and
    `trainer_text` are the exception that sd-scripts v0.10 itself raises at this point; the built-in
    trainer raises the same, so that its console and its exit code are judged alike.
    """

    def __init__(
        self, sentence: str, trainer_text: str = "", trainer_error: str = "ValueError"
    ) -> None:
        super().__init__(sentence)
        self.trainer_text = trainer_text or sentence
        self.trainer_error = trainer_error
