import json
from pathlib import Path

import numpy as np
import pytest

from training_pro.data import cache as cache_module
from training_pro.data.cache import LAYOUT, CacheEntry, PreparedCache, cache_key
from training_pro.data.fingerprint import files_digest

ARRAYS = {"tokens": np.arange(100_000, dtype=np.int32), "numbers": np.zeros(0, np.int64)}
ENTRY = CacheEntry(ARRAYS, {"rows": 2, "notes": ["ä"]})
KEY = cache_key("a")


@pytest.fixture
def cache(tmp_path: Path) -> PreparedCache:
    made = PreparedCache(tmp_path)
    made.store(KEY, ENTRY)
    return made


def test_what_was_stored_comes_back(cache: PreparedCache):
    found = cache.load(KEY)
    assert found is not None
    arrays = found.arrays
    assert found.facts == ENTRY.facts
    assert all(
        np.array_equal(arrays[name], values) and arrays[name].dtype == values.dtype for name, values in ARRAYS.items()
    )


def test_another_key_finds_nothing(cache: PreparedCache):
    assert cache.load(cache_key("b")) is None


@pytest.mark.parametrize("file", ["tokens.npy", "numbers.npy", "manifest.json"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "gone", "empty"])
def test_a_damaged_entry_is_thrown_away_and_can_be_made_anew(
    file: str, damage: str, cache: PreparedCache, tmp_path: Path
):
    path = tmp_path / "prepared" / KEY / file
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        changed = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes({"truncated": content[: len(content) // 2], "changed": changed, "empty": b""}[damage])
    if file == "manifest.json" and damage == "changed":
        path.write_text(content.decode().replace('"tokens"', '"others"'))
    assert cache.load(KEY) is None
    cache.store(KEY, ENTRY)
    assert cache.load(KEY) is not None


@pytest.mark.parametrize(
    "manifest", [b"[" * 100_000, b"[]", b'{"layout": %d, "arrays": [], "facts": {}}' % LAYOUT, b"\xff"]
)
def test_a_manifest_that_makes_no_sense_is_no_entry(cache: PreparedCache, tmp_path: Path, manifest: bytes):
    cache.store("key", CacheEntry({"a": np.arange(3)}))
    (found,) = tmp_path.rglob("key/manifest.json")
    found.write_bytes(manifest)
    assert cache.load("key") is None and not found.exists()


@pytest.mark.parametrize("cut", [0, 9, 60, 130])
def test_an_array_that_was_stored_torn_is_no_entry(cache: PreparedCache, tmp_path: Path, cut: int):
    cache.store("key", CacheEntry({"a": np.arange(3)}))
    (array,), (found,) = tmp_path.rglob("key/a.npy"), tmp_path.rglob("key/manifest.json")
    array.write_bytes(array.read_bytes()[:cut])
    manifest = json.loads(found.read_text(encoding="utf-8"))
    manifest["arrays"]["a"] = files_digest([array])
    found.write_text(json.dumps(manifest), encoding="utf-8")
    assert cache.load("key") is None


def test_another_layout_is_not_read(cache: PreparedCache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_module, "LAYOUT", 0)
    assert cache.load(KEY) is None


def test_a_half_written_entry_has_no_name(cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    cache.store(cache_key("b"), ENTRY)
    assert [path.name for path in (tmp_path / "prepared").iterdir()] == [KEY]


def test_the_oldest_entries_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import os

    monkeypatch.setattr(cache_module, "KEPT_ENTRIES", 2)
    made = PreparedCache(tmp_path)
    for age, name in enumerate(["a", "b", "c"]):
        made.store(cache_key(name), ENTRY)
        os.utime(tmp_path / "prepared" / cache_key(name), (1000 + age, 1000 + age))
    made.load(cache_key("b"))  # used just now
    made.store(cache_key("d"), ENTRY)
    assert {path.name for path in (tmp_path / "prepared").iterdir()} == {cache_key("b"), cache_key("d")}


def test_room_is_limited_but_the_newest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_module, "KEPT_BYTES", 2 * ARRAYS["tokens"].nbytes + 10)
    made = PreparedCache(tmp_path)
    for name in ("a", "b", "c"):
        made.store(cache_key(name), ENTRY)
    kept = {path.name for path in (tmp_path / "prepared").iterdir()}
    assert len(kept) == 1 and cache_key("c") in kept


def test_pickles_are_not_read(cache: PreparedCache, tmp_path: Path):
    entry = tmp_path / "prepared" / KEY
    np.save(entry / "tokens.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    manifest = json.loads((entry / "manifest.json").read_text())
    manifest["arrays"]["tokens"] = cache_module.files_digest([entry / "tokens.npy"])
    (entry / "manifest.json").write_text(json.dumps(manifest))
    assert cache.load(KEY) is None


def test_keys_depend_on_every_part():
    keys = {
        cache_key(),
        cache_key("a"),
        cache_key("a", "b"),
        cache_key("ab"),
        cache_key(["a", "b"]),
        cache_key({"a": 1}),
    }
    assert len(keys) == 6


def test_what_would_take_all_the_room_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = PreparedCache(tmp_path)
    monkeypatch.setattr(cache_module, "free_disk_bytes", lambda path: ARRAYS["tokens"].nbytes)
    made.store(KEY, ENTRY)
    assert made.load(KEY) is None
    monkeypatch.undo()
    monkeypatch.setattr(cache_module, "KEPT_BYTES", ARRAYS["tokens"].nbytes)
    made.store(KEY, ENTRY)
    assert made.load(KEY) is None
