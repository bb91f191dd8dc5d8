"""Light tasks for the engine's workers, and a run that prints what became of them.

Run as a program: a test's own process must keep neither Dask's threads nor its ports.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from app.core.progress import Progress


def square(number: int) -> int:
    return number * number


def cores(_task: object) -> list[int]:
    """Where this task may run, and where a thread that it starts may."""
    import threading

    found: list[int] = []
    starting = threading.Thread(target=lambda: found.extend(os.sched_getaffinity(0)))
    starting.start()
    starting.join()
    time.sleep(0.05)  # so that the other worker takes some too
    return sorted({*found, *os.sched_getaffinity(0)})


def die_until(task: tuple[str, int]) -> int:
    """Kill the own process, as the system would, until it has died often enough."""
    folder, deaths = task
    died = len(list(Path(folder).iterdir()))
    if died < deaths:
        (Path(folder) / f"death-{died}-{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return died


def refuse(_task: object) -> None:
    from app.core.errors import ScanError

    raise ScanError("This one is broken.", "Take another.", code="scan.broken")


def wait_for_stop(task: tuple[str, str]) -> str:
    """Say that it runs, then work until the stop file is there."""
    started, stop = Path(task[0]), Path(task[1])
    started.touch()
    deadline = time.monotonic() + 60
    while not stop.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    started.with_suffix(".ended").touch()
    return "ended"


class CancelOnce:
    """Asks for a cancel as soon as a file is there."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self) -> bool:
        return self.file.exists()


def main(folder: Path) -> dict[str, Any]:
    from app.cohort.engine import TaskEnd, open_engine
    from app.cohort.engine_settings import EngineSettings
    from app.core.errors import CancelledError

    told: dict[str, Any] = {}

    def run(name: str, function: Any, tasks: dict[str, Any], progress: Progress | None = None,
            **more: Any) -> None:  # fmt: skip
        ends: list[TaskEnd] = []
        try:
            engine.run(function, tasks, ends.append, progress or Progress(), **more)
        except CancelledError:
            told[f"{name}_cancelled"] = True
        told[name] = {end.key: end.answer if end.error is None else end.error.code for end in ends}

    with open_engine(EngineSettings(workers=2)) as engine:
        told["workers"], told["link"] = engine.workers, engine.link
        run("squares", square, {str(n): n for n in range(50)})
        if sys.platform == "linux":
            run("cores", cores, {str(n): n for n in range(8)})
        run("refused", refuse, {"a": 1})
        once, always = folder / "once", folder / "always"
        once.mkdir()
        always.mkdir()
        run("killed", die_until, {"once": (str(once), 1), "always": (str(always), 99)})
        run("after", square, {"7": 7})
        stop, started = folder / "stop", folder / "started"
        tasks = {str(n): (str(started) if n == 0 else str(folder / f"s{n}"), str(stop))
                 for n in range(6)}  # fmt: skip
        run("cancel", wait_for_stop, tasks, Progress(cancelled=CancelOnce(started)),
            stop=stop.touch)  # fmt: skip
        told["ended"] = sorted(path.name for path in folder.glob("*.ended"))
        told["started"] = len(list(folder.glob("s*"))) - len(told["ended"]) - 1
    told["deaths"] = [len(list(place.iterdir())) for place in (once, always)]
    return told


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Ports and peers beyond this machine end the process at once."""
    if event not in ("socket.bind", "socket.connect", "socket.sendto"):
        return
    address = arguments[1] if event != "socket.sendto" else arguments[-1]
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
        os.write(2, f"NETWORK {event} {address!r}".encode())
        os._exit(77)


if __name__ == "__main__":
    sys.addaudithook(watch)
    print(json.dumps(main(Path(sys.argv[1]))))
