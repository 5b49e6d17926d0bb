"""Signed sessions: a cookie that says that its bearer knew the password."""

import asyncio
import hashlib
import hmac
from functools import cached_property
from weakref import WeakValueDictionary

from fastapi import Request
from fastapi.responses import Response
from itsdangerous import BadSignature, TimestampSigner

from deployments.web.web_settings import WebSettings

SESSION_SECONDS = 7 * 24 * 3600
"""How long a session lasts."""

_VALUE = "known"


class Sessions:
    """Begins, recognizes, and ends sessions.

    They are signed with a key that is made from the password: whoever changes it ends them all, and
    a restart ends none. The key is slow to compute, so that a cookie does not give the password
    away.

    Args:
        settings: The password, and whether people come by HTTPS.

    Attributes:
        cookie: Name of the cookie.
        turns: By client, what those who try a password wait for.
    """

    def __init__(self, settings: WebSettings) -> None:
        self._password = (settings.password or "").encode()
        self._is_secure = (settings.url or "").startswith("https:")
        self.turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.cookie = "__Host-dlcflow" if self._is_secure else "dlcflow"

    @cached_property
    def _signer(self) -> TimestampSigner:
        salt = b"dlcflow page session"
        key = hashlib.scrypt(self._password, salt=salt, n=2**14, r=8, p=1, dklen=32)
        return TimestampSigner(key, salt="session", digest_method=hashlib.sha256)

    def is_password(self, text: str) -> bool:
        """Return whether a text is the password."""
        return hmac.compare_digest(text.encode(errors="replace"), self._password)

    def has_session(self, request: Request) -> bool:
        """Return whether a request comes from somebody who knew the password."""
        try:
            value = self._signer.unsign(request.cookies.get(self.cookie, ""), SESSION_SECONDS)
        except BadSignature:
            return False
        return value == _VALUE.encode()

    def begin(self, response: Response) -> None:
        """Begin a session with an answer."""
        response.set_cookie(
            self.cookie,
            self._signer.sign(_VALUE).decode(),
            max_age=SESSION_SECONDS,
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )

    def end(self, response: Response) -> None:
        """End the session of the browser that gets an answer."""
        response.delete_cookie(self.cookie, secure=self._is_secure, httponly=True, samesite="lax")
