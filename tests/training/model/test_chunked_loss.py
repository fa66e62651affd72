"""The chunked loss and its gradients equal the stock ones, whatever the head; no logits of all tokens are made."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.training import zoo
from training_pro.errors import ModelError
from training_pro.training.model import chunked_loss as losses
from training_pro.training.model.chunked_loss import CHUNK_TOKENS, chunked_loss_sum, make_lean


def batch(masked: bool = True, padded: bool = True, count: int = 3, time: int = 20) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    ids = torch.randint(3, 64, (count, time), generator=draw)
    labels = ids.clone()
    labels[:, 0] = -100
    if masked:
        labels[1, :9] = -100
    inputs = {"input_ids": ids, "labels": labels}
    if padded:
        labels[2, 12:] = -100
        inputs["attention_mask"] = (torch.arange(time)[None] < torch.tensor([time, time, 12])[:, None]).long()
    return inputs


def loss_and_gradients(model: Any, inputs: dict[str, torch.Tensor], **more: Any) -> tuple[float, dict[str, Any]]:
    model.zero_grad()
    loss = model(**inputs, use_cache=False, **more).loss
    loss.backward()
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return float(loss), grads


def assert_same(one: tuple[float, dict[str, Any]], other: tuple[float, dict[str, Any]]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert one[1].keys() == other[1].keys()
    for name, grad in one[1].items():
        torch.testing.assert_close(grad, other[1][name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_equal_to_the_stock_loss_of_every_family(family: str) -> None:
    """The whole model learns here, head and embeddings too, tied or not, capped or scaled."""
    inputs = batch()
    stock = loss_and_gradients(zoo.make(family).eval(), inputs)
    model = zoo.make(family).eval()
    assert make_lean(model).chunked
    assert_same(loss_and_gradients(model, inputs), stock)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 256])
def test_equal_for_every_mask_and_chunk(
    masked: bool, padded: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "chunk_tokens", lambda vocabulary: chunk)
    inputs = batch(masked, padded)
    stock = loss_and_gradients(zoo.make("llama"), inputs)
    model = zoo.make("llama")
    assert make_lean(model).chunked
    assert_same(loss_and_gradients(model, inputs), stock)


@pytest.mark.parametrize("family", ["llama", "llama tied", "gemma2"])
@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["q_proj", "lm_head"]])
def test_equal_under_peft(family: str, targets: list[str]) -> None:
    """A frozen head, and a head with a LoRA on it."""
    found = []
    for lean in (False, True):
        model = zoo.make(family)
        if lean:
            assert make_lean(model).chunked
        torch.manual_seed(1)
        wrapped = get_peft_model(model, LoraConfig(r=4, target_modules=targets, init_lora_weights=False))
        found.append(loss_and_gradients(wrapped, batch()))
    assert_same(found[1], found[0])
    assert any("lm_head" in name for name in found[0][1]) == ("lm_head" in targets)


def test_num_items_in_batch_divides_the_sum() -> None:
    model, inputs = zoo.make("llama"), batch()
    assert make_lean(model).chunked
    trained = int((inputs["labels"][:, 1:] != -100).sum())
    mean = float(model(**inputs).loss)
    assert float(model(**inputs, num_items_in_batch=1).loss) == pytest.approx(mean * trained, rel=1e-5)
    assert float(model(**inputs, num_items_in_batch=100).loss) == pytest.approx(mean * trained / 100, rel=1e-5)


def test_accumulated_pieces_equal_the_whole() -> None:
    inputs = batch()
    count = int((inputs["labels"][:, 1:] != -100).sum())
    model = zoo.make("llama")
    assert make_lean(model).chunked
    whole = loss_and_gradients(model, inputs, num_items_in_batch=count)
    model.zero_grad()
    total = 0.0
    for row in range(3):
        part = model(**{k: v[row : row + 1] for k, v in inputs.items()}, num_items_in_batch=count).loss
        part.backward()
        total += float(part)
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    assert_same((total, grads), whole)


def test_no_trained_token_gives_0_and_no_gradient() -> None:
    inputs = batch()
    inputs["labels"] = torch.full_like(inputs["labels"], -100)
    model = zoo.make("llama")
    assert make_lean(model).chunked
    loss, grads = loss_and_gradients(model, inputs)
    assert loss == 0.0
    assert all(float(g.abs().max()) == 0.0 for g in grads.values())


def test_without_labels_the_model_answers_as_before() -> None:
    model, inputs = zoo.make("llama").eval(), batch()
    before = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    assert make_lean(model).chunked
    after = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    assert torch.equal(before, after)


class CountingHead(torch.nn.Linear):
    most = 0

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        CountingHead.most = max(CountingHead.most, hidden.shape[0])
        return super().forward(hidden)


def test_the_head_never_sees_more_than_a_chunk_and_no_untrained_token() -> None:
    head = CountingHead(4, 11)
    hidden = torch.randn(4, 300, 4, requires_grad=True)
    labels = torch.randint(0, 11, (4, 300))
    chunked_loss_sum(hidden, labels, head, list(head.parameters())).backward()
    assert CountingHead.most == CHUNK_TOKENS
    CountingHead.most = 0
    labels[:, :290] = -100
    chunked_loss_sum(hidden, labels, head, []).backward()
    assert CountingHead.most == 40


@pytest.mark.parametrize(("vocabulary", "tokens"), [(32_000, 256), (49_152, 256), (128_256, 128), (262_144, 64)])
def test_a_large_vocabulary_is_computed_in_smaller_chunks(vocabulary: int, tokens: int) -> None:
    assert losses.chunk_tokens(vocabulary) == tokens


def test_a_model_computes_no_more_logits_at_once_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "chunk_tokens", lambda vocabulary: 7)
    model, rows = zoo.make("llama"), []
    assert make_lean(model).chunked
    model.lm_head.register_forward_pre_hook(lambda head, given: rows.append(given[0].shape[-2]))
    model(**batch()).loss.backward()
    assert max(rows) == 7


def test_places_of_trained_tokens_that_are_given_change_nothing() -> None:
    torch.manual_seed(0)
    hidden, head = torch.randn(3, 20, 8, requires_grad=True), torch.nn.Linear(8, 16)
    labels = torch.randint(0, 16, (3, 20))
    labels[torch.rand(3, 20) < 0.5] = -100
    counted = chunked_loss_sum(hidden, labels, head, [])
    counted.backward()
    wanted, hidden.grad = hidden.grad, None
    labels[:, 0] = -100
    given = chunked_loss_sum(hidden, labels, head, [], (labels.reshape(-1) != -100).nonzero()[:, 0])
    given.backward()
    assert torch.equal(counted, given)
    assert torch.equal(wanted, hidden.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gradients_are_not_scaled_in_half_precision(dtype: torch.dtype) -> None:
    """1 / 3000 rounded to bfloat16 is off by 0.1 %: all gradients would be."""
    torch.manual_seed(0)
    hidden = torch.randn(1, 51, 8).to(dtype).requires_grad_(True)
    head = torch.nn.Linear(8, 16, bias=False).to(dtype).requires_grad_(False)
    labels = torch.randint(0, 16, (1, 51))
    total = chunked_loss_sum(hidden, labels, head, [])
    (total / 3).backward()
    thirds = hidden.grad.clone()
    hidden.grad = None
    chunked_loss_sum(hidden, labels, head, []).backward()
    wanted = (hidden.grad.float() / 3).to(dtype)
    assert torch.equal(thirds, wanted)


# -- models whose loss is their own ------------------------------------------------------------------------------


class OwnLoss(torch.nn.Module):
    """Adds something to the cross entropy, as some models do."""


def with_own_loss(model: Any) -> Any:
    """Makes the model's loss more than that of head(hidden), and deaf to `num_items_in_batch`."""
    kind = type(model)

    class Odd(kind):
        def forward(self, *args: Any, labels: Any = None, num_items_in_batch: Any = None, **kwargs: Any) -> Any:
            output = super().forward(*args, labels=labels, **kwargs)
            if labels is not None:
                output.loss = output.loss * 1.5
            return output

    model.__class__ = Odd
    return model


