from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from training_pro.errors import ModelError
from training_pro.hosts import model_folder
from training_pro.hosts.model_folder import best_dtype, check_model_folder, load_model_folder


def test_the_dtype_follows_the_hardware() -> None:
    assert best_dtype("cuda", native_bf16=True) == "bfloat16"
    assert best_dtype("cuda", native_bf16=False) == "float16"
    assert best_dtype("cpu", native_bf16=True) == "bfloat16"
    assert best_dtype("cpu", native_bf16=False) == "float32"


@pytest.mark.parametrize(("native", "wanted"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_model_is_loaded_in_what_the_hardware_computes(
    native: bool, wanted: torch.dtype, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own answer counts imitation."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: not native)
    monkeypatch.setattr("training_pro.training.model.precision.native_bf16", lambda device: native)
    loaded = load_model_folder(tiny_folder, load_in_4bit=False)
    assert loaded.model.get_input_embeddings().weight.dtype == wanted


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, r"holds no model \(no config\.json\)"),
        ({"adapter_config.json": "{}"}, "holds a LoRA, not a model"),
        ({"small.Q4.gguf": ""}, "holds a GGUF model"),
        ({"config.json": "{oops"}, r"config\.json can't be read"),
        ({"config.json": "[]"}, 'names no "model_type"'),
        ({"config.json": '{"model_type": "llama"}'}, r"holds no weights"),
    ],
)
def test_what_is_no_model_gets_one_sentence(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=sentence):
        check_model_folder(tmp_path)


def test_a_path_that_is_no_folder_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        check_model_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="is a file, not a folder"):
        check_model_folder(tmp_path / "file")


def _copy_with(tiny_folder: Path, folder: Path, name: str, content: bytes) -> Path:
    shutil.copytree(tiny_folder, folder)
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"\x10\x00\x00\x00"),
        ("tokenizer.json", b"{}"),
        ("config.json", b'{"model_type": "no-such-model"}'),
        ("config.json", b'{"model_type": "llama", "hidden_size": 17}'),
    ],
)
def test_a_broken_model_gets_one_sentence(tiny_folder: Path, tmp_path: Path, name: str, content: bytes) -> None:
    folder = _copy_with(tiny_folder, tmp_path / "broken", name, content)
    with pytest.raises(ModelError) as raised:
        load_model_folder(folder, load_in_4bit=False)
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_encoder_decoders_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    config = json.dumps({"model_type": "t5", "is_encoder_decoder": True}).encode()
    with pytest.raises(ModelError, match="encoder-decoder"):
        load_model_folder(_copy_with(tiny_folder, tmp_path / "t5", "config.json", config))


def test_missing_bitsandbytes_names_both_ways_out(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "installed", lambda package: False)
    with pytest.raises(ModelError, match=r"pip install.*unquantized"):
        load_model_folder(tiny_folder)
    assert load_model_folder(tiny_folder, load_in_4bit=False).quantization == "none"


def test_four_bit_is_the_default(tiny_folder: Path) -> None:
    loaded = load_model_folder(tiny_folder)
    assert loaded.quantization == "4-bit"
    assert loaded.max_tokens == 256
    assert loaded.label == tiny_folder.name
    assert not loaded.model.training


def test_unquantized_weights_are_the_files(tiny_folder: Path) -> None:
    from safetensors.torch import load_file

    saved = load_file(tiny_folder / "model.safetensors")
    model = load_model_folder(tiny_folder, load_in_4bit=False, dtype="float32").model
    for name, tensor in saved.items():
        assert torch.equal(model.state_dict()[name], tensor), name


def test_a_model_that_has_answered_can_still_be_trained(tiny_folder: Path) -> None:
    """On some processors bitsandbytes repacks 4-bit weights in eval mode, after which no gradient passes."""
    model = load_model_folder(tiny_folder).model
    before = gradient_at_the_bottom(model)
    with torch.no_grad():
        model.eval()(input_ids=IDS)
    assert torch.equal(gradient_at_the_bottom(model), before)


IDS = torch.arange(8)[None] + 3


def gradient_at_the_bottom(model: torch.nn.Module) -> torch.Tensor:
    model.train()
    embedded = model.get_input_embeddings()(IDS).detach().requires_grad_()
    model(inputs_embeds=embedded, labels=IDS).loss.backward()
    return embedded.grad


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["card", "processor"],
)
def test_a_model_that_is_too_large_is_not_called_broken(
    error: Exception, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(model_folder, "_load", load)
    with pytest.raises(ModelError, match="does not fit in memory") as refused:
        load_model_folder(tiny_folder)
    assert "--quantization 4-bit" in refused.value.options
