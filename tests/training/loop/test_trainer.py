"""The Trainer stays transformers' own: what of it is overridden is known."""

from __future__ import annotations

from transformers import Trainer

from training_pro.training.loop.trainer import LoraTrainer


def test_three_private_methods_are_overridden_and_no_other_by_chance() -> None:
    own = {name for name in vars(LoraTrainer) if hasattr(Trainer, name) and not name.startswith("__")}
    assert {name for name in own if name.startswith("_")} == {
        "_get_grad_norm",
        "_load_from_checkpoint",
        "_load_optimizer_and_scheduler",
    }
