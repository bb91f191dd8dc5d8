"""Whatever is done in whatever order: nothing breaks, and all views show the same participant.

The suite does about a thousand actions. Ten thousand, with another order each time:

    RANDOM_ACTIONS=10000 python packaging/test.py -s tests/gui/test_random_actions.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QWidget
from pytestqt.exceptions import capture_exceptions

from app.core.settings import Settings
from app.gui.application import make_window
from app.gui.main_window.commands import ACTIONS
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.gui.session import OpenCase
from app.gui.view_state import Annotation, Layer
from app.gui.views import (
    CardView,
    MatrixView,
    RegionsView,
    SlicesView,
    SurfaceView,
)
from app.gui.widgets.step_bar import STEPS
from tests.gui.conftest import FakeWorker

COUNT = int(os.environ.get("RANDOM_ACTIONS", "1000"))
STEPS_EACH = 50
LIMIT_S = 60.0  # for one drawing on a busy machine
PARCELS, FRAMES = 426, 236
KEYS = (
    *"RSTOLXMWFB123456,.",
    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown, Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Space, Qt.Key.Key_Tab,
    Qt.Key.Key_F6, Qt.Key.Key_F11,
)  # fmt: skip
# What would end the program or start another one.
LEFT_OUT = {"file.quit", "file.case_folder", "tools.models", "help.next"}
COMMANDS = [command.name for command in ACTIONS if command.name not in LEFT_OUT]


class Bench:
    """The one window that all examples use, made as at its start before each."""

    def __init__(self, folders: dict[str, Path], place: Path) -> None:
        self.place = place
        self.cases = {name: OpenCase.read(folder) for name, folder in folders.items()}
        self.worker = FakeWorker()
        self.window = make_window(lambda: self.worker, Settings(theme="dark"), Messages())
        self.window.actions_.reader.inline = True
        self.window.show()
        self.told: list[Any] = []

    def begin(self) -> None:
        """As after a start."""
        for dialog in open_dialogs():
            dialog.close()
        self.window.actions_.reset_settings()
        self.window.close_case()
        self.window.session.restore(type(self.window.session.state)())
        self.window.guide.end()
        self.window.errors.hide()
        settle()

    def end(self) -> None:
        """Close all."""
        for dialog in open_dialogs():
            dialog.close()
        self.window._closing = True
        self.window.close()
        self.window.deleteLater()


def settle(window: MainWindow | None = None) -> None:
    """Let everything that was asked for happen, drawing in turns too."""
    QApplication.processEvents()
    end = time.monotonic() + LIMIT_S
    while window is not None and window.session.turns.busy():
        assert time.monotonic() < end, "what waits to be drawn is never drawn"
        QApplication.processEvents()
    # `processEvents` leaves what was to be deleted; the loop of a running program does not
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def open_dialogs() -> list[QDialog]:
    return [
        widget
        for widget in QApplication.topLevelWidgets()
        if isinstance(widget, QDialog) and widget.isVisible()
    ]


class Actions(RuleBasedStateMachine):
    """Rules are what a person can do; invariants are what must hold after each of them."""

    bench: Bench
    done = 0  # by all examples together

    def __init__(self) -> None:
        super().__init__()
        self.hurried = 0
        self.window.session.turns.on = False
        self.bench.begin()

    @initialize(in_turns=st.booleans())
    def draw(self, in_turns: bool) -> None:
        """At once, or in turns as the program does."""
        self.window.session.turns.on = in_turns

    @property
    def window(self) -> MainWindow:
        return self.bench.window

    # what a person does ------------------------------------------------------------------

    @rule(name=st.sampled_from(["result", "withheld", "inconclusive"]))
    def open_case(self, name: str) -> None:
        opened = self.bench.cases[name]
        self.window.actions_._show_opened(opened, opened.folder)

    @rule(count=st.integers(1, 4))
    def hurry(self, count: int) -> None:
        """The next few actions come before what the last ones asked for is drawn."""
        self.hurried = count + 1

    @rule(key=st.sampled_from([key for key, _ in STEPS]))
    def go_to_step(self, key: str) -> None:
        self.window.show_step(key)

    @rule(name=st.sampled_from(COMMANDS))
    def command(self, name: str) -> None:
        self.window.menus.follow()
        self.window.menus.actions[name].trigger()

    @rule(number=st.integers(0, 200))
    def command_of_a_view(self, number: int) -> None:
        acts = [act for view in self.window.visible_views() for act in view.key_actions.values()]
        if acts:
            acts[number % len(acts)].trigger()

    @rule(
        number=st.integers(0, 40), across=st.floats(0.02, 0.98), up=st.floats(0.02, 0.98),
        button=st.sampled_from([Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton]),
        double=st.booleans(),
    )  # fmt: skip
    def click(
        self, number: int, across: float, up: float, button: Qt.MouseButton, double: bool
    ) -> None:
        widget = self._target(number)
        if widget is not None:
            at = QPoint(int(widget.width() * across), int(widget.height() * up))
            (QTest.mouseDClick if double else QTest.mouseClick)(
                widget, button, Qt.KeyboardModifier.NoModifier, at
            )

    @rule(number=st.integers(0, 40), key=st.sampled_from(KEYS))
    def press(self, number: int, key: Any) -> None:
        widget = self._target(number)
        if widget is not None:
            widget.setFocus()
            QTest.keyClick(widget, key)

    @rule(parcel=st.integers(0, PARCELS - 1), other=st.integers(0, PARCELS - 1))
    def select(self, parcel: int, other: int) -> None:
        session = self.window.session
        if session.case is not None:
            (session.select_parcel(parcel) if parcel % 2 else session.select_edge(parcel, other))

    @rule(network=st.sampled_from(["Default", "Visual", "Deep Nuclei", None]))
    def select_network(self, network: str | None) -> None:
        session = self.window.session
        if session.case is not None:
            session.clear_selection() if network is None else session.select_network(network)
            assert session.parcel is session.edge is None

    @rule(frame=st.integers(0, FRAMES), last=st.integers(0, FRAMES))
    def select_frames(self, frame: int, last: int) -> None:
        self.window.session.select_frame(frame)
        self.window.session.select_frames(frame, last)

    @rule(mm=st.tuples(*[st.floats(-80, 80)] * 3))
    def select_point(self, mm: tuple[float, float, float]) -> None:
        self.window.session.select_point(mm)

    @rule(
        overlay=st.sampled_from(["scan", "branches", "scan_series", "seed", "none"]),
        share=st.floats(0, 1), surface=st.sampled_from(["pial", "inflated"]),
    )  # fmt: skip
    def display(self, overlay: str, share: float, surface: str) -> None:
        self.window.session.set_display(overlay=overlay, hidden_share=share, surface=surface)

    @rule(frames=st.lists(st.integers(0, FRAMES - 1), max_size=5, unique=True))
    def review(self, frames: list[int]) -> None:
        session = self.window.session
        session.change("Censor", "review", censored=tuple(sorted(frames)))
        session.change("Note", "review", annotations=(Annotation("seen"),))

    @rule(order=st.sampled_from(["network", "cluster", "anatomical", "atlas"]))
    def plots(self, order: str) -> None:
        self.window.session.change("Order", "plots", order=order)

    @rule(name=st.sampled_from(["scan", "branches"]), opacity=st.floats(0, 1))
    def layer(self, name: str, opacity: float) -> None:
        session = self.window.session
        if session.case is not None:
            layer = Layer(name, name, "Layer", opacity=opacity)
            session.change("Add layer", "slices", layers=(layer,))

    @rule(where=st.floats(0, 1))
    def history(self, where: float) -> None:
        stack = self.window.session.history.stack
        stack.setIndex(round(where * stack.count()))

    @rule(words=st.sampled_from(["", "insula", "swap", "theme", "export", "xyz", "undo"]))
    def palette(self, words: str) -> None:
        self.window.palettes.show()
        shown = self.window.palettes.shown
        assert shown is not None
        shown.search.setText(words)
        if shown.found() and shown.found()[0].words.startswith(("Swap", "Theme", "Undo")):
            QTest.keyClick(shown.search, Qt.Key.Key_Return)
        elif shown.isVisible():
            QTest.keyClick(shown.search, Qt.Key.Key_Escape)

    @rule(name=st.sampled_from(["theme", "clinic_mode", "single_keys", "sagittal_nose"]))
    def setting(self, name: str) -> None:
        actions = self.window.actions_
        values = {
            "theme": "light" if actions.settings.theme == "dark" else "dark",
            "clinic_mode": not actions.settings.clinic_mode,
            "single_keys": not actions.settings.single_keys,
            "sagittal_nose": "right" if actions.settings.sagittal_nose == "left" else "left",
        }
        actions.change_setting(name, values[name])

    # what must hold ------------------------------------------------------------------------

    @invariant()
    def nothing_broke(self) -> None:
        settle()
        assert not self.bench.told, self.bench.told
        assert self.window.isVisible()

    @invariant()
    def no_dialog_is_a_dead_end(self) -> None:
        for dialog in open_dialogs():
            QTest.keyClick(dialog, Qt.Key.Key_Escape)
            if dialog.isVisible():
                dialog.close()
            settle()
        assert QApplication.activeModalWidget() is None
        popup = QApplication.activePopupWidget()
        if popup is not None:
            popup.close()

    @invariant()
    def all_show_the_same_participant_and_selection(self) -> None:
        """Once all is drawn; checked before the other invariants, which come by name."""
        type(self).done += 1
        if self.done % 1000 == 0:
            print(f"{self.done} actions", flush=True)
        self.hurried = max(self.hurried - 1, 0)
        settle(None if self.hurried else self.window)
        if self.hurried:
            return
        window, session = self.window, self.window.session
        opened = session.case
        person = window.sidebar.person.full_text()
        assert (opened is not None) == (opened is not None and "sub-demo" in person)
        assert window.steps.buttons[window.step].isChecked()
        for view in window.visible_views():
            if opened is not None and not isinstance(view, SlicesView):
                _agrees(view, window)
            for stamp in session.stamps():
                assert stamp in view.stamp_label.full_text(), view.name
        if opened is not None and opened.withheld:
            assert opened.attribution is None

    @invariant()
    def history_and_view_agree(self) -> None:
        session = self.window.session
        kept = session.history._seen.state.with_settings_of(session.state)
        assert kept == session.state

    def _target(self, number: int) -> QWidget | None:
        """A thing on the page that takes keys or mouse, but opens no system dialog."""
        found = [
            widget
            for view in self.window.visible_views()
            for widget in view.findChildren(QWidget)
            if widget.isVisible()
            and widget.isEnabled()
            and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
            and not hasattr(widget, "menu")
        ]
        return found[number % len(found)] if found else None


def _agrees(view: QWidget, window: MainWindow) -> None:
    """A view shows the parcel that is selected."""
    session = window.session
    signals = session.case.case.signals if session.case is not None else None
    if session.parcel is None or signals is None:
        return
    if isinstance(view, MatrixView):
        assert view.canvas.selected == session.parcel
    elif isinstance(view, RegionsView) and not view.search.text():
        row = view.proxy.mapToSource(view.table.currentIndex()).row()
        assert row == session.parcel
    elif isinstance(view, CardView) and session.case is not None and session.case.withheld:
        words = view.area.widget().findChildren(QWidget)
        assert words
    elif isinstance(view, SurfaceView):
        assert view.canvas is not None


@pytest.fixture
def bench(
    qapp: Any,
    case_folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    answers: dict[str, Callable[..., Any]] = {
        "getSaveFileName": lambda *_a, **_k: ("", ""),
        "getOpenFileName": lambda *_a, **_k: ("", ""),
        "getOpenFileNames": lambda *_a, **_k: ([], ""),
        "getExistingDirectory": lambda *_a, **_k: "",
    }
    for name, answer in answers.items():
        monkeypatch.setattr(QFileDialog, name, answer)
    made = Bench(case_folders, tmp_path)
    with capture_exceptions() as told:
        made.told = told
        yield made
    made.end()


@pytest.mark.timeout(max(900, 3 * COUNT))
def test_that_no_order_of_actions_breaks_the_window(bench: Bench) -> None:
    Actions.bench, Actions.done = bench, 0
    many = COUNT > 1000
    run_state_machine_as_test(
        Actions,
        settings=settings(
            max_examples=int(1.1 * COUNT) // STEPS_EACH + 2,  # some end early
            stateful_step_count=STEPS_EACH,
            deadline=None,
            derandomize=not many,
            database=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink) if many else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Actions.done >= COUNT
