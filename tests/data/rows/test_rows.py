import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training_pro.data.rows import json_rows
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.rows import read_rows
from training_pro.data.rows.tidy import tidied
from training_pro.errors import DataError

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)
rows_of_any_kind = st.lists(st.dictionaries(st.text(), values, max_size=4), min_size=1, max_size=8)


def read(path: Path, way: str = "stop") -> list[dict[str, Any]]:
    return [row for _, row in read_rows(path, BadRows(path.name, way))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=rows_of_any_kind, indent=st.sampled_from([None, 1]), ascii_only=st.booleans(), chunk=st.integers(1, 40))
def test_an_array_is_read_as_json_reads_it_wherever_the_chunks_end(
    rows: list[Any], indent: int | None, ascii_only: bool, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json_rows, "CHUNK_BYTES", chunk)
    path = tmp_path / "a.json"
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    if not ascii_only and any("\ud800" <= char <= "\udfff" for char in text):
        return
    assert read(path) == [tidied(row) for row in json.loads(text)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=rows_of_any_kind)
def test_lines_are_read_as_json_reads_them(rows: list[Any], tmp_path: Path):
    path = tmp_path / "a.jsonl"
    rows = rows * 2  # a single object may hold the rows
    path.write_text("\r\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert read(path) == [tidied(json.loads(json.dumps(row))) for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".json", ".jsonl", ".csv", ".parquet"]))
def test_any_bytes_give_rows_or_one_sentence(content: bytes, suffix: str, tmp_path: Path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    try:
        found = read(path)
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
    else:
        assert all(isinstance(row, dict) for row in found)


def test_values_that_are_no_rows_are_counted_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_rows, "CHUNK_BYTES", 1)
    path = tmp_path / "a.json"
    path.write_text('[123, {"a": 1}, 456]')
    bad = BadRows("a.json", "skip")
    assert list(read_rows(path, bad)) == [(2, {"a": 1})] and bad.count == 2


def test_lines_keep_their_numbers(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('\n{"a": 1}\n\n\n{"a": 2}\n')
    assert list(read_rows(path, BadRows("a", "stop"))) == [(2, {"a": 1}), (5, {"a": 2})]


def test_an_array_may_hide_in_a_jsonl_file_and_lines_in_a_json_file(tmp_path: Path):
    array, lines = tmp_path / "a.jsonl", tmp_path / "a.json"
    array.write_text('\ufeff [{"a": 1},\n{"a": 2}]', encoding="utf-8")
    lines.write_text('\ufeff{"a": 1}\n{"a": 2}', encoding="utf-8")
    assert read(array) == read(lines) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_quotes_and_line_ends_in_fields(delimiter: str, tmp_path: Path):
    path = tmp_path / "a.csv"
    rows = [["instruction", "output"], ['say "a"', "b\nc"], ["", f"x{delimiter}y"]]
    lines = [delimiter.join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n\r\n", encoding="utf-8", newline="")
    assert read(path) == [
        {"instruction": 'say "a"', "output": "b\nc"},
        {"instruction": "", "output": f"x{delimiter}y"},
    ]


@pytest.mark.parametrize("empty", [",", '"",""', " , ", '""', ",,,"])
def test_a_csv_record_of_empty_fields_is_a_bad_row_and_a_blank_line_is_no_record(empty: str, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(f'instruction,output\na,b\n\n{empty}\n  \n"c\nc",d\n\ne\n\n', encoding="utf-8")
    bad = BadRows("a.csv", "skip")
    assert list(read_rows(path, bad)) == [
        (1, {"instruction": "a", "output": "b"}),
        (3, {"instruction": "c\nc", "output": "d"}),
    ]
    empty_row, short_row = bad.examples
    assert bad.count == 2 and empty_row.startswith("a.csv, row 2: all its fields are empty")
    assert short_row.startswith("a.csv, row 4: it has 1 fields where the header names 2")
    with pytest.raises(DataError, match="row 2: all its fields are empty"):
        list(read_rows(path, BadRows("a.csv", "stop")))


def test_an_empty_field_of_a_csv_with_one_column_is_a_bad_row_and_a_blank_line_is_not(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('text\na\n\n""\n\nb\n')
    bad = BadRows("a.csv", "skip")
    assert list(read_rows(path, bad)) == [(1, {"text": "a"}), (3, {"text": "b"})]
    assert bad.count == 1 and bad.examples[0].startswith("a.csv, row 2: all its fields are empty")


def test_a_long_csv_field_is_read_and_the_modules_limit_stays(tmp_path: Path):
    import csv

    limit = csv.field_size_limit()
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "x" * (limit + 10) + "\n")
    assert len(read(path)[0]["text"]) == limit + 10
    assert csv.field_size_limit() == limit


def test_parquet_rows_hold_lists_and_objects(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"messages": [{"role": "user", "content": str(number)}]} for number in range(200)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=70)
    assert read(tmp_path / "a.parquet") == rows


def test_a_large_array_is_read_in_little_memory(tmp_path: Path):
    import tracemalloc

    path = tmp_path / "a.json"
    row = json.dumps({"text": "x" * 900})
    with path.open("w") as file:
        file.write("[" + row)
        for _ in range(20_000):
            file.write(",\n" + row)
        file.write("]")
    tracemalloc.start()
    count = sum(1 for _ in read_rows(path, BadRows("a.json", "stop")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_001 and peak < 8 << 20 < path.stat().st_size


@pytest.mark.parametrize("name", ["a.xml", "a", "a.parquet.gz"])
def test_other_endings_are_refused(name: str, tmp_path: Path):
    (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match="must end in"):
        read(tmp_path / name)


def test_a_folder_or_a_missing_file_is_one_sentence(tmp_path: Path):
    (tmp_path / "d.json").mkdir()
    for name in ("d.json", "none.json"):
        with pytest.raises(DataError, match="can't be read"):
            read(tmp_path / name)
