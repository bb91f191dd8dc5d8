"""The A424 atlas, which published encoders were trained on: fetched by the user, never bundled.

Its volume is stored LAS (x runs from right to left), and its parcels begin with the right
hemisphere, the other way round than HCPEx. So nothing here trusts the order of an array: the
affine must be the known one, the volume is turned to RAS+ by it, and the sides of the two
primary visual areas are checked before, after, and on the points that are sampled.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Floats, Ints, frozen
from app.core.caches import Arrays
from app.core.errors import AppError
from app.core.published import Licence, Published, PublishedFile

NAME = "A424"
VOLUME, COORDINATES, NAMES = "A424+2mm.nii.gz", "A424_Coordinates.dat", "A424.dat"
PARCEL_COUNT = 424
SHAPE = (91, 109, 91)
STORED_AFFINE = frozen(
    [[-2.0, 0, 0, 90], [0, 2.0, 0, -126], [0, 0, 2.0, -72], [0, 0, 0, 1.0]], np.float64
)
RIGHT_V1, LEFT_V1 = 1, 181  # labels of R_V1 and L_V1
# Of the stable order along Y, one zero-based number a line.
Y_ORDER_SHA256 = "63a65db7f2363ef212422ee365376b29542bb48e219889315057fa73ef42b893"
FARTHEST_MM = 20.0  # a table's point from its parcel's centre; 13.2 in the published files
_LARGEST_TABLE_BYTES = 64 * 1024
_DEEP = {
    "tha": "Thalamus",
    "Amyg": "Deep Nuclei",
    "Hipp": "Deep Nuclei",
    "Ca": "Basal Ganglia",
    "GP": "Basal Ganglia",
    "NAC": "Basal Ganglia",
    "Pu": "Basal Ganglia",
}
_ADVICE = "Install the atlas again: main.py models install A424."
_SOURCE = (
    "https://raw.githubusercontent.com/emergelab/hierarchical-brain-networks/"
    "bbb460b7b476187072fd69de6a8a960f7d97ae89/brainmaps/"
)

PUBLISHED = Published(
    id=NAME,
    kind="atlas",
    title="A424 atlas, 424 parcels, 2 mm",
    source="GitHub emergelab/hierarchical-brain-networks, folder brainmaps, commit bbb460b",
    files=(
        PublishedFile(
            VOLUME,
            _SOURCE + "A424%2B2mm.nii.gz",
            90_086,
            90_086,
            "8478d7516a2bbf295989835d5033d03e4283143a2955c90428f634951702501b",
            "pinned",
        ),
        PublishedFile(
            COORDINATES,
            _SOURCE + "A424_Coordinates.txt",
            6_236,
            6_236,
            "cdad8f8859c211b1400211ebbad455dedcc4399ac14fd614354fb71b110c892c",
            "pinned",
            ("A424_Coordinates.txt",),
        ),
        PublishedFile(
            NAMES,
            _SOURCE + "A424.dat",
            9_711,
            9_711,
            "1a6a39962aa07fdfb6cd64586e066637ea033a7c513d7b0bc71e28292be2b611",
            "pinned",
        ),
    ),
    licence=Licence(
        name="GPL-3.0",
        text="""\
GNU General Public License, version 3 (GPL-3.0), of the repository that publishes the atlas.

In short (the full text at the address below is what binds):
- You may use the files for any purpose, and study, change and pass them on.
- Whoever passes them on, changed or not, must do so under the same licence.
- They come without any warranty.

