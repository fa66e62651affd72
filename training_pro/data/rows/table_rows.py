"""Rows of Parquet and Arrow files, of folders of them and of folders that `datasets` saved; columns are a row's fields.

pyarrow and datasets are imported only when such a file is read. A small batch of rows is in memory at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.json_rows import MAX_ROW_CHARS
from training_pro.errors import DataError
from training_pro.words import counted, natural_key, reason_of

BATCH_ROWS = 64
TABLES = (".parquet", ".arrow")
_SPLITS = ("train", "training", "validation", "test")
_TRAIN = re.compile(r"(?<![a-z])train(?:ing)?(?![a-z])")
_HELD_OUT = re.compile(r"(?<![a-z])(?:test|valid|validation|val|dev|eval)(?![a-z])")
_BESIDE = {"readme", "license", "dataset_infos", "dataset_info", "state"}  # files that come with the tables
_MOST_SHARDS = 10_000


def is_row_folder(folder: Path) -> bool:
    """Whether the folder is a dataset: saved with ``save_to_disk``, or of Parquet or Arrow files alone."""
    return _is_saved(folder) or bool(_shards(folder))


def _is_saved(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json"))


def _shards(folder: Path) -> list[Path]:
    """The tables in a folder and the folders in it, in natural order; [] where it holds other files, or a folder that
    is a saved dataset of its own."""
    found: list[Path] = []
    for file in islice(folder.rglob("*"), _MOST_SHARDS):
        if _is_beside(file, folder) or not file.is_file():
            continue
        if file.suffix.lower() not in TABLES or _is_saved(file.parent):
            return []
        found.append(file)
    return sorted(found, key=lambda file: natural_key(file.relative_to(folder).as_posix()))


def _is_beside(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return hidden or file.stem.lower() in _BESIDE


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
        yield from _saved(path, bad) if _is_saved(path) else _of_shards(path, bad)
    elif path.suffix.lower() == ".parquet":
        yield from _parquet(path, bad)
    else:
        yield from _arrow(path)


def _of_shards(folder: Path, bad: BadRows) -> Iterator[dict[str, Any]]:
    """The rows of the tables for training, where the names say which these are; else of all that are not held out."""
    names = {shard: shard.relative_to(folder).as_posix() for shard in _shards(folder)}
    train = [shard for shard, name in names.items() if _TRAIN.search(name.lower())]
    read = train or [shard for shard, name in names.items() if not _HELD_OUT.search(name.lower())] or list(names)
    bad.unread = tuple(name for shard, name in names.items() if shard not in read)
    for shard in read:
        yield from _rows(shard, bad)


def _parquet(path: Path, bad: BadRows) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        _refuse_bombs(file, bad)
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield from _plain_rows(batch)


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
                yield from _plain_rows(batch.slice(start, BATCH_ROWS))


def _plain_rows(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch; columns of bytes that are UTF-8, as some programs write texts, are texts."""
    import pyarrow as pa

    for place, field in enumerate(batch.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            try:
                column = batch.column(place).cast(pa.large_string())
            except pa.ArrowInvalid:
                continue  # no text: it is named where it is used
            batch = batch.set_column(place, field.name, column)
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def _saved(folder: Path, bad: BadRows) -> Iterator[dict[str, Any]]:
    from datasets import DatasetDict, load_from_disk

    saved = load_from_disk(str(folder))
    if isinstance(saved, DatasetDict):
        read = next((name for name in _SPLITS if name in saved), next(iter(saved)))
        bad.unread = tuple(f"{name} ({counted(len(saved[name]), 'row')})" for name in saved if name != read)
        saved = saved[read]
    yield from saved


def _refuse_bombs(file: Any, bad: BadRows) -> None:
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        if group.total_byte_size > MAX_ROW_CHARS * max(1, group.num_rows):
            raise DataError(
                f"{bad.file}: {group.num_rows} rows unpack to {group.total_byte_size:,} bytes; "
                f"a row may have {MAX_ROW_CHARS:,}. Split the rows."
            )
