"""Jobs about maps: open files onto the pictures' grids, write maps for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.progress import Progress


def open_maps(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Decode maps; answers for each its facts and the ``.npy`` that holds its values."""
    import numpy as np

    from app.scans.map_files import Grid, read_map
    from app.scans.surface_maps import is_surface_map
    from app.study.files import storage_errors

    grids = tuple(
        Grid(g["space"], (g["shape"][0], g["shape"][1], g["shape"][2]), np.array(g["affine"]))
        for g in arguments["grids"]
    )
    paths = [Path(path) for path in arguments["paths"]]
    progress.set_weights({"Open": 1.0})
    found = []
    with progress.stage("Open"):
        for index, path in enumerate(paths):
            if is_surface_map(path):
                found.append(_open_surface(path, arguments))
                continue
            placed = read_map(path, grids)
            target = Path(arguments["scratch"]) / f"map-{placed.sha256[:16]}-{placed.space}.npy"
            with storage_errors():
                np.save(target, placed.values, allow_pickle=False)
            found.append(
                {
                    "sha256": placed.sha256,
                    "name": placed.name,
                    "space": placed.space,
                    "kind": placed.kind,
                    "unit": placed.unit,
                    "notes": list(placed.notes),
                    "values": str(target),
                    "path": str(path),
                }
            )
            progress.step((index + 1) / len(paths))
    return {"maps": found}


def _open_surface(path: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One surface map with its partner beside it; ``values`` is an ``.npz`` of both sides."""
    import numpy as np

    from app.scans.surface_maps import MESH, read_surface_map
    from app.study.files import storage_errors

    placed = read_surface_map(path, arguments["vertices"])
    target = Path(arguments["scratch"]) / f"map-{placed.sha256[:16]}-surface.npz"
    with storage_errors():
        np.savez(target, *(values for _, values in placed.sides))
    return {
        "sha256": placed.sha256,
        "name": placed.name,
        "space": MESH,
        "kind": "surface",
        "unit": placed.unit,
        "labels": placed.labels,
        "sides": [side for side, _ in placed.sides],
        "notes": list(placed.notes),
        "values": str(target),
        "path": str(path),
    }


def seed_map(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The correlation of every voxel with a sphere of 6 mm, in the scan's own space."""
    import hashlib

    import numpy as np

    from app.connectome.seed import SEED_RADIUS_MM, bright, seed_correlation, sphere
    from app.core.errors import AppError
    from app.study.files import storage_errors

    progress.set_weights({"Seed map": 1.0})
    with progress.stage("Seed map"):
        volumes = np.load(arguments["volumes"], mmap_mode="r", allow_pickle=False)
        x, y, z = (float(v) for v in arguments["centre_mm"])
        used = np.zeros(volumes.shape[3], dtype=bool)
        used[arguments["used"] or slice(None)] = True
        brain = bright(volumes)
        if arguments["mask"] is not None:
            mask = np.load(arguments["mask"], allow_pickle=False).astype(bool)
            brain = mask if mask.shape == brain.shape else brain
        try:
            inside = sphere((x, y, z), SEED_RADIUS_MM, np.array(arguments["affine"]), brain.shape)
            values = seed_correlation(volumes, inside, used, brain)
        except ValueError as fault:
            raise AppError(
                f"No seed map: {fault}.", "Choose another place.", code="map.no_seed"
            ) from None
        name = f"{arguments['volumes']}|{x}|{y}|{z}|{used.tobytes().hex()}"
        key = hashlib.sha256(name.encode()).hexdigest()
        target = Path(arguments["scratch"]) / f"map-{key[:16]}-scanner.npy"
        with storage_errors():
            np.save(target, values, allow_pickle=False)
    return {
        "maps": [
            {
                "sha256": key,
                "name": f"Seed: {SEED_RADIUS_MM:g} mm around {x:.0f} {y:.0f} {z:.0f} mm",
                "space": "scanner",
                "kind": "seed",
                "unit": "Pearson r",
                "notes": [
                    f"Signal as scanned, only a straight trend removed; {int(used.sum())} of "
                    f"{used.size} volumes."
                ],
                "values": str(target),
                "path": "",
            }
        ]
    }


def export_map(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Write one value a parcel as volume, surfaces and table; answers the names of the files."""
    import numpy as np

    from app.analysis.map_export import export_parcel_map

    values = np.array([np.nan if v is None else v for v in arguments["values"]], dtype=float)
    progress.set_weights({"Write": 1.0})
    with progress.stage("Write"):
        written = export_parcel_map(
            Path(arguments["case_folder"]), Path(arguments["target"]), values, arguments["facts"]
        )
    return {"written": written}


MAP_JOBS = {"open_maps": open_maps, "export_map": export_map, "seed_map": seed_map}