def test_a_model_with_a_loss_of_its_own_keeps_it_and_is_weighted_by_tokens() -> None:
    model, inputs = with_own_loss(zoo.make("llama")), batch()
    own = float(model(**inputs).loss)
    assert not make_lean(model).chunked
    count = int((inputs["labels"][:, 1:] != -100).sum())
    assert float(model(**inputs).loss) == pytest.approx(own, rel=1e-5)
    pieces = [
        model(**{k: v[row : row + 1] for k, v in inputs.items()}, num_items_in_batch=count).loss for row in range(3)
    ]
    assert float(sum(pieces)) == pytest.approx(own, rel=1e-5)


def test_its_batches_without_any_trained_token_cost_nothing() -> None:
    model, inputs = with_own_loss(zoo.make("llama")), batch()
    assert not make_lean(model).chunked
    inputs["labels"] = torch.full_like(inputs["labels"], -100)
    assert float(model(**inputs, num_items_in_batch=5).loss) == 0.0


def test_a_head_whose_logits_are_capped_in_an_unknown_way_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's own way to its logits is walked, whatever it is called in its config."""
    model, inputs = zoo.make("llama").eval(), batch()
    kind = type(model)

    class Odd(kind):
        def forward(self, *args: Any, labels: Any = None, **kwargs: Any) -> Any:
            output = super().forward(*args, **kwargs)
            output.logits = torch.tanh(output.logits / 2) * 2 + self.lm_head.weight.mean()
            if labels is not None:
                flat = output.logits[:, :-1].reshape(-1, output.logits.shape[-1])
                output.loss = torch.nn.functional.cross_entropy(flat, labels[:, 1:].reshape(-1))
            return output

    model.__class__ = Odd
    stock = loss_and_gradients(model, inputs)
    assert make_lean(model).chunked
    assert_same(loss_and_gradients(model, inputs), stock)


