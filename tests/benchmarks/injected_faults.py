"""Who gets a number: default simulated participants, and participants with one injected fault.

Several people for every fault of the simulator, each through the recipe and the demonstration
model on the fixture's coarse grid (10 frames more than one window). Written to be run by hand:

    .venv/bin/python -m tests.benchmarks.injected_faults --people 5 --out faults.json

goes on where it stopped, prints one row a fault, and ends with 1 where a fault got a number.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(_name, "1")

FRAMES = 210
FIRST_SEED = 41  # nobody of the cohorts that train or judge


def tried(fault: str, seed: int) -> dict[str, Any]:
    """One participant: the answer, and the reasons or the error where there is no number."""
    from app.analysis import analyse
    from app.core.errors import AppError
    from app.core.request import AnalysisRequest
    from app.simulation.participant import simulate_participant
    from app.simulation.scanner import small_participant

    settings = small_participant(seed, fault=fault)
    settings = replace(settings, cohort=replace(settings.cohort, frames=FRAMES))
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        bold = simulate_participant(settings, Path(folder)).paths.bold
        request = AnalysisRequest(
            bold, Path(folder) / "cases", attribution=False, write_pdf=False, threads=1
        )
        try:
            case = analyse(request)
        except AppError as error:
            return {"fault": fault, "seed": seed, "outcome": "error", "reasons": [error.code]}
    assert case.prediction is not None
    assert case.quality is not None
    prediction = case.prediction
    return {
        "fault": fault,
        "seed": seed,
        "outcome": prediction.outcome.value,
        "number": prediction.probability is not None,
        "failed": [m.name for m in case.quality.metrics if m.verdict.value == "withheld"],
        "reasons": list(prediction.reasons),
        "connectivity": bool((case.connectome.matrix == case.connectome.matrix).any())
        if case.connectome
        else False,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def main() -> int:
    """Try everybody who is not in the file yet, then print the table."""
    from app.simulation.scanner import FAULTS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("faults.json"))
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    done = {(row["fault"], row["seed"]) for row in rows}
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.people):
        for fault in FAULTS:
            if (fault, seed) not in done:
                rows.append(tried(fault, seed))
                arguments.out.write_text(json.dumps(rows, indent=1))
    wrong = 0
    for fault in FAULTS:
        some = [row for row in rows if row["fault"] == fault]
        numbers = sum(bool(row.get("number")) for row in some)
        errors = sum(row["outcome"] == "error" for row in some)
        gates = sorted({name for row in some for name in row.get("failed", ())})
        print(f"{fault}: {numbers} of {len(some)} get a number, {errors} end in an error; {gates}")
        wrong += numbers if fault != "none" else 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
