"""Rows of Parquet and Arrow files and of folders that `datasets` saved; columns are a row's fields.

pyarrow and datasets are imported only when such a file is read. A small batch of rows is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.json_rows import MAX_ROW_CHARS
from training_pro.errors import DataError
from training_pro.words import reason_of

BATCH_ROWS = 64
_SPLITS = ("train", "training", "validation", "test")


def is_saved_dataset(folder: Path) -> bool:
    """Whether `datasets` saved the folder with ``save_to_disk``."""
    return any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json"))


def table_rows(path: Path, bad: BadRows) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number from 1, row) of a Parquet or Arrow file or a saved folder, of which the training split is read.

    Raises:
        DataError: no such file, broken, or rows that are unreasonably large once unpacked.
    """
    try:
        import pyarrow as pa
    except ImportError:
        kind = "a saved dataset" if path.is_dir() else path.suffix[1:].capitalize()
        raise DataError(f"{bad.file} is {kind}, which needs the package datasets. Run: pip install datasets") from None
    number = 0
    try:
        for row in _rows(path, bad):
            number += 1
            yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        what = "a saved dataset" if path.is_dir() else path.suffix[1:].capitalize()
        reason = reason_of(error, 160)
        raise DataError(
            f"{bad.file}, row {number + 1}: not readable as {what} ({reason}). Write the file again."
        ) from None


def _rows(path: Path, bad: BadRows) -> Iterator[dict[str, Any]]:
    if path.is_dir():
        yield from _saved(path)
    elif path.suffix.lower() == ".parquet":
        yield from _parquet(path, bad)
    else:
        yield from _arrow(path)


def _parquet(path: Path, bad: BadRows) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        _refuse_bombs(file, bad)
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield from batch.to_pylist()


def _arrow(path: Path) -> Iterator[dict[str, Any]]:
    """An Arrow stream, as `datasets` writes, or an Arrow file (Feather)."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_stream(source)
            batches: Any = iter(reader)
        except pa.ArrowInvalid:
            opened = pa.ipc.open_file(source)
            batches = (opened.get_batch(index) for index in range(opened.num_record_batches))
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield from batch.slice(start, BATCH_ROWS).to_pylist()


def _saved(folder: Path) -> Iterator[dict[str, Any]]:
    from datasets import DatasetDict, load_from_disk

    saved = load_from_disk(str(folder))
    if isinstance(saved, DatasetDict):
        saved = saved[next((name for name in _SPLITS if name in saved), next(iter(saved)))]
    yield from saved


def _refuse_bombs(file: Any, bad: BadRows) -> None:
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        if group.total_byte_size > MAX_ROW_CHARS * max(1, group.num_rows):
            raise DataError(
                f"{bad.file}: {group.num_rows} rows unpack to {group.total_byte_size:,} bytes; "
                f"a row may have {MAX_ROW_CHARS:,}. Split the rows."
            )
