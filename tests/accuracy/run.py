"""The large accuracy studies, one command each.

    python -m tests.accuracy.run registration [--heads 1000] [--wrong-places 4] [--full-grid]
    python -m tests.accuracy.run motion [--participants 5] [--frames 6] [--peers ants,SimpleITK]
    python -m tests.accuracy.run routes [--participants 10]
    python -m tests.accuracy.run slices|steady|storage|series|real [--participants 20]
    python -m tests.accuracy.run null|calibration|conformal [--cohorts 200]
    python -m tests.accuracy.run fusion|confounds|attribution|corruptions|pretraining [--cohorts 20]
    python -m tests.accuracy.run recipe

Each writes one JSON record a line to --out and goes on where it stopped; at the end it prints what
the records say. `README.md` and `cohorts.md` beside this file hold the figures measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def keep_going(
    out: Path, wanted: int, make: Callable[[int], Record], seconds: float | None = None
) -> list[Record]:
    """Records 1 to `wanted`, those already in the file kept; stops early after `seconds`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    records = [json.loads(line) for line in lines if line.strip()]
    done = {record["seed"] for record in records}
    start = time.monotonic()
    with out.open("a", encoding="utf-8") as handle:
        for seed in range(1, wanted + 1):
            if seed in done:
                continue
            if seconds is not None and time.monotonic() - start > seconds:
                break
            record = make(seed)
            handle.write(json.dumps(record) + "\n")
            handle.flush()
            records.append(record)
    return records


def registration(options: argparse.Namespace) -> list[str]:
    """Heads through the direct route, on the small grid unless the full one is asked for."""
    from app.simulation.scanner import SMALL_SCANNER, ScannerSettings
    from tests.accuracy.registration import head_record, summarise

    grid = ScannerSettings(fine_mm=2.0) if options.full_grid else SMALL_SCANNER
    return summarise(
        keep_going(
            options.out,
            options.heads,
            lambda seed: head_record(seed, grid, wrong_places=options.wrong_places),
            options.seconds,
        )
    )


def motion(options: argparse.Namespace) -> list[str]:
    """Default participants, ours and the peers on the same volumes, still heads and jumps."""
    from tests.accuracy.motion import motion_record, summarise

    peers = tuple(name for name in options.peers.split(",") if name)
    return summarise(
        people(options, lambda seed: motion_record(seed, frames=options.frames, peers=peers))
    )


def routes(options: argparse.Namespace) -> list[str]:
    """The direct and the T1 route, with right and wrong T1 images."""
    from tests.accuracy.routes import route_record, summarise

    return summarise(people(options, route_record))


def slices(options: argparse.Namespace) -> list[str]:
    """Planted slice times, read back before and after correction."""
    from tests.accuracy.timing import slice_record, summarise_slices

    return summarise_slices(people(options, slice_record))


def steady(options: argparse.Namespace) -> list[str]:
    """Planted approaches to the steady state."""
    from tests.accuracy.timing import steady_record, summarise_steady

    return summarise_steady(people(options, steady_record))


def series(options: argparse.Namespace) -> list[str]:
    """Default participants, whole recipe, beside the oracle's transform."""
    from tests.accuracy.series import series_record, summarise

    return summarise(people(options, series_record))


def real(options: argparse.Namespace) -> list[str]:
    """Real BOLD dynamics (package brainspace) through the whole recipe."""
    from tests.accuracy.series import real_record

    record = keep_going(options.out, 1, lambda seed: {"seed": seed, **real_record()})[0]
    return [f"{name}: {value}" for name, value in record.items() if name != "seed"]


def storage(options: argparse.Namespace) -> list[str]:
    """All 48 storage orders: series at one place, and how far the place found anew moves."""
    import tempfile

    import numpy as np

    from tests.accuracy import storage as orders
    from tests.accuracy.heads import place, scan_head

    head = scan_head(1, frames=orders.FRAMES)
    placed = place(head)
    plain = orders.series_of(head.image, placed)
    whole = orders.found_anew(head.image)
    centres = orders.centres_mm(whole.spatial_map)

    def one(number: int) -> Record:
        codes = orders.storage_orders()[number - 1]
        with tempfile.TemporaryDirectory() as folder:
            image = orders.stored_as(head, codes, Path(folder))
            again = orders.found_anew(image)
            there = orders.centres_mm(again.spatial_map)
            return {
                "seed": number,
                "codes": codes,
                "same_place": orders.relative_difference(orders.series_of(image, placed), plain),
                "anew": orders.relative_difference(
                    np.asarray(again.sampled.series), np.asarray(whole.sampled.series)
                ),
                "apart_mm": float(np.linalg.norm(there - centres, axis=1).max()),
            }

    records = keep_going(options.out, len(orders.storage_orders()), one, options.seconds)
    worst = {name: max(r[name] for r in records) for name in ("same_place", "anew", "apart_mm")}
    return [
        f"{len(records)} storage orders: parcel series differ by at most "
        f"{worst['same_place']:.1e} of their size at one place, "
        f"{worst['anew']:.1e} with the place found anew (centres up to "
        f"{worst['apart_mm']:.3f} mm apart)"
    ]


def people(options: argparse.Namespace, make: Callable[[int], Record]) -> list[Record]:
    """Records of that many participants."""
    return keep_going(options.out, options.participants, make, options.seconds)


STUDIES: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    study.__name__: study
    for study in (registration, motion, routes, slices, steady, series, real, storage)
}


def cohort_study(name: str) -> Callable[[argparse.Namespace], list[str]]:
    """A study of whole cohorts; see `cohort_studies.py`."""

    def study(options: argparse.Namespace) -> list[str]:
        from tests.accuracy.cohort_studies import COHORT_STUDIES

        return COHORT_STUDIES[name](
            options, lambda given, make: keep_going(given.out, given.cohorts, make, given.seconds)
        )

    return study


STUDIES |= {
    name: cohort_study(name)
    for name in (
        "null",
        "calibration",
        "conformal",
        "fusion",
        "confounds",
        "attribution",
        "corruptions",
        "pretraining",
        "recipe",
    )
}


def main() -> None:
    """Run one study and print its summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=sorted(STUDIES))
    parser.add_argument("--heads", type=int, default=1000)
    parser.add_argument("--wrong-places", type=int, default=4, help="planted a head")
    parser.add_argument("--full-grid", action="store_true", help="of `registration`")
    parser.add_argument("--participants", type=int, default=5)
    parser.add_argument("--frames", type=int, default=6, help="that the peers of `motion` align")
    parser.add_argument("--peers", default="ants,SimpleITK", help="of `motion`; may be empty")
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="begin no further record after that long")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.out = options.out or Path("accuracy") / f"{options.study}.jsonl"
    for line in STUDIES[options.study](options):
        print(line)


if __name__ == "__main__":
    main()
