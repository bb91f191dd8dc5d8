"""A bright marker in the participant's left lies beside L in PDF and HTML, however it is stored."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from app.core.colours import SignedScale
from app.core.wording import NEUROLOGICAL, RADIOLOGICAL
from app.reporting.figures.slices import attribution_slices
from app.reporting.files import read_view
from app.reporting.theme import drawing_style, figure_png, figures_pdf

SHAPE = (11, 13, 9)  # right, front, up; unequal sides
AFFINE = np.array([[8.0, 0, 0, -40], [0, 8, 0, -52], [0, 0, 8, -30], [0, 0, 0, 1]])
WIDTH_MM, HEIGHT_MM, DPI = 44.0, 24.0, 60


def stored_views(place: Path) -> list[Path]:
    """One case folder for each of the 48 axis codes, all of the same head."""
    template = np.zeros(SHAPE, np.uint8)
    template[1:10, 1:12, 1:8] = 120
    labels = np.zeros(SHAPE, np.int16)
    labels[2:4, 5:8, 3:6] = 1  # x low: the participant's left
    folders = []
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            affine = AFFINE.copy()
            volumes = {"template": template, "labels": labels}
            for axis in range(3):
                if flips[axis]:
                    volumes = {key: np.flip(v, axis) for key, v in volumes.items()}
                    affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
                    affine[:3, axis] *= -1
            affine[:3, :3] = affine[:3, :3][:, list(order)]
            folder = place / f"{len(folders):02d}"
            (folder / "view").mkdir(parents=True)
            for name, volume in volumes.items():
                np.save(folder / "view" / f"{name}.npy", np.transpose(volume, order))
            facts = {"affine": affine.tolist(), "template": "T"}
            (folder / "view" / "view.json").write_text(json.dumps(facts))
            folders.append(folder)
    return folders


def drawn(folder: Path, convention: str) -> tuple[Any, dict[str, float]]:
    """The slices, and where their axial letters stand as shares of the figure's width."""
    values, quiet = np.array([1.0]), np.zeros(1, bool)
    with drawing_style():
        figure = attribution_slices(
            read_view(folder), values, quiet, SignedScale(1.0, 0.5),
            (("", np.array([-16.0, 4.0, 2.0])),), convention, WIDTH_MM, HEIGHT_MM,
        )  # fmt: skip
    axes = figure.axes[0]
    width = axes.get_position().width, axes.get_position().x0
    low, high = axes.get_xlim()
    places = {}
    for text in axes.texts:
        if text.get_text() in ("L", "R"):
            at = axes.transData.inverted().transform(
                text.get_transform().transform(text.get_position())
            )[0]
            places[text.get_text()] = width[1] + width[0] * (at - low) / (high - low)
    edge = axes.get_position().x1
    return figure, {**places, "edge": edge}


def marker_share(pixels: np.ndarray, edge: float) -> float:
    """Column of the red marker in the axial panel, as a share of the width."""
    whole = pixels.shape[1]
    values = pixels[:, : int(edge * whole), :3].astype(float)
    values = values * (255.0 if values.max() <= 1.0 else 1.0)
    red = (values[..., 0] - values[..., 2] > 40) & (values[..., 0] - values[..., 1] > 40)
    assert red.any()
    return float(np.nonzero(red)[1].mean()) / whole


def beside_left(pixels: np.ndarray, places: dict[str, float]) -> bool:
    share = marker_share(pixels, places["edge"] + 0.03)
    return abs(share - places["L"]) < abs(share - places["R"])


def test_that_all_48_orientations_lie_right_in_pdf_and_html_in_both_conventions(
    tmp_path: Path,
) -> None:
    figures, places = [], []
    for folder in stored_views(tmp_path):
        for convention in (RADIOLOGICAL, NEUROLOGICAL):
            figure, where = drawn(folder, convention)
            figures.append(figure)
            places.append(where)
            assert (where["L"] > where["R"]) == (convention == RADIOLOGICAL)
    assert len(figures) == 96
    # HTML: the picture that is embedded
    for figure, where in zip(figures, places, strict=True):
        picture = matplotlib.image.imread(io.BytesIO(figure_png(figure, DPI)))
        assert beside_left(picture, where)
    # PDF: the pages as a viewer draws them
    if shutil.which("pdftoppm") is None:
        pytest.skip("poppler-utils is not installed")
    (tmp_path / "all.pdf").write_bytes(figures_pdf(figures, lambda _done: None))
    subprocess.run(
        ["pdftoppm", "-r", str(DPI), "-png", str(tmp_path / "all.pdf"), str(tmp_path / "page")],
        check=True,
    )
    pages = sorted(tmp_path.glob("page-*.png"))
    assert len(pages) == 96
    for page, where in zip(pages, places, strict=True):
        assert beside_left(matplotlib.image.imread(page), where)
