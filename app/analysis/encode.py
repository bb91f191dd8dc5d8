"""Embeddings only: from a file of parcel series to one npz, with all that they depend on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app import __version__
from app.analysis.encode_words import UNTIL_OPEN, scan_notes, stage_weights, unknown_keys_note
from app.connectome.parcel_tables import SeriesFile, read_coordinates, read_series
from app.core.errors import AppError
from app.core.progress import PartOfStage, Progress
from app.core.provenance import software_versions
from app.core.request import EncodeRequest
from app.core.wording import RUO_LINE
from app.study.case_store import CASE_FILE, read_case
from app.study.files import check_writable, storage_errors, sync_folder, temporary_sibling

if TYPE_CHECKING:
    from app.core.arrays import Floats, Ints
    from app.models.encoders import LoadedEncoder
    from app.models.encoding import Embeddings
    from app.models.input_contract import InputContract, Windows
    from app.models.parcel_statistics import ParcelStatistics

FORMAT = 1


def encode(request: EncodeRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Encode every scan of a file and write ``request.out_path``, whole or not at all.

    The npz holds (i scans, w windows, d the encoder's width; all values float32):

    * ``cls`` (i, w, d), ``cls_mean`` and ``cls_window_sd`` (i, d) over windows;
    * ``patches`` (i, w, parcel, patch, d), of a ViT (i, w, row, column, d) for the tokens that bear
      data; left out where only CLS was asked for;
    * ``window_first_frame`` (w,), ``missing_parcels`` (i, parcel) bool, ``xyz`` (i, parcel, 3);
    * ``token_orders`` (order, token) and, for several, ``cls_order_spread`` (i, w);
      ``row_order`` (i, parcel) of a ViT: parcels from the first row down;
    * ``provenance``: JSON text with hashes, settings, versions, axes and notes.

    The same request on the same machine gives the same bytes.

    Returns
    -------
    dict
        ``out``, ``shape`` of `cls`, ``notes`` for people.

    Raises
    ------
    AppError
        One typed error: what is wrong and what to do.
    """
    from app.models.encoders import agreed_contract, check_series_fits, open_encoder
    from app.models.encoding import embed
    from app.models.parcel_statistics import read_statistics

    progress = progress or Progress()
    # Nothing can be said of the time left before the encoder is known: shares below 2 %.
    progress.set_weights({**UNTIL_OPEN, "encode": 400.0, "write": 1.0})
    _check_place(request.out_path)
    with progress.stage("read"):
        file, notes = _with_case_facts(read_series(request.series_path), request.series_path)
        notes += unknown_keys_note(file)
    with progress.stage("open"):
        encoder = open_encoder(request.encoder, progress)
        contract = agreed_contract(
            encoder,
            normalisation=request.normalisation,
            repetition_time_policy=request.repetition_time_policy,
            short_scans=request.short_scans,
            maximum_missing_parcels=request.maximum_missing_parcels,
        )
        notes.append(f"The encoder's files are {encoder.trust}.")
        notes += check_series_fits(encoder, file.parcel_names, file.atlas)
        statistics = None
        if request.statistics_path is not None:
            statistics = read_statistics(
                request.statistics_path, file.parcel_names, contract.parcel_count
            )
        places = _places(request, file, contract)
        orders, origin = _orders(request, encoder)
    scans = _windows(file, _interval_s(request, file, notes), contract, statistics)
    progress.set_weights(stage_weights(progress.stage_seconds, encoder, scans, len(orders)))
    found: list[Embeddings] = []
    with progress.stage("encode"):
        for number, windows in enumerate(scans):
            found.append(
                embed(
                    encoder,
                    windows.values,
                    places[number],
                    orders,
                    with_patches=request.with_patches,
                    precision=request.precision,
                    device=request.device,
                    batch=request.batch,
                    progress=PartOfStage(progress, number / len(scans), (number + 1) / len(scans)),
                )
            )
    notes += _notes(scans, found)
    with progress.stage("write"):
        arrays = _arrays(encoder, scans, found, places, orders)
        record = _record(encoder, contract, file, scans[0], found, origin, statistics, notes)
        arrays["provenance"] = np.array(json.dumps(record, indent=1, sort_keys=True))
        write_npz(request.out_path, arrays)
    return {
        "out": str(request.out_path), "shape": list(arrays["cls"].shape), "notes": notes,
        "encoder": f"{record['encoder']['family']}, {encoder.name}",
    }  # fmt: skip


