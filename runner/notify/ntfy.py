"""ntfy: one POST to the address of a topic. Only the status code of the answer is used."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.header import Header
from typing import Any
from urllib.parse import urlsplit

from runner.config.channels import Channels
from runner.notify.channel import NotSent, read_secret
from runner.notify.message import Message

TIMEOUT_S = 10.0
#: seconds before the second and the third try
BACK_OFF_S = (1.0, 4.0)
_TAGS = {
    "finished": "white_check_mark",
    "waiting": "raised_hand",
    "stalled": "hourglass",
    "stopped": "stop_button",
    "test": "bell",
}
_CALM = ("finished", "waiting", "stopped", "test")
_TRY_AGAIN = (408, 425, 429)
_REFUSED = {
    401: "the token is missing or not accepted",
    403: "the token may not write this topic",
    404: "no such topic or server path",
    413: "the notification is too large",
}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would send the token to another server."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


def send(
    channels: Channels,
    message: Message,
    *,
    timeout_s: float = TIMEOUT_S,
    back_off_s: tuple[float, ...] = BACK_OFF_S,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Try once, then once per pause."""
    token = read_secret(channels.ntfy_token_env, channels.ntfy_token_file)
    request = _request(channels, message, token)
    host = urlsplit(channels.ntfy or "").hostname or "the server"
    for pause in (*back_off_s, None):
        problem, again = _post(request, timeout_s)
        if not problem:
            return f"sent to {host}"
        if not again or pause is None:
            break
        sleep(pause)
    raise NotSent(f"{host} {problem}")


def _request(channels: Channels, message: Message, token: str | None) -> urllib.request.Request:
    title, urgent = message.title, message.event not in _CALM
    if not title.isascii():  # ntfy reads titles encoded as in mail
        title = Header(title, "utf-8", maxlinelen=10_000).encode()
    headers = {
        "Title": title,
        "Priority": channels.ntfy_priority or ("high" if urgent else "default"),
        "Tags": _TAGS.get(message.event, "rotating_light"),
        "Content-Type": "text/plain; charset=utf-8",
        "User-Agent": "plasma-tui",
    }
    if token is not None:
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise NotSent("the token contains invalid characters")
        headers["Authorization"] = f"Bearer {token}"
    return urllib.request.Request(
        channels.ntfy or "", message.text.encode(), headers, method="POST"
    )


def _post(request: urllib.request.Request, timeout_s: float) -> tuple[str, bool]:
    """("", ...): it arrived; else what went wrong, and whether a retry may help."""
    opener = urllib.request.build_opener(_NoRedirects())
    try:
        with opener.open(request, timeout=timeout_s):
            return "", False
    except urllib.error.HTTPError as error:
        with error:
            code = error.code
        if 300 <= code < 400:
            return f"answered {code}: it redirects; set the target address", False
        reason = _REFUSED.get(
            code, "server error" if code >= 500 else "it refused the notification"
        )
        return f"answered {code}: {reason}", code >= 500 or code in _TRY_AGAIN
    except (OSError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(why, TimeoutError):
            return f"did not answer within {timeout_s:g} s", True
        if isinstance(why, http.client.HTTPException | ConnectionResetError):
            return "closed the connection without an answer", True
        words = why.strerror if isinstance(why, OSError) else None
        return f"cannot be reached{f': {words}' if words else f' ({type(why).__name__})'}", True
    except ValueError:  # an unusable address; its text is not repeated
        return "cannot be reached: the address is invalid", False
