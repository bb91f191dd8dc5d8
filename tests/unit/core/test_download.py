"""Downloads end whole and right, or in one clear error with the part kept for the next try."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import shutil
import signal
import socket
import ssl
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core import download as module
from app.core import download_part, download_request
from app.core.download import download
from app.core.download_faults import connection_error
from app.core.errors import AppError, CancelledError, DownloadError, StorageError
from app.core.progress import Progress
from app.core.published import PublishedFile
from tests.local_server import LocalServer, Served, local_server

CONTENT = np.random.default_rng(11).bytes(300_007)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = np.random.default_rng(12).bytes(300_007)


@pytest.fixture(scope="module")
def running_server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


@pytest.fixture
def server(running_server: LocalServer) -> LocalServer:
    running_server.forget()
    running_server.paths["/weights.bin"] = Served(CONTENT)
    return running_server


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def wanted(server: LocalServer, path: str = "/weights.bin", **changes: Any) -> PublishedFile:
    facts: dict[str, Any] = {
        "name": "weights.bin",
        "url": server.url(path),
        "largest_bytes": 400_000,
        "size_bytes": len(CONTENT),
        "sha256": SHA256,
        "sha256_origin": "pinned",
    }
    return PublishedFile(**{**facts, **changes})


def fetch(file: PublishedFile, folder: Path, progress: Progress | None = None) -> Any:
    return download(file, folder, progress or Progress(), timeout_s=5.0, pause_s=0.01)


def refused(file: PublishedFile, folder: Path) -> AppError:
    """The error of a download that must fail; nothing with the final name may appear."""
    with pytest.raises(AppError) as caught:
        fetch(file, folder)
    assert not (folder / file.name).exists()
    assert caught.value.message.count("\n") == 0
    assert caught.value.hint
    return caught.value


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# whole ----------------------------------------------------------------------------------


def test_that_a_file_arrives_whole_and_nothing_else_stays(server: LocalServer, tmp_path: Path):
    told: list[float] = []
    done = fetch(wanted(server), tmp_path, Progress(lambda event: told.append(event.fraction)))
    assert done.path.read_bytes() == CONTENT
    assert (done.sha256, done.size_bytes, done.resumed_at) == (SHA256, len(CONTENT), 0)
    assert names(tmp_path) == {"weights.bin"}
    asked = server.asked[0][1]
    assert asked["accept-encoding"] == "identity"
    assert "range" not in asked


def test_that_a_file_without_known_hash_and_length_arrives(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"].no_length = True
    file = wanted(server, size_bytes=None, sha256="", sha256_origin="unknown")
    assert fetch(file, tmp_path).sha256 == SHA256


def in_chunks(content: bytes, *, whole: bool) -> Any:
    """An answer in chunks without a length; cut before its end unless `whole`."""

    def do(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("ETag", '"v1"')
        handler.send_header("Connection", "close")
        handler.end_headers()
        for begin in range(0, len(content), 70_000):
            piece = content[begin : begin + 70_000]
            handler.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
        if whole:
            handler.wfile.write(b"0\r\n\r\n")

    return do


def test_that_an_answer_in_chunks_arrives_and_a_cut_one_is_noticed(
    server: LocalServer, tmp_path: Path
):
    file = wanted(server, size_bytes=None, sha256="", sha256_origin="unknown")
    server.paths["/weights.bin"] = Served(do=in_chunks(CONTENT[:200_000], whole=False))
    assert refused(file, tmp_path).code == "download.cut"
    server.paths["/weights.bin"] = Served(do=in_chunks(CONTENT, whole=True))
    assert fetch(file, tmp_path).sha256 == SHA256


# cut and resumed --------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 7, 4095, 65_536, 150_000, 262_144, 300_006])
@pytest.mark.parametrize("ranges", [True, False])
def test_that_a_cut_connection_is_taken_up_again(
    server: LocalServer, tmp_path: Path, place: int, ranges: bool
):
    served = server.paths["/weights.bin"]
    served.cut_after, served.ranges = [place], ranges
    done = fetch(wanted(server), tmp_path)
    assert done.path.read_bytes() == CONTENT
    assert names(tmp_path) == {"weights.bin"}
    assert len(server.asked) == 2
    assert server.asked[1][1].get("range") == (f"bytes={place}-" if place else None)


def test_that_a_line_that_is_always_cut_keeps_its_part_for_the_next_call(
    server: LocalServer, tmp_path: Path
):
    served = server.paths["/weights.bin"]
    served.cut_after = [100_000, 0, 0, 0]
    error = refused(wanted(server), tmp_path)
    assert error.code == "download.cut"
    assert "100000 bytes" in error.message
    assert names(tmp_path) == {"weights.bin.partial", "weights.bin.partial.json"}
    done = fetch(wanted(server), tmp_path)
    assert done.resumed_at == 100_000
    assert done.path.read_bytes() == CONTENT
    assert server.asked[-1][1]["range"] == "bytes=100000-"
    assert server.asked[-1][1]["if-range"] == '"v1"'


def test_that_a_file_that_changed_between_is_fetched_from_the_start(
    server: LocalServer, tmp_path: Path
):
    server.paths["/weights.bin"] = Served(OTHER, etag='"old"', cut_after=[50_000, 0, 0, 0])
    refused(wanted(server), tmp_path)
    server.paths["/weights.bin"] = Served(CONTENT, etag='"new"')
    assert fetch(wanted(server), tmp_path).path.read_bytes() == CONTENT


def test_that_a_mixture_of_two_versions_fails_its_hash(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"] = Served(OTHER, cut_after=[50_000, 0, 0, 0])
    refused(wanted(server), tmp_path)
    server.paths["/weights.bin"] = Served(CONTENT)  # a server that reuses its mark
    assert refused(wanted(server), tmp_path).code == "download.hash"
    assert names(tmp_path) == set()


def test_that_without_mark_and_hash_nothing_is_taken_up(server: LocalServer, tmp_path: Path):
    file = wanted(server, sha256="", sha256_origin="unknown")
    server.paths["/weights.bin"] = Served(OTHER, etag="", cut_after=[50_000, 0, 0, 0])
    refused(file, tmp_path)
    server.paths["/weights.bin"] = Served(CONTENT, etag="")
    done = fetch(file, tmp_path)
    assert (done.resumed_at, done.path.read_bytes()) == (0, CONTENT)


@pytest.mark.parametrize("weak", ['W/"v1"', "v1", ""])
def test_that_a_weak_mark_is_not_used(server: LocalServer, tmp_path: Path, weak: str):
    served = server.paths["/weights.bin"]
    served.etag, served.cut_after = weak, [50_000, 0, 0, 0]
    served.headers["Last-Modified"] = "Tue, 02 Apr 2024 10:00:00 GMT"
    refused(wanted(server), tmp_path)
    fetch(wanted(server), tmp_path)
    assert server.asked[-1][1]["if-range"] == "Tue, 02 Apr 2024 10:00:00 GMT"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda n, p: n.write_text("{"), id="cut note"),
        pytest.param(lambda n, p: n.write_text("[" * 4000), id="deep note"),
        pytest.param(lambda n, p: n.write_text('{"url": "https://other"}'), id="other address"),
        pytest.param(lambda n, p: n.unlink(), id="no note"),
        pytest.param(lambda n, p: p.write_bytes(b"x" * 500_000), id="too long"),
        pytest.param(lambda n, p: (p.unlink(), p.symlink_to("/etc/passwd")), id="a link"),
    ],
)
def test_that_a_part_that_is_not_of_this_file_is_not_used(
    server: LocalServer, tmp_path: Path, spoil: Any
):
    server.paths["/weights.bin"].cut_after = [50_000, 0, 0, 0]
    refused(wanted(server), tmp_path)
    spoil(tmp_path / "weights.bin.partial.json", tmp_path / "weights.bin.partial")
    done = fetch(wanted(server), tmp_path)
    assert (done.resumed_at, done.path.read_bytes()) == (0, CONTENT)


def test_that_a_part_that_is_whole_already_is_only_checked(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"].cut_after = [50_000, 0, 0, 0]
    refused(wanted(server), tmp_path)
    (tmp_path / "weights.bin.partial").write_bytes(CONTENT)
    done = fetch(wanted(server), tmp_path)
    assert done.resumed_at == len(CONTENT)
    assert done.path.read_bytes() == CONTENT


def test_that_a_server_that_answers_another_piece_is_refused(server: LocalServer, tmp_path: Path):
    served = server.paths["/weights.bin"]
    served.cut_after, served.content_range = [50_000], "bytes 0-10/300007"
    assert refused(wanted(server), tmp_path).code == "download.server"
    assert names(tmp_path) == set()


def test_that_cancel_keeps_the_part(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"].chunk_pause_s = 0.02
    seen: list[int] = []

    def cancelled() -> bool:
        part = tmp_path / "weights.bin.partial"
        seen.append(part.stat().st_size if part.exists() else 0)
        return seen[-1] > 30_000

    with pytest.raises(CancelledError):
        fetch(wanted(server), tmp_path, Progress(cancelled=cancelled))
    kept = (tmp_path / "weights.bin.partial").stat().st_size
    assert 30_000 < kept < len(CONTENT)
    server.paths["/weights.bin"].chunk_pause_s = 0.0
    done = fetch(wanted(server), tmp_path)
    assert done.resumed_at == kept
    assert done.path.read_bytes() == CONTENT


# wrong ------------------------------------------------------------------------------------


def test_that_a_wrong_hash_deletes_what_came(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"] = Served(OTHER)
    assert refused(wanted(server), tmp_path).code == "download.hash"
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    "served",
    [
        pytest.param(Served(CONTENT + b"x"), id="longer"),
        pytest.param(Served(CONTENT[:-1]), id="shorter"),
        pytest.param(Served(CONTENT + b"x", no_length=True), id="longer, unsaid"),
        pytest.param(Served(CONTENT[:-1], no_length=True), id="shorter, unsaid"),
        pytest.param(Served(b""), id="empty"),
        pytest.param(Served(CONTENT * 2, no_length=True), id="endless"),
        pytest.param(Served(CONTENT, length=10**15), id="claims a petabyte"),
    ],
)
def test_that_a_wrong_size_is_refused(server: LocalServer, tmp_path: Path, served: Served):
    server.paths["/weights.bin"] = served
    assert refused(wanted(server), tmp_path).code == "download.size"
    assert names(tmp_path) == set()


def test_that_the_cap_holds_where_no_size_is_known(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"] = Served(CONTENT * 2, no_length=True)
    file = wanted(server, size_bytes=None, sha256="", sha256_origin="unknown")
    assert refused(file, tmp_path).code == "download.size"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "download.forbidden"),
        (403, "download.forbidden"),
        (404, "download.not_found"),
        (407, "download.proxy"),
        (410, "download.not_found"),
        (416, "download.server"),
        (429, "download.server"),
        (451, "download.forbidden"),
        (500, "download.server"),
        (503, "download.server"),
        (204, "download.server"),
        (304, "download.redirect"),
    ],
)
def test_that_an_answer_without_the_file_is_one_error(
    server: LocalServer, tmp_path: Path, status: int, code: str
):
    server.paths["/weights.bin"] = Served(b"", status=status)
    assert refused(wanted(server), tmp_path).code == code


@pytest.mark.parametrize(
    "served",
    [
        pytest.param(Served(b"<html>login", content_type="text/html; charset=utf-8"), id="said"),
        pytest.param(Served(b"\n <!DOCTYPE HTML><p>login", no_length=True), id="unsaid"),
    ],
)
def test_that_a_login_page_is_not_taken_for_the_file(
    server: LocalServer, tmp_path: Path, served: Served
):
    server.paths["/weights.bin"] = served
    file = wanted(server, size_bytes=None, sha256="", sha256_origin="unknown")
    assert refused(file, tmp_path).code == "download.page"
    assert names(tmp_path) == set()


def test_that_a_pointer_of_git_lfs_is_not_taken_for_the_file(server: LocalServer, tmp_path: Path):
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 30471369\n"
    server.paths["/weights.bin"] = Served(text)
    file = wanted(server, size_bytes=None, sha256="", sha256_origin="unknown")
    assert refused(file, tmp_path).code == "download.pointer"


def test_that_a_body_in_another_encoding_is_refused(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"] = Served(CONTENT, headers={"Content-Encoding": "gzip"})
    assert refused(wanted(server), tmp_path).code == "download.encoding"


@pytest.mark.parametrize("bytes_", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n"])
def test_that_something_that_is_no_web_server_is_one_error(
    server: LocalServer, tmp_path: Path, bytes_: bytes
):
    def do(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(bytes_)

    server.paths["/weights.bin"] = Served(do=do)
    assert refused(wanted(server), tmp_path).code == "download.no_connection"


def test_that_a_silent_server_is_one_error(server: LocalServer, tmp_path: Path):
    server.paths["/weights.bin"] = Served(do=lambda _handler: server.stopping.wait(0.4) and None)
    with pytest.raises(DownloadError) as caught:
        download(wanted(server), tmp_path, Progress(), timeout_s=0.1, pause_s=0.01)
    assert caught.value.code == "download.timeout"


def test_that_no_server_is_one_error(tmp_path: Path, server: LocalServer):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = wanted(server, url=f"http://127.0.0.1:{port}/weights.bin")
    assert refused(file, tmp_path).code == "download.no_connection"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (ssl.SSLCertVerificationError("self-signed"), "download.certificate"),
        (TimeoutError(), "download.timeout"),
        (socket.gaierror(-2, "unknown"), "download.no_connection"),
        (ConnectionRefusedError(), "download.no_connection"),
        ("Tunnel connection failed", "download.no_connection"),
    ],
)
def test_that_every_reason_has_its_words(reason: object, code: str):
    assert connection_error(reason, 0).code == code


# addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/weights.bin",
        "ftp://example.org/weights.bin",
        "file:///etc/passwd",
        "https://user:secret@example.org/weights.bin",
        "https://",
        "https://exa mple.org/x",
        "https://example.org:99999999/x",
        "https://[::1/x",
        "http://127.0.0.1.example.org/x",
        "http://2130706433.example/x",
        "//example.org/x",
        "",
    ],
)
def test_that_only_secure_addresses_are_opened(server: LocalServer, tmp_path: Path, url: str):
    assert refused(wanted(server, url=url), tmp_path).code == "download.address"


def redirects(server: LocalServer, path: str, target: str, status: int = 302) -> None:
    server.paths[path] = Served(b"", status=status, headers={"Location": target})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_that_redirects_are_followed_with_the_range(
    server: LocalServer, tmp_path: Path, status: int
):
    redirects(server, "/a", "/b", status)
    redirects(server, "/b", server.url("/weights.bin"), status)
    server.paths["/weights.bin"].cut_after = [1000]
    assert fetch(wanted(server, "/a"), tmp_path).path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/weights.bin", server.asked[-1][1])
    assert server.asked[-1][1]["range"] == "bytes=1000-"


def test_that_a_circle_of_redirects_ends(server: LocalServer, tmp_path: Path):
    redirects(server, "/a", "/b")
    redirects(server, "/b", "/a")
    assert refused(wanted(server, "/a"), tmp_path).code == "download.redirect"
    assert len(server.asked) == 1 + download_request.MAX_REDIRECTS


@pytest.mark.parametrize(
    "target", ["http://example.org/weights.bin", "ftp://example.org/x", "file:///etc/passwd"]
)
def test_that_a_redirect_to_an_insecure_address_is_refused(
    server: LocalServer, tmp_path: Path, target: str
):
    redirects(server, "/a", target)
    assert refused(wanted(server, "/a"), tmp_path).code == "download.redirect"


def test_that_a_redirect_from_https_to_loopback_http_is_a_downgrade():
    handler = download_request._Redirects()
    asked = download_request.request.Request("https://example.org/x")
    with pytest.raises(DownloadError) as caught, open(os.devnull, "rb") as body:
        handler.redirect_request(asked, body, 302, "", {}, "http://127.0.0.1/x")
    assert caught.value.code == "download.redirect"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_that_proxy_variables_are_honoured(
    server: LocalServer, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
):
    with local_server() as proxy:
        proxy.paths[server.url("/weights.bin")] = Served(CONTENT)  # proxies see whole addresses
        monkeypatch.setenv(variable, proxy.url(""))
        if variable == "all_proxy":
            monkeypatch.setenv("http_proxy", proxy.url(""))
        assert fetch(wanted(server), tmp_path).path.read_bytes() == CONTENT
        assert [path for path, _ in proxy.asked] == [server.url("/weights.bin")]
        assert server.asked == []
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        (tmp_path / "weights.bin").unlink()
        fetch(wanted(server), tmp_path)
        assert len(server.asked) == 1


def test_that_a_proxy_that_refuses_is_one_error(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with local_server() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url(""))
        file = wanted(server, url="https://example.org/weights.bin")
        # http.server knows no CONNECT and answers 501.
        assert refused(file, tmp_path).code == "download.no_connection"


# the disk -------------------------------------------------------------------------------------


def test_that_too_little_space_is_told_before_anything_is_written(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9, 1000))
    error = refused(wanted(server), tmp_path)
    assert (type(error), error.code) == (StorageError, "download.no_space")
    assert names(tmp_path) == set()


def test_that_a_file_size_limit_is_one_error_and_the_part_is_kept(
    server: LocalServer, tmp_path: Path
):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        error = refused(wanted(server), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert error.code == "download.no_space"
    assert (tmp_path / "weights.bin.partial").stat().st_size == 100_000
    assert fetch(wanted(server), tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "download.no_space"),
        (errno.EDQUOT, "download.no_space"),
        (errno.EROFS, "download.read_only"),
        (errno.EACCES, "download.no_permission"),
        (errno.EIO, "download.write_failed"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
def test_that_a_fault_of_the_disk_leaves_no_file_and_the_next_try_works(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    number: int, code: str, call: str,
):  # fmt: skip
    real, count = getattr(os, call), 0

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == 1:
            raise OSError(number, "injected")
        return real(*arguments, **options)

    class Shim:
        def __getattr__(self, name: str) -> Any:
            return failing if name == call else getattr(os, name)

    monkeypatch.setattr(download_part, "os", Shim())
    assert refused(wanted(server), tmp_path).code == code
    monkeypatch.undo()
    assert fetch(wanted(server), tmp_path).path.read_bytes() == CONTENT
    assert names(tmp_path) == {"weights.bin"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_that_a_read_only_folder_is_one_error(server: LocalServer, tmp_path: Path):
    folder = tmp_path / "fixed"
    folder.mkdir(mode=0o500)
    assert refused(wanted(server), folder).code == "download.no_permission"


def test_that_a_folder_in_the_way_is_one_error(server: LocalServer, tmp_path: Path):
    (tmp_path / "weights.bin").mkdir()
    with pytest.raises(StorageError):
        fetch(wanted(server), tmp_path)


def test_that_only_this_module_opens_connections():
    assert module.ATTEMPTS > 1
    users = {"urllib.request", "http.client", "socket", "ssl", "ftplib", "requests", "urllib3"}
    root = Path(module.__file__).parents[1]
    found = set()
    for path in root.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]) and len(words) > 1:
                name = words[1].removesuffix(",")
                if name in users or (name == "urllib" and "request" in words):
                    found.add((path.relative_to(root).as_posix(), name))
    allowed = {"core/download.py", "core/download_faults.py", "core/download_request.py"}
    # The study's lock file notes the name of the machine; it connects to nothing.
    assert {place for place, _ in found} <= allowed | {"study/engine.py"}
