"""Settings that can't be used: values, files of settings in JSON and YAML, of the old dialects, and ``--set``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.attack.refusing import Attempt, all_refused
from tests.promises import Cases
from training_pro.cli.settings_file import settings_in
from training_pro.legacy_settings import settings_from
from training_pro.settings import DEFAULTS, SPECS, from_dict, read_json_object
from training_pro.ui.presets import preset_values

pytestmark = pytest.mark.promise("bad input")
HUGE = 10**5000  # more digits than Python writes
NEITHER_TEXT_NOR_NUMBER: tuple[Any, ...] = (True, None, [], [1, 2], {}, {"a": 1}, b"1", object())


def bomb() -> Any:
    """A few objects that would take terabytes to write out."""
    value: Any = ["lol"] * 9
    for _ in range(15):
        value = [value] * 9
    return value


def endless() -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


def bad_values(name: str) -> Iterator[Any]:
    spec, default = SPECS[name], DEFAULTS[name]
    if isinstance(default, bool):
        yield from ("true", "", 1, 0, 2.5, None, [], {})
    elif isinstance(default, str):
        yield from (5, 1.5, [], {}, b"x", "a\x00b", "x" * 100_001, "\ud800")
        yield from () if spec.switch else (True,)  # as older files say it
        yield from ("unknown", "\u202e", f" {default}") if spec.choices else ()
    else:
        yield from (float("nan"), float("inf"), float("-inf"), "NaN", "-Infinity", "1e999")
        assert spec.low is not None and spec.high is not None
        yield from (spec.low - 1, spec.high * 10 + 1, -1e308, 1e308, HUGE, -HUGE)
        yield from ("", "many", "1,5", "0x10", "1 2", "١x", "1" * 9999, *NEITHER_TEXT_NOR_NUMBER)
        yield from (1.5, "2.5") if isinstance(default, int) else ()


@pytest.mark.parametrize("name", SPECS)
def test_every_setting_refuses_what_it_can_not_be(name: str, tmp_path: Path, cases: Cases) -> None:
    tries = {f"{name} {number}": partial(from_dict, {name: value}) for number, value in enumerate(bad_values(name))}
    all_refused(tries, tmp_path, cases)


def test_values_that_grow_when_they_are_shown_are_shown_short(tmp_path: Path, cases: Cases) -> None:
    nasty = {"bomb": bomb(), "endless": endless(), "many": list(range(10**5)), "number": HUGE, "text": "x" * 10**6}
    values = {f"{name} in {key}": {key: value} for name, value in nasty.items() for key in ("rank", "seed", "alpha")}
    values["a name of 100,000 characters"] = {"x" * 100_000: 1}
    values["100,000 unknown names"] = {f"name {number}": 1 for number in range(100_000)}
    all_refused({name: partial(from_dict, value) for name, value in values.items()}, tmp_path, cases)


DEEP = 100_000
JSON_FILES: dict[str, str | bytes] = {
    "empty": "",
    "white space": " \n",
    "not JSON": "rank: 8",
    "breaks off": '{"rank": 8',
    "comma at the end": '{"rank": 8,}',
    "single quotes": "{'rank': 8}",
    "a comment": '{"rank": 8} // mine',
    "two objects": '{"rank": 8}{"rank": 9}',
    "a name twice": '{"rank": 8, "rank": 9}',
    "a name twice, the same": '{"rank": 8, "rank": 8}',
    "a list": "[8]",
    "a number": "8",
    "a text": '"rank"',
    "null": "null",
    "NaN": '{"alpha": NaN}',
    "infinite": '{"alpha": -Infinity}',
    "too large": '{"alpha": 1e999}',
    "5,000 digits": '{"rank": ' + "1" * 5000 + "}",
    "nested lists": "[" * DEEP,
    "nested objects": '{"a":' * DEEP,
    "a nested value": '{"rank": ' + "[" * 900 + "]" * 900 + "}",
    "a name of 100 kB": json.dumps({"x" * 100_000: 1}),
    "an unknown name": '{"rnk": 8}',
    "half a character": '{"text_file": "\\ud800"}',
    "a NUL": '{"text_file": "\\u0000"}',
    "utf-16": '{"rank": 8}'.encode("utf-16"),
    "latin-1": '{"name": "é"}'.encode("latin-1"),
    "a zip": b"PK\x03\x04" + bytes(50),
    "zeros": bytes(1000),
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "11 MB": '{"hard_cut": "' + "x" * 11_000_000 + '"}',
    "old: a text as number": '{"lora_rank": "x"}',
    "old: NaN": '{"micro_batch_size": NaN, "lora_rank": 8}',
    "old: infinite batch": '{"micro_batch_size": 4, "batch_size": Infinity}',
    "old: a list as batch": '{"micro_batch_size": [4]}',
    "old: an object as batch": '{"micro_batch_size": {"a": 4}}',
    "old: true as batch": '{"micro_batch_size": true}',
    "old: negative": '{"micro_batch_size": -4}',
    "old: negative warmup": '{"micro_batch_size": 4, "warmup_steps": -100}',
    "old: warmup is text": '{"micro_batch_size": 4, "warmup_steps": "soon"}',
    "old: half a step": '{"micro_batch_size": 4, "save_steps": 1.5}',
    "old: huge cutoff": '{"cutoff_len": 1e30}',
    "old: name is a list": '{"cutoff_len": 256, "lora_name": ["x"]}',
    "old: unknown projection": '{"cutoff_len": 256, "training_projection": "everything"}',
}
YAML_FILES: dict[str, str | bytes] = {
    "empty": "",
    "a list": "- rank",
    "a text": "rank",
    "tabs": "\trank: 8",
    "breaks off": "rank: [8",
    "a name twice": "rank: 8\nrank: 9",
    "a Python object": "rank: !!python/object/apply:os.system ['touch OWNED']",
    "a Python name": "rank: !!python/name:os.system",
    "a Python module": "!!python/module:os {}",
    "an unknown tag": "rank: !mine 8",
    "a set": "!!set {rank, alpha}",
    "a 13th month": "name: 2024-13-45",
    "a date as rank": "rank: 2024-01-01",
    "a list as name": "? [a, b]\n: 8",
    "an object as name": "? {a: b}\n: 8",
    "a huge name": "0x" + "f" * 20_000 + ": 8",
    "a huge number": "rank: 0x" + "f" * 20_000,
    "5,000 digits": "rank: " + "1" * 5000,
    "sexagesimal": "rank: 190:20:30:40:50:60",
    "not a number": "alpha: .nan",
    "infinite": "alpha: -.inf",
    "nested": "[" * 5000,
    "nested with ends": "rank: " + "[" * 3000 + "]" * 3000,
    "an alias without anchor": "rank: *a",
    "an endless alias": "rank: &a [*a]",
    "a bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True))
    + "rank: *k\n",
    "binary": "rank: !!binary aGVsbG8=",
    "bad binary": "rank: !!binary é",
    "two documents": "rank: 8\n---\nrank: 9",
    "control characters": "rank: \x01",
    "latin-1": "name: é".encode("latin-1"),
    "zeros": bytes(1000),
    "a merge of nothing": "<<: 5\nrank: 8",
    "an endless merge": "a: &a {<<: *a}",
}


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_settings_files_that_can_not_be_used(ending: str, tmp_path: Path, cases: Cases) -> None:
    files, attempts = {"json": JSON_FILES, "yaml": YAML_FILES}[ending], {}
    for number, (name, content) in enumerate(files.items()):
        path = tmp_path / f"{number}.{ending}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        attempts[name] = partial(settings_in, path, [])
    attempts["absent"] = partial(settings_in, tmp_path / f"absent.{ending}", [])
    attempts["a folder"] = partial(settings_in, tmp_path, [])
    attempts["no end"] = partial(settings_in, Path("/dev/zero"), [])
    attempts["a name of 300 characters"] = partial(settings_in, tmp_path / ("x" * 300 + "." + ending), [])
    all_refused(attempts, tmp_path, cases)
    assert not Path("OWNED").exists()


def test_presets_that_can_not_be_used(folders: Any, cases: Cases) -> None:
    attempts: dict[str, Attempt] = {}
    for number, content in enumerate(JSON_FILES.values()):
        path = folders.presets / f"p{number}.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        attempts[path.stem] = partial(preset_values, path.stem, folders)
    attempts |= {repr(name): partial(preset_values, name, folders) for name in ("../x", "/etc/passwd", "", "a\x00")}
    all_refused(attempts, folders.user_data, cases)


@pytest.mark.parametrize(
    "texts",
    [
        ["rank"], [""], ["="], ["rank="], ["rank=NaN"], ["rank=Infinity"], ["rank=-1"], ["rank=1e999"], ["rank=8.5"],
        ["rank=eight"], ["rank=[8]"], ["rank={}"], ["rank=null"], ["rank=true"], ["rank==8"], ["rank=" + "9" * 5000],
        ["rank=" + "[" * 100_000], ["override=maybe"], ["override="], ["alpha=1,5"], ["loss_on=some"], ["eos="],
        ["name=\x00"], ["hard_cut=" + "x" * 100_001], ["nonsense=1"], ["RANK=8"], ["--rank=8"], ["rank 8"],
        ["x" * 100_000 + "=1"], ["text_file=\udcff"], ["rank=8", "rank"], ["rank=8", "alpha=NaN"],
    ],
)  # fmt: skip
def test_overrides_of_the_command_line(texts: list[str], tmp_path: Path, cases: Cases) -> None:
    all_refused({str(texts)[:50]: partial(settings_in, None, texts)}, tmp_path, cases)


def test_a_setting_named_twice_is_not_silently_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"rank": 8, "rank": 9}')
    with pytest.raises(Exception, match=r"'rank' appears twice"):
        read_json_object(path)


def test_a_byte_order_mark_and_the_old_dialects_are_still_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"rank": 8}')
    assert settings_in(tmp_path / "a.json", []).rank == 8
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfrank: 8\n")
    assert settings_in(tmp_path / "a.yaml", ["alpha=4"]).alpha == 4
    assert settings_from({"micro_batch_size": 2, "batch_size": 8})[0].gradient_accumulation_steps == 4
    with pytest.raises(Exception, match="^batch_size is 'x'"):
        settings_from({"micro_batch_size": 2, "batch_size": "x"})
