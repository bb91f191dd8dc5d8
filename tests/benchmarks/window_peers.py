"""How long peers take to show the next slice of the same volume under the same overlay.

    PYTHON tests/benchmarks/window_peers.py napari|nilearn ANSWER.json VOLUMES.npz

Runs in the peer's own Python, which needs numpy and the peer. `VOLUMES.npz` holds the template's
picture, the overlay's value of every voxel and the affine, as the window shows them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

STEPPED = 100


def spread(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Percentiles of wall and processor time, ms."""
    wall, processor = np.array(pairs).T
    return {
        "p50": float(np.percentile(wall, 50)),
        "p95": float(np.percentile(wall, 95)),
        "max": float(wall.max()),
        "processor_p50": float(np.percentile(processor, 50)),
        "processor_p95": float(np.percentile(processor, 95)),
        "count": len(pairs),
    }


def napari_steps(data: dict[str, np.ndarray]) -> dict[str, object]:
    """One image plane with an overlay layer, stepped through its slider; napari shows one plane."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=False, ndisplay=2)
    viewer.window._qt_window.resize(1280, 720)
    viewer.add_image(data["template"], name="template", colormap="gray")
    viewer.add_image(data["overlay"], name="overlay", colormap="turbo", opacity=0.85)
    viewer.window.show()
    application = QApplication.instance()
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        application.processEvents()
    canvas = viewer.window._qt_viewer.canvas
    drawn = [0]
    canvas._scene_canvas.events.draw.connect(lambda _event: drawn.__setitem__(0, drawn[0] + 1))
    pairs, middle = [], data["template"].shape[0] // 2
    for number in range(STEPPED):
        before, wall, processor = drawn[0], time.perf_counter(), time.thread_time()
        viewer.dims.set_current_step(0, middle + number % 20)
        limit = time.monotonic() + 5.0
        while drawn[0] == before and time.monotonic() < limit:
            application.processEvents()
        pairs.append(((time.perf_counter() - wall) * 1e3, (time.thread_time() - processor) * 1e3))
    told = {**spread(pairs), "version": napari.__version__, "drawn": drawn[0]}
    viewer.close()
    return told


def nilearn_steps(data: dict[str, np.ndarray]) -> dict[str, object]:
    """`plot_stat_map` of three planes at a new coordinate, drawn to pixels; it has no window."""
    import matplotlib

    matplotlib.use("agg")
    import nibabel as nib
    import nilearn
    from matplotlib import pyplot
    from nilearn import plotting

    template = nib.Nifti1Image(data["template"].astype(np.float32), data["affine"])
    overlay = nib.Nifti1Image(data["overlay"].astype(np.float32), data["affine"])
    pairs = []
    for number in range(12):
        wall, processor = time.perf_counter(), time.thread_time()
        shown = plotting.plot_stat_map(
            overlay, bg_img=template, cut_coords=(0.0, -20.0, float(number)), radiological=True
        )
        shown.frame_axes.figure.canvas.draw()
        pyplot.close("all")
        pairs.append(((time.perf_counter() - wall) * 1e3, (time.thread_time() - processor) * 1e3))
    return {**spread(pairs[2:]), "version": nilearn.__version__}


def main() -> int:
    """Measure one peer and write what was seen."""
    which, answer = sys.argv[1], Path(sys.argv[2])
    data = dict(np.load(sys.argv[3]))
    told = napari_steps(data) if which == "napari" else nilearn_steps(data)
    answer.write_text(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
