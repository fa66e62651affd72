from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes import save_tiny_lora
from tests.hosts.fake_webui import FakeWebUI
from tests.training.model.fingerprint import model_fingerprint
from training_pro.errors import ModelError, UserError
from training_pro.hosts.host import Host
from training_pro.session import Session
from training_pro.settings import Settings

PROMPT = "The lamp keeper"


@pytest.fixture
def webui(tmp_path: Path, tiny_folder: Path) -> Iterator[FakeWebUI]:
    fake = FakeWebUI(tmp_path / "user_data")
    for name in ("tiny", "other"):
        (tmp_path / "user_data" / "models" / name).symlink_to(tiny_folder)
    save_tiny_lora(tiny_folder, tmp_path / "user_data" / "loras" / "sea")
    with fake.installed():
        yield fake


@pytest.fixture
def host(webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch) -> Any:
    from training_pro.hosts import webui as module

    monkeypatch.setattr(module, "REPLY_SECONDS", 0.1)
    webui.choose_model("tiny")
    return module.WebUIHost()


def tensors_of(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


def test_it_is_a_host(host: Any, webui: FakeWebUI) -> None:
    asked: Host = host
    assert (asked.name, asked.model_label(), asked.multi_user) == ("webui", "tiny", False)
    assert asked.models() == ["other", "tiny"]
    assert asked.folders.loras == webui.shared.user_data_dir / "loras"
    assert asked.model_path() is not None
    assert (asked.trainable_model().label, asked.trainable_model().quantization) == ("tiny", "none")
    assert asked.trainable_model().model is webui.shared.model


def test_no_model(host: Any, webui: FakeWebUI) -> None:
    webui.unload_model()
    assert (host.model_label(), host.model_path()) == ("", None)
    with pytest.raises(ModelError, match=r"No model is loaded; load one in the Model tab"):
        host.trainable_model()


def test_a_model_unloaded_for_idleness_comes_back(host: Any, webui: FakeWebUI) -> None:
    webui.shared.args.idle_timeout = 1
    webui.unload_model(keep_model_name=True)
    assert host.trainable_model().label == "tiny"


def test_a_run_takes_up_a_model_unloaded_for_idleness_and_leaves_it_loaded(host: Any, webui: FakeWebUI) -> None:
    webui.shared.args.idle_timeout = 1
    webui.unload_model(keep_model_name=True)
    with host.hold(lambda: "in training"):
        assert host.trainable_model().label == "tiny"
    assert webui.shared.model is not None and webui.shared.model_name == "tiny"


def test_a_hold_over_no_model_leaves_its_name(host: Any, webui: FakeWebUI) -> None:
    webui.unload_model(keep_model_name=True)  # with no idle timeout it can't come back by itself
    with host.hold(lambda: "in training"), pytest.raises(ModelError, match="No model is loaded"):
        host.trainable_model()
    assert webui.shared.model is None and webui.shared.model_name == "tiny"


def test_other_loaders_are_refused_by_name(host: Any, webui: FakeWebUI) -> None:
    webui.shared.model = webui.shared.tokenizer = object()
    webui.shared.args.loader = "llama.cpp"
    with pytest.raises(ModelError, match=r"loaded with llama\.cpp.*loader Transformers"):
        host.trainable_model()


def test_a_lora_is_named_and_taken_off(host: Any, webui: FakeWebUI) -> None:
    before, plain = tensors_of(webui.shared.model), host.generate(PROMPT, 8)
    host.use_lora("sea")
    assert host.loras_in_use() == ["sea"]
    assert host.generate(PROMPT, 8) != plain
    with pytest.raises(ModelError, match=r"A LoRA is in use \(sea\)"):
        host.trainable_model()
    host.stop_using_loras()
    assert same(tensors_of(host.trainable_model().model), before)
    assert host.generate(PROMPT, 8) == plain


def test_a_run_takes_a_lora_off_by_itself(host: Any, webui: FakeWebUI) -> None:
    host.folders.datasets.mkdir(parents=True, exist_ok=True)
    (host.folders.datasets / "tales.txt").write_text("The lamp keeper climbs the tower at dusk. " * 20)
    session = Session(host)
    settings = Settings(name="mine", text_file="tales.txt", max_tokens=32, epochs=1, rank=4)
    assert session.start(settings).wait(120).ending.kind == "finished"
    host.use_lora("sea")
    run = session.start(settings.changed(epochs=2.0), "further")
    assert run.status.notes[:1] == ("The LoRA sea was unloaded: a run needs the bare model.",)
    assert run.wait(120).ending.kind == "finished" and host.loras_in_use() == []


def test_a_lora_with_a_head_leaves_no_head_behind(host: Any, webui: FakeWebUI, tiny_folder: Path) -> None:
    save_tiny_lora(tiny_folder, host.folders.loras / "head", modules_to_save=["lm_head"])
    before = tensors_of(webui.shared.model)
    host.use_lora("head")
    host.stop_using_loras()
    assert same(tensors_of(host.trainable_model().model), before)


def test_a_name_with_a_dot_is_refused(host: Any) -> None:
    (host.folders.loras / "sea").rename(host.folders.loras / "sea.2")
    with pytest.raises(ModelError, match=r"with a dot in its name \(sea\.2\); rename"):
        host.use_lora("sea.2")


def test_a_lora_that_does_not_fit_changes_nothing(host: Any, webui: FakeWebUI) -> None:
    config = host.folders.loras / "sea" / "adapter_config.json"
    config.write_text(config.read_text().replace('"r": 4', '"r": 8'))
    before = model_fingerprint(webui.shared.model)
    with pytest.raises(ModelError, match="LoRA sea can't be used"):
        host.use_lora("sea")
    assert host.loras_in_use() == []
    assert model_fingerprint(host.trainable_model().model) == before


def test_weights_that_another_trainer_changed_are_refused(host: Any, webui: FakeWebUI) -> None:
    webui.shared.model_dirty_from_training = True
    with pytest.raises(ModelError, match="Another trainer has changed tiny"):
        host.trainable_model()
    webui.shared.model_dirty_from_training = False
    webui.add_lora_to_model(["sea"])
    webui.shared.lora_names = []
    with pytest.raises(ModelError, match="Another trainer has changed tiny"):
        host.trainable_model()


def test_multi_user_mode_is_read_only(host: Any, webui: FakeWebUI) -> None:
    webui.shared.args.multi_user = True
    for ask in (host.trainable_model, lambda: host.use_lora("sea"), host.stop_using_loras):
        with pytest.raises(ModelError, match="multi-user mode"):
            ask()
    assert host.loaded_model().label == "tiny"


def test_nothing_of_the_webui_reaches_a_held_model(host: Any, webui: FakeWebUI) -> None:
    model = webui.shared.model
    before = model_fingerprint(model)
    with host.hold(lambda: "In training, 3 minutes left."):
        assert host.trainable_model().model is model
        with pytest.raises(RuntimeError, match="In training, 3 minutes left"):
            webui.shared.model(input_ids=None)
        with pytest.raises(AttributeError, match="In training"):
            webui.shared.model.generate()
        with pytest.raises(AttributeError, match="In training"):
            webui.add_lora_to_model(["sea"])
        assert not hasattr(webui.shared.model, "device")
        assert webui.shared.tokenizer is not None
        for ask in (lambda: host.generate(PROMPT, 1), lambda: host.use_lora("sea"), host.stop_using_loras):
            with pytest.raises(ModelError, match="In training"):
                ask()
    assert webui.shared.model is model
    assert model_fingerprint(model) == before


def test_chat_is_answered_with_the_sentence_for_just_that_time(host: Any) -> None:
    minutes = iter((3, 2))
    assert host.reply_during_run() is None
    with host.hold(lambda: f"{next(minutes)} minutes left."):
        for expected in ("3 minutes left.", "2 minutes left."):
            reply = host.reply_during_run()
            assert list(reply("question", "question", {"stream": True}, None, is_chat=True)) == [expected]
    assert host.reply_during_run() is None


def test_a_second_run_is_refused(host: Any) -> None:
    with host.hold(lambda: "first"), pytest.raises(ModelError, match="first"):
        host.hold(lambda: "second").__enter__()


def test_a_failing_run_gives_the_model_back(host: Any, webui: FakeWebUI) -> None:
    model = webui.shared.model
    with pytest.raises(ZeroDivisionError), host.hold(lambda: "busy"):
        raise ZeroDivisionError
    assert webui.shared.model is model
    assert host.reply_during_run() is None


def test_a_reply_in_progress_is_waited_for_but_not_long(host: Any, webui: FakeWebUI) -> None:
    with webui.shared.generation_lock:
        for ask in (lambda: host.hold(lambda: "").__enter__(), lambda: host.generate(PROMPT, 1)):
            with pytest.raises(ModelError, match=r"writing a reply.*press Stop"):
                ask()
    with host.hold(lambda: ""):
        pass
    assert not webui.shared.generation_lock.locked()


def test_a_reply_of_another_model_does_not_keep_a_run_from_ending(
    host: Any, webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training_pro.hosts import webui as module

    monkeypatch.setattr(module, "REPLY_SECONDS", 0.05)
    held = host.hold(lambda: "")
    held.__enter__()
    webui.choose_model("other")
    with webui.shared.generation_lock:
        held.__exit__(None, None, None)
    assert host.reply_during_run() is None


def until(true: Callable[[], bool]) -> bool:
    """Wait until it is true; False after a minute."""
    deadline = time.monotonic() + 60
    while not (there := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return there


def test_the_model_stays_awake(host: Any, webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch) -> None:
    from training_pro.hosts import webui as module

    monkeypatch.setattr(module, "KEEP_AWAKE_SECONDS", 0.01)
    with host.hold(lambda: ""):
        webui.models.last_generation_time = 0.0
        began = time.time()
        assert until(lambda: webui.models.last_generation_time >= began)
    assert until(lambda: all(thread.name != "training-pro-awake" for thread in threading.enumerate()))


def test_a_model_that_a_person_loads_meanwhile_stays_and_may_chat(host: Any, webui: FakeWebUI) -> None:
    with host.hold(lambda: "busy"):
        webui.choose_model("other")
        theirs = webui.shared.model
        assert host.reply_during_run() is None
    assert webui.shared.model is theirs
    assert host.model_label() == "other"


def test_unloading_in_mid_run_is_respected(host: Any, webui: FakeWebUI) -> None:
    with host.hold(lambda: "busy"):
        webui.unload_model()
    assert (webui.shared.model, host.model_label()) == (None, "")


@pytest.mark.parametrize("held", [False, True])
def test_released_and_back_with_its_lora(host: Any, webui: FakeWebUI, held: bool) -> None:
    host.use_lora("sea")
    answer = host.generate(PROMPT, 8)
    holding = host.hold(lambda: "busy") if held else None
    if holding:
        holding.__enter__()
    host.release()
    if holding:
        assert webui.shared.model is not None  # chat still gets its sentence
        assert webui.shared.tokenizer is not None
        with pytest.raises(ModelError, match="No model is loaded"):
            host.loaded_model()
    else:
        assert webui.shared.model is None
    host.reload()
    if holding:
        holding.__exit__(None, None, None)
    assert host.loras_in_use() == ["sea"]
    assert host.generate(PROMPT, 8) == answer


@pytest.mark.parametrize("held", [False, True])
def test_another_model_until_reload(host: Any, webui: FakeWebUI, held: bool) -> None:
    holding = host.hold(lambda: "busy") if held else None
    if holding:
        holding.__enter__()
    for name in ("other", "tiny", "other"):
        host.load(name)
        assert host.loaded_model().label == name
        assert (host.reply_during_run() is not None) == held
    with pytest.raises(ModelError, match="no model 'nope'"):
        host.load("nope")
    host.reload()
    if holding:
        holding.__exit__(None, None, None)
    assert host.trainable_model().label == "tiny"
    host.reload()
    assert host.trainable_model().model is webui.shared.model


def test_a_model_that_a_person_loads_after_release_stays(host: Any, webui: FakeWebUI) -> None:
    host.release()
    webui.choose_model("other")
    theirs = webui.shared.model
    host.reload()
    assert webui.shared.model is theirs
    with host.hold(lambda: "busy"):
        webui.choose_model("tiny")
        with pytest.raises(ModelError, match="Another model was loaded"):
            host.load("other")
    assert host.model_label() == "tiny"


def test_a_model_that_does_not_come_back_is_said(host: Any, webui: FakeWebUI) -> None:
    with host.hold(lambda: "busy"):
        host.release()
        webui.broken_models.add("tiny")
        with pytest.raises(ModelError, match="tiny could not be loaded"):
            host.reload()
    assert (webui.shared.model, host.model_label()) == (None, "")
    webui.broken_models.clear()
    webui.choose_model("tiny")
    assert host.trainable_model().label == "tiny"


def test_an_empty_prompt_is_refused(host: Any) -> None:
    with pytest.raises(UserError, match="prompt is empty"):
        host.generate("", 1)


def test_what_stands_against_a_run_is_said_beforehand(host: Any, webui: FakeWebUI) -> None:
    assert host.obstacle() == ""
    with webui.shared.generation_lock:
        assert "writing a reply" in host.obstacle()
    host.use_lora("sea")
    assert "A LoRA is in use (sea)" in host.obstacle() and "stop using the LoRA" in host.obstacle()
    host.stop_using_loras()
    webui.shared.model_dirty_from_training = True
    assert "Another trainer has changed tiny" in host.obstacle()
    webui.shared.model_dirty_from_training = False
    webui.shared.args.multi_user = True
    assert "multi-user" in host.obstacle()
    webui.shared.args.multi_user = False
    with host.hold(lambda: "A run has it."):
        assert host.obstacle() == "A run has it."
    webui.shared.model, webui.shared.args.loader = object(), "llama.cpp"
    assert "llama.cpp" in host.obstacle() and "Transformers" in host.obstacle()


@pytest.mark.parametrize("in_4bit", [True, False])
def test_a_model_that_lies_partly_elsewhere_is_refused_and_4_bit_is_advised_only_where_it_helps(
    in_4bit: bool, host: Any, webui: FakeWebUI
) -> None:
    model = webui.shared.model
    model.is_loaded_in_4bit = in_4bit
    model.model.norm.weight = torch.nn.Parameter(torch.empty(64, device="meta"))
    with pytest.raises(ModelError, match="smaller model") as refused:
        host.trainable_model()
    assert "main memory" in str(refused.value)
    assert ("load-in-4bit" in str(refused.value)) is not in_4bit


def test_no_model_stands_against_a_run_but_an_idle_one_does_not(host: Any, webui: FakeWebUI) -> None:
    webui.unload_model(keep_model_name=True)
    assert "No model is loaded" in host.obstacle()
    webui.shared.args.idle_timeout = 1
    assert host.obstacle() == ""
    assert webui.shared.model is None  # nothing was loaded to find out


def test_the_source_of_what_is_loaded_also_while_it_is_held(webui: FakeWebUI, host: Any) -> None:
    webui.choose_model("other")
    source = host.source()
    assert (source.name, source.quantizing.kind, source.dtype, source.on_cpu) == ("other", "none", "float32", True)
    assert source.options()[-2:] == ["--model-name", "other"]  # the folder is a link to one of another name
    with host.hold(lambda: "busy"):
        assert host.source() == source
        host.release()
        assert host.source().path == source.path
        host.reload()
    assert host.source() == source and webui.shared.model is not None
    webui.unload_model()
    assert host.source() is None
