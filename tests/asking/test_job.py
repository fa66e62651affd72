"""Asking on tiny models, on both hosts: strengths, checkpoints, blind votes, cancelling, and the model as it was."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import save_tiny_lora
from tests.hosts.fake_webui import FakeWebUI
from tests.training.model.fingerprint import model_fingerprint
from training_pro.asking.job import Asked
from training_pro.asking.question import BASE, Question, Sampling, Voice
from training_pro.errors import BusyError, RunError, SettingsError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.votes import VOTES_FILE, read_votes
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.training import answering

PROMPT = "The lamp keeper"
SHORT = Sampling(tokens=6)


@pytest.fixture(params=["standalone", "webui"])
def session(request: pytest.FixtureRequest, tmp_path: Path, tiny_folder: Path) -> Iterator[Session]:
    """A host with the model "tiny" loaded; the LoRA "sea" with a checkpoint, and "headed" with a head of its own."""
    folders = Folders.under(tmp_path / "user_data")
    fake = FakeWebUI(folders.user_data)
    folders.make()
    (folders.models / "tiny").symlink_to(tiny_folder)
    sea = save_tiny_lora(tiny_folder, folders.loras / "sea")
    shutil.copytree(sea, sea / "checkpoint-4")
    save_tiny_lora(tiny_folder, folders.loras / "headed", modules_to_save=["lm_head"])
    if request.param == "standalone":
        yield Session(StandaloneHost(folders, folders.models / "tiny", load_in_4bit=False))
        return
    with fake.installed():
        from training_pro.hosts.webui import WebUIHost

        fake.choose_model("tiny")
        yield Session(WebUIHost())


def question(*voices: Voice, **more: Any) -> Question:
    return Question(**{"prompt": PROMPT, "voices": voices, "sampling": SHORT, **more})


def ask(session: Session, *voices: Voice, **more: Any) -> Asked:
    status = session.ask(question(*voices, **more)).wait(60)
    assert not status.running and not status.fault
    return status


def words(status: Asked) -> list[str]:
    return [answer.text for answer in status.answers]


def test_base_lora_checkpoint_and_strengths_answer_and_the_model_stays_as_it_was(session: Session) -> None:
    before = model_fingerprint(session.host.loaded_model().model)
    voices = (Voice(BASE), Voice("sea"), Voice("sea", 0.0), Voice("sea/checkpoint-4"), Voice("sea", 1.7))
    base, sea, off, checkpoint, strong = ask(session, *voices).answers
    assert {answer.state for answer in (base, sea, off, checkpoint, strong)} == {"done"}
    assert off.text == base.text and checkpoint.text == sea.text
    assert len({base.text, sea.text, strong.text}) == 3
    assert 1 <= base.tokens <= 6
    assert model_fingerprint(session.host.loaded_model().model) == before
    assert session.host.loras_in_use() == []


def test_half_a_strength_is_half_the_scale(session: Session, tmp_path: Path) -> None:
    from training_pro.export.lora_source import open_lora
    from training_pro.export.lora_tools import bake

    folders = session.host.folders
    bake(open_lora(folders.loras / "sea", folders, with_base=False), 0.5, folders.loras / "soft")
    half, soft = words(ask(session, Voice("sea", 0.5), Voice("soft"), sampling=Sampling(tokens=20)))
    assert half == soft


def test_an_answer_ends_before_a_string_that_ends_it(session: Session) -> None:
    loaded = session.host.loaded_model()
    whole = answering.answer(loaded.model, loaded.tokenizer, PROMPT, answering.Manner(12)).text
    middle = whole[len(whole) // 2]
    cut = answering.answer(loaded.model, loaded.tokenizer, PROMPT, answering.Manner(12, stop_strings=(middle,))).text
    assert cut == whole[: whole.index(middle)]


def test_what_is_drawn_follows_the_seed_alone(session: Session) -> None:
    drawn = [
        words(ask(session, Voice(BASE), sampling=Sampling(tokens=12, temperature=2.0, seed=seed))) for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_lora_in_use_is_in_use_again(session: Session) -> None:
    session.host.use_lora("headed")
    ask(session, Voice(BASE), Voice("sea"))
    assert session.host.loras_in_use() == ["headed"]


def test_a_run_that_starts_takes_the_answers_of_before_away(session: Session) -> None:
    ask(session, Voice(BASE))
    assert session.asking is not None
    session.start(Settings(name="mine", text_file="a")).wait(60)
    assert session.asking is None


def test_a_voice_that_can_not_answer_is_a_sentence_and_the_others_answer(session: Session) -> None:
    gone, headed, whole, base = ask(session, Voice("gone"), Voice("headed", 0.5), Voice("headed"), Voice(BASE)).answers
    assert gone.state == headed.state == "failed" and "gone" in gone.fault and "lm_head" in headed.fault
    assert whole.state == base.state == "done" and whole.text != base.text


def test_while_it_answers_it_can_be_read_and_cancelled_and_nothing_else_begins(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, let_go = threading.Event(), threading.Event()
    whole = answering._Heard.on_finalized_text

    def slowly(self: Any, text: str, stream_end: bool = False) -> None:
        whole(self, text, stream_end)
        heard.set()
        assert let_go.wait(60)

    monkeypatch.setattr(answering._Heard, "on_finalized_text", slowly)
    job = session.ask(question(Voice(BASE), Voice("sea"), sampling=Sampling(tokens=200)))
    assert heard.wait(60)
    assert [answer.state for answer in job.status.answers] == ["writing", "waiting"]
    assert "answering a question" in session.occupied()
    for begin in (
        lambda: session.ask(question(Voice(BASE))),
        lambda: session.start(Settings(name="mine", text_file="a")),
    ):
        with pytest.raises(BusyError, match="answering a question"):
            begin()
    job.cancel()
    let_go.set()
    status = job.wait(60)
    assert [answer.state for answer in status.answers] == ["cancelled", "cancelled"]
    assert status.answers[1].text == "" and session.occupied() == ""


def test_a_blind_question_is_voted_on_revealed_and_counted(session: Session) -> None:
    voices = (Voice(BASE), Voice("sea"), Voice("sea/checkpoint-4"))
    ask(session, *voices, blind=True)
    job = session.asking
    assert job is not None and job.status.hidden
    best = next(place for place, answer in enumerate(job.status.answers) if answer.voice.lora == "sea")
    job.vote(best)
    with pytest.raises(RunError, match="counts once"):
        job.vote(best)
    ask(session, *reversed(voices), blind=True)
    again = session.asking
    assert again is not None
    again.vote(-1)
    again.reveal()
    tally = again.status.tally
    assert tally is not None and not again.status.hidden
    assert dict(zip(tally.voices, tally.wins, strict=True)) == {"base model": 0, "sea": 1, "sea · checkpoint 4": 0}
    assert (tally.same, tally.votes) == (1, 2)
    assert [vote.best for vote in read_votes(session.host.folders.loras / "sea")] == ["sea", ""]
    with pytest.raises(RunError, match="nothing to count"):
        again.vote(0)


def test_the_order_of_blind_answers_is_drawn(session: Session) -> None:
    voices = tuple(Voice("sea", strength / 10) for strength in range(6))
    orders = {
        tuple(
            answer.voice.strength for answer in ask(session, *voices, blind=True, sampling=Sampling(tokens=1)).answers
        )
        for _ in range(3)
    }
    assert len(orders) > 1


def test_votes_that_can_not_be_read_are_not_overwritten(session: Session) -> None:
    kept = session.host.folders.loras / "sea" / VOTES_FILE
    kept.write_text("{}garbage", encoding="utf-8")
    ask(session, Voice(BASE), Voice("sea"), blind=True)
    assert session.asking is not None
    with pytest.raises(RunError, match="can't be read"):
        session.asking.vote(0)
    assert kept.read_text(encoding="utf-8") == "{}garbage"


def test_a_bad_question_asks_nothing(session: Session) -> None:
    with pytest.raises(SettingsError):
        session.ask(question())
    assert session.asking is None


def test_a_character_is_the_hosts(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    if session.host.name == "standalone":
        status = session.ask(question(Voice(BASE), framing="character")).wait(60)
        assert "no character" in status.fault
        return
    shared = sys.modules["modules.shared"]
    assert "no character yet" in session.ask(question(Voice(BASE), framing="character")).wait(60).fault
    chat = {"character_menu": "Ann", "mode": "instruct", "name1": "You", "name2": "Ann", "context": "Ann is a keeper."}
    monkeypatch.setattr(shared, "persistent_interface_state", {**chat, "greeting": "Hi {{user}}", "history": {}})
    text, stops = session.host.as_character("Hello")
    assert text == "Ann is a keeper.\nAnn: Hi You\nYou: Hello\nAnn:" and stops == ("\nYou:",)
    assert "character" in ask(session, Voice(BASE), framing="character").way
