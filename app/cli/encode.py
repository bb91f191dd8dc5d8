"""`encode`: what a frozen encoder says of parcel series, for researchers who want only that."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from app.cli.command import (
    DONE,
    Command,
    UsageError,
    Window,
    existing_file,
    natural_number,
    positive_number,
)
from app.cli.console import StageLines
from app.cli.work import in_worker
from app.core.errors import AppError
from app.core.folders import installed_encoder_folder
from app.core.progress import Progress
from app.core.request import EncodeRequest
from app.core.wording import RUO_LINE, SIMULATED_STAMP
from app.worker.requests import encode_job

DEMONSTRATION = "simulated-demo"


def add_arguments(parser: ArgumentParser) -> None:
    """Series, encoder, and what may be chosen where the encoder leaves it open."""
    add = parser.add_argument
    add("series", type=Path,
        help=".tsv (one row a frame, header = parcel names; also that of a case folder) or .npz "
        "with signals [scan, parcel, frame] and xyz [scan, parcel, 3]; optional keys: "
        "repetition_time_s (one number), atlas (its name), parcel_names [parcel]; any other key "
        "is named and not used")  # fmt: skip
    add("--encoder", required=True, metavar="ID|DIR",
        help="'simulated-demo', an installed encoder, or a folder with config.json and "
        "model.safetensors")  # fmt: skip
    add("--out", type=Path, required=True, metavar="FILE",
        help="result (.npz): cls, patches, windows, token orders, provenance")  # fmt: skip
    add("--normalisation", metavar="NAME",
        help="part of what an encoder was trained on, so there is no default: robust_pop, "
        "robust_scan, demean_gsd, raw, ... (a wrong name lists all)")  # fmt: skip
    add(
        "--statistics",
        type=Path,
        metavar="TSV",
        help="table of parcel statistics (median, iqr, ...) for normalisations that need one",
    )
    add("--tr-policy", choices=("frames", "physical"),
        help="frames as they are (default), or resampled band-limited to 0.735 s")  # fmt: skip
    add("--tr", type=positive_number, metavar="SECONDS",
        help="repetition time; goes before what the file states")  # fmt: skip
    add("--xyz", type=Path, metavar="FILE",
        help="parcel centres in MNI mm: a row each, x y z or label x y z")  # fmt: skip
    add("--token-order", metavar="ORDER",
        help="13M family: identity (default), random:K[:SEED] (mean over K stored orders), or "
        "the npz of an earlier result")  # fmt: skip
    add("--short-scans", choices=("refuse", "reflect"),
        help="scans shorter than a window: refused (default), or mirrored in time and marked; "
        "never zeros")  # fmt: skip
    add("--max-missing", type=natural_number, metavar="N",
        help="parcels that may be missing (default 0); they are named in the result")  # fmt: skip
    add("--cls-only", action="store_true", help="no patch embeddings; faster")
    add(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of matrix products; the deviation is measured and written (default: %(default)s)",
    )
    add("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto",
        help="where torch computes (default: %(default)s)")  # fmt: skip
    add("--batch", type=natural_number, default=0, metavar="N",
        help="windows at a time (default: 1 on the CPU, several elsewhere)")  # fmt: skip
    add("--in-process", action="store_true", help="no worker process (for debugging)")


def run(arguments: Namespace, _window: Window | None) -> int:
    """Encode in the worker process and say what was written."""
    request = request_of(arguments)
    answer = _encoded(request, in_process=arguments.in_process)
    scans, windows, width = answer["shape"]
    if request.encoder == DEMONSTRATION:
        print(SIMULATED_STAMP)
    print(RUO_LINE)
    print(f"Encoder: {answer['encoder']}")
    print(f"{scans} scan(s), {windows} window(s) each, CLS {width} wide")
    for note in answer["notes"]:
        print(f"- {note}")
    print(f"Written: {answer['out']}")
    return DONE


def request_of(arguments: Namespace) -> EncodeRequest:
    """The request that the words on the command line stand for.

    Raises
    ------
    UsageError
        A file that is not there, or a result that is no .npz.
    """
    if arguments.out.suffix != ".npz":
        raise UsageError(
            f"The result {arguments.out.name} does not end in .npz.",
            "Change --out, for instance to embeddings.npz.",
            code="cli.out",
        )
    return EncodeRequest(
        series_path=existing_file(arguments.series),
        out_path=arguments.out.absolute(),
        encoder=encoder_name(arguments.encoder),
        coordinates_path=existing_file(arguments.xyz) if arguments.xyz else None,
        statistics_path=existing_file(arguments.statistics) if arguments.statistics else None,
        normalisation=arguments.normalisation,
        repetition_time_policy=arguments.tr_policy,
        repetition_time_s=arguments.tr,
        short_scans=arguments.short_scans,
        maximum_missing_parcels=arguments.max_missing,
        token_order=_order(arguments.token_order),
        with_patches=not arguments.cls_only,
        precision=arguments.precision,
        device=arguments.device,
        batch=arguments.batch,
    )


def encoder_name(text: str) -> str:
    """An id as it is; a folder as an absolute path, because the worker runs elsewhere.

    An id goes before a folder of the same name.
    """
    path = Path(text)
    plain = path.name == text and text not in (".", "..")
    if text == DEMONSTRATION or (plain and _is_installed(text)):
        return text
    return str(path.absolute()) if path.is_dir() or not plain else text


def _is_installed(text: str) -> bool:
    try:
        return installed_encoder_folder(text).is_dir()
    except AppError:  # no name that an installed encoder can have; a folder may be called so
        return False


def _order(text: str | None) -> str | None:
    return str(Path(text).absolute()) if text is not None and Path(text).is_file() else text


def _encoded(request: EncodeRequest, *, in_process: bool) -> dict[str, Any]:
    if not in_process:
        return in_worker(encode_job(request))
    from app.analysis.encode import encode

    with StageLines() as lines:
        return encode(request, Progress(lines.show))


COMMAND = Command(
    "encode", "write what a frozen encoder says of parcel series (npz)", add_arguments, run
)
