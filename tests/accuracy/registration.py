"""Many heads through the direct route: place, sides, a lying header, and the gate's calibration.

One record for each head; the summary is made from the records, so that a long run can be cut off
and go on. A wrong header (data mirrored, header silent) can never be proven from anatomy: the
gate says *suspect* (withheld) or *undecided* (attention) and nothing else, and here is counted how
often.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.images import SpatialMap
from app.core.results import Verdict
from app.preprocessing.geometry import apply_affine, rotation_matrix
from app.preprocessing.placement import Placed, finish_placement
from app.preprocessing.quality import worst
from app.preprocessing.registration import brain_only, with_scores
from app.preprocessing.t1_route import T1Templates, route_parts
from app.simulation.scanner import SMALL_SCANNER, ScannerSettings
from tests.accuracy.heads import (
    Head,
    atlas_and_template,
    errors_mm,
    mirrored,
    place,
    regions,
    scan_head,
    sides_kept,
    true_places_mm,
    verdicts,
)

Array = NDArray[Any]
Record = dict[str, Any]

MISREGISTERED_MM = 4.0  # median error at the parcels' centres; preprocessing gates must see it
SIZES_MM = (2.0, 4.0, 5.0, 6.0, 8.0, 12.0)  # of a planted error, median at the parcels' centres
KINDS = ("shift", "turn", "size")


def head_record(
    seed: int,
    scanner: ScannerSettings = SMALL_SCANNER,
    *,
    with_mirrored: bool = True,
    wrong_places: int = 0,
) -> Record:
    """Everything that is judged about one head."""
    head = scan_head(seed, scanner)
    placed = place(head)
    record: Record = {
        "seed": seed,
        "phase_encoding": head.settings.scanner.phase_encoding,
        **placement_record(head, placed),
    }
    if with_mirrored:
        lying = mirrored(head)
        told = verdicts(lying, place(lying))
        record["mirrored"] = _plain(told)
    if wrong_places:
        record["wrong_places"] = wrong_place_records(head, placed, wrong_places, seed)
    return record


def placement_record(head: Head, placed: Placed) -> Record:
    """Errors, determinant, sides and verdicts of one place."""
    found = placed.spatial_map
    errors = errors_mm(head, found)
    return {
        "method": found.method,
        "errors_mm": {
            name: [float(np.median(errors[inside])), float(np.percentile(errors[inside], 95))]
            for name, inside in regions(head).items()
        },
        "determinant": float(np.linalg.det(found.affine[:3, :3])),
        "jacobian": [float(value) for value in found.jacobian_range],
        "sides_kept": sides_kept(head, found),
        "gate": _plain(verdicts(head, placed)),
    }


def wrong_place_records(head: Head, placed: Placed, count: int, seed: int) -> list[Record]:
    """The gate's measures on the right place and on `count` planted misregistrations of it."""
    _, images = atlas_and_template()
    moving = brain_only(head.boldref, head.mask.image)
    assert images.t1 is not None
    templates = T1Templates(images.t1, images.brain_mask, images.epi_contrast)
    rng = np.random.default_rng([seed, 4])
    records = []
    for index in range(count + 1):
        kind = "none" if index == 0 else KINDS[int(rng.integers(len(KINDS)))]
        size = 0.0 if index == 0 else float(rng.choice(SIZES_MM))
        wrong = placed.spatial_map if index == 0 else moved(head, placed, kind, size, rng)
        scored = with_scores(wrong, moving, head.mask.image, images.epi_contrast, images.brain_mask)
        again = finish_placement(head.boldref, head.mask, scored, images)
        edges = route_parts(scored, moving, head.mask.image, templates)[0]
        records.append(
            {
                "kind": kind,
                "planted_mm": size,
                "error_mm": float(np.median(errors_mm(head, scored))),
                "edges": edges,
                "mutual_information": scored.mutual_information,
                "gate": _plain(verdicts(head, again)),
            }
        )
    return records