def _check_place(out: Path) -> None:
    if out.suffix != ".npz":
        raise AppError(
            "The name of the result must end in .npz.", "Change --out.", code="encode.out"
        )
    with storage_errors():
        out.parent.mkdir(parents=True, exist_ok=True)
    check_writable(out.parent)


def _with_case_facts(file: SeriesFile, path: Path) -> tuple[SeriesFile, list[str]]:
    """A table in a case folder of this program: what the case knows of it, and what to tell."""
    if not (path.parent / CASE_FILE).is_file():
        return file, []
    signals = read_case(path.parent).signals
    if signals is None or file.parcel_names != signals.parcel_names:
        return file, []
    interval_s = file.repetition_time_s or signals.repetition_time_s
    bad = int(np.count_nonzero(~np.asarray(signals.good_frames)))
    told = [f"{bad} of {len(signals.good_frames)} frames were flagged for motion; they are encoded "
            "like the others."] if bad else []  # fmt: skip
    return replace(file, repetition_time_s=interval_s, atlas=signals.atlas), told


def _interval_s(request: EncodeRequest, file: SeriesFile, notes: list[str]) -> float | None:
    """The repetition time; what the user states goes before the file, and that is told."""
    given, stated = request.repetition_time_s, file.repetition_time_s
    if given is not None and stated is not None and abs(given - stated) > 1e-6:
        notes.append(f"The file states a repetition time of {stated:g} s; {given:g} s was given.")
    return stated if given is None else given


def _places(request: EncodeRequest, file: SeriesFile, contract: InputContract) -> Floats:
    """(scan, parcel, 3) MNI mm: from the option, the file itself, or the atlas that it names."""
    scans, parcels = file.series.shape[0], file.series.shape[2]
    if request.coordinates_path is not None:
        single = read_coordinates(request.coordinates_path, file.parcel_names)
    elif file.coordinates_mm is not None:
        return file.coordinates_mm
    elif file.atlas:
        single = _atlas_places(file)
    else:
        raise AppError(
            "Nothing says where the parcels lie.",
            "Give their MNI coordinates with --xyz, or keep atlas-<name> in the file's name.",
            code="encode.coordinates",
        )
    if len(single) != parcels:
        raise AppError(
            f"There are {len(single)} coordinates for {parcels} parcels.",
            f"The encoder takes {contract.parcel_count} parcels; use its own atlas throughout.",
            code="encode.coordinates",
        )
    return np.broadcast_to(single, (scans, parcels, 3))


def _atlas_places(file: SeriesFile) -> Floats:
    from app.connectome.atlases import ATLASES, load_atlas

    name = next((a.name for a in ATLASES if a.name.casefold() == file.atlas.casefold()), file.atlas)
    atlas = load_atlas(name)
    if file.parcel_names and file.parcel_names != atlas.parcel_names:
        raise AppError(
            f"The columns of the series are not the parcels of the atlas {name} in its order.",
            "Columns are never re-ordered by guess; use a table with the atlas's own names.",
            code="encode.parcel_order",
        )
    return atlas.coordinates_mm


def _orders(request: EncodeRequest, encoder: LoadedEncoder) -> tuple[Ints, str]:
    from app.models.token_order import token_orders

    if not encoder.order_matters or encoder.stored_orders is not None:
        if request.token_order is not None:
            what = (
                "brings its own token order"
                if encoder.order_matters
                else "gives the same features in every token order"
            )
            raise AppError(
                f"The encoder '{encoder.name}' {what}.",
                "Leave --token-order out.",
                code="encode.token_order",
            )
        if encoder.stored_orders is not None:
            return encoder.stored_orders, "stored with the encoder"
    return token_orders(request.token_order or "identity", encoder.token_count)


def _windows(
    file: SeriesFile,
    interval_s: float | None,
    contract: InputContract,
    statistics: ParcelStatistics | None,
) -> list[Windows]:
    from app.models.input_contract import windows_of

    return [
        windows_of(scan, interval_s, contract, statistics, file.parcel_names)
        for scan in file.series
    ]


