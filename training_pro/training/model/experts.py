"""The experts of a mixture: found in the loaded model, and how PEFT names them.

Newer models hold all experts of a layer in one tensor of three dimensions (PEFT: ``target_parameters``), older ones
each in modules of its own. Costs a walk over the modules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

_IN_EXPERTS = re.compile(r"(^|\.)(shared_)?experts\.\d+\.")


@dataclass(frozen=True)
class ExpertTensor:
    """One tensor of `count` matrices, each `given` wide where it reads and `made` where it writes."""

    name: str
    count: int
    given: int
    made: int
    number_bytes: int

    @property
    def bytes(self) -> int:
        return self.count * self.given * self.made * self.number_bytes


def expert_tensors(modules: Iterable[tuple[str, nn.Module]]) -> list[ExpertTensor]:
    """The experts that are held as one tensor, in the model's order."""
    found = []
    for name, module in modules:
        if not (type(module).__name__.endswith("Experts") or name.rpartition(".")[2] == "experts"):
            continue
        for last, parameter in module.named_parameters(recurse=False):
            if parameter.ndim == 3:
                count, made, given = parameter.shape
                if getattr(module, "is_transposed", False):
                    given, made = made, given
                found.append(ExpertTensor(f"{name}.{last}", count, given, made, parameter.element_size()))
    return found


def is_in_experts(name: str) -> bool:
    """Whether this module is one of an expert's own."""
    return _IN_EXPERTS.search(name) is not None


def names_for_peft(tensors: list[ExpertTensor], all_parameters: Iterable[str]) -> tuple[str, ...]:
    """The last two parts of the names where these mean exactly `tensors`, else the full names."""
    names = [tensor.name for tensor in tensors]
    short = {".".join(name.split(".")[-2:]) for name in names}
    meant = {name for name in all_parameters if any(name == s or name.endswith("." + s) for s in short)}
    return tuple(sorted(short)) if meant == set(names) else tuple(names)


@cache
def holds_product() -> bool:
    """Whether this PEFT multiplies out the LoRA of all experts before it adds it to their weights; newer versions add
    it as they multiply."""
    from peft.tuners.lora import layer

    return not hasattr(getattr(layer, "ParamWrapper", None), "get_delta_factors")
