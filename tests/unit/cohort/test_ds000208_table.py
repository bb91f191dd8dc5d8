"""The table of ds000208: counts as published, and no guess where it is odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.cohort.experiments.ds000208_table import (
    ARMS,
    PUBLISHED_PERCENT,
    normalised_tsv,
    read_table,
)
from app.core.errors import AppError
from app.core.provenance import file_sha256

PUBLISHED = Path(__file__).resolve().parents[2] / "reference" / "ds000208" / "participants.tsv"
COUNTS = {  # people and responders at 20, 30 and 50 %, counted by hand in the published table
    "placebo-2-weeks": (17, 8, 5, 4),
    "placebo-3-months": (20, 10, 7, 3),
    "duloxetine-3-months": (19, 8, 4, 2),
}


def changed(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = PUBLISHED.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "participants.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_that_the_table_is_the_published_one() -> None:
    assert file_sha256(PUBLISHED).startswith("1a639d4e889777a6443701e86bcfa9da")


def test_that_arms_and_definitions_have_their_published_counts() -> None:
    table = read_table(PUBLISHED)
    assert len(table.people) == 76
    assert sum(one.arm() is None for one in table.people) == 20
    for arm in ARMS:
        people = table.of_arm(arm)
        falls = np.array([one.vas_percent for one in people], float)
        found = (len(people), *(int((falls >= limit).sum()) for limit in (20, 30, 50)))
        assert found == COUNTS[arm.id]
        assert {one.response for one in people} == {True, False}
        assert [one.response for one in people] == (falls >= PUBLISHED_PERCENT).tolist()


def test_that_the_misspelled_column_is_read_and_told() -> None:
    table = read_table(PUBLISHED)
    assert table.notes == ("The column '% Analsesia VAS' was read as VAS.",)
    first = next(one for one in table.people if one.label == "sub-22")
    assert (first.vas_percent, first.womac_percent) == (89.09, 36.36)


@pytest.mark.parametrize("spelling", ["1", "sub-1", "01", "sub-001"])
def test_that_ids_take_the_spelling_of_the_folders(tmp_path: Path, spelling: str) -> None:
    path = changed(tmp_path, ("sub-01\t", f"{spelling}\t"))
    folders = [f"sub-{n:02d}" for n in range(1, 77)]
    assert read_table(path, folders).people[0].label == "sub-01"


def test_that_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + PUBLISHED.read_bytes().replace(b"\n", b"\r\n"))
    assert read_table(path) == read_table(PUBLISHED)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("1\t89.09", "0\t89.09"), "ds000208.response", "in 1 participants, sub-22"),
        (("sub-02\t", "sub-1\t"), "ds000208.table", "sub-01 is there twice"),
        (("89.09", "much"), "ds000208.table", "no number"),
        (("89.09", "890.9"), "ds000208.table", "890.9 %"),
        (("89.09", "inf"), "ds000208.table", "not finite"),
        (("sub-39\tpatient\t2", "sub-39\tpatient\t3"), "ds000208.table", "none of the arms"),
        (("sub-39\tpatient\t2", "sub-39\tpatient\t1"), "ds000208.table", "none of the arms"),
        (("% Analsesia VAS", "VAS"), "ds000208.table", "no column for VAS"),
        (("% Analgesia WOMAC", "% Analgesia VAS"), "ds000208.table", "2 columns for VAS"),
        (("sub-01\tcontrol", "sub-01\tperson"), "ds000208.table", "not patient or control"),
        (("sub-01\tcontrol\tn/a\tfemale\t59", "sub-01\tcontrol\tn/a\tfemale\t5.9"),
         "ds000208.table", "age of sub-01"),
        (("sub-01\tcontrol\tn/a", "sub-01\tcontrol"), "ds000208.table", "row 2 has 8 cells"),
    ],
)  # fmt: skip
def test_that_what_does_not_fit_is_refused_in_one_sentence(
    tmp_path: Path, change: tuple[str, str], code: str, words: str
) -> None:
    with pytest.raises(AppError, match=words) as caught:
        read_table(changed(tmp_path, change))
    assert caught.value.code == code


def test_that_a_scan_without_a_row_is_refused() -> None:
    with pytest.raises(AppError, match="1 scanned participants have no row, sub-77"):
        read_table(PUBLISHED, [f"sub-{n:02d}" for n in range(1, 78)])


def test_that_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    for content in (None, b"", b"\xff\xfe\x00", b"a\tb\n1\t2\n"):
        path = tmp_path / "participants.tsv"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(AppError) as caught:
            read_table(path)
        assert caught.value.code == "ds000208.table"


def test_that_the_written_table_has_the_outcome_once_and_no_pooled_arm() -> None:
    table = read_table(PUBLISHED)
    lines = normalised_tsv(table.people).splitlines()
    assert lines[0].split("\t") == [
        "participant_id", "age", "sex", "arm", "vas_fall",
    ]  # fmt: skip
    assert lines[22] == "sub-22\t57\tF\tplacebo-2-weeks\t89.09"
    arms = [line.split("\t")[3] for line in lines[1:]]
    assert {arm: arms.count(arm) for arm in set(arms)} == {
        "n/a": 20, "placebo-2-weeks": 17, "placebo-3-months": 20, "duloxetine-3-months": 19,
    }  # fmt: skip
