"""Who may talk to the server: a browser on this machine that has seen the printed address.

Other pages in the same browser can send requests to loopback addresses, too, and can make a name of
theirs mean one. So every request needs a secret, its ``Host`` must be a loopback name, and its
``Origin``, where there is one or where something is changed, must be the page that we served.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
TOKEN = "token"  # noqa: S105 - the name of a parameter
_SAFE = frozenset({"GET", "HEAD"})
_MOST_BYTES = 4 << 20  # of a request

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """ASGI middleware that lets through what the module describes, and refuses all else.

    Args:
        app: The application.
        token: The secret of the address that is printed; a first visit with it sets a cookie.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token
        self._session = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there is no other kind of connection
        answer = self._refusal(scope)
        if answer is not None:
            await answer(scope, receive, _with_headers(send))
            return
        await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is not passed on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name(host) not in LOOPBACK:
            return PlainTextResponse("this address is not one of this machine", 421)
        if not _same_origin(headers, host, scope["method"]):
            return PlainTextResponse("another page must not send requests here", 403)
        if _length(headers) > _MOST_BYTES:
            return PlainTextResponse("the request is too large", 413)
        connection = HTTPConnection(scope)
        if _same(connection.cookies.get(_cookie(host), ""), self._session):
            return None
        given = connection.query_params.get(TOKEN, "")
        if scope["path"] == "/" and scope["method"] in _SAFE and _same(given, self._token):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(_cookie(host), self._session, httponly=True, samesite="strict")
            return answer
        return PlainTextResponse(
            "open the address that `litpose app` printed when it was started: it has a token", 401
        )


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def _name(host: str) -> str | None:
    """The host without its port; None where it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _cookie(host: str) -> str:
    """The cookie of this server: browsers share cookies between the ports of one machine."""
    try:
        port = urlsplit(f"//{host}").port
    except ValueError:
        port = None
    return f"lp_app_{port or 80}"


def _same_origin(headers: Headers, host: str, method: str) -> bool:
    """Whether a request comes from our own page, as far as browsers tell."""
    site = headers.get("sec-fetch-site", "none")
    origin = headers.get("origin")
    if origin is None:
        # a link elsewhere may lead here, but nothing else may
        navigates = headers.get("sec-fetch-mode", "navigate") == "navigate"
        return method in _SAFE and (site in ("none", "same-origin") or navigates)
    return origin == f"http://{host}"


def _length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdigit() else _MOST_BYTES + 1


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
