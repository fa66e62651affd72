"""Channels are there with their status or not at all, whoever sweeps meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from training_pro.errors import RunError
from training_pro.record.aside import ASIDE_FOLDER
from training_pro.record.process import ProcessMark, this_process
from training_pro.record.whole_files import sweep_temporaries
from training_pro.remote import channel as channel_module
from training_pro.remote.channel import (
    ANSWERS,
    COMMANDS,
    OWNER_FILE,
    channel_folder,
    channels,
    close_channel,
    open_channel,
    read_live,
    sweep,
)
from training_pro.remote.snapshot import Live
from training_pro.settings import Settings
from training_pro.training.controls import LiveValues
from training_pro.training.status import RunStatus
from training_pro.values import plain


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return channel_folder(tmp_path / "tales")


def status(channel: Path, process: ProcessMark | None = None) -> dict[str, Any]:
    values = LiveValues(0, 0, 5)
    shown = RunStatus("tales", channel.with_name("tales"), "training")
    return plain(Live(process or this_process(), Settings(name="tales"), shown, values, values))


def left(channel: Path) -> list[str]:
    """What lies beside the run, but for the locks."""
    return [path.name for path in channel.parent.iterdir() if path.name != ASIDE_FOLDER]


def dead_status(channel: Path) -> dict[str, Any]:
    mark = this_process()
    return status(channel, ProcessMark(mark.pid, "00000000", mark.machine))


def test_a_channel_is_there_whole_and_for_its_owner_alone(channel: Path) -> None:
    open_channel(channel, status(channel))
    assert sorted(path.name for path in channel.iterdir()) == [ANSWERS, COMMANDS, OWNER_FILE, "status.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (channel, channel / COMMANDS, channel / ANSWERS))
    live = read_live(channel)
    assert live is not None and live.alive(channel)
    assert left(channel) == [channel.name]


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
            word = open_channel(channel, status(channel))
            assert read_live(channel) is not None
            close_channel(channel, word)
    finally:
        over.set()
        sweeping.join()


def test_what_a_dead_run_left_is_swept_and_replaced(channel: Path) -> None:
    dead = dead_status(channel)
    open_channel(channel, dead)
    (channel / COMMANDS / "1.json").write_text('{"do": "stop"}', encoding="utf-8")
    open_channel(channel, dead)
    assert list((channel / COMMANDS).iterdir()) == []
    sweep(channel.parent)
    assert left(channel) == []


def test_a_disk_that_refuses_leaves_nothing_and_is_a_sentence(channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(channel_module, "put", refuse)
    with pytest.raises(RunError, match="the disk is full"):
        open_channel(channel, status(channel))
    assert left(channel) == []


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


def test_a_channel_replaced_after_it_was_judged_dead_is_left(channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_channel(channel, dead_status(channel))
    look = channel_module.read_live
    judged: list[Path] = []

    def look_and_be_replaced(path: Path) -> Live | None:
        live = look(path)
        monkeypatch.setattr(channel_module, "read_live", look)
        judged.append(path)
        open_channel(path, status(path))
        return live

    monkeypatch.setattr(channel_module, "read_live", look_and_be_replaced)
    sweep(channel.parent)
    live = read_live(channel)
    assert judged == [channel] and live is not None and live.alive(channel)


def test_no_channel_takes_its_place_between_the_last_look_and_the_removal(
    channel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_channel(channel, dead_status(channel))
    remove = channel_module.remove_folder
    threads: list[threading.Thread] = []

    def remove_while_one_opens(path: Path) -> None:
        monkeypatch.setattr(channel_module, "remove_folder", remove)
        threads.append(threading.Thread(target=open_channel, args=(channel, status(channel))))
        threads[0].start()
        threads[0].join(0.3)
        assert threads[0].is_alive()
        remove(path)

    monkeypatch.setattr(channel_module, "remove_folder", remove_while_one_opens)
    sweep(channel.parent)
    threads[0].join()
    live = read_live(channel)
    assert live is not None and live.alive(channel)


def test_an_owner_at_its_end_takes_only_its_own_channel_away(channel: Path) -> None:
    first = open_channel(channel, status(channel))
    second = open_channel(channel, status(channel))
    close_channel(channel, first)
    assert read_live(channel) is not None
    close_channel(channel, second)
    assert left(channel) == []


def test_channels_come_and_go_where_no_lock_can_be_written(channel: Path) -> None:
    (channel.parent / ASIDE_FOLDER).write_bytes(b"")
    open_channel(channel, dead_status(channel))
    sweep(channel.parent)
    assert left(channel) == []
