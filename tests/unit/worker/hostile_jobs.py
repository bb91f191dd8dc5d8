"""The real door for weights in a real child, with a watch on everything that it must not do."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.progress import Progress
from app.core.published import Licence, Published, PublishedFile
from app.models.catalogue import CONFIG_NAME, SOURCE_NAME
from app.worker.carried_in import import_files
from app.worker.installing import remove
from app.worker.published import folder_of, incoming_folder

TINY = Published(
    id="tiny",
    kind="encoder",
    title="A tiny one",
    source="made in the test",
    files=(
        PublishedFile(CONFIG_NAME, "https://example.org/config.json", 64 * 1024),
        PublishedFile(SOURCE_NAME, "https://example.org/pytorch_model.bin", 50_000_000),
    ),
    licence=Licence("none", "None.", "https://example.org"),
    who_may_not_use_it="Nobody.",
)
NEVER = (
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile",
    "subprocess.Popen", "pty.spawn", "pickle.find_class", "marshal.loads", "marshal.load",
    "socket.connect", "socket.getaddrinfo", "socket.bind", "urllib.Request", "webbrowser.open",
    "code.__new__", "compile", "exec", "import", "ctypes.dlopen", "builtins.input",
    "builtins.breakpoint",
)  # fmt: skip
CHANGES = (
    "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.copyfile", "shutil.move",
    "shutil.unpack_archive", "tempfile.mkstemp", "tempfile.mkdtemp",
)  # fmt: skip
_watch: list[str] = []
_watching = False
_home = ""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event in NEVER:
        _watch.append(f"{event} {arguments[:1]!r}")
    elif event == "open":
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if isinstance(path, (str, bytes)) and (writes or set(str(mode or "")) & set("wax+")):
            _check(event, path)
    elif event in CHANGES:
        for argument in arguments:
            if isinstance(argument, (str, bytes)) and os.sep in os.fsdecode(argument):
                _check(event, argument)


def _check(event: str, path: str | bytes) -> None:
    if not os.path.abspath(os.fsdecode(path)).startswith(_home):
        _watch.append(f"{event} outside of the program's folder")


def door(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Take files over and tell how it ended and what was seen."""
    global _watching, _home
    _home = os.path.realpath(os.environ["NEURORESPONDER_HOME"])
    answer: dict[str, Any] = {"kind": "", "code": "", "message": "", "hint": ""}
    _watch.clear()
    _watching = arguments["watch"]
    try:
        import_files([Path(p) for p in arguments["paths"]], progress, accepted=True, entry=TINY)
    except AppError as error:
        answer = {
            "kind": type(error).__name__,
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
        }
    finally:
        _watching = False
    answer["seen"] = list(_watch)
    answer["installed"] = folder_of(TINY).exists()
    remove(TINY)
    answer["left"] = sorted(
        path.name for path in incoming_folder(TINY).parent.iterdir() if path.suffix != ".lock"
    )
    return answer


sys.addaudithook(_hook)


def misbehave(arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """What the watch must see: a file outside, a command, a name looked up by pickle."""
    global _watching, _home
    _home = os.path.realpath(os.environ["NEURORESPONDER_HOME"])
    _watch.clear()
    _watching = True
    Path(arguments["outside"]).write_text("x")
    os.system("true")
    pickle.loads(b"cos\nsystem\n.")  # noqa: S301
    _watching = False
    return {"seen": list(_watch)}


sys.dont_write_bytecode = True
"x".encode("raw_unicode_escape")  # Python loads this alphabet at its first use
JOBS = {"door": door, "misbehave": misbehave}
