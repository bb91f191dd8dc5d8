"""How far from where it was placed a scan's edges fit the template best, in millimetres.

The maps are found by correlation and mutual information of intensities; this looks at the
directions of edges only (normalised gradient fields, Haber and Modersitzki 2006), which no step
optimises. It compares the found place with places around it, never with a fixed level of
agreement: that depends on the scanner, the voxel size and the person, the place of the best
agreement does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.core.images import Image3D, SpatialMap
from app.preprocessing.geometry import apply_affine, rotation_matrix
from app.preprocessing.registration import working_grid
from app.preprocessing.spatial_map import to_scanner

STEPS_MM = (4.0, 2.0, 1.0)
MOST_PLACES = 250  # looked at; a right place needs 43
BETTER = 1e-3  # of the agreement, by which a moved place must be better to count
_SPACING_MM = 2.0
_ERODED_VOXELS = 4  # the mask's own border is an edge of every masked scan
_EVERY = 5  # of the brain's voxels is looked at


def edge_offset_mm(
    boldref: Image3D,
    mask: Image3D,
    spatial_map: SpatialMap,
    template_epi: Image3D,
    template_mask: Image3D,
) -> float:
    """Median distance between the brain as placed and as its edges fit best, mm.

    The whole brain is shifted, turned and scaled from its found place, by about 4, 2 and 1 mm, as
    long as the edges agree better; what is left of 0 is what the found place is off. A place many
    millimetres off may be stuck near itself: other measures see those.

    Parameters
    ----------
    boldref, mask
        Reference image of the run and its brain mask, scanner space.
    spatial_map
        The place that is judged.
    template_epi, template_mask
        EPI-contrast template and its brain mask on one grid.

    Returns
    -------
    NaN where the scan, as placed, meets no edge of the template.
    """
    edges = _Edges.of(boldref, mask, spatial_map, template_epi, template_mask)
    place = np.eye(4)
    best = edges.agreement(place)
    looked_at = 1
    for step in STEPS_MM:
        moves = _moves(edges.places_mm, step)
        while looked_at < MOST_PLACES:
            found = [edges.agreement(move @ place) for move in moves]
            looked_at += len(moves)
            chosen = int(np.argmax(found))
            if found[chosen] <= best + BETTER:
                break
            best, place = found[chosen], moves[chosen] @ place
    if best == 0.0:
        return float("nan")
    moved = apply_affine(place, edges.places_mm) - edges.places_mm
    return float(np.median(np.linalg.norm(moved, axis=1)))


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges of the template at points of its brain, and the scan's gradient to compare with."""

    template: Floats  # (point, 3) normalised gradient, template axes
    places_mm: Floats  # (point, 3), where the map puts the points, scanner mm
    linear: Floats  # (3, 3) of the map; the warp's own turning of edges is left out
    slopes: tuple[Floats, Floats, Floats]  # d scan / d mm along the scanner's axes
    to_voxels: Floats  # (4, 4)

    @classmethod
    def of(
        cls,
        boldref: Image3D,
        mask: Image3D,
        spatial_map: SpatialMap,
        template_epi: Image3D,
        template_mask: Image3D,
    ) -> _Edges:
        from scipy import ndimage

        fixed, brain = working_grid(template_epi, template_mask, _SPACING_MM)
        inner = ndimage.binary_erosion(brain, iterations=_ERODED_VOXELS)
        chosen = np.argwhere(inner)[::_EVERY]
        slope = _slopes(np.asarray(fixed.data, np.float64), fixed.affine)
        at_points = np.stack([part[tuple(chosen.T)] for part in slope], axis=1)
        points = apply_affine(fixed.affine, chosen.astype(np.float64))
        values = np.where(np.asarray(mask.data, bool), boldref.data, 0.0)
        x, y, z = _slopes(np.asarray(values, np.float32), boldref.affine)
        return cls(
            _normalised(at_points),
            to_scanner(spatial_map, points),
            spatial_map.affine[:3, :3],
            (x, y, z),
            np.linalg.inv(boldref.affine),
        )

    def agreement(self, move: Floats) -> float:
        """Mean squared cosine between both images' edges once the brain is moved, from 0 on."""
        from scipy import ndimage

        voxels = apply_affine(self.to_voxels @ move, self.places_mm).T
        there = np.stack(
            [ndimage.map_coordinates(part, voxels, order=1) for part in self.slopes], axis=1
        )
        in_template = np.asarray(there @ (move[:3, :3] @ self.linear), np.float64)
        cosine = (_normalised(in_template) * self.template).sum(axis=1)
        return float((cosine**2).mean())


def _slopes(values: Floats, affine: Floats) -> tuple[Floats, Floats, Floats]:
    """Derivatives of a volume along the three axes of the world, per mm."""
    in_voxels = np.stack(np.gradient(values), axis=-1)
    in_mm = in_voxels @ np.linalg.inv(affine)[:3, :3].astype(values.dtype)
    x, y, z = (np.ascontiguousarray(in_mm[..., axis]) for axis in range(3))
    return x, y, z


def _normalised(slopes: Floats) -> Floats:
    """Gradients (point, 3) over their length; those below the median length count less."""
    size = np.sqrt((slopes**2).sum(axis=1))
    floor = max(float(np.median(size)), 1e-12)
    return np.asarray(slopes / np.sqrt(size**2 + floor**2)[:, None])


def _moves(places_mm: Floats, step_mm: float) -> list[Floats]:
    """Shifts, turns and changes of size that move the typical point by about that much."""
    centre = places_mm.mean(axis=0)
    radius = float(np.sqrt(((places_mm - centre) ** 2).sum(axis=1).mean()))
    moves = []
    for sign in (-1.0, 1.0):
        for axis in range(3):
            shift = np.eye(4)
            shift[axis, 3] = sign * step_mm
            angles = np.zeros(3)
            angles[axis] = sign * 1.25 * step_mm / radius  # points near the axis move less
            moves += [shift, _about(centre, rotation_matrix(angles))]
        moves.append(_about(centre, np.eye(3) * (1.0 + sign * step_mm / radius)))
    return moves


def _about(centre_mm: Floats, linear: Floats) -> Floats:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre_mm - linear @ centre_mm
    return matrix
