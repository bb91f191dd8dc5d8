"""Jobs that behave badly on purpose; known to the child of these tests only."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.download import download
from app.core.errors import ScanError
from app.core.folders import private_prefix
from app.core.progress import Progress
from app.core.published import PublishedFile
from app.worker.requests import packed_request

STAGES = ("Open", "Motion", "Predict")


def echo(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    progress.announce("case_updated", folder="here")
    return {"pid": os.getpid(), **arguments}


def slow(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    progress.set_weights(dict.fromkeys(STAGES, 1.0))
    for stage in STAGES:
        with progress.stage(stage):
            for number in range(int(arguments.get("steps", 50))):
                time.sleep(0.01)
                progress.step(number / 50)
    return {}


def deaf(_arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Never asks whether it was cancelled, and has a child of its own."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    progress.announce("grandchild", pid=str(grandchild.pid))
    time.sleep(600)
    return {}


def hold_interpreter(_arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """A C function that keeps the interpreter's lock: no other thread of the child runs."""
    progress.announce("holding")
    ctypes.PyDLL(None).sleep(600)
    return {}


def segfault(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def kill_self(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def kill_in_private_folder(_arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Dies while a private folder holds voxels, as a kill by the system does."""
    folder = tempfile.mkdtemp(prefix=private_prefix())
    with open(os.path.join(folder, "voxels.raw"), "wb") as handle:
        handle.write(b"0" * 1000)
    return kill_self({}, progress)


def exit_now(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    os._exit(7)


def typed(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    raise ScanError("The file is cut off.", "Copy it again.", code="scan.truncated")


def unexpected(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    raise KeyError("/home/someone/Jane Doe.nii.gz")


def no_space(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    raise OSError(28, "No space left", "/home/someone/Jane Doe.nii.gz")


def allocate(arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """One allocation far beyond any limit, refused before it is filled."""
    return {"size": len(bytearray(int(arguments["bytes"])))}


def grow(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """Many small allocations, each filled, as a leak makes them."""
    kept = []
    while True:
        kept.append(b"x" * (8 << 20))
        time.sleep(0.005)


def chatter(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """Writes to the standard streams as Python and as C do."""
    print("hello from Python")
    print("trouble", file=sys.stderr)
    os.write(1, b"hello from C\n")
    os.write(2, b"trouble\n")
    return {"stdin": sys.stdin.read() if sys.stdin else ""}


def too_long(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    return {"text": "x" * (9 << 20)}


def unsendable(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    return {"object": object()}


def nonsense(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """Finds the protocol's pipe, as broken code could, and writes into it."""
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"not a message\n")
        except OSError:
            continue
    time.sleep(60)
    return {}


def facts(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    import resource

    return {
        "nice": os.nice(0),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "threads": os.environ["OMP_NUM_THREADS"] + os.environ["MKL_NUM_THREADS"],
        "command": " ".join(sys.argv),
        "group": os.getpgid(0) == os.getpid(),
    }


def analyse(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Stands for the recipe in tests of the command line; seed 13 is unlucky."""
    request = packed_request(arguments)
    if request.seed == 13:
        raise ScanError("The file is cut off.", "Copy it again.", code="scan.truncated")
    slow({"steps": 1}, progress)
    return {"case_folder": str(request.out_dir / "folder")}


def fetch(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    file = PublishedFile("weights.bin", arguments["url"], 1 << 20)
    return {"sha256": download(file, Path(arguments["folder"]), progress).sha256}


JOBS = {
    function.__name__: function
    for function in (
        echo, slow, deaf, hold_interpreter, segfault, kill_self, kill_in_private_folder,
        exit_now, typed, unexpected, fetch,
        no_space, analyse, allocate, grow, chatter, too_long, unsendable, nonsense, facts,
    )
}  # fmt: skip
