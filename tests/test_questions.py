"""Questions for a text from the session to the dataset: a model that answers from a list, on both hosts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.fake_webui import FakeWebUI
from tests.training.model.fingerprint import model_fingerprint
from training_pro import questions as work
from training_pro.data.questions.kept import Line, QuestionFile
from training_pro.data.questions.passages import Cutting
from training_pro.data.tools import DatasetTools
from training_pro.errors import BusyError, DataError, RunError, SettingsError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.questions import Asking, AskingStatus
from training_pro.session import Session
from training_pro.training import answering as writing

COUNT = 11
SECTIONS = [
    f"Keeper number {n} climbed tower {n} in the year {1800 + n} and wiped the old glass." for n in range(COUNT)
]


@pytest.fixture(params=["standalone", "webui"])
def session(request: pytest.FixtureRequest, tmp_path: Path, tiny_folder: Path) -> Iterator[Session]:
    """A host with the model "tiny" loaded and a text of `COUNT` sections."""
    folders = Folders.under(tmp_path / "user_data")
    fake = FakeWebUI(folders.user_data)
    folders.make()
    (folders.datasets / "tales.txt").write_text("\n\n\n".join(SECTIONS), encoding="utf-8")
    (folders.models / "tiny").symlink_to(tiny_folder)
    if request.param == "standalone":
        yield Session(StandaloneHost(folders, folders.models / "tiny", load_in_4bit=False))
        return
    with fake.installed():
        from training_pro.hosts.webui import WebUIHost

        fake.choose_model("tiny")
        yield Session(WebUIHost())


class Model:
    """Writes what `says(number, attempt)` says of the passage with that number; `asked` has all (number, attempt)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, says: Callable[[int, int], str]) -> None:
        self.asked: list[tuple[int, int]] = []
        self.sizes: list[int] = []
        self.before: Callable[[], None] = lambda: None
        self._says = says
        monkeypatch.setattr(writing, "answers", self._answers)

    def _answers(self, model: Any, tokenizer: Any, prompts: Sequence[str], *_: Any) -> list[str]:
        self.before()
        self.sizes.append(len(prompts))
        found = []
        for prompt in prompts:
            number = next(n for n in range(COUNT) if SECTIONS[n] in prompt) + 1
            attempt = int("Somebody asked" in prompt)
            self.asked.append((number, attempt))
            found.append(self._says(number, attempt))
        return found


def good(number: int, attempt: int) -> str:
    return f"Question: Who climbed the tower {number} times?\nAnswer: nobody."


def asking(**more: Any) -> Asking:
    return Asking(**{"text": "tales.txt", "cutting": Cutting(max_tokens=200), **more})


def written(session: Session, **more: Any) -> AskingStatus:
    status = session.write_questions(asking(**more)).wait(120)
    assert not status.running
    return status


