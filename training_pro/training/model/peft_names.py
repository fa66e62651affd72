"""How modules are named to PEFT, so that it adapts exactly those, now and when the LoRA is loaded again."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from training_pro.training.model.config import value_of


def short_names(model: nn.Module, modules: tuple[str, ...]) -> tuple[str, ...]:
    """The last parts of the names where these mean exactly `modules`, else the full names."""
    last_parts = {name.rsplit(".", 1)[-1] for name in modules}
    meant = {name for name, _ in model.named_modules() if name.rsplit(".", 1)[-1] in last_parts}
    return tuple(sorted(last_parts)) if meant == set(modules) else modules


def misread_names(model: nn.Module, modules: Iterable[str]) -> frozenset[str]:
    """Those of `modules` whose names PEFT takes for something else on this model.

    From 0.20 on, PEFT turns names like ``gate_proj`` into the tensors of all experts on some kinds of mixtures, to load
    LoRAs of older releases, also where a dense layer or a shared expert bears the name. PEFT itself is asked.
    """
    by_last: dict[str, list[str]] = {}
    for name in modules:
        by_last.setdefault(name.rsplit(".", 1)[-1], []).append(name)
    return frozenset(name for last, names in by_last.items() if _is_misread(model, last) for name in names)


def _is_misread(model: nn.Module, name: str) -> bool:
    if value_of(value_of(model, "config"), "model_type") is None:
        return False
    try:
        from peft import LoraConfig
        from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
    except ImportError:  # older releases take each name as it is
        return False
    config = LoraConfig(target_modules=[name])
    try:
        convert_peft_config_for_transformers(config, model=model, conversions=None)
    except ValueError:  # "also target the others that are fused with it"
        return True
    return set(config.target_modules or ()) != {name} or bool(config.target_parameters)
