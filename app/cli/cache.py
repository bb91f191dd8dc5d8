"""`cache`: what is kept of preprocessed scans between runs, and how to be rid of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from app.cli.command import DONE, Command, Window


def add_arguments(parser: ArgumentParser) -> None:
    """Show or clear."""
    parser.add_argument("--clear", action="store_true", help="remove all of it")


def run(arguments: Namespace, _window: Window | None) -> int:
    """Print how much is kept and where, or clear it."""
    from app.analysis.stage_store import FolderStore

    store = FolderStore()
    if arguments.clear:
        print(f"Removed {store.clear() / 2**20:.1f} MiB of kept stages.")
        return DONE
    entries = store.entries()
    total = sum(size for _, size, _ in entries)
    print(f"{len(entries)} stages of preprocessing, {total / 2**20:.1f} MiB, in {store.folder}")
    print(
        f"At most {store.largest_bytes / 2**20:.0f} MiB are kept; those used longest ago go first."
    )
    return DONE


COMMAND = Command("cache", "show or clear what is kept of scans between runs", add_arguments, run)
