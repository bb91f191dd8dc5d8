"""What the user can do with maps: add files as layers, write layers for other programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.core.errors import AppError
from app.core.explanation_wording import baseline_words, reference_words
from app.gui.jobs import Jobs
from app.gui.messages import Messages
from app.gui.opened_maps import OpenedMap
from app.gui.scan_picture import scan_volumes
from app.gui.session import OpenCase, Session
from app.gui.view_state import SCAN_OVERLAYS
from app.gui.view_state.slices import Layer
from app.gui.widgets.layer_stack import DrawnLayer, stack_of
from app.gui.widgets.overlay import drawn_case
from app.study.case_view import VIEW_FOLDER
from app.worker.map_requests import export_parcel_map_job, grid_of, open_maps_job, seed_map_job
from app.worker.requests import preview_job

_DENSE = 0.05  # share of the grid's voxels above which a map begins with a threshold
_NAME_LENGTH = 40
_ATTRIBUTIONS = {
    "scan": "attributionscan",
    "branches": "attribution",
    "series": "attributionseries",
    "connectivity": "attributionconnectivity",
    "scan_series": "attributionscanseries",
}


class MapActions(QObject):
    """Asks a worker of its own, so that a map never waits for an analysis.

    Parameters
    ----------
    scratch
        Gives the private folder for decoded values.
    """

    said = Signal(str)  # one short sentence for the banner

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        messages: Messages,
        scratch: Callable[[], Path],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session, self.jobs, self.messages = session, jobs.sibling(), messages
        self._scratch = scratch
        self._waiting: dict[str, str] = {}  # job id -> hash of the scan that was open
        self._sought: set[str] = set()  # hashes of maps that a saved session names
        session.slices_changed.connect(self._seek)
        self.jobs.succeeded.connect(self._succeeded)
        self.jobs.failed.connect(self._failed)
        self.jobs.finished.connect(lambda job_id: self._waiting.pop(job_id, None))

    def open_maps(self, paths: list[Path]) -> None:
        """Decode files and lay them over the pictures of their space, as one entry to undo."""
        grids = self._grids()
        if not paths:
            return
        if not grids:
            self.messages.tell(AppError("There is no picture to lay a map on.", "Open a case."))
            return
        surfaces = self.session.case.view.surfaces if self.session.case is not None else {}
        vertices = {side: len(mesh.labels) for side, mesh in surfaces.items()}
        self._start(open_maps_job(paths, grids, self._scratch(), vertices))

    def open_volumes(self, path: Path, series: str = "") -> None:
        """Decode the scan of the case that is open, so that its volumes can be shown."""
        if self.session.case is not None:
            scan = self.session.case.case.scan
            self.said.emit("Decoding the scan…")
            self._start(preview_job(path, self._scratch(), scan, series=series))

    def seed_map(self, mm: tuple[float, float, float]) -> None:
        """Correlate the scan with a sphere around a point of its own space."""
        session, volumes = self.session, self.session.volumes
        path = volumes.path if volumes is not None else None
        if volumes is None or path is None:
            self.said.emit("No seed map here: the scan's volumes are not open.")
            return
        opened, used, mask = session.case, [], None
        signals = opened.case.signals if opened is not None else None
        if opened is not None and signals is not None:
            used = [int(f) + signals.first_frame for f in np.flatnonzero(signals.good_frames)]
            used = [f for f in used if f < volumes.count]
            found = opened.folder / VIEW_FOLDER / "native_mask.npy"
            mask = found if found.is_file() and not opened.lacks(found.name) else None
        self._start(seed_map_job(path, volumes.affine, mm, used, mask, self._scratch()))

    def _seek(self) -> None:
        """Open the files of layers that came with a saved session."""
        session = self.session
        wanted = {
            layer.source.removeprefix("file:")
            for layer in session.state.slices.layers
            if layer.source.startswith("file:") and session.maps.find(layer.source) is None
        }
        paths = [
            session.files[sha256]
            for sha256 in sorted(wanted - self._sought)
            if sha256 in session.files and session.files[sha256].is_file()
        ]
        self._sought = wanted
        self.open_maps(paths)

    def export_layer(self, key: str, folder: Path) -> None:
        """Write a parcel layer as NIfTI, GIfTI and table into a folder."""
        opened = self.session.case
        drawn = stack_of(self.session).find(key, "template")
        if opened is None or drawn is None:
            self.messages.tell(AppError("There is nothing to write.", "Choose another layer."))
        elif drawn.overlay is None:
            self.messages.tell(AppError("This layer comes from a file.", "Copy the file itself."))
        else:
            facts = _facts(drawn, drawn_case(self.session, drawn.overlay.kind) or opened)
            self._start(export_parcel_map_job(opened.folder, folder, drawn.overlay.values, facts))

    def close(self) -> None:
        """End the worker."""
        self.jobs.close()

    def _start(self, job: Any) -> None:
        self._waiting[job.job_id] = self.session.scan_sha256
        self.jobs.start(job, "Map")

    def _grids(self) -> list[dict[str, Any]]:
        """The places of the pictures that are open."""
        opened, preview = self.session.case, self.session.preview
        found = []
        if opened is not None:
            view = opened.view
            if view.affine is not None and view.labels is not None:
                found.append(grid_of(view.template_name, view.labels.shape, view.affine))
            if view.native_affine is not None and view.native_boldref is not None:
                found.append(grid_of("scanner", view.native_boldref.shape, view.native_affine))
        elif preview is not None and preview.scan.is_image:
            found.append(grid_of("scanner", preview.scan.shape, preview.scan.affine))
        return found

    def _succeeded(self, job_id: str, result: Mapping[str, Any]) -> None:
        if self._waiting.get(job_id) != self.session.scan_sha256:
            return  # another scan was opened meanwhile
        if "maps" in result:
            self._add(result["maps"])
        elif "volumes" in result:
            volumes = scan_volumes(result, self.session.scan_sha256)
            if volumes is None:
                self.messages.tell(
                    AppError("This is not the scan of this case.", "Choose the file it came from.")
                )
            else:
                self.session.show_volumes(volumes)
        elif "written" in result:
            self.said.emit(f"{len(result['written'])} files were written.")

    def _failed(self, job_id: str, error: AppError) -> None:
        if self._waiting.get(job_id) == self.session.scan_sha256:  # the same scan is still open
            self.messages.tell(error)

    def _add(self, found: list[dict[str, Any]]) -> None:
        session = self.session
        layers = list(session.state.slices.layers)
        notes = []
        for facts in found:
            opened = _opened(facts)
            session.maps.add(opened)
            notes += facts["notes"]
            key = f"file:{facts['sha256']}"
            if facts["path"]:
                session.files[facts["sha256"]] = Path(facts["path"])
            if not any(layer.key == key for layer in layers):
                values = opened.values
                if values is None:
                    values = np.concatenate([one for _, one in opened.vertices])
                layers.append(new_layer(key, facts["name"], facts["kind"], values))
        words = "Layer added" if len(found) == 1 else f"{len(found)} layers added"
        session.change(words, "slices", layers=tuple(layers))
        self.said.emit(notes[0] if notes else f"{words}.")


def _opened(facts: Mapping[str, Any]) -> OpenedMap:
    """A map as the worker decoded it; arrays of a volume stay on disk until they are shown."""
    loaded = np.load(facts["values"], mmap_mode="r", allow_pickle=False)
    surface = facts["kind"] == "surface"
    return OpenedMap(
        facts["sha256"],
        facts["name"],
        facts["space"],
        None if surface else loaded,
        facts["unit"],
        facts["kind"],
        tuple(facts["notes"]),
        tuple((side, loaded[f"arr_{n}"]) for n, side in enumerate(facts.get("sides", ()))),
        bool(facts.get("labels", False)),
    )


def new_layer(key: str, name: str, kind: str, values: Any) -> Layer:
    """How a map from a file begins: signed maps red and blue, others from 0."""
    if kind == "seed":
        return Layer(key, key, name, high=1.0)
    half = _NAME_LENGTH // 2  # maps of one participant differ at the end of their names
    shown = name if len(name) <= _NAME_LENGTH else f"{name[: half - 1]}…{name[-half:]}"
    signed = bool((values < 0).any())
    dense = np.count_nonzero(np.nan_to_num(values)) > _DENSE * values.size
    mask = kind in ("mask", "labels")
    return Layer(
        key,
        key,
        shown,
        colour_map="RdBu_r" if signed else "cividis",
        symmetric=signed,
        top_share=0.10 if dense and not mask else 1.0,
        opacity=0.5 if mask else 0.85,
    )


def _facts(drawn: DrawnLayer, opened: OpenCase) -> dict[str, Any]:
    """What the sidecars say of a layer that is drawn from a case."""
    overlay = drawn.overlay
    assert overlay is not None
    attribution, health = opened.attribution, opened.health
    told: dict[str, Any] = {}
    if overlay.kind in _ATTRIBUTIONS and attribution is not None:
        branch = attribution.scan if overlay.kind in SCAN_OVERLAYS else attribution.branches
        told = {
            "method": branch.method,
            "reference": reference_words(
                attribution, overlay.baseline, scan=overlay.kind in SCAN_OVERLAYS
            ),
            "disagreeing": np.asarray(attribution.disagreeing).tolist(),
            "unstable": None if health is None else np.asarray(health.unstable).tolist(),
        }
    seed = re.sub("[^A-Za-z0-9]", "", drawn.title.removeprefix("Seed: ").title())
    return {
        "desc": _ATTRIBUTIONS.get(overlay.kind, f"seed{seed}")
        + re.sub("[^A-Za-z0-9]", "", baseline_words(overlay.baseline).title()),
        "baseline": overlay.baseline,
        "title": drawn.title,
        "unit": drawn.scale.unit,
        "threshold": float(drawn.scale.threshold),
        "hidden": int((~overlay.shown).sum()),
        "causal_note": overlay.kind in _ATTRIBUTIONS,
        **told,
    }
