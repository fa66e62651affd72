"""What memory does on a card: peaks, the forecast against them, the search for the largest batch, running out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from tests.card.check import Found, at_most, same
from tests.card.memory import BLOCKS
from tests.card.one_card import GIB, MIB, Card
from tests.card.random_model import Blocks, Scale, loaded_4bit, losses, model_of, peaks_of_updates, trained
from tests.card.trial import Trial, tried, work_of
from tests.training.tiny import TinyOwner, small_settings
from training_pro.progress import no_progress
from training_pro.settings import Settings
from training_pro.training import job
from training_pro.training.loop.update import UpdateRunner
from training_pro.training.memory.forecast import forecast
from training_pro.training.memory.largest_batch import find_largest
from training_pro.training.memory.run_memory import RunMemory
from training_pro.training.model import prepare
from training_pro.training.model.chunked_loss import chunk_tokens, chunked_loss_sum
from training_pro.training.model.precision import DeviceFacts, run_dtype

_OFF = Settings(gradient_checkpointing="off")
_DESKTOP = int(0.9 * GIB)  # of a played card, taken by others
_FITS, _TOO_MANY = 8, 10


def seven_billion(card: Card, scale: Scale) -> Iterator[Found]:
    """A 7B model in float16 as the WebUI loads it: peak, the type of what its layers hand on, and time against that
    of the same model left in float16."""
    with loaded_4bit(scale.sizes["7b"], card.device) as owner:
        model = model_of(owner)
        with _seen_between_layers(model) as seen:
            ours = tried(card, owner, _OFF, 0, (BLOCKS, scale.tokens))
        wanted = _name(run_dtype(DeviceFacts.of(card.device), torch.float16))
        yield at_most("card_peak_7b_fp16", ours.pass_bytes / GIB, 12.6, "GiB", "card")
        yield same("card_stream_7b_fp16", ", ".join(sorted(map(_name, seen))), wanted, "card")
        with mock.patch.object(prepare, "compute_as_the_run", lambda *_: ""):
            left = tried(card, owner, _OFF, 0, (BLOCKS // 2, scale.tokens))
        half = tried(card, owner, _OFF, 0, (BLOCKS // 2, scale.tokens))
        yield at_most("card_time_7b_against_fp16_base", half.seconds / left.seconds, 1.05, where="card")


@contextmanager
def _seen_between_layers(model: Any) -> Iterator[set[torch.dtype]]:
    seen: set[torch.dtype] = set()

    def note(module: Any, given: Any, made: Any) -> None:
        seen.add((made[0] if isinstance(made, tuple) else made).dtype)

    hooks = [layer.register_forward_hook(note) for layer in model.model.layers]
    yield seen
    for hook in hooks:
        hook.remove()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def forecasts(card: Card, scale: Scale) -> Iterator[Found]:
    """The forecast against what torch held and what tensors took: three sizes, no and all layers, q-v and all."""
    for name in ("7b", "8b", "13b"):
        size = scale.sizes[name]
        with loaded_4bit(size, card.device) as owner:
            found = [
                tried(card, owner, settings, layers, (blocks, scale.tokens))
                for settings in (_OFF, _OFF.changed(targets="all"))
                for layers in (0, size.layers)
                if (blocks := _that_fit(owner, settings, layers, scale.tokens))
            ]
        yield _worst(f"card_forecast_{name}_tensors", [(trial, trial.allocated) for trial in found])
        yield _worst(f"card_forecast_{name}_held", [(trial, trial.reserved) for trial in found])


def _that_fit(owner: TinyOwner, settings: Settings, layers: int, tokens: int) -> int:
    """At most ten blocks."""
    work = work_of(owner, settings)
    return next((n for n in range(BLOCKS, 0, -1) if forecast(work, n, tokens, layers).fits), 0)


def _worst(name: str, found: list[tuple[Trial, int]]) -> Found:
    if not found:
        return Found(name, "not one block fits on this card", "at most 0.1", None, "card")
    return at_most(name, max(abs(t.expected_bytes / max(1, took) - 1) for t, took in found), 0.10, where="card")


def finder(card: Card, scale: Scale) -> Iterator[Found]:
    """The largest batch on played cards, then updates of a run at that size, which must not run out of memory."""
    ways = (("24gb", "7b", 24, "off", scale.updates, scale.tokens), ("8gb_auto", "1b", 8, "auto", 3, 4 * scale.tokens))
    for name, size, gigabytes, checkpointing, updates, tokens in ways:
        with loaded_4bit(scale.sizes[size], card.device) as owner, card.played(gigabytes * GIB - _DESKTOP):
            settings = small_settings(gradient_checkpointing=checkpointing, rank=32)
            memory = RunMemory.of(owner.loaded, settings, owner.folders.cache)
            most = find_largest(owner.loaded, Blocks([tokens] * 64), settings, memory, no_progress).batch_size
            lengths = [tokens] * most * updates
            status = trained(owner, lengths, gradient_checkpointing=checkpointing, batch_size=most)
        short = sum("Out of memory" in note for note in status.notes)
        bar = f"{updates} updates of it without running out"
        yield Found(f"card_finder_{name}", most, bar, status.update == updates and not short, "card")


def running_out(card: Card, scale: Scale) -> Iterator[Found]:
    """Where ten blocks do not fit and eight do: memory is given back after the failed try, it is said once, and the
    losses are those of a run that takes eight at a time from its start."""
    size, settings = scale.sizes["part"], _OFF.changed(deterministic=True)
    with loaded_4bit(size, card.device) as owner:
        eight, ten = (tried(card, owner, settings, 0, (n, scale.tokens)) for n in (_FITS, _TOO_MANY))
        limit = card.allocated() + eight.expected.adapter + (eight.reserved + ten.reserved) // 2
        lengths = [scale.tokens] * _TOO_MANY * 3
        more: dict[str, Any] = {"batch_size": _TOO_MANY, "gradient_checkpointing": "off", "deterministic": True}
        with _eight_from_the_start():
            plain = trained(owner, lengths, name="eight", **more)
        with card.played(limit), _held_around_a_failed_try(card) as held:
            limited = trained(owner, lengths, name="ten", **more)
        pairs = list(zip(losses(plain), losses(limited), strict=True))
    said = [note for note in limited.notes if "Out of memory" in note]
    before, after = held
    yield at_most("card_memory_back_after_a_failed_try", abs(after - before) / MIB, 50, "MiB", "card")
    yield Found("card_failed_tries_said", len(said), "1", len(said) == 1 and f"{_FITS} at a time" in said[0], "card")
    yield at_most("card_losses_after_a_failed_try", max(abs(a / b - 1) for a, b in pairs), 1e-4, where="card")


@contextmanager
def _eight_from_the_start() -> Iterator[None]:
    begin = RunMemory.begin

    def begun(self: RunMemory, *sizes: int) -> str:
        said = begin(self, *sizes)
        self.at_once = _FITS
        return said

    with mock.patch.object(RunMemory, "begin", begun):
        yield


@contextmanager
def _held_around_a_failed_try(card: Card) -> Iterator[list[int]]:
    """What tensors take before the first update, and after its failed try was cleared away."""
    held: list[int] = []
    attempt, smaller = UpdateRunner._attempt, UpdateRunner._make_smaller

    def trying(self: Any, *given: Any) -> Any:
        if not held:
            held.append(card.allocated())
        return attempt(self, *given)

    def making_smaller(self: Any, *given: Any) -> None:
        smaller(self, *given)
        held.append(card.allocated())

    with (
        mock.patch.object(UpdateRunner, "_attempt", trying),
        mock.patch.object(UpdateRunner, "_make_smaller", making_smaller),
    ):
        yield held


def loss_chunks(card: Card, scale: Scale) -> Iterator[Found]:
    """The loss of 2,550 tokens, forward and backward, with three vocabularies."""
    hidden = scale.sizes["7b"].hidden
    for words, name, bar in zip(scale.words, ("32k", "128k", "256k"), (130, 400, 770), strict=True):
        draw = torch.Generator(card.device).manual_seed(0)
        head = torch.randn((words, hidden), device=card.device, dtype=torch.bfloat16, generator=draw) * 0.02
        states = torch.randn((1, 2551, hidden), device=card.device, dtype=torch.bfloat16, generator=draw)
        labels = torch.randint(0, words, (1, 2551), device=card.device, generator=draw)
        with card.watched() as peak:
            _loss_of(states.requires_grad_(True), labels, head)
        yield at_most(f"card_loss_{name}_words", peak.bytes / MIB, bar, "MiB", "card")
        del head, states


def _loss_of(states: torch.Tensor, labels: torch.Tensor, head: torch.Tensor) -> None:
    def logits(hidden: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(hidden, head)

    (chunked_loss_sum(states, labels, logits, [], None, chunk_tokens(len(head))) / 2550).backward()


def padding(card: Card, scale: Scale) -> Iterator[Found]:
    """Blocks of mixed lengths with and without an attention mask: the same loss, and neither more time nor memory."""
    longest = scale.long_tokens
    lengths = [longest * share // 8 for share in range(8, 0, -1)] * 3
    found = {}
    with loaded_4bit(scale.sizes["part"], card.device) as owner:
        for masked in (True, False):
            with peaks_of_updates() as peaks, mock.patch.object(job, "needs_mask", _answer(masked)):
                name, off = f"masked-{masked}", "off"
                status = trained(owner, lengths, name=name, batch_size=8, gradient_checkpointing=off, dropout=0.0)
            speed = status.point.tokens_per_s if status.point else 0.0
            found[masked] = losses(status)[0], 1 / max(speed, 1e-9), max(peaks, default=0)
    (loss, seconds, peak), (loss_without, seconds_without, peak_without) = found[True], found[False]
    yield at_most("card_mask_changes_the_loss_by", abs(loss_without / loss - 1), 2e-3, where="card")
    yield at_most("card_time_without_mask", seconds_without / seconds, 1.02, where="card")
    yield at_most("card_peak_without_mask", peak_without / max(peak, 1), 1.02, where="card")


def _answer(masked: bool) -> Any:
    return lambda model: masked
