"""Orthogonal slices of the template with whole parcels painted, and registration edges.

Arrays come in RAS+ order (`files.read_view`). The display transform alone decides what is left
on the page: in the radiological convention the picture's left edge is the participant's right,
and the letters are computed by the same lines that flip the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.core.arrays import Bools, Floats, Ints
from app.core.colours import ACCENT, HATCH, INK, LIGHT_OUTLINE, MUTED, OUTLINE, SignedScale
from app.core.sides import ORIENTATION_UNKNOWN, UNKNOWN
from app.core.wording import NEUROLOGICAL
from app.reporting.files import ViewFiles
from app.reporting.theme import axes_mm, bare, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLANES = ("sagittal", "coronal", "axial")  # normal to x, y, z
LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))  # low and high end of each world axis
FINE = 5  # picture pixels a voxel
DARK_PIXELS, LIGHT_PIXELS = 1, 4  # how far an outline reaches into its parcel, from its border


@dataclass(frozen=True, slots=True)
class Cut:
    """How one slice lies on the page: rows top to bottom, columns left to right."""

    axis: int  # world axis the plane is normal to
    flip_columns: bool  # True: the column axis runs from high to low
    edges: tuple[str, str, str, str]  # letters: left, right, top, bottom

    def page(self, volume: Any, index: int) -> Any:
        """The slice as a picture, shape (row, column), row 0 at the top."""
        plane = np.take(volume, index, axis=self.axis).T[::-1]
        return plane[:, ::-1] if self.flip_columns else plane


def cut(plane: str, convention: str) -> Cut:
    """The page layout of a plane: nose to the left in sagittal, left/right by convention.

    Where orientation is unknown the letters are "?".
    """
    axis = PLANES.index(plane)
    across, upward = [other for other in range(3) if other != axis]
    flip = across == 1 or convention != NEUROLOGICAL
    if convention == ORIENTATION_UNKNOWN:
        return Cut(axis, flip, (UNKNOWN,) * 4)
    low, high = LETTERS[across]
    left, right = (high, low) if flip else (low, high)
    bottom, top = LETTERS[upward]
    return Cut(axis, flip, (left, right, top, bottom))


def _fine_grey(plane: Floats) -> Floats:
    """Linear interpolation to `FINE` pixels a voxel, same field of view."""
    for axis in (0, 1):
        count = plane.shape[axis]
        wanted = (np.arange(count * FINE) + 0.5) / FINE - 0.5
        wanted = np.clip(wanted, 0, count - 1)
        low = np.minimum(wanted.astype(int), count - 2)
        share = wanted - low
        share = share[:, None] if axis == 0 else share[None]
        plane = (1 - share) * np.take(plane, low, axis) + share * np.take(plane, low + 1, axis)
    return plane


def _fine_labels(plane: Ints) -> Ints:
    return np.repeat(np.repeat(plane, FINE, axis=0), FINE, axis=1)


def _edges(labels: Ints, shown: Bools, pixels: int = DARK_PIXELS) -> Bools:
    """Pixels of a painted parcel that are at most so many pixels from its border."""
    border = np.zeros(labels.shape, dtype=bool)
    for axis in (0, 1):
        for step in range(1, pixels + 1):
            for shift in (step, -step):
                border |= labels != np.roll(labels, shift, axis)
    return border & shown


def painted(
    grey: Floats,
    labels: Ints,
    colours: Ints,
    shown: Bools,
    unstable: Bools,
    window: Floats,
    down: Bools,
) -> Floats:
    """One slice as a picture: grey anatomy, painted parcels, outlines, stripes where unstable.

    A parcel that moved the estimate down has a light line inside its dark outline, so that the
    two signs differ without colour.

    Parameters
    ----------
    grey, labels
        Slices as pictures, (row, column); labels 1-based, 0 outside.
    colours, shown, unstable
        (parcel, 3) uint8; (parcel,); (parcel,).
    window
        Grey values shown as dark and bright, (2,).
    down
        (parcel,) values below zero.

    Returns
    -------
    Floats
        (row * FINE, column * FINE, 4) in 0..1; outside the brain it is transparent.
    """
    fine = _fine_grey(np.asarray(grey, dtype=np.float64))
    tone = np.clip((fine - window[0]) / max(window[1] - window[0], 1e-9), 0, 1)
    picture = np.repeat((0.22 + 0.76 * tone)[..., None], 4, axis=2)
    parcel = _fine_labels(labels).astype(np.int64)
    visible = np.concatenate([[False], shown])[parcel]
    table = np.concatenate([[(0, 0, 0)], colours]) / 255.0
    picture[..., :3] = np.where(visible[..., None], table[parcel], picture[..., :3])
    rows, columns = np.indices(parcel.shape)
    stripes = ((rows + columns) // 4) % 2 == 0
    striped = visible & stripes & np.concatenate([[False], unstable])[parcel]
    picture[striped, :3] = unit(HATCH)
    below = visible & np.concatenate([[False], down])[parcel]
    picture[_edges(parcel, below, LIGHT_PIXELS), :3] = unit(LIGHT_OUTLINE)
    picture[_edges(parcel, visible), :3] = unit(OUTLINE)
    inside = np.repeat(np.repeat(np.asarray(grey) > 0, FINE, 0), FINE, 1)
    picture[..., 3] = (inside | visible).astype(float)
    return picture


def grey_window(volume: Any) -> Floats:
    """2nd to 98th percentile of the values above 0."""
    values = np.asarray(volume)[::2, ::2, ::2]
    values = values[values > 0]
    if values.size == 0:
        return np.array([0.0, 1.0])
    return np.asarray(np.percentile(values, [2, 98]), dtype=np.float64)


def _letters(axes: Axes, layout: Cut, wide_mm: float, high_mm: float) -> None:
    """The four letters, 1.7 mm outside the picture."""
    left, right, top, bottom = layout.edges
    style: dict[str, Any] = {
        "transform": axes.transAxes, "fontsize": 7.5, "fontweight": "semibold",
        "color": unit(INK), "ha": "center", "va": "center",
    }  # fmt: skip
    axes.text(-1.7 / wide_mm, 0.5, left, **style)
    axes.text(1 + 1.7 / wide_mm, 0.5, right, **style)
    axes.text(0.5, 1 + 1.7 / high_mm, top, **style)
    axes.text(0.5, -1.7 / high_mm, bottom, **style)


def _bounds(view: ViewFiles) -> list[tuple[int, int]]:
    """First and one past the last voxel of the brain along each axis, one voxel spare."""
    inside = np.asarray(view.template) > 0
    result = []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        result.append((max(int(hit[0]) - 1, 0), min(int(hit[-1]) + 2, inside.shape[axis])))
    return result


def _cropped(view: ViewFiles) -> tuple[dict[str, Any], Floats]:
    """Template, labels and boldref cut to the brain, and the position of voxel 0 in mm."""
    bounds = _bounds(view)
    window = tuple(slice(low, high) for low, high in bounds)
    volumes = {
        name: None if volume is None else np.asarray(volume)[window]
        for name, volume in (
            ("template", view.template), ("labels", view.labels), ("boldref", view.boldref)
        )
    }  # fmt: skip
    assert view.affine is not None
    low = np.array([bound[0] for bound in bounds])
    return volumes, view.affine[:3, :3] @ low + view.affine[:3, 3]


def _position(axis: int, value: float, *, sided: bool) -> str:
    """ "x = −12 mm (left)"; the side only if it is wanted."""
    text = f"{'xyz'[axis]} = {value:+.0f} mm".replace("-", "\N{MINUS SIGN}").replace("+0 ", "0 ")
    if sided and axis == 0 and abs(value) >= 1:
        text += " (left)" if value < 0 else " (right)"
    return text


APART = 4  # voxels between the slices of two rows, so that each row shows another place
_SEARCHED = 3  # further voxels among which the fullest slice is chosen


def _informative(
    place: int, axis: int, taken: list[int], labels: Ints, label: int, shown: Bools
) -> int:
    """The slice through `place`; where another row shows it already, a near one of the region.

    Of the slices that are far enough from those `taken`, the one that cuts most of the parcel
    `label`; where none cuts it, most of all painted parcels.
    """

    def free(index: int) -> bool:
        return all(abs(index - other) >= APART for other in taken)

    if free(place):
        return place
    reach = range(APART + _SEARCHED + 1)
    near = sorted({place + sign * step for step in reach for sign in (1, -1)})
    found = [index for index in near if 0 <= index < labels.shape[axis] and free(index)]
    if not found:
        return place
    painted_in = np.concatenate([[False], shown])[labels]
    others = tuple(other for other in range(3) if other != axis)
    own_area = (labels == label).sum(axis=others) if label else np.zeros(labels.shape[axis])
    all_area = painted_in.sum(axis=others)
    return max(found, key=lambda i: (int(own_area[i]), int(all_area[i]), -abs(i - place)))


def _crosshair(axes: Axes, layout: Cut, place: Ints, shape: tuple[int, ...]) -> None:
    """Thin lines with a gap around the chosen point."""
    across, upward = [axis for axis in range(3) if axis != layout.axis]
    x = place[across] + 0.5
    x = shape[across] - x if layout.flip_columns else x
    y = shape[upward] - place[upward] - 0.5
    style: dict[str, Any] = {"color": unit(ACCENT), "linewidth": 0.45, "alpha": 0.8}
    for low, high in ((0.0, x - 7), (x + 7, shape[across])):
        axes.plot([low, high], [y, y], **style)
    for low, high in ((0.0, y - 7), (y + 7, shape[upward])):
        axes.plot([x, x], [low, high], **style)


def attribution_slices(
    view: ViewFiles,
    values: Floats,
    unstable: Bools,
    scale: SignedScale,
    points: tuple[tuple[str, Floats], ...],
    convention: str,
    width_mm: float,
    height_mm: float,
) -> Figure:
    """Axial, coronal and sagittal slices through each of the named points, one row a point.

    Parameters
    ----------
    values, unstable
        (parcel,) signed attribution; parcels where the two explanations disagree.
    points
        (title, template mm (3,)) of each row.
    """
    volumes, origin = _cropped(view)
    assert view.affine is not None
    step = np.diag(view.affine)[:3]
    shape = volumes["template"].shape
    window = grey_window(volumes["template"])
    colours, shown = scale.rgb(values), scale.shown(values)
    figure = new_figure(width_mm, height_mm)
    row_mm = height_mm / len(points)
    taken: dict[str, list[int]] = {plane: [] for plane in PLANES}
    for row, (title, point) in enumerate(points):
        place = np.clip(np.rint((point - origin) / step).astype(int), 0, np.array(shape) - 1)
        left = 4.0
        base = height_mm - (row + 1) * row_mm
        # one millimetre of brain is the same length in all three panels of a row
        widths = (shape[0], shape[0], shape[1])
        tall = max(shape[1], shape[2])
        per_voxel = min((width_mm - 3 * 7.0) / sum(widths), (row_mm - 13.0) / tall)
        figure.text(
            0.0, (base + row_mm - 1.0) / height_mm, title, fontsize=8, fontweight="semibold",
            va="top",
        )  # fmt: skip
        for plane in ("axial", "coronal", "sagittal"):
            layout = cut(plane, convention)
            across, upward = [axis for axis in range(3) if axis != layout.axis]
            wide, high = shape[across] * per_voxel, shape[upward] * per_voxel
            lift = base + 6.0 + (tall * per_voxel - high) / 2
            axes = axes_mm(figure, left, lift, wide, high)
            bare(axes)
            index = _informative(
                int(place[layout.axis]), layout.axis, taken[plane], volumes["labels"],
                int(volumes["labels"][tuple(place)]), shown,
            )  # fmt: skip
            taken[plane].append(index)
            picture = painted(
                layout.page(volumes["template"], index), layout.page(volumes["labels"], index),
                colours, shown, unstable, window, np.nan_to_num(values) < 0.0,
            )  # fmt: skip
            axes.imshow(
                picture, extent=(0, shape[across], shape[upward], 0), interpolation="none",
                aspect="auto",
            )  # fmt: skip
            _letters(axes, layout, wide, high)
            _crosshair(axes, layout, place, shape)
            millimetres = float(origin[layout.axis] + index * step[layout.axis])
            sided = convention != ORIENTATION_UNKNOWN
            axes.text(
                0.5, -4.9 / high, _position(layout.axis, millimetres, sided=sided),
                transform=axes.transAxes, ha="center", va="center", fontsize=7, color=unit(MUTED),
            )  # fmt: skip
            left += wide + 7.0
    _word(figure, convention)
    return figure


def _word(figure: Figure, convention: str) -> None:
    """The convention in the upper right corner of the picture itself."""
    figure.text(1.0, 0.997, convention, fontsize=7.5, ha="right", va="top", color=unit(MUTED))


WIDE_PLAN = (
    ("axial", -16.0),
    ("axial", 8.0),
    ("coronal", -50.0),
    ("coronal", 0.0),
    ("sagittal", -30.0),
    ("sagittal", 4.0),
)
NARROW_PLAN = (("axial", 8.0), ("coronal", -10.0), ("sagittal", 4.0))


def registration_edges(
    view: ViewFiles,
    convention: str,
    plan: tuple[tuple[str, float], ...],
    width_mm: float,
    height_mm: float,
) -> Figure:
    """The participant's reference volume in the template, the template's outlines on top.

    `plan` names the planes and their positions in template mm, left to right.
    """
    volumes, origin = _cropped(view)
    assert view.affine is not None
    step = np.diag(view.affine)[:3]
    shape = volumes["template"].shape
    window = grey_window(volumes["boldref"])
    bright = float(grey_window(volumes["template"])[1])
    figure = new_figure(width_mm, height_mm)
    widths = [shape[1] if plane == "sagittal" else shape[0] for plane, _ in plan]
    per_voxel = min((width_mm - 7.0 * len(plan)) / sum(widths), (height_mm - 13.0) / max(shape[1:]))
    left = 3.5
    for (plane, millimetres), voxels in zip(plan, widths, strict=True):
        layout = cut(plane, convention)
        axis = layout.axis
        index = int(np.clip(np.rint((millimetres - origin[axis]) / step[axis]), 0, shape[axis] - 1))
        grey = np.asarray(layout.page(volumes["boldref"], index), dtype=np.float64)
        anatomy = _smooth(np.asarray(layout.page(volumes["template"], index), dtype=np.float64))
        wide, high = voxels * per_voxel, grey.shape[0] * per_voxel
        lift = 6.0 + (max(shape[1:]) * per_voxel - high) / 2
        axes = axes_mm(figure, left, lift, wide, high)
        bare(axes)
        extent = (0, grey.shape[1], grey.shape[0], 0)
        axes.imshow(
            np.nan_to_num(grey), cmap="gray", vmin=0, vmax=window[1], extent=extent,
            interpolation="none", aspect="auto",
        )  # fmt: skip
        centres = np.arange(anatomy.shape[1]) + 0.5, np.arange(anatomy.shape[0]) + 0.5
        axes.contour(
            *centres, anatomy, levels=[0.12 * bright, 0.78 * bright],
            colors=[(1.0, 0.75, 0.1), (0.3, 0.85, 1.0)], linewidths=(0.55, 0.35),
        )  # fmt: skip
        _letters(axes, layout, wide, high)
        axes.text(
            0.5, -4.9 / high, _position(axis, origin[axis] + index * step[axis], sided=False),
            transform=axes.transAxes, ha="center", va="center", fontsize=6.8, color=unit(MUTED),
        )  # fmt: skip
        left += wide + 7.0
    _word(figure, convention)
    return figure


def _smooth(plane: Floats) -> Floats:
    """Binomial smoothing over three pixels, so that outlines are not ragged."""
    for axis in (0, 1):
        plane = 0.25 * np.roll(plane, 1, axis) + 0.5 * plane + 0.25 * np.roll(plane, -1, axis)
    return plane
