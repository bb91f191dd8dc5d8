"""Time series of parcels, voxels and masks over the volumes of the file; nothing here draws.

A trace is named by its key: "parcel:<n>" (0-based, atlas order), "voxel:<i>,<j>,<k>" (of the
scan's RAS+ grid; its name tells the voxel of the file as stored), "network:<name>" (the mean over
a network's parcels), "mask:<sha256>" (the mean inside a mask), "mask:<sha256>:<label>" (inside one
label of an image) or "sphere:<space>,<x>,<y>,<z>,<radius>" (in mm; the space is "template" or
"scanner").
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np

from app.connectome.roi import moved_voxels, sphere_inside
from app.core.arrays import Floats, Ints
from app.core.coordinates import stored_voxel
from app.core.explanation_wording import headed
from app.gui.opened_maps import OpenedMap
from app.gui.session import Point, Session, voxel_of
from app.gui.trace_values import Trace
from app.gui.view_state import SCAN_OVERLAYS, SERIES_OVERLAYS

MOST_HELD = 6


def parcel_key(parcel: int) -> str:
    """Name of a parcel's trace."""
    return f"parcel:{parcel}"


def voxel_key(voxel: tuple[int, int, int]) -> str:
    """Name of a voxel's trace."""
    return "voxel:" + ",".join(str(index) for index in voxel)


def current_key(session: Session, *, native: bool = False) -> str:
    """The trace that follows the selection: parcel, network or voxel; "" where there is none.

    The voxel is the one under the template's crosshair, or with `native` under the scan's own.
    """
    if native or session.case is None or session.state.plots.trace == "voxel":
        voxel = _voxel_here(session, native=native)
        return "" if voxel is None else voxel_key(voxel)
    network = session.state.selection.network
    if network is not None:
        return f"network:{network}"
    return "" if session.parcel is None else parcel_key(session.parcel)


def _voxel_here(session: Session, *, native: bool) -> tuple[int, int, int] | None:
    volumes, opened = session.volumes, session.case
    if volumes is None:
        return None
    mm = session.native_mm
    if opened is not None and not native:
        moved = opened.scanner_point(session.crosshair_mm)
        if moved is None:
            return None
        mm = moved
    voxel = voxel_of(np.asarray(volumes.affine), mm)
    inside = zip(voxel, volumes.stored.shape[:3], strict=True)
    return voxel if all(0 <= index < size for index, size in inside) else None


def storage_codes(session: Session) -> str:
    """Order of the axes in the open scan's file, such as "LAS"; "" without a scan."""
    case, preview = session.case, session.preview
    scan = case.case.scan if case is not None else preview.scan if preview is not None else None
    return "" if scan is None else scan.storage_orientation


def more(session: Session, trace: Trace) -> str:
    """What is said of the selected parcel's trace beside its name: network and coverage."""
    signals = session.case.case.signals if session.case is not None else None
    parcel = session.parcel
    if not trace.key.startswith("parcel") or signals is None or parcel is None:
        return ""
    share = signals.coverage[parcel] * 100
    return f"  \N{MIDDLE DOT}  {signals.networks[parcel]}  \N{MIDDLE DOT}  coverage {share:.0f} %"


def hold(session: Session, *, native: bool = False) -> None:
    """Keep the trace that follows the selection, or let it go where it is kept already."""
    key = current_key(session, native=native)
    if key:
        hold_key(session, key)


def hold_key(session: Session, key: str) -> None:
    """Keep a trace, or let it go where it is kept already."""
    held = session.state.plots.held
    if key in held:
        kept = tuple(other for other in held if other != key)
        session.change("Let a trace go", "plots", held=kept)
    else:
        session.change("Hold a trace", "plots", held=(*held, key)[-MOST_HELD:])


def trace_of(session: Session, key: str) -> Trace | None:
    """The values behind a key; None where they are not there (any more)."""
    kind, _, what = key.partition(":")
    try:
        if kind == "parcel":
            return _parcel(session, key, int(what))
        if kind == "voxel":
            i, j, k = (int(index) for index in what.split(","))
            return _voxel(session, key, (i, j, k))
    except ValueError:
        return None
    if kind == "network":
        return _network(session, key, what)
    return _region(session, key) if kind in ("mask", "sphere") else None


