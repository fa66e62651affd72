"""The figure equals that of a plain loop over full logits, and the model is afterwards what it was."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from tests.training import zoo
from tests.training.model.fingerprint import model_fingerprint
from training_pro.errors import Cancelled, ModelError
from training_pro.hosts.host import LoadedModel
from training_pro.training.model import chunked_loss as losses
from training_pro.training.perplexity import Measured, Sliding, measure


def ids(count: int, vocabulary: int = 512, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(3, vocabulary, count).astype(np.int32)


def plainly(model: Any, text: Any, context: int, stride: int, bos: int | None) -> tuple[float, int]:
    """The well-known recipe, with all logits and in double precision: (summed nats, tokens)."""
    nats, count, scored_until = 0.0, 0, 0 if bos is not None else 1
    begin = 0
    while scored_until < len(text):
        lead = [] if bos is None else [bos]
        end = min(begin + context - len(lead), len(text))
        shown = lead + [int(token) for token in text[begin:end]]
        with torch.no_grad():
            probabilities = model(torch.tensor([shown]), use_cache=False).logits[0].double().log_softmax(-1)
        for place in range(scored_until, end):
            inside = place - begin + len(lead)
            nats -= float(probabilities[inside - 1, shown[inside]])
            count += 1
        scored_until, begin = end, begin + stride
    return nats, count


@pytest.mark.parametrize("bos", [None, 0])
@pytest.mark.parametrize(("context", "stride"), [(32, 16), (32, 31), (32, 1), (17, 5), (300, 100)])
def test_equal_to_a_plain_loop(tiny_model: LoadedModel, context: int, stride: int, bos: int | None) -> None:
    text = ids(101)
    measured = measure(tiny_model.model, [text], Sliding(context, stride, bos))
    nats, tokens = plainly(tiny_model.model, text, context, stride, bos)
    assert measured.tokens == tokens == 101 - (bos is None)
    assert measured.nats == pytest.approx(nats, rel=1e-6)
    assert measured.perplexity == pytest.approx(math.exp(nats / tokens), rel=1e-5)


@pytest.mark.parametrize("family", ["gemma2", "gpt2", "cohere", "mixtral", "neox"])
def test_equal_for_other_families_too(family: str) -> None:
    """Caps, scales and experts are where a loss of one's own goes wrong."""
    model, text = zoo.make(family).eval(), ids(50, 64)
    measured = measure(model, [text], Sliding(24, 7, 0))
    assert measured.nats == pytest.approx(plainly(model, text, 24, 7, 0)[0], rel=1e-5)


def test_several_texts_never_see_each_other(tiny_model: LoadedModel) -> None:
    texts, sliding = [ids(40), ids(3, seed=1), ids(25, seed=2)], Sliding(32, 8)
    together = measure(tiny_model.model, texts, sliding)
    alone = [measure(tiny_model.model, [text], sliding) for text in texts]
    assert together.tokens == sum(one.tokens for one in alone)
    assert together.nats == pytest.approx(sum(one.nats for one in alone), rel=1e-6)


def test_a_lora_is_measured_with_what_it_changes(tiny_model: LoadedModel) -> None:
    from peft import LoraConfig, get_peft_model

    text, sliding = ids(60), Sliding(32, 16)
    before = measure(tiny_model.model, [text], sliding).nats
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with_lora = get_peft_model(tiny_model.model, config).eval()
    measured = measure(with_lora, [text], sliding)
    assert abs(measured.nats - before) > 0.01
    assert measured.nats == pytest.approx(plainly(with_lora, text, 32, 16, None)[0], rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_bit_for_bit_what_it_was(tiny_model: LoadedModel, training: bool) -> None:
    model = tiny_model.model.train(training)
    before, random = model_fingerprint(model), torch.get_rng_state()
    measure(model, [ids(80)], Sliding(32, 16))
    assert model_fingerprint(model) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_only_scored_tokens_reach_the_head(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    whole = losses._chunk_loss

    def counted(head: Any, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rows.append(len(hidden))
        return whole(head, hidden, labels)

    monkeypatch.setattr(losses, "_chunk_loss", counted)
    measure(tiny_model.model, [ids(1000)], Sliding(250, 50, 0))
    assert sum(rows[1:]) == 1000  # the first are those of the lean loss's trial


def test_it_tells_how_far_it_is_and_ends_when_asked(tiny_model: LoadedModel) -> None:
    told: list[tuple[int, int, str]] = []

    def until_half(done: int, total: int, what: str) -> None:
        told.append((done, total, what))
        if done >= total / 2:
            raise Cancelled

    before = model_fingerprint(tiny_model.model)
    with pytest.raises(Cancelled):
        measure(tiny_model.model, [ids(100)], Sliding(20, 10, 0), until_half)
    assert told[0][:2] == (0, 100) and 50 <= told[-1][0] < 60
    assert "perplexity so far" in told[-1][2]
    assert model_fingerprint(tiny_model.model) == before


def test_too_short_a_text_is_refused(tiny_model: LoadedModel) -> None:
    with pytest.raises(ModelError, match="too few tokens"):
        measure(tiny_model.model, [ids(1), ids(0)], Sliding(32, 16))
    assert measure(tiny_model.model, [ids(1), ids(0)], Sliding(32, 16, 0)).tokens == 1


def test_out_of_memory_says_what_helps(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("training_pro.training.perplexity._nats", no_room)
    before = model_fingerprint(tiny_model.model)
    with pytest.raises(ModelError, match="context of 32 tokens"):
        measure(tiny_model.model, [ids(100)], Sliding(32, 16))
    assert model_fingerprint(tiny_model.model) == before


def test_a_damaged_model_is_not_given_a_figure(tiny_model: LoadedModel) -> None:
    with torch.no_grad():
        tiny_model.model.get_output_embeddings().weight[5] = math.nan
    with pytest.raises(ModelError, match="the model or the LoRA is damaged"):
        measure(tiny_model.model, [ids(100)], Sliding(32, 16))


def test_a_hopeless_loss_is_infinitely_perplexing() -> None:
    assert Measured(8000.0, 10).perplexity == math.inf
    assert Measured(20.0, 10).perplexity == pytest.approx(math.e**2)
