"""The ds000208 recipe on raw simulated scans: everybody in the published table is scanned.

    python -m tests.accuracy.ds000208 --out DIR [--arms ARM …] [--frames 210] […]

Writes a BIDS folder in the shape of the data set (small grid, 2.5 s a frame, published table),
then runs `main.py experiment ds000208` on it: preprocessing, arms, definitions, rivals, reports. A
scan that is there is not made again. Who responds in the table carries the simulator's signature.
Other words (`--n-workers 2`, `--repeats 5`) go to the command.

The 20 controls have scans too, too short to be of use: no step of the recipe may want them.

Fewer than 200 volumes after the steady state are withheld by their quality, and take no part: the
published scans have 300, these have a few above the limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from app.cohort.experiments.ds000208 import arms_of
from app.cohort.experiments.ds000208_table import Participant, read_table
from app.simulation.bids import bold_sidecar, write_json, write_nifti
from app.simulation.cohort import CohortSettings, draw_participant
from app.simulation.scan import simulate_volumes
from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings
from tests.simulated_ds000208 import PUBLISHED, REPETITION_TIME_S, write_folder

SEED = 208
CONTROL_FRAMES = 12


def index_of(number: int, response: bool | None) -> int:
    """A simulated person, another one for each patient, with the published response."""
    index = 1000 * number
    while draw_participant(CohortSettings(seed=SEED), index).responder != bool(response):
        index += 1
    return index


def write_scan(folder: Path, person: Participant, number: int, frames: int) -> None:
    """One raw run with its sidecar."""
    bold = folder / person.label / "func" / f"{person.label}_task-rest_bold.nii.gz"
    if bold.exists():
        return
    cohort = CohortSettings(seed=SEED, frames=frames, repetition_time_s=REPETITION_TIME_S)
    settings = ParticipantSettings(cohort, index_of(number, person.response), SMALL_SCANNER)
    volumes = simulate_volumes(settings, threads=1)
    partial = bold.with_name("partial.nii.gz")
    partial.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(
        partial, volumes.data, volumes.affine, storage=SMALL_SCANNER.storage,
        repetition_time_s=REPETITION_TIME_S,
    )  # fmt: skip
    write_json(
        bold.with_name(bold.name.replace(".nii.gz", ".json")),
        bold_sidecar(volumes, SMALL_SCANNER),
    )
    partial.replace(bold)


def main() -> None:
    """Make the folder, then run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", default=[], help="as the command; all by default")
    parser.add_argument("--frames", type=int, default=210)
    options, others = parser.parse_known_args()
    bids, began = options.out / "bids", time.monotonic()
    write_folder(bids)
    people = read_table(PUBLISHED / "participants.tsv").people
    patients = [one for one in people if one.arm() is not None]
    arms = arms_of(options.arms)
    controls = [one for one in people if one.arm() is None]
    for number, person in enumerate(controls):
        write_scan(bids, person, len(patients) + number, CONTROL_FRAMES)
    for number, person in enumerate(patients):
        if person.arm() in arms:
            write_scan(bids, person, number, options.frames)
            print(f"{person.label} scanned, {time.monotonic() - began:.0f} s", flush=True)
    words = ["experiment", "ds000208", str(bids), "--out", str(options.out / "results")]
    words += ["--arms", *options.arms] if options.arms else []
    words += others
    began = time.monotonic()
    subprocess.run([sys.executable, "main.py", *words], check=True)
    print(f"experiment: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
