"""Rows of a Parquet file, a small batch at a time; columns are a row's fields.

pyarrow comes with `datasets` and is imported only when such a file is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.json_rows import MAX_ROW_CHARS
from training_pro.errors import DataError

BATCH_ROWS = 64


def parquet_rows(path: Path, bad: BadRows) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number from 1, row) of a Parquet file.

    Raises:
        DataError: not a Parquet file, broken, or rows that are unreasonably large once unpacked.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"{bad.file} is Parquet, which needs the package pyarrow; run: pip install pyarrow") from None
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            _refuse_bombs(file, bad)
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        where = f"row {number + 1}"
        raise DataError(f"{bad.file}, {where}: not readable as Parquet ({reason}); write the file anew.") from None


def _refuse_bombs(file: Any, bad: BadRows) -> None:
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        if group.total_byte_size > MAX_ROW_CHARS * max(1, group.num_rows):
            raise DataError(
                f"{bad.file}: {group.num_rows} rows unpack to {group.total_byte_size:,} bytes; "
                f"a row may have {MAX_ROW_CHARS:,}. Cut the rows up."
            )
