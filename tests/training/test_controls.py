"""Live controls: whole values, checked, taken over by the trainer, from any thread."""

from __future__ import annotations

import threading
import time

import pytest

from tests.training.tiny import small_settings
from training_pro.errors import SettingsError
from training_pro.training.controls import Controls, LiveValues


@pytest.fixture
def controls() -> Controls:
    return Controls(small_settings(stop_at_loss=1.0, stop_at_epoch=2, loss_window=3))


def test_begins_with_the_settings(controls: Controls) -> None:
    assert controls.values == controls.taken == LiveValues(1.0, 2, 3, 1.0)


def test_a_change_counts_as_taken_only_when_the_trainer_takes_it(controls: Controls) -> None:
    controls.set(stop_at_loss=1.5, learning_rate_scale=0.5)
    assert controls.values == LiveValues(1.5, 2, 3, 0.5)
    assert controls.taken == LiveValues(1.0, 2, 3, 1.0)
    assert controls.take() == controls.taken == LiveValues(1.5, 2, 3, 0.5)


def test_what_is_set_by_hand_before_a_checkpoint_is_restored_stays(controls: Controls) -> None:
    controls.set(stop_at_loss=1.5)
    controls.restore(LiveValues(0.5, 7, 9, 0.25))
    assert controls.values == LiveValues(1.5, 7, 9, 0.25)
    assert controls.taken == LiveValues(0.5, 7, 9, 0.25)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("stop_at_loss", -1, "Stop at loss"),
        ("stop_at_loss", "x", "Stop at loss"),
        ("stop_at_epoch", 1.5, "Stop at Epoch"),
        ("loss_window", 0, "loss"),
        ("learning_rate_scale", -0.1, "Learning rate × .*from 0 to 100"),
        ("learning_rate_scale", 101, "Learning rate × .*from 0 to 100"),
        ("learning_rate_scale", float("nan"), "Learning rate × .*from 0 to 100"),
        ("learning_rate_scale", True, "Learning rate × .*from 0 to 100"),
        ("rank", 8, "can't be changed while a run is training"),
    ],
)
def test_a_bad_value_changes_nothing(controls: Controls, name: str, value: object, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        controls.set(**{"stop_at_epoch": 9, name: value})
    assert controls.values == LiveValues(1.0, 2, 3, 1.0)


def test_requests_are_handed_out_once(controls: Controls) -> None:
    controls.ask_checkpoint()
    controls.ask_sample()
    assert controls.checkpoint_asked
    assert (controls.take_checkpoint_request(), controls.take_checkpoint_request()) == (True, False)
    assert (controls.take_sample_request(), controls.take_sample_request()) == (True, False)
    assert not controls.checkpoint_asked


def test_the_first_reason_to_interrupt_counts(controls: Controls) -> None:
    assert controls.interrupt_reason == ""
    controls.interrupt("first")
    controls.interrupt("second")
    assert controls.interrupt_reason == "first"


@pytest.mark.parametrize("way_on", ["resume", "interrupt"])
def test_a_pause_ends_at_once(controls: Controls, way_on: str) -> None:
    controls.pause()
    assert controls.paused
    threading.Timer(0.05, getattr(controls, way_on)).start()
    began = time.monotonic()
    assert controls.wait_while_paused(600) is False
    assert time.monotonic() - began < 300


def test_a_checkpoint_asked_for_in_a_pause_wakes_the_run(controls: Controls) -> None:
    controls.pause()
    over = threading.Event()

    def ask() -> None:  # again and again: asked before the wait, it wakes nobody
        while not over.wait(0.05):
            controls.ask_checkpoint()

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.monotonic()
    try:
        assert controls.wait_while_paused(600) is True
        assert time.monotonic() - began < 300
    finally:
        over.set()
        asking.join()


def test_values_are_whole_under_many_threads(controls: Controls) -> None:
    def change(value: int) -> None:
        for _ in range(200):
            controls.set(stop_at_epoch=value, loss_window=value)

    threads = [threading.Thread(target=change, args=(value,)) for value in (1, 2, 3, 4)]
    controls.set(stop_at_epoch=1, loss_window=1)
    for thread in threads:
        thread.start()
    for _ in range(500):
        taken = controls.take()
        assert taken.stop_at_epoch == taken.loss_window
    for thread in threads:
        thread.join()


def test_a_value_that_is_changed_after_stop_is_refused(controls: Controls) -> None:
    controls.interrupt("interrupted by hand")
    with pytest.raises(SettingsError, match="Too late: the run is ending .interrupted by hand"):
        controls.set(stop_at_loss=2.0)
    assert controls.values == controls.taken
