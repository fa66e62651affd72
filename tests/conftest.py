"""Fixtures for all rooms. The embedded model is converted once per machine (in the user's cache), then reused."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

from tests.gradio4_helper import is_gradio4, mend_gradio4

if is_gradio4():
    mend_gradio4()

from tests import promises
from tests.fakes import save_tiny_model
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The machines that run this are shared: how long a case takes says nothing about the code.
hypothesis.settings.register_profile("shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("shared")


def pytest_itemcollected(item: pytest.Item) -> None:
    """``make test`` looks for tests with a browser in tests/ui alone; `make stress` everywhere."""
    browser, stress = (item.get_closest_marker(name) is not None for name in ("browser", "stress"))
    if browser and not stress and not item.path.is_relative_to(Path(__file__).parent / "ui"):
        raise pytest.UsageError(f"{item.nodeid} needs a browser, so it has to lie in tests/ui, or to be marked stress.")


def pytest_collection_finish() -> None:
    """What a run imports is imported before it, so that `_old_objects` leaves it out as well."""
    if "torch" in sys.modules:
        import matplotlib.pyplot  # noqa: F401 (only to have it imported)
        import peft  # noqa: F401 (only to have it imported)
        import transformers.trainer  # noqa: F401 (only to have it imported)


@pytest.fixture(scope="module", autouse=True)
def _old_objects() -> None:
    """Each run looks for garbage several times, which took two fifths of all tests' time: what was there before a
    module's tests is left out."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_picture(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a tiny run's time would go into its picture; a test that wants it asks for `picture`."""
    if "picture" not in request.fixturenames and request.node.get_closest_marker("stress") is None:
        monkeypatch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")


@pytest.fixture
def picture() -> None:
    """Runs draw their graph."""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """An empty user data folder, with the folders that a run needs."""
    made = Folders.under(tmp_path / "user_data")
    made.make()
    return made


@pytest.fixture(scope="session")
def smol_folder() -> Path:
    """The embedded model's folder; read only."""
    from training_pro.hosts.embedded import embedded_model

    return embedded_model()


@pytest.fixture(scope="session")
def smol_tokenizer(smol_folder: Path) -> PreTrainedTokenizerBase:
    """Shared by all tests: never change it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(smol_folder)


@pytest.fixture(scope="session")
def smol_4bit_folder(smol_folder: Path, pytestconfig: pytest.Config) -> Path:
    """The embedded model saved in 4-bit, kept between test runs: older bitsandbytes quantizes it in half a minute."""
    from training_pro.hosts.model_folder import load_model_folder

    assert pytestconfig.cache
    folder = pytestconfig.cache.mkdir(f"smol-4bit-{version('bitsandbytes')}") / smol_folder.name
    if not folder.is_dir():
        loaded = load_model_folder(smol_folder)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            loaded.model.save_pretrained(f"{unfinished}/made")
            loaded.tokenizer.save_pretrained(f"{unfinished}/made")
            with suppress(OSError):  # other tests, run beside these, were faster
                Path(unfinished, "made").rename(folder)
    return folder


@pytest.fixture
def smol_model_4bit(smol_4bit_folder: Path) -> LoadedModel:
    """The embedded model in 4-bit, the test's own. Takes some 3 seconds."""
    from training_pro.hosts.model_folder import load_model_folder

    return load_model_folder(smol_4bit_folder)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 2 layers on disk; read only."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def tiny_model(tiny_folder: Path) -> LoadedModel:
    """That model in memory in float32, the test's own. Takes some 20 milliseconds."""
    from training_pro.hosts.model_folder import load_model_folder

    return load_model_folder(tiny_folder, load_in_4bit=False, dtype="float32")


_counted: pytest.StashKey[dict[str, dict[str, tuple[int, int]]]] = pytest.StashKey()


@pytest.fixture
def cases() -> promises.Cases:
    """Where a test of a promise counts what it tried and what was survived."""
    return promises.Cases()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    outcome = yield
    report, key = outcome.get_result(), promises.key_of(item)
    if key is not None and report.when == "call" and not report.skipped:
        found = item.config.stash.setdefault(_counted, defaultdict(dict))
        found[key][item.nodeid] = promises.counted(item, report.passed)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = config.stash.get(_counted, {})
    if not found:
        return
    promises.keep(found)
    terminalreporter.section("promises")
    for promise in promises.PROMISES:
        if promise.key in found:
            terminalreporter.write_line(f"{promises.totals(found[promise.key])}: {promise.promised}")
