"""What runs leave on the disk, read again after anybody may have written there: values that hold, or a sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from tests.fuzz.target import BREAK, answered, folder_with, in_parts, target
from training_pro.data.cache import PreparedCache
from training_pro.data.fingerprint import files_digest
from training_pro.folders import Folders
from training_pro.queue.entry import entry_from
from training_pro.queue.kept_list import KeptList
from training_pro.record.adapter_files import check_adapter
from training_pro.record.history import History, read_history, sample_history
from training_pro.record.perplexity_table import PerplexityTable
from training_pro.record.points import thin
from training_pro.record.process import ProcessMark, this_process
from training_pro.record.runs import is_untouched, read_run, summarize
from training_pro.record.safetensors_file import tensor_places
from training_pro.record.state import RunState, read_state, standing
from training_pro.remote import commands
from training_pro.remote.channel import channel_folder, read_live, read_small, sweep
from training_pro.remote.snapshot import Live
from training_pro.remote.terminal_side import reach
from training_pro.settings import Settings
from training_pro.training.controls import Controls, LiveValues
from training_pro.training.status import RunStatus
from training_pro.values import plain

POINTS = b'{"update": 1, "loss": 1.0, "epoch": 0.5}\n{"update": 1, "eval_loss": "nan"}\n'
EVENT = b'{"update": 1, "event": "checkpoint", "text": "x", "at": "2026-01-01", "details": {"a": 1}}\n'
STATE = b'{"state": "running", "update": 1, "pid": 1, "process_started": "00000000", "machine": "a", "last_loss": 1.5}'
HEADER = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
ADAPTER = b'{"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ["q"], "rank_pattern": {"q": 1}}'
_KINDS = {"str": str, "int": int, "dict[str, str]": dict, "float | None": (float, type(None))}


def with_length(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


@target(
    "history",
    POINTS + EVENT,
    EVENT + b'{"update": 2, "loss"',
    b'{"update": 1, "loss": "nan"},{"update": 2, "loss": 1}\n',
    b'{"update": 1, "event": 2, "loss": 1.0}\n',
)
def history(content: bytes) -> None:
    """Going on with a history loses nothing of what was read from it."""
    with folder_with({}) as folder:
        path = folder / "a.jsonl"
        path.write_bytes(content)
        found = read_history(path)
        assert all(0 <= point.update < 2**53 for point in found.points)
        assert all(isinstance(value, str) for event in found.events for value in (event.kind, event.text, event.at))
        assert all(isinstance(event.details, dict) for event in found.events)
        assert len(thin(found.points, 4)) <= 4
        sample_history(path)
        opened = History.open(path)
        opened.close()
        again = read_history(path)
        assert again.points == found.points and repr(again.events) == repr(found.events)
        path.unlink()


@target("state", STATE, b'{"state": "finished", "update": 1, "data_parts": {"a": 1}}', b"[]")
def state(content: bytes) -> None:
    with folder_with({"training_state.json": content}) as folder:
        found = answered(lambda: read_state(folder))
        if found is not None:
            for field in dataclasses.fields(RunState):
                assert isinstance(getattr(found, field.name), _KINDS[str(field.type)]), field
            standing(folder, found)


@target("run", b"\n---\n".join((STATE, POINTS, b'{"rank": 8}', b'{"loss": 1}', b"[]", ADAPTER, b"{}")))
def run(content: bytes) -> None:
    names = ("training_state.json", "training_history.jsonl", "training_parameters.json", "training_log.json")
    more = ("training_graph.json", "adapter_config.json", "checkpoint-1/training_checkpoint.json")
    parts = in_parts(content, len(names) + len(more))
    with folder_with(
        {f"run/{name}": part for name, part in zip((*names, *more), parts, strict=True) if part}
    ) as folder:
        (folder / "run").mkdir(parents=True, exist_ok=True)
        found = summarize(folder / "run")
        assert not found.fault or "\n" not in found.fault
        assert isinstance(found.created, str)
        record = answered(lambda: read_run(folder / "run"))
        assert record is None or isinstance(record.settings, dict)
        answered(lambda: is_untouched(folder / "run"))


@target("safetensors", with_length(HEADER) + b"abcd", with_length(b'{"__metadata__": {"a": "b"}}'), b"\x80\2}q\0.")
def safetensors_file(content: bytes) -> None:
    """What is taken for whole, the library that loads it takes too."""
    with folder_with({"a.safetensors": content}) as folder:
        found = answered(lambda: tensor_places(folder / "a.safetensors"))
    if found is not None:
        loaded = dict(safetensors.deserialize(content))
        assert loaded.keys() == found.keys()
        assert all(tuple(loaded[name]["shape"]) == place.shape for name, place in found.items())


@target(
    "safetensors header",
    HEADER,
    b'{"a": {"dtype": "BOOL", "shape": [2, 2], "data_offsets": [0, 4]}, "__metadata__": {}}',
)
def safetensors_header(content: bytes) -> None:
    """The input is the header, behind which lie as many bytes as it asks for."""
    with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError, AttributeError, OverflowError):
        ends = [entry["data_offsets"][1] for name, entry in json.loads(content).items() if name != "__metadata__"]
        content = content + b" " * (-len(content) % 8)
        return safetensors_file(with_length(content) + b"\0" * min(max(ends, default=0), 4096))
    safetensors_file(with_length(content))


@target(
    "adapter",
    ADAPTER
    + BREAK
    + with_length(b'{"x.q.lora_A.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}}')
    + b"abcd",
)
def adapter(content: bytes) -> None:
    config, weights = in_parts(content, 2)
    with folder_with({"adapter_config.json": config, "adapter_model.safetensors": weights}) as folder:
        found = answered(lambda: check_adapter(folder))
    if found is not None:
        assert found.rank >= 1 and math.isfinite(found.alpha) and all(isinstance(name, str) for name in found.targets)


@target("queue", b'{"entries": [{"settings": {"name": "a"}, "state": "waiting"}, 1]}', b'{"entries": {}}')
def queue(content: bytes) -> None:
    """What makes no sense is said and kept aside, the rest is kept on."""
    with folder_with({"queue.json": content}, may_add="queue*") as folder:
        kept = KeptList(folder / "queue.json")
        entries = kept.read()
        assert "\n" not in kept.fault
        assert [entry_from(json.loads(json.dumps(plain(entry)))) for entry in entries] == entries
        if kept.fault:
            assert any(path.read_bytes() == content for path in folder.glob("queue-*.json"))


TABLE = (
    b"date,model,quantization,lora,text,context,stride,bos,tokens,perplexity,comment,id\n"
    b'2026-01-01,a,4-bit,,b,256,128,True,5,1.5,"\'=1",00ff\n'
)


@target("perplexities", TABLE, b"\xef\xbb\xbf" + TABLE.replace(b"1.5", b"inf"), TABLE + b"a\n")
def perplexities(content: bytes) -> None:
    """A good table is the same when it is written again; another is kept aside, as it was."""
    with folder_with({}, may_add="*perplexity*") as folder:
        table = PerplexityTable(Folders(folder, folder / "loras", folder / "models"))
        table.path.parent.mkdir(parents=True)
        table.path.write_bytes(content)
        lines, said = table.read()
        assert "\n" not in said
        if said:
            assert any(path.read_bytes() == content for path in table.path.parent.glob("*-bad-*"))
        elif lines:
            table.comment(lines[0].id, lines[0].comment[:1000])
            again, said = table.read()
            assert not said and len(again) == len(lines) and again[1:] == lines[1:]


def npy(values: Any) -> bytes:
    import io

    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


@target("prepared data", b'{"layout": 4, "arrays": {"a": 0}, "facts": {"b": 1}}' + BREAK + npy(np.arange(3)))
def prepared_data(content: bytes) -> None:
    """The manifest as it is, but for the digests, which are made right: else nothing would get past them."""
    manifest, array = in_parts(content, 2)
    with folder_with({}, may_add="*") as folder:
        entry = folder / "prepared" / "key"
        entry.mkdir(parents=True)
        (entry / "a.npy").write_bytes(array)
        with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError):
            values = json.loads(manifest)
            values["arrays"]["a"] = files_digest([entry / "a.npy"])
            manifest = json.dumps(values).encode()
        (entry / "manifest.json").write_bytes(manifest)
        found = PreparedCache(folder).load("key")
        assert found is None or all(isinstance(values, np.ndarray) for values in found.arrays.values())
        assert found is None or not any(values.dtype.hasobject for values in found.arrays.values())


def told(mark: ProcessMark) -> bytes:
    values = LiveValues(0, 0, 5)
    status = RunStatus("tales", Path("/nowhere/tales"), "training")
    return json.dumps(plain(Live(mark, Settings(name="tales"), status, values, values))).encode()


@target("live status", told(this_process()), told(ProcessMark(1, "00000000", "elsewhere")), b'{"process": {}}')
def live_status(content: bytes) -> None:
    """A channel tells of a run, or of none; a sweep, and whoever wants to steer, come back either way."""
    with folder_with({}, may_add="*.lock") as folder:
        channel = channel_folder(folder / "tales")
        channel.mkdir()
        (channel / "status.json").write_bytes(content)
        live = read_live(channel)
        if live is not None:
            assert isinstance(live.name, str)
            live.alive(channel)
            json.dumps(plain(live))
        answered(lambda: reach(folder / "tales"))
        sweep(folder)
        with contextlib.suppress(OSError):
            (channel / "status.json").unlink()


@target(
    "command", b'{"do": "set", "values": {"stop_at_loss": 1.5}}', b'{"do": "sample", "text": "a"}', b'{"do": "pause"}'
)
def command(content: bytes) -> None:
    with folder_with({"1.json": content}) as folder:
        values = read_small(folder / "1.json")
    told = answered(lambda: commands.read_command(values)) if values is not None else None
    if told is None:
        return
    controls = Controls(Settings())
    before = controls.values
    said = answered(lambda: commands.obey(told, controls, False))
    assert said is None or said.endswith(".")
    assert said is not None or controls.values == before
    assert all(isinstance(value, (int, float)) for value in vars(controls.values).values())