def _parcel(session: Session, key: str, parcel: int) -> Trace | None:
    signals = session.case.case.signals if session.case is not None else None
    if signals is None or not 0 <= parcel < len(signals.parcel_names):
        return None
    raw = np.asarray(signals.raw[:, parcel], dtype=np.float64)
    return Trace(
        key,
        signals.parcel_names[parcel].replace("_", " "),
        raw,
        signals.first_frame + np.arange(len(raw), dtype=float),
        np.asarray(signals.cleaned[:, parcel], dtype=np.float64),
        signals.first_frame,
        _moved(session, [parcel]),
    )


def _network(session: Session, key: str, network: str) -> Trace | None:
    """The mean over the parcels of a network that the scan covers, each counting the same."""
    opened = session.case
    signals = opened.case.signals if opened is not None else None
    if opened is None or signals is None:
        return None
    parcels = [p for p in opened.parcels_of(network) if signals.coverage[p] > 0.0]
    if not parcels:
        return None
    raw = np.asarray(signals.raw[:, parcels], dtype=np.float64).mean(axis=1)
    return Trace(
        key,
        f"{network} network, mean of {len(parcels)} parcels",
        raw,
        signals.first_frame + np.arange(len(raw), dtype=float),
        np.asarray(signals.cleaned[:, parcels], dtype=np.float64).mean(axis=1),
        signals.first_frame,
        _moved(session, parcels),
    )


def _moved(session: Session, parcels: list[int]) -> Floats | None:
    """(frame,) what each frame of these parcels moved together, while a series map is drawn."""
    kind = session.display.overlay
    opened = session.drawn if kind in SCAN_OVERLAYS else session.case
    found = opened.attribution if opened is not None else None
    if kind not in SERIES_OVERLAYS or found is None:
        return None
    branch = found.scan if kind in SCAN_OVERLAYS else found.branches
    return np.asarray(np.asarray(branch.per_parcel_frame)[parcels].sum(axis=0), dtype=np.float64)


def moved_words(session: Session) -> str:
    """What the plot of `Trace.moved` is called; "" while no series map is drawn."""
    kind, opened = session.display.overlay, session.drawn
    if kind not in SERIES_OVERLAYS or opened is None or opened.attribution is None:
        return ""
    letter = "(b)" if kind in SCAN_OVERLAYS else "(a)"
    return headed(f"Moved {letter}, log-odds", moved_baseline(session))


def moved_baseline(session: Session) -> str:
    """Which baseline the frames of a series map (b) are of, where it is not the answer's own."""
    drawn = session.drawn
    shows = session.display.overlay in SCAN_OVERLAYS
    return drawn.baseline if shows and drawn is not None else ""


def _voxel(session: Session, key: str, voxel: tuple[int, int, int]) -> Trace | None:
    volumes = session.volumes
    if volumes is None:
        return None
    if any(not 0 <= i < n for i, n in zip(voxel, volumes.stored.shape[:3], strict=True)):
        return None
    values = np.asarray(volumes.series(voxel), dtype=np.float64)
    i, j, k = stored_voxel(voxel, volumes.stored.shape[:3], storage_codes(session))
    name = f"voxel {i},{j},{k}"
    return Trace(key, name, values, np.arange(len(values), dtype=float), None, _first(session))


def mask_key(session: Session) -> str:
    """The trace of the uppermost visible layer that holds a mask, or the label at the crosshair.

    "" without such a layer, and where the crosshair stands on no label.
    """
    for layer in reversed(session.state.slices.layers):
        opened = session.maps.find(layer.source)
        if not layer.visible or opened is None or opened.values is None:
            continue
        if opened.kind == "mask":
            return f"mask:{opened.sha256}"
        if opened.kind == "labels":
            label = _label_here(session, opened)
            return f"mask:{opened.sha256}:{label}" if label else ""
    return ""


def _label_here(session: Session, opened: OpenedMap) -> int:
    view = session.case.view if session.case is not None else None
    native = opened.space == "scanner"
    affine = None if view is None else view.native_affine if native else view.affine
    if affine is None and native and session.preview is not None:
        affine = session.preview.scan.affine
    if affine is None or opened.values is None:
        return 0
    voxel = voxel_of(np.asarray(affine), session.native_mm if native else session.crosshair_mm)
    inside = all(0 <= i < n for i, n in zip(voxel, opened.values.shape, strict=True))
    return int(opened.values[voxel]) if inside else 0


