"""Values that must not be shown: keys and passwords in settings, in variables and inside addresses.

By name first. `token` alone says nothing here: sd-scripts has keep_tokens and max_token_length, so only a
name that ends in it is one.
"""

from __future__ import annotations

import re

HIDDEN = "(hidden)"

_NAME = re.compile(
    r"(?:^|[._-])token$|api_?key|password|passwd|secret|credential|access_?key|private_?key", re.I
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]*:?[^/\s@]*(?=@)")
_QUERY = re.compile(r"(?<=[?&])((?:access_)?token|api_?key|key|password|secret)=[^&\s]+", re.I)
#: tokens that can be told by their look, wherever they stand
_LOOK = re.compile(r"\b(?:hf_|sk-|ghp_|tk_)[A-Za-z0-9]{16,}")


def is_secret(name: str) -> bool:
    return _NAME.search(name.replace("-", "_")) is not None


def without_secrets(text: str) -> str:
    """The text with user and password of addresses, keys of their queries and tokens taken out."""
    text = _USERINFO.sub(HIDDEN, text)
    text = _QUERY.sub(lambda found: f"{found[1]}={HIDDEN}", text)
    return _LOOK.sub(HIDDEN, text)


def shown_value(name: str, text: str) -> str:
    """What may be shown of a setting."""
    return HIDDEN if is_secret(name) else without_secrets(text)
