"""What holds for every test: no network, no modal boxes, own settings and look, nothing left."""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before numpy, ITK, torch and Qt are first imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if _displays := [one for one in os.environ.get("TEST_DISPLAYS", "").split(",") if one]:
    # Each process has a screen of its own: windows on one take the focus from each other.
    _worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.environ["DISPLAY"] = _displays[_worker % len(_displays)]
if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    # Without any display Qt aborts the whole process; GL views need Xvfb (packaging/test.py).
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
import pytest

if TYPE_CHECKING:
    from app.analysis.measure import Measured
    from app.simulation.participant import SimulatedParticipant

LEFTOVER_GRACE_S = 3.0


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder of derived arrays for the whole run; every entry is checked when it is read."""
    folder = tmp_path_factory.mktemp("derived-arrays")
    before = os.environ.get("NEURORESPONDER_CACHE")
    os.environ["NEURORESPONDER_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["NEURORESPONDER_CACHE"]
    else:
        os.environ["NEURORESPONDER_CACHE"] = before


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, caches and the study index of each test live in its own folder."""
    home = tmp_path / "neuroresponder-home"
    monkeypatch.setenv("NEURORESPONDER_HOME", str(home))
    return home


# ---------------------------------------------------------------------------- participants


@pytest.fixture(scope="session")
def participant(tmp_path_factory: pytest.TempPathFactory) -> SimulatedParticipant:
    """The default participant of the demonstration."""
    from tests.made_once import made_once
    from tests.participants import simulate_default

    return made_once(tmp_path_factory, "dataset", simulate_default)[0]


@pytest.fixture(scope="session")
def small_participant(tmp_path_factory: pytest.TempPathFactory) -> SimulatedParticipant:
    """A person who is quick to analyse."""
    from tests.made_once import made_once
    from tests.participants import simulate_small

    return made_once(tmp_path_factory, "small-dataset", simulate_small)[0]


@pytest.fixture(scope="session")
def measured(
    participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> Measured:
    """That participant after the recipe, short of a model."""
    from app.analysis.measure import Measurement, measure
    from app.core.progress import Progress
    from app.core.request import AnalysisRequest

    request = AnalysisRequest(participant.paths.bold, tmp_path_factory.mktemp("unused"), threads=2)
    return measure(request, Measurement(), Progress())


# ---------------------------------------------------------------------------- network


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for another machine fails; loopback and Unix sockets work."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_remote(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_remote(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            _refuse_remote((host if isinstance(host, str) else host.decode(), 0))
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)


def _refuse_remote(address: object) -> None:
    if not _is_local(address):
        pytest.fail(f"The test reached for the network: {address!r}", pytrace=True)


# ---------------------------------------------------------------------------- modal boxes


