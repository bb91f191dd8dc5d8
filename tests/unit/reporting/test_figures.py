"""Left is left, colours are what the bar says, and no global drawing state is used."""

from __future__ import annotations

import ast
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import app.reporting
from app.core.colours import SignedScale, display_order, signed_scale
from app.core.results import Case
from app.core.wording import NEUROLOGICAL, RADIOLOGICAL
from app.reporting.figures.colour_bar import signed_bar_figure
from app.reporting.figures.matrix import matrix_figure
from app.reporting.figures.slices import APART, _informative, attribution_slices, cut, painted
from app.reporting.figures.surface import face_colours, project, surface_figure
from app.reporting.files import ViewFiles, read_view
from app.reporting.ranking import network_sums, readable, top_connections, top_regions
from app.reporting.theme import drawing_style
from tests.unit.reporting.small_case import (
    AFFINE,
    NETWORKS,
    SHAPE,
    SIDES,
    parcel_boxes,
    surfaces,
    write_view,
)

LEFT_ONLY = np.array([1.0, 0, 1.0, 0, 1.0, 0, 1.0, 0])
STABLE = np.zeros(8, dtype=bool)
SCALE = SignedScale(1.0, 0.5)


# --- slices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", [RADIOLOGICAL, NEUROLOGICAL])
@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_that_the_left_half_lies_beside_the_letter_l(plane: str, convention: str) -> None:
    volume = np.zeros((6, 7, 8))
    volume[:2] = 1.0  # x low: the participant's left
    layout = cut(plane, convention)
    columns = layout.page(volume, 3).sum(axis=0)
    bright_at_left_edge = columns[0] > columns[-1]
    assert layout.edges[0 if bright_at_left_edge else 1] == "L"
    assert (layout.edges[0] == "R") == (convention == RADIOLOGICAL)


@pytest.mark.parametrize("convention", [RADIOLOGICAL, NEUROLOGICAL])
def test_that_front_and_top_lie_beside_their_letters(convention: str) -> None:
    volume = np.zeros((6, 7, 8))
    volume[:, -2:] = 1.0  # front
    axial, sagittal = cut("axial", convention), cut("sagittal", convention)
    rows = axial.page(volume, 3).sum(axis=1)
    assert rows[0] > rows[-1]
    assert axial.edges[2:] == ("A", "P")
    columns = sagittal.page(volume, 3).sum(axis=0)
    assert columns[0] > columns[-1]
    assert sagittal.edges == ("A", "P", "S", "I")
    top = np.zeros((6, 7, 8))
    top[..., -1] = 1.0
    for plane in ("coronal", "sagittal"):
        assert cut(plane, convention).page(top, 3)[0].all()


