"""Measuring from the session to the table on tiny models, on both hosts: several models, LoRAs, faults, interrupts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import save_tiny_lora, save_tiny_model
from tests.hosts.fake_webui import FakeWebUI
from tests.training.model.fingerprint import model_fingerprint
from training_pro.errors import Fault, ModelError, RunError, SettingsError, UserError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.perplexity import WITHOUT, Measuring, MeasuringStatus, PerplexityJob
from training_pro.record.perplexity_table import PerplexityTable
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.training import perplexity as maths

TEXT = "The lamp keeper climbs the tower at dusk. A ship passes far out; its light answers hers. " * 12


@pytest.fixture(params=["standalone", "webui"])
def session(request: pytest.FixtureRequest, tmp_path: Path, tiny_folder: Path) -> Iterator[Session]:
    """A host with the model "tiny" loaded, another model "other", and the LoRAs "sea" and "hill"."""
    folders = Folders.under(tmp_path / "user_data")
    fake = FakeWebUI(folders.user_data)
    folders.make()
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    (folders.models / "tiny").symlink_to(tiny_folder)
    save_tiny_model(folders.models / "other", seed=7)
    for name in ("sea", "hill"):
        save_tiny_lora(tiny_folder, folders.loras / name)
    config = folders.loras / "hill" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "lora_alpha": 8}))
    if request.param == "standalone":
        yield Session(StandaloneHost(folders, folders.models / "tiny", load_in_4bit=False))
        return
    with fake.installed():
        from training_pro.hosts.webui import WebUIHost

        fake.choose_model("tiny")
        yield Session(WebUIHost())


def asked(**more: Any) -> Measuring:
    return Measuring(**{"text": "tales.txt", "context_tokens": 64, "stride": 32, **more})


def measured(session: Session, **more: Any) -> MeasuringStatus:
    """A whole measuring in which nothing went wrong."""
    status = session.measure(asked(**more)).wait(120)
    assert not status.running and status.faults == ()
    return status


def hold_up(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """The first figure says when it has begun and waits to be let go."""
    begun, go_on = threading.Event(), threading.Event()
    whole = maths._nats

    def waiting(*given: Any) -> float:
        begun.set()
        assert go_on.wait(60)
        return whole(*given)

    monkeypatch.setattr(maths, "_nats", waiting)
    return begun, go_on


def test_one_figure_and_its_line(session: Session) -> None:
    status = measured(session, comment="the first")
    (line,) = status.done
    assert (line.model, line.lora, line.text, line.comment) == ("tiny", "", "tales.txt", "the first")
    assert (line.context, line.stride, line.bos) == (64, 32, True)
    assert 1 < line.perplexity < 1e6
    assert PerplexityTable(session.host.folders).read()[0] == [line]
    again = measured(session)
    assert again.done[0].perplexity == line.perplexity


def test_bos_alone_makes_the_difference_of_a_token(session: Session) -> None:
    with_bos, without = measured(session).done[0], measured(session, add_bos=False).done[0]
    assert without.tokens == with_bos.tokens - 1
    assert not without.bos


def test_without_and_with_several_loras(session: Session) -> None:
    before = model_fingerprint(session.host.loaded_model().model)
    done = measured(session, loras=(WITHOUT, "sea", "hill")).done
    assert [line.lora for line in done] == ["", "sea", "hill"]
    assert len({line.perplexity for line in done}) == 3
    assert session.host.loras_in_use() == []
    assert model_fingerprint(session.host.loaded_model().model) == before


def test_the_lora_that_is_on_is_measured_and_stays_on(session: Session) -> None:
    plain, with_sea = (line.perplexity for line in measured(session, loras=(WITHOUT, "sea")).done)
    session.host.use_lora("sea")
    before = session.host.loaded_model().model
    assert [(line.lora, line.perplexity) for line in measured(session).done] == [("sea", with_sea)]
    assert measured(session, loras=("sea",)).done[0].perplexity == with_sea
    assert session.host.loaded_model().model is before
    done = measured(session, loras=(WITHOUT, "hill", "sea")).done
    assert (done[0].perplexity, done[2].perplexity) == (plain, with_sea)
    assert session.host.loras_in_use() == ["sea"]
    assert measured(session).done[0].perplexity == with_sea


def test_several_models_and_the_first_is_back(session: Session) -> None:
    plain = measured(session).done[0].perplexity
    session.host.use_lora("sea")
    done = measured(session, models=("other", "tiny"), loras=(WITHOUT,)).done
    assert [line.model for line in done] == ["tiny", "other"]
    assert done[0].perplexity == plain != done[1].perplexity
    assert session.host.model_label() == "tiny"
    assert session.host.loras_in_use() == ["sea"]


def test_what_can_not_be_measured_is_said_and_the_rest_goes_on(session: Session) -> None:
    status = session.measure(asked(loras=("gone", "sea"), models=("nowhere", "other"))).wait(120)
    assert [(line.model, line.lora) for line in status.done] == [("other", "sea")]
    assert len(status.faults) == 2
    assert all(any(name in fault.text for fault in status.faults) for name in ("gone", "nowhere"))
    assert session.host.model_label() == "tiny"


def test_a_context_past_the_models_own_is_said(session: Session) -> None:
    status = measured(session, context_tokens=1024, stride=512)
    assert (status.done[0].context, status.done[0].stride) == (256, 128)
    assert "256 tokens" in status.notes[0]


def test_an_interrupt_keeps_what_is_done(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    job: list[PerplexityJob] = []
    measure = maths.measure

    def interrupted_at_the_second(model: Any, *given: Any) -> Any:
        if job[0].status.done:
            job[0].interrupt()
        return measure(model, *given)

    begun, go_on = hold_up(monkeypatch)
    monkeypatch.setattr(maths, "measure", interrupted_at_the_second)
    before = model_fingerprint(session.host.loaded_model().model)
    started = threading.Event()
    monkeypatch.setattr("training_pro.perplexity.raw_texts", _after(started, "training_pro.perplexity"))
    job.append(session.measure(asked(loras=(WITHOUT, "sea"))))
    started.set()
    assert begun.wait(60)
    go_on.set()
    status = job[0].wait(120)
    assert status.interrupted and [line.lora for line in status.done] == [""]
    assert len(PerplexityTable(session.host.folders).read()[0]) == 1
    assert model_fingerprint(session.host.loaded_model().model) == before
    assert session.measure(asked()).wait(120).done


def _after(event: threading.Event, module: str) -> Callable[..., Any]:
    from training_pro import perplexity

    whole = perplexity.raw_texts

    def waiting(*given: Any) -> Any:
        assert event.wait(60)
        return whole(*given)

    return waiting


def test_nothing_else_gets_at_the_model_meanwhile(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = hold_up(monkeypatch)
    job = session.measure(asked())
    assert begun.wait(60)
    training = Settings(name="x", text_file="tales.txt")
    refused: list[Callable[[], Any]] = [
        lambda: session.start(training),
        lambda: session.measure(asked()),
        lambda: session.check(training),
        lambda: session.host.generate("The lamp", 2),
    ]
    for attempt in refused:
        with pytest.raises(UserError, match="perplexity is being measured on tales.txt"):
            attempt()
    assert session.run is None
    go_on.set()
    assert job.wait(60).done
    assert session.occupied() == ""


def test_a_run_keeps_a_measuring_away(session: Session) -> None:
    small = {"max_tokens": 64, "rank": 4, "warmup_steps": 0, "save_at_loss": 0.0, "epochs": 5000.0}
    run = session.start(Settings(name="long", text_file="tales.txt", **small))
    try:
        with pytest.raises(RunError, match='The run "long" is in progress'):
            session.measure(asked())
    finally:
        run.controls.interrupt()
        run.wait(60)
    end = time.monotonic() + 60
    while session.busy and time.monotonic() < end:
        time.sleep(0.01)
    assert measured(session).done


def test_a_full_disk_still_shows_the_figure(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise RunError("The disk is full.")

    monkeypatch.setattr(PerplexityTable, "add", full)
    status = session.measure(asked()).wait(60)
    assert len(status.done) == 1 and status.faults == (Fault("The disk is full."),)


def test_a_defect_is_one_sentence_and_the_host_is_itself_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model_fingerprint(session.host.loaded_model().model)
    monkeypatch.setattr(maths, "_nats", lambda *_: 1 / 0)
    status = session.measure(asked(loras=("sea",))).wait(60)
    assert len(status.faults) == 1 and "ZeroDivisionError" in status.faults[0].text
    assert model_fingerprint(session.host.loaded_model().model) == before
    assert session.host.generate("The lamp", 2)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"text": ""}, "No text is chosen"), ({"stride": 64}, "1 to 63"), ({"context_tokens": 2}, "8 or more")],
)
def test_what_is_wrong_beforehand_is_refused_at_once(session: Session, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        session.measure(asked(**wrong))
    assert session.measuring is None


def test_a_text_that_is_not_there_is_said(session: Session) -> None:
    (fault,) = session.measure(asked(text="gone.txt")).wait(60).faults
    assert "'gone.txt'" in fault.text


def test_several_loras_on_the_model_are_left_alone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(session.host), "loras_in_use", lambda _: ["a", "b"])
    (fault,) = session.measure(asked(loras=("sea",))).wait(60).faults
    assert "(a, b)" in fault.text


def test_without_a_model_the_way_out_is_said(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: object) -> None:
        raise ModelError("No model is loaded; load one.")

    monkeypatch.setattr(type(session.host), "loaded_model", none)
    assert session.measure(asked()).wait(60).faults == (Fault("No model is loaded; load one."),)
