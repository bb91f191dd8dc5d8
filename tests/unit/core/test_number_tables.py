"""Tables of others: exact numbers, or one typed error; never a silent NaN."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import AppError
from app.core.number_tables import read_numbers, row_count


def write(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_that_numbers_are_read_exactly(tmp_path, mark, end):
    lines = ["a|b|c", "1|2.5e-3|n/a", "-4|1e300|0"]
    text = end.join(line.replace("|", mark) for line in lines) + end
    table = read_numbers(write(tmp_path / "t.tsv", "\ufeff" + text))
    assert table.header == ("a", "b", "c")
    assert np.array_equal(table.values, [[1, 2.5e-3, np.nan], [-4, 1e300, 0]], equal_nan=True)
    assert row_count(tmp_path / "t.tsv") == 2


def test_that_a_table_without_names_is_known_by_its_first_row(tmp_path):
    table = read_numbers(write(tmp_path / "t.csv", "1,2\n3,4\n"))
    assert table.header == () and table.values.tolist() == [[1, 2], [3, 4]]


def test_that_only_wanted_columns_must_hold_numbers(tmp_path):
    path = write(tmp_path / "t.tsv", "a\tb\n1\tx\n2\ty\n")
    assert read_numbers(path, wanted=["a", "absent"]).header == ("a",)
    with pytest.raises(AppError) as caught:
        read_numbers(path)
    assert caught.value.code == "table.not_a_number"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "table.damaged"),
        ("a\tb\n", "table.damaged"),
        ("a\ta\n1\t2\n", "table.doubled_column"),
        ("a\tb\n1\n", "table.damaged"),
        ("a\tb\n1\t2\t3\n", "table.damaged"),
        ("a\tb\n1\tinf\n", "table.not_a_number"),
        ("a\tb\n1\t1_000\n", "table.not_a_number"),
        ("a\tb\n1\t1,5\n", "table.not_a_number"),
        (b"\xff\xfe\x00a", "table.damaged"),
        ("a\tb\n1\t\0\n", "table.damaged"),
        ('a\tb\n"1\t2\n', "table.damaged"),
    ],
)
def test_that_damaged_tables_are_refused(tmp_path, content, code):
    """[N9]"""
    path = write(tmp_path / "t.tsv", content)
    with pytest.raises(AppError) as caught:
        read_numbers(path)
    assert caught.value.code == code
    assert "t.tsv" not in str(caught.value)


def test_that_an_open_quote_is_damage_and_no_file_is_said(tmp_path):
    for path, code in (
        (write(tmp_path / "q.tsv", 'a\tb\n1\t"2\n'), "table.damaged"),
        (tmp_path / "none.tsv", "table.missing"),
        (tmp_path, "table.missing"),
    ):
        with pytest.raises(AppError) as caught:
            read_numbers(path)
        assert caught.value.code == code