The authors ask to cite Akiki & Abdallah 2019 and Nemati et al. 2020 (see the reference).
The atlas is put together from parts that have terms of their own, which are not examined here:
HCP-MMP1 (cortex), Brainnetome (subcortex) and a cerebellar atlas.
This program never passes the files on.
""",
        address="https://www.gnu.org/licenses/gpl-3.0.txt",
    ),
    who_may_not_use_it="Nobody is excluded by the licence; the parts' own terms are not examined.",
    about="Cortex grown 2 mm into the white matter, subcortex, cerebellum; MNI152NLin6Asym.",
    reference="Akiki, Abdallah 2019, Sci Rep 9:19290; Nemati et al. 2020, iScience 100800 (A424)",
)


def read_names(path: Path) -> tuple[str, ...]:
    """Parcel names of `A424.dat`, in label order.

    Raises
    ------
    AppError
        ``connectome.names_differ`` when a row is not ``number, name, R, G, B, A``, the numbers
        are not 1 to 424, or a name occurs twice.
    """
    rows = _rows(path)
    if not rows or rows[0][:2] != ["ID", "Label"]:
        raise _bad_table("names", "its head is not the known one")
    names = []
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != 6 or row[0] != str(number) or not row[1].isascii() or not row[1].strip():
            raise _bad_table("names", f"row {number} is not parcel {number}")
        names.append(row[1].strip())
    if len(names) != PARCEL_COUNT or len(set(names)) != PARCEL_COUNT:
        raise _bad_table("names", f"it has not {PARCEL_COUNT} different names")
    return tuple(names)


def read_coordinates(path: Path) -> Floats:
    """Points of `A424_Coordinates.dat`, (424, 3) mm, in label order.

    These are what encoders were trained with; they are not the centres of the parcels.

    Raises
    ------
    AppError
        ``connectome.names_differ`` when a row is not ``number, x, y, z``, the numbers are not 1
        to 424, or a point lies outside any head.
    """
    points = []
    for number, row in enumerate(_rows(path), start=1):
        if len(row) != 4 or row[0] != str(number):
            raise _bad_table("coordinates", f"row {number} is not parcel {number}")
        try:
            point = [float(value) for value in row[1:]]
        except ValueError as error:
            raise _bad_table("coordinates", f"row {number} holds no numbers") from error
        if not all(abs(value) < 130.0 for value in point):
            raise _bad_table("coordinates", f"row {number} lies outside any head")
        points.append(point)
    if len(points) != PARCEL_COUNT:
        raise _bad_table("coordinates", f"it has {len(points)} rows, not {PARCEL_COUNT}")
    return frozen(points, np.float64)


def stable_y_order(coordinates_mm: Floats) -> Ints:
    """Parcels by ascending Y, ties in label order, zero-based, (parcel,).

    numpy's default sort breaks the ties of this table differently from build to build; only the
    stable one is right.
    """
    return np.argsort(np.asarray(coordinates_mm)[:, 1], kind="stable")


def check_y_order(order: Ints) -> None:
    """Raise ``connectome.names_differ`` unless `order` is the published table's."""
    text = "".join(f"{index}\n" for index in order.tolist())
    if hashlib.sha256(text.encode()).hexdigest() != Y_ORDER_SHA256:
        raise _bad_table("coordinates", "its order along Y is not the known one")


def sides_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """ "R", "L" or "M" (cerebellar vermis) of each parcel, by its name."""
    sides = []
    for name in names:
        if name.startswith(("R_", "Right_")) or name.endswith("_R"):
            sides.append("R")
        elif name.startswith(("L_", "Left_")) or name.endswith("_L"):
            sides.append("L")
        elif name.startswith("Vermis_"):
            sides.append("M")
        else:
            raise _bad_table("names", f"the name {name[:40]!a} says no side")
    return tuple(sides)


def networks_of(names: tuple[str, ...], cortex: dict[str, str]) -> tuple[str, ...]:
    """Network of each parcel: by area name in the cortex, by nucleus below it.

    `cortex` is the table of HCP-MMP areas in resources/atlases.
    """
    networks = []
    for name in names:
        if name.startswith(("R_", "L_")):
            network = cortex.get(name.replace("-", "_"), "")
        elif name.startswith(("Left_", "Right_", "Vermis_")):
            network = "Cerebellum"
        else:
            stem = name.rpartition("_")[0]
            network = next((word for end, word in _DEEP.items() if stem.endswith(end)), "")
        if not network:
            raise _bad_table("names", f"the name {name[:40]!a} is unknown")
        networks.append(network)
    return tuple(networks)


def derive(volume: Path) -> Arrays:
    """Labels, centres and sample points of the volume, turned to RAS+.

    Raises
    ------
    AppError
        ``connectome.file_changed`` when it is not the known grid with every label from 1 to
        424; ``connectome.left_right`` when left and right are not where they belong.
    """
    import nibabel

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            image: Any = nibabel.load(volume)
            stored = np.asarray(image.dataobj)
        except (nibabel.filebasedimages.ImageFileError, OSError, ValueError, EOFError) as error:
            raise _not_the_volume("it cannot be read") from error
    affine = np.asarray(image.affine, np.float64)
    if stored.shape != SHAPE or not np.array_equal(affine, STORED_AFFINE):
        raise _not_the_volume("its grid is not the known one (2 mm, stored LAS)")
    if not np.isfinite(stored).all() or not np.array_equal(stored, np.rint(stored)):
        raise _not_the_volume("its labels are no whole numbers")
    labels = stored.astype(np.int16)
    if not np.array_equal(np.unique(labels), np.arange(PARCEL_COUNT + 1)):
        raise _not_the_volume(f"it has not every label from 1 to {PARCEL_COUNT}")
    check_sides(labels, affine)
    labels, affine = to_ras(labels, affine)
    check_sides(labels, affine)
    voxels = np.argwhere(labels > 0)
    parcel = labels[labels > 0].astype(np.int32) - 1
    world = voxels @ affine[:3, :3].T + affine[:3, 3]
    order = np.argsort(parcel, kind="stable")
    return {
        "labels_fine": np.ascontiguousarray(labels),
        "affine": affine,
        "centroids_mm": centroids(world, parcel),
        "points_mm": world[order],
        "parcel_of_point": parcel[order],
    }