def test_a_loss_that_differs_by_little_is_found() -> None:
    """Off by 2e-3 nats: a tolerance of half a percent would have let it pass."""
    model = zoo.make("llama")
    kind = type(model)

    class Odd(kind):
        def forward(self, *args: Any, labels: Any = None, **kwargs: Any) -> Any:
            output = super().forward(*args, labels=labels, **kwargs)
            if labels is not None:
                output.loss = output.loss + 2e-3
            return output

    model.__class__ = Odd
    assert not make_lean(model).chunked


@pytest.mark.parametrize("coefficient", [0.02, 0.001])
def test_the_routers_loss_is_left_out_and_said(coefficient: float) -> None:
    inputs = batch()
    plain = loss_and_gradients(zoo.make("mixtral").eval(), inputs)
    model = zoo.make("mixtral", output_router_logits=True, router_aux_loss_coef=coefficient).eval()
    lean = make_lean(model)
    assert lean.chunked and any("routers" in note for note in lean.notes)
    assert_same(loss_and_gradients(model, inputs), plain)
    assert make_lean(zoo.make("mixtral")).notes == ()


@pytest.mark.parametrize("own_loss", [False, True])
def test_generate_reads_the_models_own_signature(own_loss: bool) -> None:
    import inspect

    model = with_own_loss(zoo.make("llama")) if own_loss else zoo.make("llama")
    before = list(inspect.signature(model.forward).parameters)
    assert make_lean(model).chunked is not own_loss
    assert list(inspect.signature(model.forward).parameters) == before
    assert "attention_mask" in before or own_loss


def test_a_model_that_wants_more_than_text_is_refused() -> None:
    model = zoo.make("llama")
    kind = type(model)

    class Picky(kind):
        def forward(self, *args: Any, token_type_ids: Any = None, **kwargs: Any) -> Any:
            if self.training and token_type_ids is None:
                raise ValueError("`token_type_ids` is required as a model input when training")
            return super().forward(*args, **kwargs)

    model.__class__ = Picky
    with pytest.raises(ModelError, match="text alone.*token_type_ids"):
        make_lean(model)


def test_hooks_of_accelerate_still_run() -> None:
    """A model spread by a device map has its forward replaced already; ours goes below that."""
    from accelerate.hooks import ModelHook, add_hook_to_module

    class Counting(ModelHook):
        calls = 0

        def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> Any:
            Counting.calls += 1
            return args, kwargs

    stock = loss_and_gradients(zoo.make("llama"), batch())
    model = zoo.make("llama")
    add_hook_to_module(model, Counting())
    assert make_lean(model).chunked
    Counting.calls = 0
    assert_same(loss_and_gradients(model, batch()), stock)
    assert Counting.calls == 1


@pytest.mark.parametrize("fails_at", [1, 2, 3], ids=["its own loss", "its head", "training"])
def test_a_probe_that_runs_out_of_memory_is_no_answer(fails_at: int) -> None:
    """Else the run would be trained with all its logits, which take far more."""
    model, calls = zoo.make("llama"), [0]

    def short(*args: Any) -> None:
        calls[0] += 1
        if calls[0] == fails_at:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    model.lm_head.register_forward_pre_hook(short)
    with pytest.raises(torch.OutOfMemoryError):
        make_lean(model)


# -- a model that is spread over several cards: only where things are is played --------------------------------


class Placed:
    """A tensor, as far as it is asked where it is."""

    def __init__(self, device: str) -> None:
        self.device = device

    def __getitem__(self, place: Any) -> Placed:
        return self

    def float(self) -> Placed:
        return self

    def to(self, device: str) -> Placed:
        return Placed(device)


@pytest.fixture
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like torch, the cross entropy refuses tensors of two cards."""

    def cross_entropy(logits: Placed, labels: Placed, reduction: str) -> Placed:
        assert logits.device == labels.device
        return Placed(logits.device)

    monkeypatch.setattr(losses.functional, "cross_entropy", cross_entropy)


@pytest.mark.usefixtures("_strict")
def test_tokens_on_the_first_card_and_logits_on_the_last() -> None:
    logits, ids = Placed("cuda:1"), Placed("cuda:0")
    assert losses._token_losses(logits, ids).device == "cuda:1"


@pytest.mark.usefixtures("_strict")
def test_a_head_on_another_card_than_the_last_layer() -> None:
    """A head that is the embeddings is on the first card."""
    hidden, labels = Placed("cuda:1"), Placed("cuda:1")
    assert losses._chunk_loss(lambda given: given.to("cuda:0"), hidden, labels).device == "cuda:1"
