"""Which optimizers there are here, by what is installed, and a run's own.

The list asks no graphics card anything: it is made when the page opens, also for people who never train. Only the
chosen one takes two steps on the card, when a run starts.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from training_pro.errors import Fault, SettingsError
from training_pro.packages import installed
from training_pro.settings import Settings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import TrainingArguments

logger = logging.getLogger(__name__)

CANDIDATES = (
    "adamw_torch",
    "adamw_torch_fused",
    "adamw_8bit",
    "paged_adamw_32bit",
    "paged_adamw_8bit",
    "adafactor",
    "sgd",
    "adagrad",
    "rmsprop",
    "rmsprop_bnb_8bit",
    "lion_32bit",
    "lion_8bit",
    "paged_lion_32bit",
    "paged_lion_8bit",
    "ademamix",
    "ademamix_8bit",
    "paged_ademamix_32bit",
    "paged_ademamix_8bit",
    "stable_adamw",
    "schedule_free_adamw",
    "grokadamw",
)
# Bytes that the optimizer keeps for each number that learns.
STATE_BYTES = {
    "adamw_torch": 8.0,
    "adamw_torch_fused": 8.0,
    "adamw_8bit": 2.0,
    "paged_adamw_32bit": 8.0,
    "paged_adamw_8bit": 2.0,
    "adafactor": 0.1,
    "sgd": 0.0,
    "adagrad": 4.0,
    "rmsprop": 4.0,
    "rmsprop_bnb_8bit": 1.0,
    "lion_32bit": 4.0,
    "lion_8bit": 1.0,
    "paged_lion_32bit": 4.0,
    "paged_lion_8bit": 1.0,
    "ademamix": 12.0,
    "ademamix_8bit": 3.0,
    "paged_ademamix_32bit": 12.0,
    "paged_ademamix_8bit": 3.0,
    "stable_adamw": 8.0,
    "schedule_free_adamw": 8.0,
    "grokadamw": 12.0,
}
UNKNOWN_STATE_BYTES = 8.0
_PAGED_FROM = 100_000  # bitsandbytes pages larger tensors only, and quantizes those from 4,096 numbers on


# Package of each that torch and transformers don't bring along; bitsandbytes is that of the rest.
_PACKAGES = {"stable_adamw": "optimi", "schedule_free_adamw": "schedulefree", "grokadamw": "grokadamw"}
_OWN = frozenset({"adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop"})
_KNOWS_CARDS = bool(torch.version.cuda or torch.version.hip or torch.version.xpu)


def _default_arguments(name: str) -> TrainingArguments:
    """Default arguments with this optimizer, made without their own making: that would reset accelerate's state, which
    is the whole process's, under a run that goes in another thread."""
    from transformers import TrainingArguments
    from transformers.training_args import OptimizerNames

    args: TrainingArguments = object.__new__(TrainingArguments)
    for field in dataclasses.fields(TrainingArguments):
        made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        object.__setattr__(args, field.name, made)
    args.optim = OptimizerNames(name)
    return args


def _steps(name: str, device: str) -> bool:
    from transformers import Trainer

    kind, values = Trainer.get_optimizer_cls_and_kwargs(_default_arguments(name))
    weight = torch.nn.Parameter(torch.ones(256, _PAGED_FROM // 250, device=device))
    optimizer: Any = kind([weight], **values)
    if hasattr(optimizer, "train"):
        optimizer.train()
    for _ in range(2):
        weight.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return bool(torch.isfinite(weight).all()) and not bool((weight == 1).all())


@cache
def works(name: str, device: str) -> bool:
    """Whether the optimizer of this name imports and steps on `device` ("cpu" or "cuda")."""
    try:
        return _steps(name, device)
    except Exception:
        logger.debug("Optimizer %s is left out", name, exc_info=True)
        return False


def available_optimizers() -> tuple[str, ...]:
    """Names whose packages are installed, the standard one first. Asks no card.

    With a torch that knows no cards they are tried on the processor, which costs about a second, once."""
    found = (name for name in CANDIDATES if name in _OWN or installed(_PACKAGES.get(name, "bitsandbytes")))
    return tuple(found) if _KNOWS_CARDS else tuple(name for name in found if works(name, "cpu"))


def check_optimizer(name: str, device: str = "") -> None:
    """Raises:
    SettingsError: it is not installed, or does not work on `device` (tried only where that is given).
    """
    names = available_optimizers()
    if name in names and (not device or works(name, device)):
        return
    others = [other for other in names if other != name]
    raise SettingsError(
        [
            Fault(
                f"The Optimizer {name!r} does not work here. There is: {', '.join(others)}.",
                "optimizer",
                ("--set optimizer=adamw_torch",),
            )
        ]
    )


@dataclass(frozen=True)
class Rates:
    """What learns at another rate than the others: with `lora_plus_ratio` above 0 the B matrices learn so many times
    faster (LoRA+); `head` is that of head, embeddings and new words, 0 for the same as all."""

    lora_plus_ratio: float = 0.0
    head: float = 0.0

    @classmethod
    def of(cls, settings: Settings) -> Rates:
        return cls(settings.lora_plus_ratio, settings.head_learning_rate)


def make_optimizer(model: PeftModel, args: TrainingArguments, rates: Rates) -> torch.optim.Optimizer:
    """The optimizer that `args` name, over what learns in `model`.

    Weight decay spares biases and norms. On a card, adamw_torch is one fused kernel.
    """
    from transformers import Trainer

    kind, values = Trainer.get_optimizer_cls_and_kwargs(args)
    if args.optim == "adamw_torch" and fused_fits([p for p in model.parameters() if p.requires_grad], fp16=args.fp16):
        values["fused"] = True
    groups = _groups(model, args, rates)
    optimizer: torch.optim.Optimizer = kind([group for group in groups if group["params"]], **values)
    return optimizer


def fused_fits(learning: Sequence[torch.Tensor], *, fp16: bool) -> bool:
    """Whether AdamW's fused kernel takes these parameters: all on NVIDIA or AMD cards, none of them sharded.

    Not with the gradient scaler of `fp16`: it hands overflows to the kernel, so that nobody notices that the step was
    left out, and the schedule would step all the same.
    """
    return not fp16 and all(p.device.type == "cuda" and not hasattr(p, "full_tensor") for p in learning)


_OF_HEADS = (".modules_to_save.", ".trainable_tokens_delta.")


def _groups(model: PeftModel, args: TrainingArguments, rates: Rates) -> list[dict[str, Any]]:
    """A matrices, and all that has no rate of its own, first: theirs is the rate that is shown.

    Source: Hayou et al., "LoRA+: Efficient Low Rank Adaptation of Large Models", arXiv 2402.12354.
    """
    learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    heads = [p for name, p in learning if rates.head > 0 and any(part in name for part in _OF_HEADS)]
    fast = [p for name, p in learning if rates.lora_plus_ratio > 0 and ".lora_B." in name]
    apart = {id(p) for p in (*heads, *fast)}
    usual = [p for _, p in learning if id(p) not in apart]
    rate, decay = args.learning_rate, args.weight_decay
    return [
        {"params": [p for p in usual if p.ndim >= 2], "weight_decay": decay, "lr": rate},
        {"params": [p for p in usual if p.ndim < 2], "weight_decay": 0.0, "lr": rate},
        {"params": fast, "weight_decay": decay, "lr": rate * rates.lora_plus_ratio},
        {"params": [p for p in heads if p.ndim >= 2], "weight_decay": decay, "lr": rates.head},
        {"params": [p for p in heads if p.ndim < 2], "weight_decay": 0.0, "lr": rates.head},
    ]
