"""What can go wrong between here and a server, in words."""

from __future__ import annotations

import errno
import socket
import ssl

from app.core.errors import DownloadError, StorageError

_OFFLINE = "What has come is kept. Without a connection, carry the files in and import them."
_KEPT = "What has come so far is kept."


def connection_error(reason: object, kept_bytes: int) -> DownloadError:
    """The error of a connection that did not come about."""
    if isinstance(reason, ssl.SSLError):
        return DownloadError(
            "The server's certificate is not trusted, so nothing was fetched.",
            "Your network may inspect traffic: ask your IT department to install its certificate.",
            code="download.certificate",
        )
    if isinstance(reason, TimeoutError):
        return DownloadError(
            "The server did not answer in time.", f"Try again later. {_KEPT}",
            code="download.timeout",
        )  # fmt: skip
    if isinstance(reason, socket.gaierror):
        message = "The server was not found: there is no connection to the internet, or no name."
    else:
        message = "There is no connection to the server."
    hint = "Check the network and the proxy settings (https_proxy)."
    return DownloadError(
        message, f"{hint} {_OFFLINE}" if kept_bytes else hint, code="download.no_connection"
    )


def fault_of_status(status: int, name: str) -> DownloadError:
    """The error of an answer that is none."""
    if status in (404, 410):
        return DownloadError(
            f"The file {name} is not at its address any more (answer {status}).",
            "Report it to the developers; a copy that you have can be imported.",
            code="download.not_found",
        )
    if status == 407:
        return DownloadError(
            "The proxy wants a login (answer 407).",
            "Put user and password into the variable https_proxy, or ask your IT department.",
            code="download.proxy",
        )
    if status in (401, 403, 451):
        return DownloadError(
            f"The server does not give the file {name} out (answer {status}).",
            "The source may have changed its terms: see its page. A copy can be imported.",
            code="download.forbidden",
        )
    if 300 <= status < 400:
        return DownloadError(
            f"The server redirects the file {name} to an address that is not used (answer "
            f"{status}).",
            "Nothing was fetched. Carry the file in and import it.",
            code="download.redirect",
        )
    return DownloadError(
        f"The server could not give the file {name} out (answer {status}).",
        f"Try again later. {_KEPT}",
        code="download.server",
    )


def write_fault(fault: OSError) -> StorageError:
    """What an error of the operating system means to somebody who downloads."""
    again = f"{_KEPT} Start it again afterwards."
    known = {
        errno.ENOSPC: ("no_space", "There is no space left on the disk.", "Free some space."),
        errno.EDQUOT: ("no_space", "The disk quota is used up.", "Free some space."),
        errno.EFBIG: ("no_space", "A file may not grow as large as this one.", "Raise the limit."),
        errno.EROFS: ("read_only", "The program's data folder is read-only.", "Choose another."),
        errno.EACCES: (
            "no_permission",
            "This program may not write to its data folder.",
            "Change its permissions, or set NEURORESPONDER_HOME to another folder.",
        ),
    }
    known[errno.EPERM] = known[errno.ELOOP] = known[errno.EACCES]
    word = errno.errorcode.get(fault.errno or 0, "EIO")
    code, message, hint = known.get(
        fault.errno or 0,
        ("write_failed", f"The file could not be written ({word}).", "Check the disk."),
    )
    return StorageError(message, f"{hint} {again}", code=f"download.{code}")