def moved(
    head: Head, placed: Placed, kind: str, size_mm: float, rng: np.random.Generator
) -> SpatialMap:
    """The map with a shift, turn or change of size that moves the median parcel by `size_mm`."""
    centres = true_places_mm(head)
    middle = centres.mean(axis=0)
    way = rng.standard_normal(3)
    way /= np.linalg.norm(way)

    def change(amount: float) -> Array:
        matrix = np.eye(4)
        if kind == "shift":
            matrix[:3, 3] = amount * way
            return matrix
        matrix[:3, :3] = (
            rotation_matrix(amount * way) if kind == "turn" else np.eye(3) * (1.0 + amount)
        )
        matrix[:3, 3] = middle - matrix[:3, :3] @ middle
        return matrix

    small = 1.0 if kind == "shift" else 0.01
    step = apply_affine(change(small), centres) - centres
    amount = small * size_mm / float(np.median(np.linalg.norm(step, axis=1)))
    sign = 1.0 if rng.random() < 0.5 else -1.0
    return replace(placed.spatial_map, affine=change(sign * amount) @ placed.spatial_map.affine)


def _plain(told: dict[str, tuple[float, Verdict]]) -> Record:
    return {name: [value, verdict.value] for name, (value, verdict) in told.items()}


def worst_of(gate: Record) -> str:
    """The verdict of a gate record: "pass", "attention" or "withheld"."""
    return worst(Verdict(verdict) for _, verdict in gate.values()).value


def at_most(events: int, trials: int) -> float:
    """95 % upper bound of a rate (Clopper-Pearson); 3 / n for no event (rule of three)."""
    from scipy.stats import beta

    if trials == 0 or events >= trials:
        return 1.0
    return float(beta.ppf(0.95, events + 1, trials - events))


def summarise(records: Iterable[Record]) -> list[str]:
    """What the records say, a line a statement."""
    found = list(records)
    lines = [f"{len(found)} heads"]
    for polarity in (None, "j", "j-"):
        chosen = [r for r in found if polarity in (None, r["phase_encoding"])]
        if not chosen:
            continue
        told = []
        for name in chosen[0]["errors_mm"]:
            medians = np.array([r["errors_mm"][name][0] for r in chosen])
            ends = np.array([r["errors_mm"][name][1] for r in chosen])
            told.append(
                f"{name} {np.median(medians):.2f} (worst head {medians.max():.2f}; "
                f"95th percentile {np.median(ends):.2f})"
            )
        lines.append(f"error, mm, phase encoding {polarity or 'both'}: " + "; ".join(told))
    swapped = sum(r["determinant"] <= 0 or r["sides_kept"] < 0.5 for r in found)
    lines.append(
        f"swapped or mirrored places: {swapped} of {len(found)} "
        f"(95 % bound {100 * at_most(swapped, len(found)):.2f} %); least determinant "
        f"{min(r['determinant'] for r in found):.3f}, least Jacobian "
        f"{min(r['jacobian'][0] for r in found):.3f}, least share of parcels on their own side "
        f"{min(r['sides_kept'] for r in found):.3f}"
    )
    lines += _header_lines(found) + gate_lines(found)
    return lines


def _header_lines(found: list[Record]) -> list[str]:
    lying = [r["mirrored"]["left_right_margin"] for r in found if "mirrored" in r]
    if not lying:
        return []
    honest = [r["gate"]["left_right_margin"] for r in found]
    lines = []
    for name, told in (("honest", honest), ("lying", lying)):
        counts = {v: sum(verdict == v for _, verdict in told) for v in ("pass", "attention")}
        suspect = len(told) - sum(counts.values())
        values = [value for value, _ in told]
        lines.append(
            f"{name} header: suspect {suspect}, undecided {counts['attention']}, "
            f"not objected to {counts['pass']} of {len(told)}; margin {min(values):.2f} to "
            f"{max(values):.2f}"
        )
    return lines


def gate_lines(found: list[Record]) -> list[str]:
    """Catch rates of planted misregistrations by size, and false alarms."""
    tried = [r for record in found for r in record.get("wrong_places", [])]
    if not tried:
        return []
    lines = []
    for size in (0.0, *SIZES_MM):
        chosen = [worst_of(r["gate"]) for r in tried if r["planted_mm"] == size]
        if chosen:
            caught, withheld = (sum(v in kinds for v in chosen) for kinds in (
                ("attention", "withheld"), ("withheld",)))  # fmt: skip
            what = "false alarms" if size == 0.0 else f"planted {size:g} mm: caught"
            lines.append(f"gate, {what} {caught} of {len(chosen)} (withheld {withheld})")
    large = [worst_of(r["gate"]) for r in tried if r["planted_mm"] >= MISREGISTERED_MM]
    caught = sum(v != "pass" for v in large)
    if large:
        lines.append(
            f"gate, planted {MISREGISTERED_MM:g} mm and more: caught {caught} of {len(large)} "
            f"({100 * caught / len(large):.1f} %)"
        )
    return lines
