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


MAP_JOBS = {"open_maps": open_maps, "export_map": export_map}
