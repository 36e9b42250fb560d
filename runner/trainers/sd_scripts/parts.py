"""Parts of a training that silently did not load: sd-scripts prints these lines as information and trains.

- `create LoRA for U-Net: 0 modules.` (networks/*.py): the network module does not fit the model. For a text
  encoder only `enable LoRA for text encoder: 0 modules` counts, which is printed if it is to be trained.
- `Loaded Flux: _IncompatibleKeys(missing_keys=[...], ...)` (library/*_utils.py: load_state_dict, not strict):
  weights that the file does not have keep their random start.
- `load network weights from F: _IncompatibleKeys(...)` (train_network.py): F is only continued in part.
"""

from __future__ import annotations

import re

_NO_MODULES = re.compile(r"(?:create|enable) \w+ for (?P<part>[^:]{1,60}): 0 modules")
_MISSING = re.compile(
    r"(?P<part>[^\n]{0,200}?)[:,]? *(?:info=)?_IncompatibleKeys\(missing_keys=\[(?P<keys>[^\]]*)"
)
_VERB = re.compile(r"^(?:Loaded|loading|load) (?:network weights from )?")
_KEY = re.compile(r"'([^']+)'")
#: Missing in good files: buffers that are computed, weights tied to another (T5: sd-scripts#1880), heads that
#: are not used, and alphas of networks from before they were saved.
_HARMLESS = re.compile(
    r"position_ids$|embed_tokens\.weight$|logit_scale$|text_projection(?:\.weight)?$|\.alpha$|_extra_state$"
    r"|num_batches_tracked$|lm_head\.weight$|inv_freq$"
)


def missing_keys(text: str) -> tuple[str, ...]:
    """The keys of `_IncompatibleKeys(missing_keys=[...])` that matter."""
    found = _MISSING.search(text)
    keys = _KEY.findall(found["keys"]) if found is not None else ()
    return tuple(key for key in keys if not _HARMLESS.search("".join(key.split())))


def not_loaded(text: str) -> str | None:
    """What did not load, as a phrase; None: the line is not about that."""
    if found := _NO_MODULES.search(text):
        return (
            f"the network has no modules in the {found['part'].strip()}: nothing of it is trained"
        )
    keys = missing_keys(text)
    found = _MISSING.search(text)
    if not keys or found is None:
        return None
    part = _VERB.sub("", found["part"].strip()) or "the model"
    more = ", ..." if len(keys) > 1 else ""
    return f"{part} was loaded without weights that it needs ({keys[0]}{more})"