def test_each_section_gets_its_question_and_the_dataset_has_the_authors_words(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    Model(monkeypatch, good)
    status = written(session)
    assert status.fault is None and status.questions is not None
    assert [line.number for line in status.questions.kept] == list(range(1, COUNT + 1))
    name = DatasetTools(session.host.folders).questions_to_chats(QuestionFile(status.file), "")
    rows = [json.loads(line) for line in (session.host.folders.datasets / name).read_text().splitlines()]
    assert [row["messages"][1]["content"] for row in rows] == SECTIONS
    assert rows[2]["messages"][0] == {"role": "user", "content": "Who climbed the tower 3 times?"}


def test_bad_questions_are_tried_once_more_then_counted_with_their_reasons(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        1: "",
        2: "He climbed.",
        3: SECTIONS[2] + "?",
        4: "谁登上了塔？",
        5: good(6, 0),
        7: "What is this text about?",
    }

    def says(number: int, attempt: int) -> str:
        if number == 8:
            return ["No idea.", "Who wiped the glass at last?"][attempt]
        return answers.get(number, good(number, attempt))

    model = Model(monkeypatch, says)
    status = written(session)
    assert status.questions is not None
    bad = {line.number: line.why for line in status.questions.lines if line.why}
    assert bad == {
        1: "empty",
        2: "no question",
        3: "repeats the answer",
        4: "wrong language",
        6: "duplicate",
        7: "asks about the text",
    }
    assert [attempt for number, attempt in model.asked if number == 8] == [0, 1]
    assert status.questions.lines[7].question == "Who wiped the glass at last?"
    assert len(status.questions.kept) == COUNT - len(bad)
    assert all(f"1 {why}" in status.summary() for why in bad.values())


def test_cancelled_in_the_middle_and_continued_nothing_is_asked_twice(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(monkeypatch, good)
    whole = written(session).questions
    assert whole is not None
    model.asked.clear()
    rounds: list[int] = []

    def cancel_in_the_third_round() -> None:
        rounds.append(1)
        if len(rounds) == 3:
            assert session.questions is not None
            session.questions.interrupt()

    model.before = cancel_in_the_third_round
    status = written(session, at_once=2, again=True)
    assert status.interrupted and status.questions is not None and len(status.questions.lines) == 4
    assert status.questions.waiting == COUNT - 4
    model.before = lambda: None
    model.asked.clear()
    resumed = written(session, at_once=2)
    assert resumed.questions == whole == QuestionFile(resumed.file).read()
    assert [number for number, _ in model.asked] == list(range(5, COUNT + 1))
    assert any("4 of 11" in note for note in resumed.notes)


def test_killed_while_a_line_was_written_it_continues_to_the_same_table(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(monkeypatch, good)
    status = written(session)
    content = status.file.read_bytes()
    for left in range(content.index(b"\n") + 1, len(content), 97):
        status.file.write_bytes(content[:left])
        assert written(session).fault is None
        assert status.file.read_bytes() == content
    model.asked.clear()
    written(session)
    assert model.asked == []


def test_the_model_is_what_it_was_and_others_are_answered_meanwhile(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model_fingerprint(session.host.loaded_model().model)
    model = Model(monkeypatch, good)
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(60)

    model.before = wait
    job = session.write_questions(asking())
    assert begun.wait(60)
    assert "writing questions for tales.txt" in session.host.obstacle()
    for refused in (lambda: session.write_questions(asking()), session._refuse_while_occupied):
        with pytest.raises(BusyError, match="writing questions"):
            refused()
    with pytest.raises(RunError, match="writing questions"):
        session._loaded()
    go_on.set()
    assert job.wait(120).fault is None
    assert model_fingerprint(session.host.loaded_model().model) == before
    assert session.host.obstacle() == ""


def test_when_memory_runs_out_fewer_are_asked_at_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = Model(monkeypatch, good)
    whole = writing.answers

    def short(*given: Any) -> list[str]:
        if len(given[2]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(*given)

    monkeypatch.setattr(writing, "answers", short)
    status = written(session, at_once=8)
    assert status.fault is None and status.questions is not None and len(status.questions.kept) == COUNT
    assert set(model.sizes) <= {1, 2} and any("8 passages" in note for note in status.notes)


def test_a_defect_becomes_a_sentence_and_the_host_has_its_model(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> list[str]:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(writing, "answers", broken)
    status = written(session)
    assert status.fault is not None and "ZeroDivisionError" in status.fault.text
    assert session.host.obstacle() == ""


def test_what_can_not_be_asked_about_is_refused(session: Session) -> None:
    with pytest.raises(SettingsError, match="No text"):
        session.write_questions(asking(text=""))
    with pytest.raises(DataError, match="no text or dataset"):
        session.write_questions(asking(text="nothing.txt"))


def test_a_changed_text_is_refused_until_it_is_asked_about_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    Model(monkeypatch, good)
    written(session)
    (session.host.folders.datasets / "tales.txt").write_text("\n\n\n".join(SECTIONS[:5]), encoding="utf-8")
    refused = written(session)
    assert refused.fault is not None and refused.fault.options == ("--again",)
    fresh = written(session, again=True)
    assert fresh.questions is not None and len(fresh.questions.lines) == 5
    assert len(list(fresh.file.parent.glob("tales-old-*.jsonl"))) == 1


def test_the_real_model_answers_in_batches_as_alone(session: Session) -> None:
    """Tiny weights are random: what they say makes no sense, but it must not depend on its neighbours."""
    loaded = session.host.loaded_model()
    never: Callable[..., bool] = lambda *_: False  # noqa: E731 - two callbacks in one
    prompts = ["The lamp", "She counts the steps, and there are ninety of them.", "A"]
    together = writing.answers(loaded.model, loaded.tokenizer, prompts, 8, never, never)
    alone = [writing.answers(loaded.model, loaded.tokenizer, [one], 8, never, never)[0] for one in prompts]
    assert together == alone and len(set(together)) == 3
    assert writing.answers(loaded.model, loaded.tokenizer, prompts, 8, never, lambda: True) != together


def test_a_tokenizer_without_template_continues_examples(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def told(model: Any, tokenizer: Any, given: Sequence[str], *_: Any) -> list[str]:
        prompts.extend(given)
        return [f"Who climbed it {len(prompts)} {place} times?" for place in range(len(given))]

    monkeypatch.setattr(writing, "answers", told)
    monkeypatch.setattr(work.Prompts, "of", classmethod(lambda cls, *_: cls(None, False)))
    status = written(session)
    assert len(prompts) == COUNT and all(prompt.endswith("\nQuestion:") for prompt in prompts)
    assert "chat template" in status.notes[0]
    assert all(isinstance(line, Line) and not line.why for line in status.questions.lines)  # type: ignore[union-attr]  # it has some
