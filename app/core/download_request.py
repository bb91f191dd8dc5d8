"""Opens an address: https only, a few redirects that stay https, proxies as the system says."""

from __future__ import annotations

import ipaddress
import ssl
from functools import lru_cache
from typing import IO, Any
from urllib import request
from urllib.parse import urlsplit

from app import __version__
from app.core.errors import DownloadError

MAX_REDIRECTS = 5


def open_address(url: str, headers: dict[str, str], timeout_s: float) -> Any:
    """The answer of a server, body unread; `urllib.error.HTTPError` for any but 200 and 206.

    Raises
    ------
    DownloadError
        ``download.address`` or ``download.redirect``.
    """
    check_address(url, "download.address", "The address of the file is not a secure one (https).")
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(context=_trust()),
        request.HTTPDefaultErrorHandler(),
        _Redirects(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    asked = request.Request(url, headers={"User-Agent": f"NeuroResponder/{__version__}", **headers})
    return opener.open(asked, timeout=timeout_s)


def check_address(url: str, code: str, message: str) -> None:
    """Refuse what is neither https nor this machine's own loopback address.

    Raises
    ------
    DownloadError
        With the given code.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    plain = url.isascii() and url.isprintable() and " " not in url
    if plain and host and not parts.username and not parts.password:
        if parts.scheme == "https":
            return
        if parts.scheme == "http" and is_loopback(host):
            return
    raise DownloadError(message, "Nothing was fetched. Report it to the developers.", code=code)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """The certificates that this machine trusts."""
    return ssl.create_default_context()


class _Redirects(request.HTTPRedirectHandler):
    """Follows a few redirects, never from https to anything else."""

    max_redirections = MAX_REDIRECTS + 1  # ours speaks first
    max_repeats = MAX_REDIRECTS + 1

    def __init__(self) -> None:
        self._count = 0

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> request.Request | None:
        """The next request."""
        self._count += 1
        insecure = "The server redirects to an address that is not secure (https)."
        try:
            if self._count > MAX_REDIRECTS:
                raise DownloadError(
                    f"The server redirects in circles (more than {MAX_REDIRECTS} times).",
                    "Nothing was fetched. Try again later, or carry the file in and import it.",
                    code="download.redirect",
                )
            check_address(newurl, "download.redirect", insecure)
            if req.type == "https" and urlsplit(newurl).scheme != "https":
                raise DownloadError(
                    insecure,
                    "Nothing was fetched. Ask your IT department.",
                    code="download.redirect",
                )
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
