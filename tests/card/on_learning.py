"""What is learned on a card: precision, gradients, the scaler, the same bytes again, samples, every small optimizer."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import torch

from tests.card.check import Found, at_most, same
from tests.card.gradients import gradient_error
from tests.card.one_card import Card
from tests.card.random_model import Scale, loaded_4bit, losses, model_of, owner_of, random_model, trained
from tests.training.tiny import TinyOwner, adapter_bytes, weights
from training_pro.record.history import HISTORY_FILE, read_history
from training_pro.training.loop.optimizers import available_optimizers
from training_pro.training.model.precision import DeviceFacts, mixed_precision
from training_pro.training.run import Begin
from training_pro.training.status import RunStatus

_TURING = (7, 5)


def precision_of_an_older_card(card: Card, scale: Scale) -> Iterator[Found]:
    """This card, if it said that it is older than Ampere."""
    with card.as_if(_TURING):
        yield same("card_precision_sm75", mixed_precision(DeviceFacts.of(card.device), torch.bfloat16), "fp16", "card")


def gradients(card: Card, scale: Scale) -> Iterator[Found]:
    """The LoRA's gradients against float32 at 20,400 trained tokens an update, where the host computes in float16."""
    for found in gradient_error(scale.layers, scale.hidden, card.device):
        yield at_most("card_gradient_error_compute_fp16", float(found.value), 0.015, where="card")


def scaler(card: Card, scale: Scale) -> Iterator[Found]:
    """A run in float16 with its gradient scaler, as on an older card."""
    updates = scale.updates + scale.updates // 2
    with card.as_if(_TURING), loaded_4bit(scale.sizes["small"], card.device) as owner:
        lengths, every = [scale.tokens] * 4 * updates, max(1, updates // 3)
        status = trained(owner, lengths, batch_size=4, save_steps=every, targets="all")
        found = losses(status)
        saved = "yes" if any(status.folder.glob("checkpoint-*/scaler.pt")) else "no"
    yield at_most("card_fp16_last_loss_over_first", found[-1] / found[0], 0.98, where="card")
    yield same("card_fp16_scaler_in_checkpoints", saved, "yes", "card")


def same_bytes(card: Card, scale: Scale) -> Iterator[Found]:
    """With Deterministic on: a run twice, and one that lost what came after a checkpoint, as a kill leaves it."""
    lengths, more = [scale.tokens] * 4 * scale.updates, {"batch_size": 4, "deterministic": True, "dropout": 0.1}
    middle = scale.updates // 2
    with loaded_4bit(scale.sizes["small"], card.device) as owner:
        once, again = (trained(owner, lengths, name=name, **more).folder for name in ("once", "again"))
        killed = trained(owner, lengths, name="killed", save_steps=middle, **more).folder
        (killed / "adapter_model.safetensors").unlink()
        begin = Begin(continue_exactly=True, checkpoint_update=middle)
        continued = trained(owner, lengths, begin, name="killed", save_steps=middle, **more).folder
        differs = [adapter_bytes(other) != adapter_bytes(once) for other in (again, continued)]
    yield at_most("card_other_bytes_deterministic", float(differs[0]), 0, where="card")
    yield at_most("card_other_bytes_continued", float(differs[1]), 0, where="card")


def samples(card: Card, scale: Scale) -> Iterator[Found]:
    """Answers in the middle of a run, with both kinds of attention that people use."""
    for name, attention, package in (("sdpa", "sdpa", "torch"), ("fa2", "flash_attention_2", "flash_attn")):
        bar = "at least 1 answer in mid-run"
        if importlib.util.find_spec(package) is None:
            yield Found(f"card_samples_{name}", f"{package} is not installed", bar, None, "card")
            continue
        with loaded_4bit(scale.sizes["small"], card.device) as owner:
            model_of(owner).set_attn_implementation(attention)
            status = trained(owner, [scale.tokens] * 8, sample_prompts="The lamp keeper", sample_steps=2)
            answers = _answers_in_mid_run(status)
        yield Found(f"card_samples_{name}", answers, bar, answers > 0, "card")


def _answers_in_mid_run(status: RunStatus) -> int:
    events = read_history(status.folder / HISTORY_FILE).events
    return sum(event.kind == "sample" and 0 < event.update < status.total_updates for event in events)


def small_memory(card: Card, scale: Scale) -> Iterator[Found]:
    """What people with little memory choose, two updates each: an 8-bit base, 8-bit and paged optimizers, DoRA."""
    size = scale.sizes["small"]
    with owner_of(random_model(size, card.device, torch.float16, bits=8)) as owner:
        yield same("card_8bit_base", _two_updates(owner, scale, "eight"), "finite", "card")
    with loaded_4bit(size, card.device) as owner:
        yield same("card_dora", _two_updates(owner, scale, "dora", use_dora=True), "finite", "card")
        small = [name for name in available_optimizers() if "8bit" in name or "paged" in name]
        ended = {name: _two_updates(owner, scale, name, optimizer=name) for name in small}
    failed = [f"{name}: {how}" for name, how in ended.items() if how != "finite"]
    value = "; ".join(failed) or f"{len(small)} finite"
    unknown = not small and card.device.type == "cpu"  # older bitsandbytes steps none of them on a processor
    yield Found("card_small_optimizers", value, "each finite", None if unknown else bool(small) and not failed, "card")


def _two_updates(owner: TinyOwner, scale: Scale, name: str, **changes: Any) -> str:
    try:
        status = trained(owner, [scale.tokens] * 4, name=name, batch_size=2, **changes)
    except RuntimeError as error:
        return str(error)[:80]
    numbers = [*losses(status), *(float(value.float().abs().sum()) for value in weights(status.folder).values())]
    return "finite" if all(map(math.isfinite, numbers)) else "not finite"
