from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from tests.fakes import save_tiny_lora
from tests.training.model.fingerprint import model_fingerprint
from training_pro.errors import ModelError, UserError
from training_pro.folders import Folders
from training_pro.hosts.embedded import MODEL_NAME
from training_pro.hosts.host import Host
from training_pro.hosts.standalone import StandaloneHost

PROMPT = "The lamp keeper"


@pytest.fixture
def host(folders: Folders, tiny_folder: Path) -> StandaloneHost:
    save_tiny_lora(tiny_folder, folders.loras / "sea")
    return StandaloneHost(folders, tiny_folder, load_in_4bit=False)


def test_it_is_a_host(host: StandaloneHost) -> None:
    asked: Host = host
    assert (asked.name, asked.multi_user, asked.model_label()) == ("standalone", False, "tiny")


def test_naming_models_loads_none(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.hosts.standalone.load_model_folder", None)
    for name in ("b-10", "b-9", "no-model"):
        (folders.models / name).mkdir(parents=True)
    for name in ("b-10", "b-9"):
        (folders.models / name / "config.json").write_text("{}")
    host = StandaloneHost(folders)
    assert host.model_label() == MODEL_NAME
    assert host.models() == ["b-9", "b-10", MODEL_NAME]


def test_a_bad_folder_is_refused_at_once(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        StandaloneHost(folders, tmp_path / "nowhere")


def test_the_model_is_loaded_once(host: StandaloneHost) -> None:
    assert host.trainable_model().model is host.loaded_model().model


def test_a_lora_changes_the_answer_and_leaves_no_trace(host: StandaloneHost) -> None:
    base = host.trainable_model().model
    before, plain = model_fingerprint(base), host.generate(PROMPT, 8)
    host.use_lora("sea")
    assert host.loras_in_use() == ["sea"]
    assert host.generate(PROMPT, 8) != plain
    assert host.loaded_model().model is not base
    with pytest.raises(ModelError, match=r"A LoRA is in use \(sea\)"):
        host.trainable_model()
    host.stop_using_loras()
    assert host.trainable_model().model is base
    assert host.generate(PROMPT, 8) == plain
    assert model_fingerprint(base) == before


def test_a_lora_with_a_head_leaves_no_trace(host: StandaloneHost, tiny_folder: Path) -> None:
    save_tiny_lora(tiny_folder, host.folders.loras / "head", modules_to_save=["lm_head"])
    before = model_fingerprint(host.trainable_model().model)
    host.use_lora("head")
    host.stop_using_loras()
    assert model_fingerprint(host.trainable_model().model) == before


@pytest.mark.parametrize("content", [b"", b"not safetensors", None])
def test_a_broken_lora_changes_nothing(host: StandaloneHost, content: bytes | None) -> None:
    weights = host.folders.loras / "sea" / "adapter_model.safetensors"
    if content is None:
        config = host.folders.loras / "sea" / "adapter_config.json"
        config.write_text(config.read_text().replace('"r": 4', '"r": 8'))
    else:
        weights.write_bytes(content)
    before = model_fingerprint(host.trainable_model().model)
    with pytest.raises(ModelError, match="LoRA sea can't be used"):
        host.use_lora("sea")
    assert host.loras_in_use() == []
    assert model_fingerprint(host.trainable_model().model) == before


def test_answers_are_greedy_and_leave_the_random_state(host: StandaloneHost) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = host.generate(PROMPT, 8)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert host.generate(PROMPT, 8) == first


def test_an_empty_prompt_is_refused(host: StandaloneHost) -> None:
    with pytest.raises(UserError, match="prompt is empty"):
        host.generate("", 8)


def test_a_held_model_answers_nobody(host: StandaloneHost) -> None:
    host.trainable_model()
    with host.hold(lambda: "In training, 3 minutes left."):
        host.trainable_model()
        for ask in (
            lambda: host.generate(PROMPT, 1),
            lambda: host.use_lora("sea"),
            host.stop_using_loras,
            lambda: host.hold(lambda: "another").__enter__(),
        ):
            with pytest.raises(ModelError, match="In training, 3 minutes left"):
                ask()
    assert host.generate(PROMPT, 1)


def test_a_run_that_fails_lets_go(host: StandaloneHost) -> None:
    with pytest.raises(ZeroDivisionError), host.hold(lambda: "busy"):
        raise ZeroDivisionError
    with host.hold(lambda: "busy again"):
        pass


def test_released_and_back_with_its_lora(host: StandaloneHost) -> None:
    host.use_lora("sea")
    answer = host.generate(PROMPT, 8)
    host.release()
    assert host.loras_in_use() == []
    host.reload()
    assert host.loras_in_use() == ["sea"]
    assert host.generate(PROMPT, 8) == answer


def test_another_model_until_reload(host: StandaloneHost, tiny_folder: Path) -> None:
    other = host.folders.models / "other"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.symlink_to(tiny_folder)
    host.use_lora("sea")
    host.load("other")
    assert (host.model_label(), host.loaded_model().label, host.loras_in_use()) == ("other", "other", [])
    host.reload()
    assert (host.model_label(), host.loaded_model().label, host.loras_in_use()) == ("tiny", "tiny", ["sea"])
    with pytest.raises(ModelError, match="no model 'nope'"):
        host.load("nope")


def test_two_threads_load_one_model(host: StandaloneHost) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(id(host.loaded_model().model))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


@pytest.mark.slow
def test_the_embedded_model_in_four_bits_knows_paris(folders: Folders, smol_4bit_folder: Path) -> None:
    host = StandaloneHost(folders, smol_4bit_folder)
    assert host.trainable_model().quantization == "4-bit"
    assert host.trainable_model().max_tokens == 8192
    assert host.generate("The capital of France is", 3).startswith(" Paris")


def test_what_stands_against_a_run_is_said_beforehand(host: StandaloneHost) -> None:
    assert host.obstacle() == ""
    host.use_lora("sea")
    assert "A LoRA is in use (sea)" in host.obstacle()
    with pytest.raises(ModelError, match="stop using the LoRA first"):
        host.trainable_model()
    host.stop_using_loras()
    with host.hold(lambda: "A run has it."):
        assert host.obstacle() == "A run has it."
    assert host.obstacle() == ""
