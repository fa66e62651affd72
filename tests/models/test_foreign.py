"""Models that nobody has listed: a class of somebody's own, with other names, and a config that raises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast

from tests.models.tokenizer import tiny_tokenizer
from tests.training.tiny import TinyOwner, TinySamples, finish, make_run, prepared, small_settings
from training_pro.errors import ModelError
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel
from training_pro.hosts.loaded import describe
from training_pro.settings import Settings
from training_pro.training.status import RunStatus


class OddConfig(PretrainedConfig):
    """Says nothing that others say, and raises when it is asked for sizes."""

    model_type = "odd"

    @property
    def head_dim(self) -> int:
        raise ValueError("differs from layer to layer")

    hidden_size = intermediate_size = num_attention_heads = num_hidden_layers = vocab_size = head_dim


class Mix(nn.Module):
    """A layer with names of its own: looks back by a running mean, then thinks."""

    def __init__(self) -> None:
        super().__init__()
        self.past, self.think_in, self.think_out = nn.Linear(16, 16), nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        counts = torch.arange(1, x.shape[1] + 1, device=x.device)[None, :, None]
        x = x + self.past(x.cumsum(1) / counts)
        return x + self.think_out(torch.relu(self.think_in(x)))


class OddBody(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(512, 16)
        self.stack = nn.ModuleList([Mix(), Mix()])

    def forward(self, input_ids: torch.Tensor, **_: Any) -> BaseModelOutput:
        x = self.words(input_ids)
        for layer in self.stack:
            x = layer(x)
        return BaseModelOutput(last_hidden_state=x)


class OddModel(PreTrainedModel, GenerationMixin):
    config_class = OddConfig
    _tied_weights_keys = None

    def __init__(self, config: OddConfig) -> None:
        super().__init__(config)
        self.thing = OddBody()
        self.speak = nn.Linear(16, 512, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.thing.words

    def get_output_embeddings(self) -> nn.Module:
        return self.speak

    def forward(
        self, input_ids: torch.Tensor, attention_mask: Any = None, labels: Any = None, **_: Any
    ) -> CausalLMOutputWithPast:
        logits = 30 * torch.tanh(self.speak(self.thing(input_ids).last_hidden_state) / 30)
        loss = None
        if labels is not None:
            flat = logits[:, :-1].reshape(-1, 512)
            loss = nn.functional.cross_entropy(flat, labels[:, 1:].reshape(-1))
        return CausalLMOutputWithPast(loss=loss, logits=logits)


class Speechless(OddModel):
    def get_input_embeddings(self) -> nn.Module:
        raise NotImplementedError  # as models without words do


@pytest.fixture(autouse=True)
def _no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.training.results.draw_graph", lambda *_: "no picture")


def odd(kind: type[OddModel] = OddModel) -> OddModel:
    torch.manual_seed(3)
    return kind(OddConfig()).eval()


def trained(folders: Folders, model: Any, settings: Settings) -> RunStatus:
    loaded: LoadedModel = describe(model, tiny_tokenizer(), "odd", folders.models / "odd")
    return finish(make_run(TinyOwner(folders, loaded), settings, prepared(TinySamples(6))))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("head", [False, True])
def test_a_class_of_ones_own_trains_or_is_refused_in_one_sentence(
    checkpointing: bool, head: bool, folders: Folders
) -> None:
    settings = small_settings(targets="all-linear", gradient_checkpointing=checkpointing, train_head=head)
    status = trained(folders, odd(), settings)
    assert status.ending is not None
    if checkpointing:
        assert status.ending.kind == "failed" and "Gradient Checkpoint" in status.ending.reason
    else:
        assert status.ending.kind == "finished", status.ending
        assert not any("no gradient" in note or "its own loss" in note for note in status.notes)


def test_a_preset_that_finds_nothing_there_names_what_there_is_and_the_way_out(folders: Folders) -> None:
    status = trained(folders, odd(), small_settings(targets="q-v"))
    assert status.ending is not None and status.ending.kind == "failed"
    assert all(word in status.ending.reason for word in ("past", "think_in", "think_out", "all-linear"))


def test_a_model_without_embeddings_is_refused(folders: Folders) -> None:
    with pytest.raises(ModelError, match="Speechless.*embeddings"):
        describe(odd(Speechless), tiny_tokenizer(), "odd", folders.models / "odd")
