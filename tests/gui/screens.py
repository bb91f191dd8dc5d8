"""Pictures of every view, reduced, and how two of them are compared.

    python -m tests.gui.screens --update    # remake tests/reference/screens on this machine

The references hold for one platform: its name stands beside them in platform.json. Letters are
drawn with the font of the project, unhinted; what still differs between rasterisers is blurred
away before a comparison.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.core.resources import project_root, resource_path

ROOT = project_root()
REFERENCES = ROOT / "tests" / "reference" / "screens"
THEMES = ("light", "dark")
SCALES = (1, 2)
REDUCED = 3  # logical pixels of the screen for one of a reference, along each side
TILE = 6  # pixels of a reference along each side of what is compared as one
LIMIT = 8.0  # grey levels of 255: the mean difference inside the worst tile of equal pictures
RENDER_LIMIT_S = 240


def this_platform() -> dict[str, str]:
    """What decides how pixels look here."""
    from PySide6 import __version__ as qt
    from vtkmodules.vtkCommonCore import vtkVersion

    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "qt": qt,
        "vtk": vtkVersion.GetVTKVersion(),
        "platform_plugin": os.environ.get("QT_QPA_PLATFORM", ""),
        "software_gl": os.environ.get("LIBGL_ALWAYS_SOFTWARE", ""),
    }


def why_not_here() -> str:
    """Why the references say nothing on this machine; empty where they hold."""
    recorded = json.loads((REFERENCES / "platform.json").read_text())
    found = this_platform()
    differs = [
        f"{key} {found.get(key)!r} instead of {value!r}"
        for key, value in recorded.items()
        if found.get(key) != value
    ]
    return "References of another platform: " + ", ".join(differs) if differs else ""


# ---------------------------------------------------------------------------- comparison


def read(path: Path) -> Any:
    """A picture as (rows, columns, 3) grey levels."""
    from PySide6.QtGui import QImage

    image = QImage(str(path))
    assert not image.isNull(), f"{path} is no picture"
    return pixels(image)


def pixels(image: Any) -> Any:
    """A QImage as (rows, columns, 3) grey levels."""
    from PySide6.QtGui import QImage

    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).astype(float)


def difference(shown: Any, reference: Any) -> float:
    """The mean absolute difference in grey levels inside the worst tile, after a slight blur.

    The worst tile and not the whole, so that one lost bar or one exchanged letter counts. Two
    pictures of unlike size are as unlike as can be.
    """
    if shown.shape != reference.shape:
        return 255.0
    from scipy.ndimage import gaussian_filter, uniform_filter

    blurred = gaussian_filter(shown, (1, 1, 0)) - gaussian_filter(reference, (1, 1, 0))
    return float(uniform_filter(np.abs(blurred).max(axis=2), TILE).max())


# ---------------------------------------------------------------------------- rendering


def render_apart(case_folder: Path, out: Path, scale: int) -> list[Path]:
    """All views in all themes at a scale, drawn by a process of its own: Qt scales at its start."""
    variables = {
        **os.environ,
        "QT_SCALE_FACTOR": str(scale),
        "QT_FONT_DPI": "96",
        "QT_QPA_PLATFORMTHEME": "",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NEURORESPONDER_HOME": str(out / "home"),
    }
    words = [sys.executable, "-W", "error", "-m", "tests.gui.screens", "--render"]
    words += [str(case_folder), str(out), str(scale)]
    told = subprocess.run(
        words, cwd=ROOT, env=variables, timeout=RENDER_LIMIT_S, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return sorted(out.glob(f"*-{scale}00-*.png"))


def render(case_folder: Path, out: Path, scale: int) -> None:
    """In the process of its own: the real window, page by page and tab by tab."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QApplication

    from app.core.settings import Settings
    from app.gui.application import make_application, make_window
    from app.gui.messages import Messages
    from tests.gui.conftest import FakeWorker

    out.mkdir(parents=True, exist_ok=True)
    application = make_application()
    use_own_font(application)
    summary = summary_of(case_folder, out, scale)
    worker = FakeWorker()
    worker.answers["preview_pages"] = lambda _job, _on_event: summary
    window = make_window(lambda: worker, Settings(theme=THEMES[0]), Messages())
    window.actions_.reader.inline = True
    window.session.turns.on = False
    # Laid out and drawn, but never on a screen: no window manager and no screen's size matters.
    window.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    window.resize(1280, 720)
    window.show()
    assert window.devicePixelRatioF() == scale
    for theme in THEMES:
        window.actions_.set_theme(theme)
        for name, view in each_view(window, case_folder):
            path = out / f"{theme}-{scale}00-{name}.png"
            assert reduced(view, scale).save(str(path), "PNG", 0)
            if os.environ.get("SCREENS_WHOLE"):  # to look at, when a comparison fails
                assert view.grab().save(str(path.with_name("whole-" + path.name)))
    window._closing = True
    window.close()
    window.deleteLater()
    QApplication.processEvents()


def use_own_font(application: Any) -> None:
    """The project's font in place of the system's, without hinting."""
    from PySide6.QtGui import QFont, QFontDatabase

    for path in sorted(resource_path("fonts").glob("*.ttf")):
        assert QFontDatabase.addApplicationFont(str(path)) >= 0, path
    chosen = QFont("Source Sans Pro", 10)
    chosen.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    chosen.setStyleStrategy(QFont.StyleStrategy.NoSubpixelAntialias)
    application.setFont(chosen)