def sphere_key(session: Session, *, native: bool = False) -> str:
    """The trace of a sphere at the crosshair, of the radius that was chosen last."""
    native = native or session.case is None
    space, mm = ("scanner", session.native_mm) if native else ("template", session.crosshair_mm)
    numbers = ",".join(f"{value:.2f}" for value in (*mm, session.state.plots.sphere_mm))
    return f"sphere:{space},{numbers}"


def sphere_of(key: str) -> tuple[str, Point, float] | None:
    """Space, centre in mm and radius in mm of a sphere's key; None for any other key."""
    kind, _, what = key.partition(":")
    space, *numbers = what.split(",")
    if kind != "sphere" or len(numbers) != 4:
        return None
    x, y, z, radius = (float(number) for number in numbers)
    return space, (x, y, z), radius


def _region(session: Session, key: str) -> Trace | None:
    """The mean inside a mask or sphere, once `mask_work` was computed and kept by `keep_mask`."""
    values = _MASKS.get(session, {}).get(_mask_id(session, key))
    if values is None:
        return None
    ball = sphere_of(key)
    if ball is not None:
        space, (x, y, z), radius = ball
        name = f"sphere of {radius:g} mm at {x:g} {y:g} {z:g} mm ({space})"
    else:
        _, sha256, *label = key.split(":")
        opened = session.maps.find(f"file:{sha256}")
        if opened is None:
            return None
        name = f"mask {opened.name}" + "".join(f", label {one}" for one in label)
    volumes = np.arange(len(values), dtype=float)
    return Trace(key, name, values, volumes, None, _first(session))


def mask_missing(session: Session, key: str) -> bool:
    """Whether the mean in a mask or sphere can be computed and was not yet."""
    kind, _, what = key.partition(":")
    there = session.volumes is not None
    if kind == "mask":
        there = there and session.maps.find(f"file:{what.partition(':')[0]}") is not None
    elif kind != "sphere":
        return False
    return there and _mask_id(session, key) not in _MASKS.get(session, {})


def mask_work(session: Session, key: str) -> Callable[[], Floats]:
    """The computation for a thread: it reads all volumes. What it needs is taken now."""
    volumes = session.volumes
    assert volumes is not None
    voxels = _voxels_inside(session, key, volumes.stored.shape[:3], np.asarray(volumes.affine))

    def work() -> Floats:
        if not voxels.size:
            return np.full(volumes.count, np.nan)
        where = tuple(voxels.T)
        means = [
            float(np.asarray(volumes.stored[..., v])[where].mean()) for v in range(volumes.count)
        ]
        made: Floats = np.array(means) * volumes.slope + volumes.intercept
        return made

    return work


def _voxels_inside(session: Session, key: str, shape: tuple[int, ...], affine: Floats) -> Ints:
    """(voxel, 3) voxels of the scan inside a mask or sphere, each once."""
    none = np.zeros((0, 3), dtype=int)
    case, ball = session.case, sphere_of(key)
    view = case.view if case is not None else None
    if ball is not None:
        space, centre, radius = ball
        if space == "scanner":
            return np.argwhere(sphere_inside(centre, radius, affine, shape))
        if view is None or view.affine is None or view.labels is None:
            return none
        inside = sphere_inside(centre, radius, view.affine, view.labels.shape)
    else:
        _, sha256, *label = key.split(":")
        opened = session.maps.find(f"file:{sha256}")
        if opened is None or opened.values is None:
            return none
        values = np.asarray(opened.values)
        inside = values == float(label[0]) if label else values > 0
        if opened.space == "scanner":
            return np.argwhere(inside) if values.shape == shape else none
    if case is None or view is None or view.affine is None:
        return none
    return moved_voxels(inside, view.affine, case.scanner_point, shape, affine)


def keep_mask(session: Session, key: str, values: Floats) -> None:
    """Keep what `mask_work` gave as long as the session lives."""
    _MASKS.setdefault(session, {})[_mask_id(session, key)] = values


_MASKS: WeakKeyDictionary[Session, dict[str, Floats]] = WeakKeyDictionary()


def _mask_id(session: Session, key: str) -> str:
    return f"{key} of {session.scan_sha256}"


def _first(session: Session) -> int:
    signals = session.case.case.signals if session.case is not None else None
    return 0 if signals is None else signals.first_frame


def repetition_time_s(session: Session) -> float:
    """Seconds between volumes of what is open."""
    if session.case is not None:
        return session.case.case.scan.repetition_time_s
    return session.preview.scan.repetition_time_s if session.preview is not None else 1.0
