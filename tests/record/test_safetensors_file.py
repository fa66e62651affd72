from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize
from safetensors.torch import save_file

from training_pro.errors import RunError
from training_pro.record.safetensors_file import TensorPlace, tensor_places


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "adapter_model.safetensors"


def with_header(header: object, data: bytes = b"") -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def test_names_kinds_and_shapes_are_read(path: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(5, dtype=torch.bfloat16)}, path, metadata={"format": "pt"})
    assert tensor_places(path) == {"a": TensorPlace("F32", (2, 3)), "b": TensorPlace("BF16", (5,))}


def test_cut_off_at_any_byte_it_is_refused(path: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(3)}, path)
    raw = path.read_bytes()
    for cut in range(len(raw)):
        path.write_bytes(raw[:cut])
        with pytest.raises(RunError, match="truncated"):
            tensor_places(path)
    path.write_bytes(raw + b"x")
    with pytest.raises(RunError, match="damaged"):
        tensor_places(path)


@pytest.mark.parametrize(
    "entry",
    [
        5, None, {}, [], {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]},
        {"dtype": "F32", "shape": ["a", 10**12], "data_offsets": [0, 4]},
        {"dtype": [], "shape": [1], "data_offsets": [0, 4]}, {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}, {"dtype": "F32", "shape": [1], "data_offsets": 4},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]},
    ],
)  # fmt: skip
def test_a_damaged_entry_is_refused(path: Path, entry: object) -> None:
    path.write_bytes(with_header({"weight": entry}, b"\0" * 4))
    with pytest.raises(RunError, match="damaged"):
        tensor_places(path)


def test_a_pickle_is_called_one(path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(RunError, match="is a pickle"):
        tensor_places(path)


@pytest.mark.parametrize("header", [[], "x", 1, None])
def test_a_header_that_is_no_object(path: Path, header: object) -> None:
    path.write_bytes(with_header(header).ljust(12))
    with pytest.raises(RunError, match="truncated"):
        tensor_places(path)


def test_an_absent_file_is_a_sentence(path: Path) -> None:
    with pytest.raises(RunError, match="can't be read"):
        tensor_places(path)


@settings(max_examples=100)
@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_give_anything_but_a_sentence(raw: bytes, framed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(struct.pack("<Q", len(raw)) + raw if framed else raw)
        try:
            assert tensor_places(path) == {}
        except RunError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    "header",
    [
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": NaN}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "__metadata__": {"format": 1}}',
        b'{"__metadata__": 0}',
        b'{"a\\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
    ],
)
def test_what_the_library_would_not_load_is_not_taken_for_whole(path: Path, header: bytes) -> None:
    content = struct.pack("<Q", len(header)) + header + b"\0" * (4 if b"F32" in header else 0)
    with pytest.raises(SafetensorError):
        deserialize(content)
    path.write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        tensor_places(path)
