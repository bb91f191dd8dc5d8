"""Small labelled cohorts on disk: 12 parcels, a planted connection, a table, a plan."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.learn.labelled import LabelledCohort, label_cohort, read_cohort
from app.cohort.learn.plan import Plan, parse_plan
from app.core.provenance import array_sha256

PARCELS, FRAMES = 12, 60

PLAN: dict[str, Any] = {
    "name": "test",
    "outcome": {
        "column": "vas_after",
        "kind": "post",
        "scale": "VAS 0-10",
        "baseline_column": "vas_before",
        "lowest": 0.0,
        "highest": 10.0,
    },
    "responder": {
        "definition": "VAS fall >= 30 %",
        "secondary": ["VAS fall >= 50 %", "VAS < 4"],
        "time_point": "week 4",
    },
    "treatment": {
        "drug": "X", "dose": "1", "route": "oral", "arm": "active", "comparator": "none",
        "control_arm_modelled": False,
    },
    "population": {"description": "simulated people", "age_range_years": [18.0, 90.0]},
    "estimand": {
        "statement": "response at week 4 whatever happened",
        "rescue_medication": "counted as it was",
        "drop_out": "left out",
    },
    "models": {"headline": "linear", "rivals": ["tangent", "covariates"]},
    "protocol": {
        "repeats": 2, "seed": 7, "bootstrap_repeats": 200, "permutations": 20, "refits": 10,
    },
}  # fmt: skip


def plan_values(**tables: Any) -> dict[str, Any]:
    """The plan with changed tables: `outcome={...}` updates, `outcome=None` removes."""
    values = deepcopy(PLAN)
    for name, change in tables.items():
        if change is None:
            del values[name]
        elif isinstance(change, dict):
            values[name] = {**values.get(name, {}), **change}
            values[name] = {k: v for k, v in values[name].items() if v is not None}
        else:
            values[name] = change
    return values


def small_plan(**tables: Any) -> Plan:
    return parse_plan(plan_values(**tables))


@dataclass(frozen=True)
class Made:
    folder: Path
    table: Path
    responders: np.ndarray
    improvement: np.ndarray  # share of the baseline


def make_cohort(
    place: Path,
    count: int = 40,
    *,
    effect: float = 1.0,
    seed: int = 1,
    sites: int = 2,
    parcels: int = PARCELS,
    frames: int = FRAMES,
) -> Made:
    """Write prepared scans and a table: pain falls with the coupling of parcels 1 and 4."""
    folder = place / "prepared"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    trait = rng.standard_normal(count)
    fall = np.clip(0.35 + 0.25 * (effect * trait + 0.5 * rng.standard_normal(count)), -0.5, 1.0)
    rows = ["participant_id\tage\tsex\tsite\tvas_before\tvas_after"]
    for number in range(count):
        series = rng.standard_normal((frames, parcels))
        series[:, 4] += 0.8 * trait[number] * series[:, 1]
        write_scan(folder, f"sub-{number:03d}", series, site=f"s{number % sites}")
        before = round(float(rng.uniform(4, 9)), 1)
        after = round(float(np.clip(before * (1 - fall[number]), 0, 10)), 2)
        sex = "FM"[int(rng.integers(2))]
        rows.append(
            f"sub-{number:03d}\t{rng.integers(30, 80)}\t{sex}\ts{number % sites}\t{before}\t{after}"
        )
    table = place / "participants.tsv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    cells = [row.split("\t") for row in rows[1:]]
    share = np.array([(float(c[4]) - float(c[5])) / float(c[4]) for c in cells])
    return Made(folder, table, share >= 0.3 - 1e-9, share)


def write_scan(
    folder: Path, name: str, series: np.ndarray, *, site: str = "s0", verdict: str = "pass",
    **more: Any,
) -> Path:  # fmt: skip
    cleaned = (series - series.mean(0)).astype(np.float32)
    matrix = np.corrcoef(cleaned.T).astype(np.float32)
    np.fill_diagonal(matrix, 0.0)
    path = folder / f"cohort_{name}.npz"
    values = {
        "cleaned": cleaned,
        "good_frames": np.ones(len(series), bool),
        "matrix": matrix,
        "repetition_time_s": 2.0,
        "mean_fd_mm": 0.1 + 0.1 * float(np.abs(np.sin(series[0, 0]))),
        "verdict": verdict,
        "scan_sha256": array_sha256(series, name),
        "age_years": float("nan"),
        "sex": "",
        "baseline_pain": float("nan"),
        "site": site,
        "label": 1,  # wrong on purpose: nobody may read it
    }
    np.savez(path, **(values | more))
    return path


def labelled(place: Path, made: Made, plan: Plan | None = None) -> LabelledCohort:
    """Read, lock, label."""
    plan = plan or small_plan()
    cohort = read_cohort(made.folder, made.table, plan)
    return label_cohort(cohort, cohort.lock(plan, place / "result"))
