"""Every view looks as its reference: both themes, 100 % and 200 %, on the platform of record.

Elsewhere the comparison is skipped with its reason; `python -m tests.gui.screens --update` remakes
the references.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.results import Outcome
from app.gui.main_window.window import MainWindow
from app.gui.views import VIEWS, SlicesView
from app.gui.widgets import slice_picture
from app.gui.widgets.plane import edge_letters
from app.gui.widgets.view import View
from tests.gui import screens
from tests.sample_case import make_sample_case

NAMES = [f"{place.step}-{place.area}-{place.view.name}" for place in VIEWS]


def reference(name: str) -> Any:
    return screens.read(screens.REFERENCES / f"{name}.png")


def test_that_every_view_has_a_reference_in_both_themes_at_both_scales() -> None:
    assert len(set(NAMES)) == len(VIEWS)
    wanted = {
        f"{theme}-{scale}00-{name}.png"
        for theme in screens.THEMES
        for scale in screens.SCALES
        for name in NAMES
    }
    assert {path.name for path in screens.REFERENCES.glob("*.png")} == wanted
    assert sum(path.stat().st_size for path in screens.REFERENCES.iterdir()) < 2_000_000


@pytest.fixture(scope="module")
def case_with_health(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("screens")
    return make_sample_case(place, Outcome.RESULT, health=True)


@pytest.mark.parametrize("scale", screens.SCALES)
def test_that_every_view_looks_as_its_reference(
    scale: int, case_with_health: Path, tmp_path: Path
) -> None:
    if reason := screens.why_not_here():
        pytest.skip(reason)
    shown = screens.render_apart(case_with_health, tmp_path / "shown", scale)
    assert len(shown) == len(VIEWS) * len(screens.THEMES)
    unlike = {}
    for path in shown:
        found = screens.difference(screens.read(path), reference(path.stem))
        if found > screens.LIMIT:
            unlike[path.stem] = round(found, 1)
            shutil.copy(path, tmp_path / path.name)
    assert not unlike, f"{unlike} grey levels in the worst tile; the pictures lie in {tmp_path}"


# ---------------------------------------------------------------------------- what is caught


@pytest.mark.parametrize("name", NAMES)
def test_that_an_empty_and_a_mirrored_view_fail(name: str) -> None:
    for theme in screens.THEMES:
        for scale in screens.SCALES:
            picture = reference(f"{theme}-{scale}00-{name}")
            assert screens.difference(picture[:, ::-1], picture) > screens.LIMIT
            assert screens.difference(picture[::-1], picture) > screens.LIMIT
            empty = np.broadcast_to(np.median(picture, axis=(0, 1)), picture.shape)
            assert screens.difference(empty, picture) > screens.LIMIT


@pytest.fixture
def slices(window: MainWindow, case_folders: dict[str, Path]) -> SlicesView:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    screens.settle()
    (view,) = window.page("explain").findChildren(SlicesView)
    return view


def seen(view: View) -> Any:
    screens.settle()
    return screens.pixels(screens.reduced(view))


def test_that_a_lost_colour_bar_fails(slices: SlicesView) -> None:
    before = seen(slices)
    assert screens.difference(seen(slices), before) < screens.LIMIT
    room = slices.bar_row.sizePolicy()
    room.setRetainSizeWhenHidden(True)
    slices.bar_row.setSizePolicy(room)
    slices.bar_row.hide()
    assert screens.difference(seen(slices), before) > screens.LIMIT


def test_that_exchanged_letters_alone_fail(
    slices: SlicesView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L and R change places, and nothing else changes."""
    before = seen(slices)
    exchanged = str.maketrans("LR", "RL")

    def wrong(*given: Any, **named: Any) -> dict[str, str]:
        found = edge_letters(*given, **named)
        return {side: letter.translate(exchanged) for side, letter in found.items()}

    monkeypatch.setattr(slice_picture, "edge_letters", wrong)
    for canvas in slices.stage.canvases.values():
        canvas._kept = None  # or the picture that it keeps would be shown again
        canvas.update()
    after = seen(slices)
    assert screens.difference(after, before) > screens.LIMIT


def test_that_a_slight_blur_passes() -> None:
    """As between two rasterisers of the same letters."""
    from scipy.ndimage import gaussian_filter

    for name in NAMES:
        picture = reference(f"light-100-{name}")
        softer = gaussian_filter(picture, (0.3, 0.3, 0))
        assert screens.difference(softer, picture) < screens.LIMIT, name
