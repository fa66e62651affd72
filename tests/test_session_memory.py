"""Through the session: the forecast with the check, and the search for the largest batch, which holds the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_session import TEXT, ended, forever, small, until
from tests.training.model.fingerprint import model_fingerprint
from training_pro.errors import Cancelled, RunError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import SEEKING, Session


@pytest.fixture
def session(folders: Folders, tiny_folder: Path) -> Session:
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    return Session(StandaloneHost(folders, tiny_folder, load_in_4bit=False))


def test_a_check_tells_what_the_run_needs(session: Session) -> None:
    checked = session.check(small())
    assert checked.memory is not None
    assert checked.memory.longest_tokens == int(checked.prepared.train.lengths.max())
    assert checked.memory.batch_size == checked.plan.batch_size
    assert checked.memory.fits and "Needs about" in checked.memory.sentence()


def test_targets_that_are_not_there_are_a_refusal_of_the_check(session: Session) -> None:
    checked = session.check(small(targets="own list", target_modules="nothing_proj"))
    assert checked.memory is None
    assert any("nothing_proj" in refusal.text for refusal in checked.verification.refusals)


def test_while_a_run_has_the_model_there_is_no_forecast_and_no_search(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update > 0)
    assert session.check(small()).memory is None
    with pytest.raises(RunError, match='The run "tales" is in progress'):
        session.largest_batch_size(small())
    run.controls.interrupt()
    assert ended(run)[0] == "interrupted"


def test_the_search_holds_the_model_and_gives_it_back(session: Session) -> None:
    model = session.host.trainable_model().model
    before = model_fingerprint(model)
    refused: list[str] = []

    def progress(done: int, total: int, what: str) -> None:
        if what.startswith("trying") and not refused:
            with pytest.raises(RunError) as caught:
                session.start(small())
            refused.append(str(caught.value))

    found = session.largest_batch_size(small(), progress)
    assert refused == [SEEKING]
    assert 1 <= found.batch_size <= found.most
    assert model_fingerprint(model) == before
    assert not list(session.host.folders.loras.iterdir())
    assert ended(session.start(small())) == ("finished", "all updates are done")


def test_a_search_that_is_cancelled_leaves_the_model_free(session: Session) -> None:
    def progress(done: int, total: int, what: str) -> None:
        if what.startswith("trying"):
            raise Cancelled

    with pytest.raises(Cancelled):
        session.largest_batch_size(small(), progress)
    assert session.occupied() == ""
    assert session.host.generate("She", 2)
