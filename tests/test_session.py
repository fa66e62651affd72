"""The main job from settings to files, on a tiny real model: start, steer, end, continue, host restored."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import save_tiny_lora
from tests.training.model.fingerprint import model_fingerprint
from tests.training.watched import after_updates
from training_pro.errors import ModelError, RunError, SettingsError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.record.aside import aside_runs
from training_pro.record.checkpoints import checkpoints
from training_pro.record.history import read_history
from training_pro.record.runs import summarize
from training_pro.session import NameTaken, Session, current_session
from training_pro.settings import Settings
from training_pro.training.run import Run

TEXT = "\n\n\n".join(
    f"Chapter {n}. The lamp keeper of tower {n} climbs at dusk. She counts {n + 90} steps. A ship answers her light."
    for n in range(24)
)
FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "training_parameters.json",
    "training_log.json",
    "training_graph.json",
    "training_graph.png",
    "training_history.jsonl",
    "README.md",
)


@pytest.fixture
def session(folders: Folders, tiny_folder: Path) -> Session:
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    return Session(StandaloneHost(folders, tiny_folder, load_in_4bit=False))


def small(**changes: object) -> Settings:
    values = {
        "name": "tales",
        "text_file": "tales.txt",
        "max_tokens": 64,
        "epochs": 2,
        "warmup_steps": 1,
        "rank": 4,
        "save_at_loss": 0,
        "learning_rate": 1e-3,
    }
    return Settings(**{**values, **changes})


def forever(**changes: object) -> Settings:
    """A run that no test waits for."""
    return small(epochs=5000, **changes)


def until(run: Run, happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert run.status.running or happened(), run.status.ending
        assert time.monotonic() < end, run.status
        time.sleep(0.01)


def ended(run: Run) -> tuple[str, str]:
    status = run.wait(120)
    assert status.ending is not None, status
    return status.ending.kind, status.ending.reason


def adapter_hash(folder: Path) -> str:
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()


def test_a_run_ends_with_every_file_and_an_adapter_that_plain_peft_loads(
    session: Session, tiny_folder: Path, picture: None
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run = session.start(small())
    assert ended(run) == ("finished", "all updates are done")
    assert [name for name in FILES if not (run.folder / name).is_file()] == []
    assert run.folder == session.host.folders.loras / "tales"
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), run.folder)
    parameters = json.loads((run.folder / "training_parameters.json").read_text(encoding="utf-8"))
    assert Settings(**parameters) == small()
    points = read_history(run.folder / "training_history.jsonl").points
    graph = json.loads((run.folder / "training_graph.json").read_text(encoding="utf-8"))
    assert len(points) == len(graph) == run.status.total_updates
    assert set(graph[0]) == {"current_steps", "loss", "learning_rate", "epoch"}
    assert points[-1].loss < points[0].loss
    assert summarize(run.folder).state == "finished"


@pytest.mark.parametrize("how", ["finished", "interrupted", "failed"])
def test_the_model_is_bit_for_bit_as_it_was_found(session: Session, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = session.host.trainable_model()
    before = model_fingerprint(loaded.model)
    tokenizer_before = loaded.tokenizer.backend_tokenizer.to_str()
    if how == "failed":
        monkeypatch.setattr("training_pro.training.behaviours.meter.Meter.after_update", lambda *_, **__: 1 / 0)
    run = session.start(small() if how == "finished" else forever(gradient_checkpointing="on", neftune_noise_alpha=5))
    if how == "interrupted":
        until(run, lambda: run.status.update >= 2)
        run.controls.interrupt()
    assert ended(run)[0] == how
    assert model_fingerprint(loaded.model) == before
    assert loaded.tokenizer.backend_tokenizer.to_str() == tokenizer_before
    assert session.host.generate("The lamp", 3) == session.host.generate("The lamp", 3)


def test_the_stop_loss_is_moved_with_no_page_open(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 3)
    run.controls.set(stop_at_loss=10)
    point = run.status.point  # once it is set: between two lines of a test many updates may pass
    assert point is not None
    kind, reason = ended(run)
    assert kind == "stopped" and "reached the stop loss 10" in reason
    assert run.status.update <= point.update + 1
    assert (run.folder / "adapter_model.safetensors").is_file()
    assert summarize(run.folder).reason == reason


def test_checkpoint_now_writes_with_the_update_in_progress(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 2)
    before = run.status.update
    run.controls.ask_checkpoint()
    after = run.status.update
    until(run, lambda: bool(run.status.checkpoints))
    (checkpoint,) = run.status.checkpoints
    assert before <= checkpoint.update <= after + 1
    assert "asked for by hand" in checkpoint.reason
    run.controls.interrupt()
    ended(run)


def test_the_same_settings_and_seed_give_the_same_bytes(session: Session) -> None:
    hashes = []
    for name in ("one", "two"):
        run = session.start(small(name=name, epochs=1))
        assert ended(run)[0] == "finished"
        hashes.append(adapter_hash(run.folder))
    assert hashes[0] == hashes[1]
    other = session.start(small(name="three", epochs=1, seed=7))
    ended(other)
    assert adapter_hash(other.folder) != hashes[0]


def test_an_interrupted_run_goes_on_exactly(session: Session) -> None:
    whole = session.start(small(name="whole", epochs=3))
    ended(whole)
    # In the run's own thread: the test's may come when the run has ended.
    with after_updates({4: lambda: session.run.controls.interrupt()}):
        broken = session.start(small(name="broken", epochs=3))
        assert ended(broken)[0] == "interrupted"
    rest = session.start(small(name="broken", epochs=3), existing="continue")
    assert ended(rest) == ("finished", "all updates are done")
    assert adapter_hash(rest.folder) == adapter_hash(whole.folder)
    points = read_history(rest.folder / "training_history.jsonl").points
    assert [p.update for p in points] == list(range(1, whole.status.total_updates + 1))


def test_a_second_start_is_refused_with_the_name_of_the_first(session: Session) -> None:
    run = session.start(forever())
    with pytest.raises(RunError, match='"tales" is in progress'):
        session.start(small(name="other"))
    run.controls.interrupt()
    ended(run)
    assert not (session.host.folders.loras / "other").exists()


def test_a_held_model_answers_nobody_else(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 1)
    with pytest.raises(ModelError, match="in training"):
        session.host.generate("The lamp", 3)
    assert "update" in run.sentence()
    run.controls.interrupt()
    ended(run)


def test_a_taken_name_is_asked_about(session: Session) -> None:
    ended(session.start(small(epochs=1)))
    with pytest.raises(NameTaken, match="is finished") as caught:
        session.start(small(epochs=1))
    assert not caught.value.can_continue
    with pytest.raises(RunError, match="is finished"):
        session.start(small(epochs=1), existing="continue")
    before = session.name_taken(small(epochs=1))
    assert before is not None and not before.can_continue and "is finished" in before.standing
    assert "can't be resumed exactly: LoRA Rank" in str(session.name_taken(small(epochs=1, rank=9)))
    assert session.name_taken(small(name="another")) is None


def test_other_settings_are_named_when_asked_to_continue(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 1)
    run.controls.interrupt()
    ended(run)
    with pytest.raises(RunError, match="LoRA Rank was 4, is 8"):
        session.start(forever(rank=8), existing="continue")
    with pytest.raises(NameTaken) as caught:
        session.start(forever())
    assert caught.value.can_continue


def test_override_keeps_the_old_one_aside(session: Session) -> None:
    first = session.start(small(epochs=1))
    ended(first)
    old = adapter_hash(first.folder)
    ended(session.start(small(epochs=1, seed=3, override=True)))
    (kept,) = aside_runs(session.host.folders)
    assert adapter_hash(kept.path) == old
    assert adapter_hash(first.folder) != old


def test_on_top_of_the_weights_begins_where_the_old_one_ended(session: Session) -> None:
    first = session.start(small(epochs=4))
    ended(first)
    again = session.start(small(epochs=1, warmup_steps=0), existing="on top")
    ended(again)
    ends, begins = (read_history(f / "training_history.jsonl").points for f in (aside_of(session), again.folder))
    assert begins[0].loss < ends[0].loss


def aside_of(session: Session) -> Path:
    return aside_runs(session.host.folders)[0].path


def test_a_failed_preparation_moves_no_older_lora(session: Session) -> None:
    first = session.start(small(epochs=1))
    ended(first)
    old = adapter_hash(first.folder)
    for settings, existing in ((small(override=True), "ask"), (small(), "on top")):
        bad = session.start(settings.changed(text_file="gone.txt"), existing=existing)
        assert ended(bad)[0] == "failed"
        assert adapter_hash(first.folder) == old and aside_runs(session.host.folders) == []


def ended_early(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update > 1)
    run.controls.interrupt()
    ended(run)


@pytest.mark.parametrize(
    ("before", "existing", "changes"),
    [
        (None, "ask", {}),
        ("finished", "further", {"epochs": 2}),
        ("interrupted", "continue", {"epochs": 5000, "stop_at_epoch": 0}),
        ("finished", "replace", {}),
    ],
)
def test_a_run_takes_the_lora_in_use_off_and_says_so(
    before: str | None, existing: str, changes: dict[str, object], session: Session, tiny_folder: Path
) -> None:
    if before == "interrupted":
        ended_early(session)
    elif before:
        ended(session.start(small(epochs=1)))
    bare = model_fingerprint(session.host.loaded_model().model)
    save_tiny_lora(tiny_folder, session.host.folders.loras / "sea")
    session.host.use_lora("sea")
    run = session.start(small(**{"epochs": 1, **changes}), existing)
    # The run may have begun already, and notes of its own may follow.
    assert run.status.notes[0] == "The LoRA sea was unloaded: a run needs the bare model."
    until(run, lambda: run.status.update > 0)
    run.controls.interrupt()
    assert ended(run)[0] in ("finished", "interrupted")
    assert model_fingerprint(session.host.loaded_model().model) == bare


def test_a_start_that_is_refused_leaves_the_lora_in_use(session: Session, tiny_folder: Path) -> None:
    ended(session.start(small(epochs=1)))
    save_tiny_lora(tiny_folder, session.host.folders.loras / "sea")
    session.host.use_lora("sea")
    with pytest.raises(NameTaken):
        session.start(small(epochs=1))
    assert session.host.loras_in_use() == ["sea"]


def test_a_run_of_the_queue_takes_the_lora_in_use_off(session: Session, tiny_folder: Path) -> None:
    save_tiny_lora(tiny_folder, session.host.folders.loras / "sea")
    session.host.use_lora("sea")
    session.queue.add([small(epochs=1)])
    session.queue.start()
    assert session.queue.wait(120)
    assert [entry.state for entry in session.queue.view().entries] == ["finished"]


def test_a_trial_sets_the_lora_in_use_aside(session: Session, tiny_folder: Path) -> None:
    save_tiny_lora(tiny_folder, session.host.folders.loras / "sea")
    session.host.use_lora("sea")
    assert session.measure_speed(small()).seconds > 0
    assert session.host.loras_in_use() == ["sea"]


@pytest.mark.parametrize("existing", ["replace", "on top"])
def test_a_run_that_fails_before_its_first_update_leaves_the_older_lora_in_its_place(
    session: Session, existing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = session.start(small(epochs=1))
    ended(first)
    old = adapter_hash(first.folder)
    monkeypatch.setattr("training_pro.training.job.Job._attach", lambda *_: 1 / 0)
    bad = session.start(small(epochs=1, seed=3), existing=existing)
    assert ended(bad)[0] == "failed"
    assert "in its place again" in bad.status.notes[-1]
    assert adapter_hash(first.folder) == old and summarize(first.folder).state == "finished"
    assert aside_runs(session.host.folders) == []


def test_another_rank_on_top_is_said_before_anything_is_moved(session: Session) -> None:
    first = session.start(small(epochs=1))
    ended(first)
    kind, reason = ended(session.start(small(rank=8), existing="on top"))
    assert kind == "failed" and "has rank 4, these settings have 8: set LoRA Rank to 4" in reason
    assert summarize(first.folder).state == "finished" and aside_runs(session.host.folders) == []


def test_continuing_is_continuing_with_override_on_too(session: Session) -> None:
    run = session.start(forever(override=True))
    until(run, lambda: run.status.update >= 3)
    run.controls.interrupt()
    ended(run)
    done = run.status.update
    again = session.start(forever(override=True), existing="continue")
    until(again, lambda: again.status.update > done)
    again.controls.interrupt()
    ended(again)
    assert aside_runs(session.host.folders) == []
    with pytest.raises(NameTaken):
        session.start(small(override=True), existing="refuse")


def test_live_values_set_while_a_continued_run_prepares_are_kept(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 3)
    run.controls.interrupt()
    ended(run)
    again = session.start(forever(), existing="continue")
    again.controls.set(stop_at_loss=9.5)
    assert ended(again)[0] == "stopped"


def test_a_name_whose_run_came_to_nothing_is_free_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("training_pro.training.job.Job._attach", lambda *_: 1 / 0)
        assert ended(session.start(small(epochs=1)))[0] == "failed"
    assert ended(session.start(small(epochs=1)))[0] == "finished"


def test_notes_on_the_plan_are_kept_with_the_run(session: Session) -> None:
    run = session.start(small(epochs=4, gradient_accumulation_steps=64))
    ended(run)
    log = json.loads((run.folder / "training_log.json").read_text(encoding="utf-8"))
    assert any("Gradient Accumulation Steps lowered from 64" in note for note in log["notes"])


def test_a_token_that_the_model_does_not_know_is_said_beforehand(session: Session) -> None:
    loaded = session.host.loaded_model()
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    loaded.tokenizer.add_tokens([f"<extra{n}>" for n in range(rows)])
    assert session.check(small()).verification.refusals == ()  # none of them is in the data
    text = session.host.folders.datasets / "tales.txt"
    text.write_text(f"{TEXT} <extra{rows - 1}>", encoding="utf-8")
    refusal = session.check(small()).verification.refusals[0].text
    assert f"the model knows only {rows}; load the model with its own tokenizer" in refusal
    assert ended(session.start(small())) == ("failed", refusal)


def test_padding_that_the_model_does_not_know_is_not_used(session: Session) -> None:
    loaded = session.host.loaded_model()
    loaded.tokenizer.add_special_tokens({"pad_token": "[ADDED]"})
    loaded.tokenizer.add_tokens([f"<extra{n}>" for n in range(loaded.model.config.vocab_size)])
    loaded.tokenizer.pad_token = f"<extra{loaded.model.config.vocab_size - 1}>"
    assert ended(session.start(small(epochs=1, batch_size=4)))[0] == "finished"


def test_a_run_on_top_that_lost_its_process_begins_on_top_again(session: Session) -> None:
    ended(session.start(small(epochs=4)))
    whole = session.start(small(epochs=1, warmup_steps=0), existing="on top")
    ended(whole)
    want = adapter_hash(whole.folder)
    state = json.loads((whole.folder / "training_state.json").read_text(encoding="utf-8"))
    (whole.folder / "adapter_model.safetensors").unlink()
    (whole.folder / "training_state.json").write_text(
        json.dumps({**state, "state": "running", "pid": 2**22 + 1}), encoding="utf-8"
    )
    again = session.start(small(epochs=1, warmup_steps=0), existing="continue")
    assert ended(again)[0] == "finished"
    assert adapter_hash(again.folder) == want


def test_another_base_model_is_no_exact_continuation(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 1)
    run.controls.interrupt()
    ended(run)
    path = run.folder / "training_state.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"base_model": "', '"base_model": "other-'), "utf-8")
    kind, reason = ended(session.start(forever(), existing="continue"))
    assert kind == "failed" and "other-" in reason and "is loaded" in reason


def test_a_run_that_goes_elsewhere_is_not_continued(session: Session, tmp_path: Path) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 1)
    other = Session(StandaloneHost(session.host.folders, session.host.model_path(), load_in_4bit=False))
    with pytest.raises(RunError, match="in another process"):
        other.start(forever(), existing="continue")
    run.controls.interrupt()
    ended(run)


def test_a_stopped_run_goes_on_when_its_stop_is_moved(session: Session) -> None:
    with after_updates({1: lambda: session.run.controls.set(stop_at_loss=10)}):
        run = session.start(small(epochs=3))
        assert ended(run)[0] == "stopped"
    again = session.start(small(epochs=3), existing="continue")
    assert ended(again)[0] == "finished"
    stopped = session.start(small(name="s", epochs=3, stop_at_loss=10))
    assert ended(stopped)[0] == "stopped"
    with pytest.raises(RunError, match="was ended by a stop you set"):
        session.start(small(name="s", epochs=3, stop_at_loss=10), existing="continue")


def test_pausing_holds_the_run_and_continuing_lets_it_go(session: Session) -> None:
    run = session.start(forever())
    until(run, lambda: run.status.update >= 1)
    run.controls.pause()
    until(run, lambda: run.status.phase == "paused")
    held_at = run.status.update
    time.sleep(0.3)
    assert run.status.update == held_at
    run.controls.resume()
    until(run, lambda: run.status.update > held_at)
    run.controls.interrupt()
    ended(run)


def test_in_a_pause_samples_are_answered_and_the_best_checkpoint_stays_the_best(session: Session) -> None:
    run = session.start(forever(eval_percent=20, eval_steps=3, sample_prompts="The lamp", keep_checkpoints=1))
    until(run, lambda: run.status.update >= 3 and bool(run.status.checkpoints))
    run.controls.pause()
    until(run, lambda: run.status.phase == "paused")
    assert run.history is not None
    run.controls.ask_sample("A ship")
    until(run, lambda: any(event.details.get("prompt") == "A ship" for event in run.history.events))
    best = [saved for saved in run.status.checkpoints if "best evaluation loss" in saved.reason][-1]
    run.controls.ask_checkpoint()
    until(run, lambda: not run.controls.checkpoint_asked and run.status.phase == "paused")
    run.controls.interrupt()
    ended(run)
    reasons = {found.update: found.reason for found in checkpoints(run.folder)}
    assert "best evaluation loss" in reasons[best.update]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "no name"),
        ({"name": "a.b"}, "has a dot"),
        ({"name": "../x"}, "has a dot"),
        ({"text_file": ""}, "No data is chosen"),
        ({"dataset": "rows.json"}, "Choose one of them"),
        ({"hybrid": True}, "needs a Text file and a Dataset"),
        ({"loss_on": "after"}, "Train Only After is empty"),
    ],
)
def test_what_can_be_seen_at_once_is_refused_at_start(session: Session, changes: dict[str, object], said: str) -> None:
    with pytest.raises((RunError, SettingsError), match=said):
        session.start(small(**changes))
    assert list(session.host.folders.loras.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text_file": "nothere.txt"}, "nothere.txt"),
        ({"lr_scheduler_type": "nonsense"}, ": FP_low_epoch_annealing"),
        ({"targets": "own list", "target_modules": "q_proj, nope"}, "no module named nope"),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, "follows the evaluation loss"),
    ],
)
def test_what_shows_later_ends_the_run_with_one_sentence(
    session: Session, changes: dict[str, object], said: str
) -> None:
    run = session.start(small(**changes))
    kind, reason = ended(run)
    assert kind == "failed" and said in reason and "Traceback" not in reason


def test_the_queue_trains_one_after_another_and_lets_no_other_run_between(session: Session) -> None:
    session.queue.add([small(name="first", epochs=1), forever(name="second"), small(name="third", epochs=1)])
    session.queue.start()
    with pytest.raises(RunError, match='queue is working .*"second"'):
        session.start(small(name="other"))
    deadline = time.monotonic() + 120
    while session.run is None or session.run.settings.name != "second" or session.run.status.update < 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert session.busy
    session.run.controls.interrupt()
    assert session.queue.wait(120) and not session.busy
    assert [entry.state for entry in session.queue.view().entries] == ["finished", "interrupted", "finished"]
    assert (session.host.folders.loras / "third" / "adapter_model.safetensors").is_file()


def test_everything_against_a_run_is_known_when_it_is_added(session: Session) -> None:
    bad = [
        small(name="one", text_file="gone.txt"),
        small(name="two", lr_scheduler_type="nonsense"),
        small(name="three", optimizer="nonsense"),
        small(name="four", warmup_steps=0, text_file=""),
        small(name="a.b"),
    ]
    with pytest.raises(SettingsError) as caught:
        session.queue.add(bad)
    for name in ("one", "two", "three", "four", "a.b"):
        assert f"{name}: " in str(caught.value)
    assert session.queue.view().entries == ()


def test_verify_says_what_the_run_then_is(session: Session) -> None:
    checked = session.check(small())
    assert checked.verification.facts.samples == len(checked.prepared.train) > 0
    assert checked.verification.facts.sections == 24
    run = session.start(small())
    ended(run)
    assert run.status.total_updates == checked.plan.total_updates


def test_the_session_outlives_those_who_ask_for_it(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.session._current", [])
    first = current_session(lambda: session.host)
    assert current_session(lambda: session.host) is first


def test_the_usual_formats_are_there_from_the_start(session: Session):
    assert (session.host.folders.formats / "alpaca-format.json").is_file()