def summary_of(case_folder: Path, place: Path, scale: int) -> dict[str, Any]:
    """What the worker answers to the preview: drawn once, since it takes seconds."""
    from app.analysis.reports import Layout, preview_pages
    from app.core.progress import Progress
    from app.core.signing import UNSIGNED
    from app.gui.views.preview import DOTS_PER_INCH

    scratch = place / "scratch"
    scratch.mkdir()
    pdf, pages = preview_pages(
        case_folder,
        scratch,
        UNSIGNED,
        Layout("Radiological", "A4"),
        dots_per_inch=DOTS_PER_INCH * scale,
        progress=Progress(),
    )
    return {"preview_pdf": str(pdf), "pages": [str(page) for page in pages]}


def each_view(window: Any, case_folder: Path) -> Iterator[tuple[str, Any]]:
    """(name, view), each seen when it is told; tabs of a page are turned all at once."""
    from PySide6.QtWidgets import QTabWidget

    from app.gui.views import VIEWS, IntakeView, PreviewView, SurfaceView

    # Who was scanned is asked of a scan that was not analysed yet.
    window.session.show_preview(preview())
    window.show_step("load")
    (intake,) = window.page("load").findChildren(IntakeView)
    settle()
    assert intake.isVisible()
    yield "load-side-intake", intake
    window.actions_.open_path(case_folder)
    window.session.select_parcel(50)
    for step in dict.fromkeys(place.step for place in VIEWS):
        window.show_step(step)
        names: dict[Any, str] = {}
        page = window.page(step)
        built = page.views()
        for place in (p for p in VIEWS if p.step == step and p.view is not IntakeView):
            view = next(v for v in built if type(v) is place.view and v not in names)
            names[view] = f"{step}-{place.area}-{view.name}"
        tabs = page.findChildren(QTabWidget)
        told: set[Any] = set()
        turn = 0
        while len(told) < len(names):
            left = {name for view, name in names.items() if view not in told}
            assert turn < len(VIEWS), f"never seen: {left}"
            for tab in tabs:
                tab.setCurrentIndex(min(turn, tab.count() - 1))
            settle()
            for view in built:
                if isinstance(view, SurfaceView):
                    view.load_now()
                    view.canvas.draw_now()
            for view in built:
                while isinstance(view, PreviewView) and view.isVisible() and not view.pages:
                    settle()  # it asks the worker for its pages
            settle()
            for view, name in names.items():
                if view not in told and view.isVisible():
                    told.add(view)
                    yield name, view
            turn += 1


def preview() -> Any:
    """A scan that was opened and not analysed, with what its sidecar tells of the participant."""
    from app.core.results import Outcome
    from app.gui.session import ScanPreview
    from tests.sample_case import sample_case

    told = {"label": "sub-03", "session": "ses-2", "age_years": 45.0, "sex": "F"}
    return ScanPreview(
        Path("sub-03_bold.nii"), sample_case(Outcome.RESULT).scan, (), participant=told
    )


def settle(milliseconds: int = 120) -> None:
    """Let everything that was asked for happen: what waits for calm waits up to 60 ms."""
    from PySide6.QtTest import QTest

    QTest.qWait(milliseconds)


def reduced(view: Any, scale: int = 1) -> Any:
    """The view as it is seen, a QImage in pixels of a reference."""
    from PySide6.QtCore import Qt

    image = view.grab().toImage()
    image.setDevicePixelRatio(1.0)
    small = image.scaled(
        round(image.width() / REDUCED / scale),
        round(image.height() / REDUCED / scale),
        Qt.AspectRatioMode.IgnoreAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    return small.convertToFormat(small.Format.Format_RGB888)


# ---------------------------------------------------------------------------- command


def update() -> None:
    """Remake every reference; old ones of views that are gone go with them."""
    from app.core.results import Outcome
    from tests.sample_case import make_sample_case

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        case_folder = make_sample_case(place, Outcome.RESULT, health=True)
        made = [
            path
            for scale in SCALES
            for path in render_apart(case_folder, place / str(scale), scale)
        ]
        REFERENCES.mkdir(parents=True, exist_ok=True)
        for old in REFERENCES.glob("*.png"):
            old.unlink()
        for path in made:
            (REFERENCES / path.name).write_bytes(path.read_bytes())
    (REFERENCES / "platform.json").write_text(json.dumps(this_platform(), indent=2) + "\n")
    size = sum(path.stat().st_size for path in REFERENCES.glob("*.png"))
    print(f"{len(made)} pictures, {size / 1e6:.2f} MB, in {REFERENCES}")


def main(arguments: list[str]) -> int:
    """Remake the references, under a virtual screen of our own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="remake the references")
    parser.add_argument("--render", nargs=3, metavar=("CASE", "OUT", "SCALE"), help="draw once")
    options = parser.parse_args(arguments)
    if options.render:
        case_folder, out, scale = options.render
        render(Path(case_folder), Path(out), int(scale))
    elif options.update:
        with suite().virtual_screen() as variables:
            os.environ.update(variables)
            update()
    else:
        parser.print_help()
        return 2
    return 0


def suite() -> Any:
    """packaging/test.py, which has the virtual screen."""
    spec = importlib.util.spec_from_file_location("suite", ROOT / "packaging" / "test.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