def _notes(scans: list[Windows], found: list[Embeddings]) -> list[str]:
    """What a reader must know, each sentence once."""
    told = scan_notes(scans)
    told += [note for one in found for note in one.notes]
    deviations = [one.deviation for one in found if one.deviation is not None]
    if deviations:
        worst = max(deviations, key=lambda deviation: deviation.relative)
        told.append(
            f"{found[0].precision} differs from float32 by up to {worst.largest:.2g} in CLS "
            f"(relative {worst.relative:.2g}; first window of each scan)."
        )
    spreads = [float(one.order_spread.max()) for one in found if one.order_spread is not None]
    if spreads:
        told.append(
            f"CLS moves by up to {max(spreads):.1%} of its length between token orders; the mean "
            "over them is written."
        )
    return list(dict.fromkeys(told))


def _arrays(
    encoder: LoadedEncoder,
    scans: list[Windows],
    found: list[Embeddings],
    places: Floats,
    orders: Ints,
) -> dict[str, NDArray[Any]]:
    cls = np.stack([one.cls for one in found])
    missing = np.zeros(places.shape[:2], np.bool_)
    for number, windows in enumerate(scans):
        missing[number, windows.missing] = True
    arrays: dict[str, NDArray[Any]] = {
        "cls": cls,
        "cls_mean": cls.mean(axis=1),
        "cls_window_sd": cls.std(axis=1),
        "window_first_frame": np.array(scans[0].starts, np.int32),
        "missing_parcels": missing,
        "xyz": np.asarray(places, np.float32),
    }
    patches = [one.patches for one in found if one.patches is not None]
    if patches:
        arrays["patches"] = np.stack(patches)
    if encoder.order_matters:
        arrays["token_orders"] = np.asarray(orders)
    else:
        order = np.argsort(arrays["xyz"][..., 1], axis=1, kind="stable")
        arrays["row_order"] = order.astype(np.int16)
    spreads = [one.order_spread for one in found if one.order_spread is not None]
    if spreads:
        arrays["cls_order_spread"] = np.stack(spreads).astype(np.float32)
    return arrays


def _record(
    encoder: LoadedEncoder,
    contract: InputContract,
    file: SeriesFile,
    first: Windows,
    found: list[Embeddings],
    order_origin: str,
    statistics: ParcelStatistics | None,
    notes: list[str],
) -> dict[str, Any]:
    from app.models.device import TORCH_THREADS
    from app.models.encoders import FAMILIES

    patch_axes = ["scan", "window", "parcel", "patch", "width"]
    if not encoder.order_matters:
        patch_axes[2:4] = ["row (ascending y)", "column (time)"]
    worst = max(
        (asdict(one.deviation) for one in found if one.deviation is not None),
        key=lambda deviation: deviation["relative"],
        default=None,
    )
    return {
        "format": FORMAT,
        "use": RUO_LINE,
        "app_version": __version__,
        "versions": software_versions(),
        "encoder": {
            "name": encoder.name,
            "family": FAMILIES[encoder.family],
            "sha256": encoder.sha256,
            "trust": encoder.trust,
            "config": {
                name: getattr(encoder.module.config, name)
                for name in type(encoder.module.config).__slots__
            },
            "layer": "after the final LayerNorm",
            "mask_ratio": 0.0,
        },
        "contract": asdict(contract),
        "series": {
            "sha256": file.sha256,
            "atlas": file.atlas,
            "stated_repetition_time_s": file.repetition_time_s,
        },
        "windows": {
            "rule": "half overlapping, last flush right",
            "frames": contract.window_frames,
            "repetition_time_s": first.repetition_time_s,
            "scan_frames": first.frame_count,
        },
        "statistics": None
        if statistics is None
        else {"origin": statistics.origin, "sha256": statistics.sha256},
        "token_order": order_origin if encoder.order_matters else "does not matter",
        "precision": {"name": found[0].precision, "largest_deviation": worst},
        "device": sorted({one.device for one in found}),
        "windows_at_a_time": sorted({one.batch for one in found}),
        "torch_threads": TORCH_THREADS,
        "axes": {"cls": ["scan", "window", "width"], "patches": patch_axes},
        "notes": notes,
    }


def write_npz(out: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays as one npz: the old file stays whole until the new one is.

    Raises
    ------
    StorageError
        Nothing is left over.
    """
    with storage_errors(), temporary_sibling(out) as folder:
        part = folder / "part.npz"
        with part.open("xb") as handle:
            np.savez(handle, allow_pickle=False, **arrays)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(out)
        sync_folder(out.parent)