@pytest.fixture(autouse=True)
def no_modal_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A modal box would wait for ever; a test that wants one patches it again itself."""
    from PySide6 import QtWidgets

    def refuse(name: str) -> Callable[..., Any]:
        def refused(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError(f"{name} opened a modal box in a test: {args[1:]!r}")

        return refused

    for box, functions in {
        QtWidgets.QDialog: ("exec",),
        QtWidgets.QMessageBox: (
            "exec", "information", "question", "warning", "critical", "about", "aboutQt",
        ),
        QtWidgets.QFileDialog: (
            "exec", "getOpenFileName", "getOpenFileNames", "getSaveFileName",
            "getExistingDirectory", "getOpenFileUrl", "getOpenFileUrls", "getSaveFileUrl",
            "getExistingDirectoryUrl",
        ),
        QtWidgets.QInputDialog: ("exec", "getText", "getInt", "getDouble", "getItem"),
        QtWidgets.QColorDialog: ("exec", "getColor"),
        QtWidgets.QFontDialog: ("exec", "getFont"),
        QtWidgets.QMenu: ("exec",),
    }.items():  # fmt: skip
        for function in functions:
            monkeypatch.setattr(box, function, refuse(f"{box.__name__}.{function}"))


# ---------------------------------------------------------------------------- look


@pytest.fixture(autouse=True)
def usual_look() -> None:
    """Theme, text size and language as at a start, whatever the test before has chosen.

    Before a test, not after it: by now its windows are gone, and nothing is drawn anew.
    """
    from PySide6 import QtCore, QtGui, QtWidgets

    application = QtWidgets.QApplication.instance()
    if not isinstance(application, QtWidgets.QApplication):
        return
    from app.gui.widgets.theme import apply_text_size

    if application.styleSheet():
        application.setStyleSheet("")
    if application.palette().resolveMask():
        application.setPalette(QtGui.QPalette())
    apply_text_size(application, 100)
    application.setLayoutDirection(QtCore.Qt.LayoutDirection.LeftToRight)
    QtCore.QLocale.setDefault(QtCore.QLocale.system())


# ---------------------------------------------------------------------------- leftovers


@pytest.fixture(autouse=True)
def nothing_left_over(no_modal_boxes: None, no_network: None) -> Iterator[None]:
    """A thread, child process or window that outlives its test fails that test."""
    threads, children, windows = _threads(), _children(), _windows()
    yield
    deadline = time.monotonic() + LEFTOVER_GRACE_S
    while True:
        left = _left_over(threads, children, windows)
        if not left or time.monotonic() > deadline:
            break
        gc.collect()
        _let_qt_delete()
        time.sleep(0.02)
    if left:
        pytest.fail("The test left behind: " + "; ".join(left), pytrace=False)


def _left_over(threads: set[int], children: set[int], windows: set[int]) -> list[str]:
    left = [
        f"thread {thread.name!r}"
        for thread in threading.enumerate()
        if thread.ident in _threads() - threads
    ]
    for pid in sorted(_children() - children):
        try:
            left.append(f"process {pid} ({' '.join(psutil.Process(pid).cmdline())[:120]})")
        except psutil.Error:
            continue  # it ended between the two looks
    left += [
        f"window {widget.windowTitle()!r} ({type(widget).__name__})"
        for widget in _top_level_widgets()
        if id(widget) not in windows
    ]
    return left


def _threads() -> set[int]:
    """Python threads; those that C++ libraries lend to Python for a call are not ours to end."""
    return {
        thread.ident
        for thread in threading.enumerate()
        if thread.ident is not None
        and not isinstance(thread, threading._DummyThread)
        and type(thread).__name__ != "TMonitor"  # tqdm keeps one for the process's life
    }


def _children() -> set[int]:
    """Running child processes, without multiprocessing's own resource tracker."""
    found = set()
    for pid in _child_pids():
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if "resource_tracker" not in " ".join(process.cmdline()):
                found.add(pid)
        except psutil.Error:
            continue
    return found


def _child_pids() -> list[int]:
    tasks = Path("/proc/self/task")
    try:  # much cheaper than psutil's walk over every process of the machine
        return [
            int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()
        ]
    except (OSError, ValueError):
        return [child.pid for child in psutil.Process().children()]


def _top_level_widgets() -> list[Any]:
    """Windows on the screen, and hidden main windows and dialogs that nothing owns."""
    from PySide6 import QtWidgets

    if QtWidgets.QApplication.instance() is None:
        return []
    return [
        widget
        for widget in QtWidgets.QApplication.topLevelWidgets()
        if widget.isVisible()
        or (
            widget.parent() is None
            and isinstance(widget, (QtWidgets.QMainWindow, QtWidgets.QDialog))
        )
    ]


def _windows() -> set[int]:
    return {id(widget) for widget in _top_level_widgets()}


def _let_qt_delete() -> None:
    from PySide6 import QtCore, QtWidgets

    if QtWidgets.QApplication.instance() is not None:
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        QtCore.QCoreApplication.processEvents()
