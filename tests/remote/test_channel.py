"""Channels are there with their status or not at all, whoever sweeps meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from training_pro.errors import RunError
from training_pro.record.files import sweep_temporaries
from training_pro.record.process import ProcessMark, this_process
from training_pro.remote import channel as channel_module
from training_pro.remote.channel import ANSWERS, COMMANDS, channel_folder, channels, open_channel, read_live, sweep
from training_pro.remote.live import Live, to_values
from training_pro.settings import Settings
from training_pro.training.controls import LiveValues
from training_pro.training.status import RunStatus


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return channel_folder(tmp_path / "tales")


def status(channel: Path, process: ProcessMark | None = None) -> dict[str, Any]:
    values = LiveValues(0, 0, 5)
    shown = RunStatus("tales", channel.with_name("tales"), "training")
    return to_values(Live(process or this_process(), Settings(name="tales"), shown, values, values))


def test_a_channel_is_there_whole_and_for_its_owner_alone(channel: Path) -> None:
    open_channel(channel, status(channel))
    assert sorted(path.name for path in channel.iterdir()) == [ANSWERS, COMMANDS, "status.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (channel, channel / COMMANDS, channel / ANSWERS))
    live = read_live(channel)
    assert live is not None and live.alive(channel)
    assert list(channel.parent.iterdir()) == [channel]


def test_a_sweep_at_any_moment_of_the_making_takes_nothing_away(channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, put = Path.mkdir, channel_module.put

    def sweep_all() -> None:
        sweep(channel.parent)
        sweep_temporaries(channel.parent)

    def mkdir(path: Path, *args: Any, **more: Any) -> None:
        make(path, *args, **more)
        sweep_all()

    def put_and_sweep(path: Path, values: dict[str, Any]) -> None:
        sweep_all()
        put(path, values)
        sweep_all()

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(channel_module, "put", put_and_sweep)
    open_channel(channel, status(channel))
    sweep_all()
    assert channels(channel.parent) == [channel] and read_live(channel) is not None


def test_sweeping_all_the_time_takes_no_living_channel_away(channel: Path) -> None:
    over = threading.Event()

    def sweep_on() -> None:
        while not over.is_set():
            sweep(channel.parent)

    sweeping = threading.Thread(target=sweep_on)
    sweeping.start()
    try:
        for _ in range(100):
            open_channel(channel, status(channel))
            assert read_live(channel) is not None
            channel_module.close_channel(channel)
    finally:
        over.set()
        sweeping.join()


def test_what_a_dead_run_left_is_swept_and_replaced(channel: Path) -> None:
    dead = status(channel, ProcessMark(this_process().pid, "00000000", this_process().machine))
    open_channel(channel, dead)
    (channel / COMMANDS / "1.json").write_text('{"do": "stop"}', encoding="utf-8")
    open_channel(channel, dead)
    assert list((channel / COMMANDS).iterdir()) == []
    sweep(channel.parent)
    assert list(channel.parent.iterdir()) == []


def test_a_disk_that_refuses_leaves_nothing_and_is_a_sentence(channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(channel_module, "put", refuse)
    with pytest.raises(RunError, match="the disk is full"):
        open_channel(channel, status(channel))
    assert list(channel.parent.iterdir()) == []


def test_whoever_was_quicker_keeps_the_channel(channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = channel_module.put

    def overtaken(path: Path, values: dict[str, Any]) -> None:
        put(path, values)
        monkeypatch.setattr(channel_module, "put", put)
        monkeypatch.setattr(channel_module.os.path, "lexists", lambda _: False)
        (channel / COMMANDS).mkdir(parents=True)
        put(channel / "status.json", {"the": "other's"})

    monkeypatch.setattr(channel_module, "put", overtaken)
    with pytest.raises(RunError):
        open_channel(channel, status(channel))
    assert (channel / "status.json").read_text(encoding="utf-8") == '{"the": "other\'s"}'
