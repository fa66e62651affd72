"""A new run from any LoRA: what it dictates, that the model answers as with the old one, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes import save_tiny_lora
from tests.training.tiny import TinyOwner, prepared, small_settings, train, weights
from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.training.run import Begin
from training_pro.training.start_from import start_folder, started_from


def start(owner: TinyOwner, start_from: str, **changes: Any) -> Any:
    """A run of one update that starts from that LoRA, its rate so small that the weights hardly move."""
    chosen = small_settings(name="new", start_from=start_from, epochs=0.1, learning_rate=1e-9, dropout=0.0, **changes)
    settings, notes = started_from(chosen, owner.folders)
    folder = start_folder(start_from, owner.folders)
    return train(owner, settings, prepared(), Begin(on_top_of=folder)), settings, notes


def loss_of(owner: TinyOwner, lora: Path) -> float:
    """The loss of the first update's blocks with the LoRA as plain PEFT loads it."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from tests.training.tiny import TinySamples
    from training_pro.training.loop.batch_sampler import epoch_order

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(owner.loaded.path), lora).eval()
    samples = TinySamples()
    total = count = 0.0
    for index in epoch_order(samples.lengths, 2, 42, 0, True)[:2]:
        block = samples[int(index)]
        ids, labels = torch.tensor(block["input_ids"])[None].long(), torch.tensor(block["labels"])[None]
        trained = int((labels[:, 1:] != -100).sum())
        with torch.no_grad():
            total += float(model(input_ids=ids, labels=labels).loss) * trained
        count += trained
    return total / count


@pytest.fixture
def foreign(owner: TinyOwner) -> Path:
    """A LoRA as plain PEFT writes it, random weights."""
    return save_tiny_lora(Path(owner.loaded.path), owner.folders.loras / "alice")


def test_a_foreign_peft_adapter(owner: TinyOwner, foreign: Path) -> None:
    status, settings, notes = start(owner, "alice", rank=32)
    assert (settings.rank, settings.alpha, settings.targets) == (4, 64.0, "own list")
    assert settings.target_modules == "q_proj, v_proj"
    assert "LoRA Rank 4" in notes[0] and "alice" in notes[0]
    first = read_history(status.folder / HISTORY_FILE).points[0].loss
    assert first == pytest.approx(loss_of(owner, foreign), abs=1e-4)
    config = json.loads((status.folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (4, 64.0, ["q_proj", "v_proj"])


def test_the_originals_bin_and_nothing_is_written_beside_it(owner: TinyOwner, foreign: Path) -> None:
    torch.save(weights(foreign), foreign / "adapter_model.bin")
    (foreign / "adapter_model.safetensors").unlink()
    before = sorted(path.name for path in foreign.iterdir())
    status, settings, _ = start(owner, "alice")
    first = read_history(status.folder / HISTORY_FILE).points[0].loss
    assert sorted(path.name for path in foreign.iterdir()) == before
    torch.testing.assert_close(weights(status.folder), torch.load(foreign / "adapter_model.bin"), atol=1e-6, rtol=0)
    assert settings.rank == 4 and first > 0


def test_a_checkpoint_of_ours_by_its_name(owner: TinyOwner) -> None:
    first = train(owner, small_settings(name="first", save_steps=4))
    status, settings, _ = start(owner, "first/checkpoint-8")
    assert settings.rank == 4
    old, new = weights(first.folder / "checkpoint-8"), weights(status.folder)
    assert all(torch.allclose(old[name], new[name], atol=1e-6) for name in old)
    (event,) = [e.text for e in read_history(status.folder / HISTORY_FILE).events if "started from" in e.text]
    assert "checkpoint-8" in event


@pytest.mark.parametrize("more", [{"use_rslora": True}, {"use_dora": True}, {"alpha_pattern": {"v_proj": 16}}], ids=str)
def test_other_kinds_answer_as_before(owner: TinyOwner, more: dict[str, Any]) -> None:
    lora = save_tiny_lora(Path(owner.loaded.path), owner.folders.loras / "alice", **more)
    status, settings, _ = start(owner, "alice")
    assert settings.use_rslora is bool(more.get("use_rslora")) and settings.use_dora is bool(more.get("use_dora"))
    first = read_history(status.folder / HISTORY_FILE).points[0].loss
    assert first == pytest.approx(loss_of(owner, lora), abs=1e-4)


def test_ranks_that_differ_by_layer_become_the_largest_and_it_answers_as_before(owner: TinyOwner) -> None:
    more = {"rank_pattern": {"layers.0.self_attn.q_proj": 6, "v_proj": 2}, "alpha_pattern": {"v_proj": 10}}
    lora = save_tiny_lora(Path(owner.loaded.path), owner.folders.loras / "alice", **more)
    status, settings, _ = start(owner, "alice")
    assert settings.rank == 6
    assert {tensor.shape[0] for name, tensor in weights(status.folder).items() if "lora_A" in name} == {6}
    first = read_history(status.folder / HISTORY_FILE).points[0].loss
    assert first == pytest.approx(loss_of(owner, lora), abs=1e-4)
    assert any("smaller rank" in note for note in status.notes)


def test_targets_of_single_layers_are_taken_by_their_names(owner: TinyOwner) -> None:
    save_tiny_lora(Path(owner.loaded.path), owner.folders.loras / "alice", layers_to_transform=[1])
    status, settings, _ = start(owner, "alice")
    assert settings.target_modules == "model.layers.1.self_attn.q_proj, model.layers.1.self_attn.v_proj"
    assert len(weights(status.folder)) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["score"]}, "score"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"r": 0}, "rank r as 0"),
    ],
)
def test_what_cannot_be_trained_further_is_named(owner: TinyOwner, foreign: Path, change: Any, words: str) -> None:
    config = json.loads((foreign / "adapter_config.json").read_text())
    (foreign / "adapter_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(RunError, match=words):
        started_from(small_settings(start_from="alice"), owner.folders)


def test_no_such_lora(folders: Folders) -> None:
    with pytest.raises(RunError, match="bob") as refused:
        started_from(small_settings(start_from="bob"), folders)
    assert refused.value.setting == "start_from"


def test_a_run_that_was_begun_keeps_what_it_took_when_the_lora_is_gone(owner: TinyOwner, foreign: Path) -> None:
    _, settings, _ = start(owner, "alice", rank=32)
    foreign.rename(foreign.with_name("elsewhere"))
    again, _ = started_from(settings.changed(rank=32), owner.folders)
    assert again == settings


def test_without_it_nothing_is_taken(folders: Folders) -> None:
    settings = small_settings()
    assert started_from(settings, folders) == (settings, [])
