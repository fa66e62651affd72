"""Pages, programs and people at once: one run at a time, nothing hangs, no command is lost, nothing is left over."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.promises import Cases
from tests.stress.crowd import CountingHost, Crowd, errors_logged
from tests.training.model.fingerprint import model_fingerprint
from tests.ui.browser import PHONE, Tab, chromium
from training_pro.folders import Folders
from training_pro.record.aside import aside_runs
from training_pro.record.checkpoints import checkpoints
from training_pro.record.runs import list_runs
from training_pro.record.whole_files import is_temporary
from training_pro.session import Session
from training_pro.settings import Settings, to_json
from training_pro.ui.standalone import launch

TEXT = "\n\n\n".join(f"Night {n}. The keeper of lamp {n} climbs {n + 90} steps." for n in range(30))
CLICKS = ("start", "interrupt", "checkpoint", "pause", "continue", "verify")


def settings(**changes: object) -> Settings:
    values = {
        "name": "anna",
        "text_file": "lamp.txt",
        "max_tokens": 32,
        "rank": 2,
        "epochs": 20.0,
        "warmup_steps": 0,
        "save_at_loss": 0.0,
        "save_steps": 40,
        "keep_checkpoints": 2,
    }
    return Settings(**{**values, **changes})


@pytest.fixture
def crowd(folders: Folders, tiny_folder: Path) -> Crowd:
    (folders.datasets / "lamp.txt").write_text(TEXT, encoding="utf-8")
    (folders.user_data / "settings.json").write_text(to_json(settings(epochs=2.0)), encoding="utf-8")
    session = Session(CountingHost(folders, tiny_folder, load_in_4bit=False))
    return Crowd(session, tiny_folder, settings, seed=7)


def check_all_is_well(crowd: Crowd, fingerprint: str, errors: list[str]) -> None:
    host = crowd.session.host
    assert isinstance(host, CountingHost)
    assert (crowd.faults, crowd.lost, errors) == ([], [], [])
    assert host.most_holding == 1 and host.holds >= 2, "too little happened"
    assert model_fingerprint(host.loaded_model().model) == fingerprint
    for run in crowd.runs.values():
        assert run.status.ending is not None and run.status.ending.reason
    folders = host.folders
    places = [*(found.path for found in list_runs(folders)), *(moved.path for moved in aside_runs(folders))]
    for place in places:
        check_place(place)


def check_place(place: Path) -> None:
    """No temporary file is left, and what is listed loads."""
    assert [file for file in place.rglob("*") if is_temporary(file.name)] == []
    for checkpoint in checkpoints(place):
        assert checkpoint.complete, checkpoint.fault
        with safe_open(checkpoint.path / "adapter_model.safetensors", "pt") as weights:
            assert list(weights.keys())


@pytest.mark.promise("many hands")
def test_ten_clients_and_the_command_line(crowd: Crowd) -> None:
    fingerprint = model_fingerprint(crowd.session.host.loaded_model().model)
    with errors_logged() as errors, crowd.at_work(clients=10, programs=1):
        host, began = crowd.session.host, time.monotonic()
        assert isinstance(host, CountingHost)
        while (took := time.monotonic() - began) < 120 and (
            host.holds < 2 or (took < 20 and sum(crowd.done.values()) < 300)
        ):
            time.sleep(0.1)
    check_all_is_well(crowd, fingerprint, errors)


@pytest.mark.stress
@pytest.mark.browser
@pytest.mark.promise("many hands")
def test_two_pages_ten_clients_and_the_command_line(
    crowd: Crowd, capsys: pytest.CaptureFixture[str], cases: Cases
) -> None:
    minutes = float(os.environ.get("MANY_HANDS_MINUTES", "10"))
    fingerprint = model_fingerprint(crowd.session.host.loaded_model().model)
    page = launch(crowd.session, "127.0.0.1", 0)
    draw = random.Random(1)
    clicks = 0
    with chromium() as browser, errors_logged() as errors:
        tabs = [Tab(browser, f"{page.local_url}?__theme=light", size) for size in (None, PHONE)]
        for tab in tabs:
            tab.choose("text-file", "lamp.txt")
            tab.type("name", "anna")
        with crowd.at_work(clients=10, programs=1):
            end = time.monotonic() + minutes * 60
            while time.monotonic() < end:
                clicks += click(draw.choice(tabs), draw.choice(CLICKS))
        complaints = [complaint for tab in tabs for complaint in tab.complaints]
    page.close(verbose=False)
    with capsys.disabled():
        print(f"{minutes:g} min, {clicks} clicks, done {dict(crowd.done)}, refused {dict(crowd.refused)}")  # noqa: T201 - the figures are what this is for
    assert complaints == [] and clicks > 0
    check_all_is_well(crowd, fingerprint, errors)
    for _ in range(clicks + sum(crowd.done.values()) + sum(crowd.refused.values())):
        cases.count(True)


def click(tab: Tab, name: str) -> int:
    """Press a button if it can be pressed just now."""
    button = tab.part(name)
    if not button.is_enabled():
        return 0
    button.click(force=True, timeout=20_000)
    tab.page.wait_for_timeout(50)
    return 1
