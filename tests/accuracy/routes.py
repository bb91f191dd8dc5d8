"""Both routes to the template on simulated people: which one is kept, and what it is worth.

Without distortion the T1 image shows where the scan is, and its route should win; with it the
T1 does not show what the scan shows, and either may. A T1 image of somebody else, of mirrored
anatomy or of nothing must not make the place worse: it is refused, or its route is dropped.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.progress import Progress
from app.preprocessing.deformable import WarpSettings
from app.preprocessing.placement import place_directly
from app.preprocessing.t1_route import WARP, T1Templates, choose_route, register_through_t1
from app.scans.volume import read_volume
from app.simulation.bids import write_t1w
from app.simulation.scanner import SMALL_SCANNER
from tests.accuracy.heads import Head, atlas_and_template, errors_mm, regions, scan_head

Array = NDArray[Any]
Record = dict[str, Any]

SCANNER = replace(SMALL_SCANNER, shape=(46, 52, 34), voxel_mm=(4.0, 4.2, 4.6), t1w_mm=2.0)
QUICK = WarpSettings(levels=((4, 30), (2, 25), (1, 4)))
BAD = ("another head", "mirrored", "noise")
OTHER_SEED = 500  # the next head but that many


def route_head(seed: int, distortion_mm: float) -> Head:
    """A head for both routes."""
    return scan_head(seed, SCANNER, distortion_mm=distortion_mm)


def t1_of(head: Head) -> Image3D:
    """The participant's own T1 image, through the file door."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sub-x_T1w.nii.gz"
        write_t1w(path, head.volumes, head.settings.anatomy, head.settings.scanner)
        return read_volume(path, "t1")


def bad_t1(kind: str, own: Image3D, seed: int) -> Image3D:
    """A T1 image that is not this participant's."""
    if kind == "another head":
        return t1_of(scan_head(seed + OTHER_SEED, SCANNER, frames=2))
    if kind == "mirrored":
        return replace(own, data=np.ascontiguousarray(np.asarray(own.data)[::-1]))
    noise = np.random.default_rng(seed).integers(0, 900, own.data.shape)
    return replace(own, data=noise.astype(np.int16))


def direct_of(head: Head) -> SpatialMap:
    """The direct route alone."""
    _, images = atlas_and_template()
    return place_directly(head.boldref, head.mask, images, raw=True, seed=1, progress=Progress())


def both_routes(
    head: Head, direct: SpatialMap, t1: Image3D, warp: WarpSettings = WARP
) -> tuple[SpatialMap, SpatialMap | None]:
    """The route kept, and the map through the T1 image (None when that was refused)."""
    _, images = atlas_and_template()
    assert images.t1 is not None
    templates = T1Templates(images.t1, images.brain_mask, images.epi_contrast)
    try:
        other = register_through_t1(head.boldref, head.mask.image, t1, templates, seed=1, warp=warp)
    except PreprocessingError as error:
        if error.code != "preprocessing.t1_unusable":
            raise
        return direct, None
    return choose_route(direct, other, head.boldref, head.mask.image, templates), other


def route_record(seed: int, *, bad: tuple[str, ...] = BAD) -> Record:
    """One person, without and with distortion, with the right and with wrong T1 images."""
    record: Record = {"seed": seed}
    for name, distortion_mm in (("undistorted", 0.0), ("distorted", 5.0)):
        head = route_head(seed, distortion_mm)
        own, direct = t1_of(head), direct_of(head)
        kept, other = both_routes(head, direct, own)
        record[name] = {
            "kept": kept.route,
            "direct_mm": _errors(head, direct),
            "t1_mm": _errors(head, other) if other is not None else None,
            "kept_mm": _errors(head, kept),
            "scores": dict(kept.route_scores),
        }
    record["bad"] = {}
    for kind in bad:  # on the distorted head, which is the harder choice
        kept, other = both_routes(head, direct, bad_t1(kind, own, seed))
        record["bad"][kind] = {
            "outcome": "refused" if other is None else f"kept {kept.route}",
            "t1_mm": _errors(head, other) if other is not None else None,
            "kept_mm": _errors(head, kept),
            "scores": dict(kept.route_scores),
        }
    return record


def _errors(head: Head, found: SpatialMap) -> dict[str, float]:
    errors = errors_mm(head, found)
    return {
        "all": float(np.median(errors)),
        "p95": float(np.percentile(errors, 95)),
        **{name: float(np.median(errors[i])) for name, i in regions(head).items() if i.any()},
    }


def summarise(records: list[Record]) -> list[str]:
    """What the records say, a line a statement."""
    lines = [f"{len(records)} people"]
    for name in ("undistorted", "distorted"):
        found = [r[name] for r in records]
        kept = sum(f["kept"] == "t1" for f in found)
        lines.append(f"{name} scan: T1 route kept in {kept} of {len(found)}")
        for which in ("direct_mm", "t1_mm", "kept_mm"):
            told = [f[which] for f in found if f[which] is not None]
            parts = [
                f"{key} {np.median([t[key] for t in told]):.2f}"
                for key in ("all", "p95", "undistorted", "orbitofrontal", "temporal pole")
            ]
            lines.append(f"  error, mm, {which[:-3]}: " + ", ".join(parts))
        right = sum(
            f["kept_mm"]["all"] <= min(f["direct_mm"]["all"], f["t1_mm"]["all"]) + 0.1
            for f in found
            if f["t1_mm"] is not None
        )
        lines.append(f"  the better route (to 0.1 mm) was kept in {right} of {len(found)}")
    for kind in records[0]["bad"]:
        found = [r["bad"][kind] for r in records]
        counts = {o: sum(f["outcome"] == o for f in found) for o in ("refused", "kept direct")}
        wrong = len(found) - sum(counts.values())
        lines.append(
            f"T1 image '{kind}': refused {counts['refused']}, dropped {counts['kept direct']}, "
            f"kept {wrong} of {len(found)}"
            + "".join(
                f"; kept with an error of {f['kept_mm']['all']:.2f} mm"
                for f in found
                if f["outcome"] == "kept t1"
            )
        )
    return lines
