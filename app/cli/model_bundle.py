"""`models card`, `export`, `import`, `list` and `remove`, as far as they are about bundles."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from app.cli.command import DONE
from app.cli.work import in_worker
from app.core.errors import ModelError
from app.worker.bundle_requests import bundle_export_job, bundle_import_job

SUFFIX = ".nrmodel"


def add_card_arguments(parser: ArgumentParser) -> None:
    """Which model."""
    parser.add_argument("id", metavar="ID", help="an installed model, such as simulated-demo")


def run_card(arguments: Namespace) -> int:
    """Print a model's card as a page, limitations first."""
    from app.models.card import read_card
    from app.models.card_page import page_text
    from app.models.installed import bundle_folder

    print("\n".join(page_text(read_card(bundle_folder(arguments.id)))))
    return DONE


def add_export_arguments(parser: ArgumentParser) -> None:
    """Which model, and where to."""
    parser.add_argument("id", metavar="ID", help="an installed model")
    parser.add_argument("file", type=Path, metavar="FILE", help=f"file to write, NAME{SUFFIX}")


def run_export(arguments: Namespace) -> int:
    """Write a model as one file; never anybody else's encoder weights."""
    answer = in_worker(bundle_export_job(arguments.id, arguments.file.absolute()))
    print(f"Written: {answer['exported']}")
    return DONE


def accepts(paths: Sequence[Path]) -> bool:
    """Whether `models import` was given one exported bundle."""
    return len(paths) == 1 and paths[0].suffix.lower() == SUFFIX


def run_import(_arguments: Namespace, paths: Sequence[Path]) -> int:
    """Install a bundle from one file, checked in the worker process."""
    answer = in_worker(bundle_import_job(paths[0].absolute()))
    print(f"Installed: {answer['imported']}. Read its card: models card {answer['imported']}")
    return DONE


def list_lines() -> list[str]:
    """Installed bundles, one line each: id, treatment, responder definition, what it was made from.

    A card that cannot be used is listed with its fault.
    """
    from app.models.card import read_card
    from app.models.installed import MODELS, bundle_folder

    lines = []
    for name in ids():
        try:
            summary = read_card(bundle_folder(name)).summary
        except ModelError as error:
            lines.append(f"{name}: UNUSABLE. {error.message}")
            continue
        lines.append(
            f"{name}: {summary.drug}; {summary.responder_definition}; {summary.population} "
            f"(n = {summary.training_count}); "
            + ("delivered with the program" if name in MODELS else "installed")
        )
    return lines


def is_bundle(model_id: str) -> bool:
    """Whether an id is that of an installed bundle."""
    return model_id in ids()


def ids() -> tuple[str, ...]:
    """Of all bundles, delivered ones first."""
    from app.models.installed import installed_models

    return installed_models()


def run_remove(model_id: str) -> int:
    """Delete a bundle that the user installed; those of the program stay."""
    from app.models.archive import remove_bundle

    remove_bundle(model_id)
    print(f"{model_id} was removed.")
    return DONE
