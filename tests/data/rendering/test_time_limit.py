import threading
import time

import pytest

from training_pro.data.rendering.time_limit import within_seconds


def forever() -> None:
    while True:
        time.sleep(0.001)


def fail() -> None:
    raise KeyError("a")


def test_results_and_errors_come_through():
    assert within_seconds(5, lambda: 3) == 3
    with pytest.raises(KeyError):
        within_seconds(5, fail)


def test_what_takes_too_long_is_ended():
    with pytest.raises(TimeoutError):
        within_seconds(0.1, forever)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any("time-limit" in thread.name for thread in threading.enumerate()):
        time.sleep(0.01)
    assert not any("time-limit" in thread.name for thread in threading.enumerate())


def test_a_timeout_of_the_work_itself_is_its_own():
    def slow_network() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        within_seconds(5, slow_network)