def to_ras(
    labels: NDArray[np.int16], affine: NDArray[np.float64]
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """The same volume with every axis running right, front, up; the affine has no rotation."""
    turned = np.array(affine)
    for axis in range(3):
        if affine[axis, axis] < 0:
            labels = np.flip(labels, axis)
            turned[axis, 3] = affine[axis, 3] + affine[axis, axis] * (labels.shape[axis] - 1)
            turned[axis, axis] = -affine[axis, axis]
    return labels, turned


def centroids(
    world_mm: Floats, parcel: Ints, parcel_count: int = PARCEL_COUNT
) -> NDArray[np.float64]:
    """Mean place of each parcel's voxels, (parcel, 3) mm."""
    counts = np.bincount(parcel, minlength=parcel_count)
    sums = [np.bincount(parcel, world_mm[:, axis], parcel_count) for axis in range(3)]
    return np.stack(sums, axis=1) / counts[:, None]


def check_sides(labels: NDArray[np.integer[Any]], affine: Floats) -> None:
    """Raise ``connectome.left_right`` unless R_V1 lies right (x > 0 mm) and L_V1 left."""
    x_mm = {
        label: float((np.argwhere(labels == label) @ affine[0, :3] + affine[0, 3]).mean())
        for label in (RIGHT_V1, LEFT_V1)
    }
    if not (x_mm[RIGHT_V1] > 0 > x_mm[LEFT_V1]):
        raise AppError(
            f"Left and right are exchanged in the atlas {NAME}: parcel {RIGHT_V1} (R_V1) lies at "
            f"x = {x_mm[RIGHT_V1]:.1f} mm, parcel {LEFT_V1} (L_V1) at {x_mm[LEFT_V1]:.1f} mm.",
            _ADVICE,
            code="connectome.left_right",
        )


def check_places(centres_mm: Floats, coordinates_mm: Floats, sides: tuple[str, ...]) -> None:
    """Raise ``connectome.left_right`` unless names, table and volume agree on every parcel."""
    away = np.linalg.norm(np.asarray(centres_mm) - coordinates_mm, axis=1)
    for number, side in enumerate(sides):
        x_mm = (float(centres_mm[number, 0]), float(coordinates_mm[number, 0]))
        wrong = (side == "R" and min(x_mm) <= 0) or (side == "L" and max(x_mm) >= 0)
        if wrong or away[number] > FARTHEST_MM:
            raise AppError(
                f"Names, coordinates and volume of the atlas {NAME} disagree for parcel "
                f"{number + 1} (side {side}, x = {x_mm[0]:.1f} and {x_mm[1]:.1f} mm, "
                f"{away[number]:.1f} mm apart).",
                _ADVICE,
                code="connectome.left_right",
            )


def _rows(path: Path) -> list[list[str]]:
    """Fields of a table with tabs; any line ending, with or without one at the end."""
    with path.open("rb") as handle:
        content = handle.read(_LARGEST_TABLE_BYTES + 1)
    if len(content) > _LARGEST_TABLE_BYTES or not content.isascii():
        raise _bad_table("text", "it is no short table in plain letters")
    lines = content.decode("ascii").replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return [[field.strip() for field in line.split("\t")] for line in lines]


def _bad_table(which: str, what: str) -> AppError:
    return AppError(
        f"The table of {which} of the atlas {NAME} is not the known one: {what}.",
        _ADVICE,
        code="connectome.names_differ",
    )


def _not_the_volume(what: str) -> AppError:
    return AppError(
        f"The volume of the atlas {NAME} is not the known one: {what}.",
        _ADVICE,
        code="connectome.file_changed",
    )