def _page(view: ViewFiles, values: np.ndarray, convention: str) -> tuple[np.ndarray, dict]:
    """The figure's pixels (row, column, RGB) and the place of each letter of the axial panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with drawing_style():
        figure = attribution_slices(
            view, values, STABLE, SCALE, (("x", np.array([-14.0, 0, 4])),), convention, 110, 50
        )
        figure.set_dpi(100)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        letters = {}
        for text in figure.axes[0].texts:
            if text.get_text() in "LRAP":
                box = text.get_window_extent(canvas.get_renderer())
                letters[text.get_text()] = (box.x0 + box.x1) / 2
        window = figure.axes[0].get_window_extent()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    pixels = pixels[:, int(window.x0) : int(window.x1)]
    return pixels, {letter: x - window.x0 for letter, x in letters.items()}


def _painted_centre(pixels: np.ndarray) -> float:
    """Mean column of red pixels (end of the scale is dark red)."""
    red = (pixels[..., 0] - pixels[..., 1] > 60) & (pixels[..., 0] - pixels[..., 2] > 40)
    assert red.sum() > 50
    return float(np.nonzero(red)[1].mean())


@pytest.mark.parametrize("convention", [RADIOLOGICAL, NEUROLOGICAL])
def test_that_in_the_finished_figure_left_parcels_are_painted_beside_l(
    convention: str, folder: Path
) -> None:
    pixels, letters = _page(read_view(folder), LEFT_ONLY, convention)
    centre = _painted_centre(pixels)
    assert abs(centre - letters["L"]) < abs(centre - letters["R"])
    assert (letters["L"] > letters["R"]) == (convention == RADIOLOGICAL)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_that_every_storage_order_and_flip_reads_as_the_same_volume(
    order: tuple[int, int, int], tmp_path: Path
) -> None:
    labels = parcel_boxes()
    for number, flips in enumerate(itertools.product((False, True), repeat=3)):
        stored, affine = labels, AFFINE.copy()
        for axis in range(3):
            if flips[axis]:
                stored = np.flip(stored, axis)
                affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
                affine[:3, axis] *= -1
        stored = np.transpose(stored, order)
        affine[:3, :3] = affine[:3, :3][:, list(order)]
        view = tmp_path / str(number) / "view"
        view.mkdir(parents=True)
        for name in ("template", "boldref", "labels"):
            np.save(view / f"{name}.npy", stored)
        (view / "view.json").write_text(json.dumps({"affine": affine.tolist(), "template": "T"}))
        found = read_view(view.parent)
        assert found.labels is not None
        np.testing.assert_array_equal(found.labels, labels)
        np.testing.assert_allclose(found.affine, AFFINE)


def test_that_only_parcels_over_the_threshold_are_painted_and_unstable_ones_are_striped() -> None:
    grey = np.full((6, 7), 100.0)
    labels = np.zeros((6, 7), dtype=np.int16)
    labels[1:5, 1:3], labels[1:5, 4:6] = 1, 2
    colours = np.array([[200, 0, 0], [0, 0, 200]], dtype=np.uint8)
    window = np.array([0.0, 100.0])
    nobody = np.zeros(2, dtype=bool)
    one = painted(grey, labels, colours, np.array([True, False]), nobody, window, nobody)
    assert (one[..., 0] - one[..., 2] > 0.5).any()
    assert not (one[..., 2] - one[..., 0] > 0.5).any()
    both = np.array([True, True])
    striped = painted(grey, labels, colours, both, np.array([True, False]), window, nobody)
    first, second = striped[8:22, 8:12], striped[8:22, 23:27]
    assert len(np.unique(first.reshape(-1, 4), axis=0)) == 2
    assert len(np.unique(second.reshape(-1, 4), axis=0)) == 1


def test_that_a_second_row_shows_another_slice_of_its_region() -> None:
    labels = parcel_boxes()  # parcel 3 lies at z 3 to 14
    shown = np.ones(8, dtype=bool)
    assert _informative(6, 2, [], labels, 3, shown) == 6
    assert _informative(6, 2, [1], labels, 3, shown) == 6
    other = _informative(6, 2, [6], labels, 3, shown)
    assert abs(other - 6) == APART
    assert (labels[..., other] == 3).any()
    # 4 below would leave the parcel: the slice is sought above
    assert _informative(4, 2, [4], labels, 3, shown) == 4 + APART


# --- surface -----------------------------------------------------------------------------------


def test_that_a_view_from_the_left_has_the_front_on_its_left_and_is_not_mirrored() -> None:
    mesh = surfaces()
    vertices, faces = mesh["inflated_left"], mesh["faces_left"]
    for viewer in (-1, 1):
        scene = project(vertices, faces, viewer)
        middle = vertices[faces[scene.face]].mean(axis=1)
        # triangles in view lie on the viewer's side, and the page's right is viewer * y
        assert (viewer * (middle[:, 0] - vertices[:, 0].mean()) > 0).all()
        np.testing.assert_allclose(scene.polygons.mean(axis=1)[:, 0], viewer * middle[:, 1])
        np.testing.assert_allclose(scene.polygons.mean(axis=1)[:, 1], middle[:, 2])


def test_that_winding_of_triangles_does_not_matter() -> None:
    mesh = surfaces()
    vertices, faces = mesh["inflated_left"], mesh["faces_left"]
    same = project(vertices, faces, -1)
    turned = project(vertices, faces[:, ::-1], -1)
    assert sorted(same.face.tolist()) == sorted(turned.face.tolist())


def test_that_only_the_left_hemisphere_is_coloured_when_only_left_parcels_are() -> None:
    mesh = surfaces()
    for side, coloured in (("left", True), ("right", False)):
        scene = project(mesh[f"inflated_{side}"], mesh[f"faces_{side}"], -1)
        colours = face_colours(scene, mesh, side, LEFT_ONLY, STABLE, SCALE)
        assert bool((np.ptp(colours, axis=1) > 0.2).any()) == coloured


def test_that_the_four_views_are_titled_with_words_and_letters() -> None:
    with drawing_style():
        figure = surface_figure(surfaces(), LEFT_ONLY, STABLE, SCALE, 64, 50)
    titles = {text.get_text() for text in figure.texts}
    assert titles == {"Left, lateral", "Left, medial", "Right, lateral", "Right, medial"}
    for axes in figure.axes:
        assert {text.get_text() for text in axes.texts} == {"A", "P"}


# --- bar, matrix, lists ------------------------------------------------------------------------


def test_that_the_bar_is_symmetric_with_zero_both_ends_and_threshold() -> None:
    with drawing_style():
        figure = signed_bar_figure(SignedScale(0.25, 0.1), "Log-odds", clipped=True, width_mm=64)
    axes = figure.axes[0]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks[0] == "−0.25"
    assert ticks[2] == "0"
    assert ticks[-1] == "+0.25"
    assert axes.get_xlim() == (-0.25, 0.25)
    edges = sorted(float(line.get_xdata()[0]) for line in axes.lines)
    assert edges == [-0.1, 0.1]
    assert len(axes.patches) == 3  # threshold band and two arrow heads
    assert axes.get_xlabel() == "Log-odds"


def test_that_the_matrix_is_drawn_in_network_order_and_the_array_is_untouched() -> None:
    matrix = np.zeros((8, 8))
    matrix[2, 5] = matrix[5, 2] = 1.0  # Visual L with Thalamus R
    matrix[3] = np.nan
    before = matrix.copy()
    with drawing_style():
        figure = matrix_figure(matrix, NETWORKS, SIDES, SignedScale(1.0, 0.0), "r", 56)
    np.testing.assert_array_equal(matrix, before)
    picture = np.asarray(figure.axes[0].images[0].get_array())
    order = display_order(NETWORKS, SIDES).tolist()
    row, column = order.index(2), order.index(5)
    assert tuple(picture[row, column]) == tuple(SignedScale(1.0, 0.0).rgb(np.array([1.0]))[0])
    assert tuple(picture[order.index(3), 0]) == (190, 190, 190)
    shorts = [text.get_text() for text in figure.axes[0].texts]
    assert shorts == ["VIS", "LIM", "DMN", "THA"]


def test_that_network_sums_keep_signs_apart() -> None:
    sums = network_sums(np.array([2.0, -1.0, np.nan, 3.0, 0, 0, -4, -5]), NETWORKS)
    assert {name: (up, down) for name, up, down in sums} == {
        "Visual": (3.0, 0.0),
        "Limbic": (0.0, -9.0),
        "Default": (2.0, -1.0),
        "Thalamus": (0.0, 0.0),
    }


def test_that_lists_go_by_magnitude_and_leave_out_disagreement(case: Case) -> None:
    assert case.attribution is not None
    assert case.signals is not None
    rows = top_regions(case.attribution, case.signals)
    assert [row.parcel for row in rows] == [0, 1, 4, 2, 3, 5, 7]
    assert rows[0].scan == pytest.approx(0.31 + 0.5 * 0.03)
    edges = top_connections(case.attribution, case.signals, None)
    assert [(e.first, e.second, round(e.scan, 3)) for e in edges] == [
        ("Box_0_L", "Box_4_L", 0.03),
        ("Box_2_L", "Box_7_R", -0.02),
    ]
    assert readable("Primary_Visual_Cortex_L") == "Primary Visual Cortex"


def test_that_the_scale_of_a_report_is_robust_and_symmetric(case: Case) -> None:
    assert case.attribution is not None
    values = case.attribution.scan.per_parcel
    scale = signed_scale(values)
    assert scale.shown(values).sum() == 1
    assert scale.limit >= scale.threshold


# --- house rules -------------------------------------------------------------------------------


def test_that_pyplot_is_never_imported() -> None:
    for file in Path(next(iter(app.reporting.__path__))).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
            assert not any("pyplot" in name for name in names), file


def test_that_damaged_view_files_are_left_out(tmp_path: Path) -> None:
    write_view(tmp_path)
    (tmp_path / "view" / "labels.npy").write_bytes(b"broken")
    (tmp_path / "view" / "surface.npz").write_bytes(b"PK broken")
    (tmp_path / "view" / "carpet_after.npy").write_bytes(b"")
    found = read_view(tmp_path)
    assert found.labels is None
    assert not found.surface
    assert found.carpet_after is None
    assert found.template is not None
