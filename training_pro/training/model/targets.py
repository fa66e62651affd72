"""Which modules of the loaded model get a LoRA: a preset's roles resolved against what is there.

Only the text part of a model counts; its heads, the routers of mixtures and vision or audio towers never learn.
Costs a walk over the modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import nn

from training_pro.errors import ModelError
from training_pro.training.model import experts
from training_pro.training.model.experts import ExpertTensor
from training_pro.training.model.peft_names import misread_names, short_names
from training_pro.training.model.roles import MAMBA_LEFT, held_roles, roles_in_layer
from training_pro.training.model.text_part import layer_lists, text_modules, text_part

_PRESETS: dict[str, tuple[str, ...]] = {
    "q-v": ("q", "v"),
    "q-k-v": ("q", "k", "v"),
    "q-k-v-o": ("q", "k", "v", "o"),
    "k-v-down": ("k", "v", "down"),
    "all": ("q", "k", "v", "o", "gate", "up", "down"),
}
_HEADS = ("lm_head", "embed_out")
_LINEAR_KINDS = ("Conv1D", "Linear4bit", "Linear8bitLt", "QuantLinear", "WQLinear")
_CHOOSES = re.compile(r"(^|\.)(\w*router\w*|\w*indexer|moe_gate|expert_gate|shared_expert_gate)(\.|$)")
MAMBA_NOTE = (
    "Left as they are: {names} of the Mamba layers. Their kernels read these weights directly, so a LoRA there would "
    "do nothing."
)


@dataclass(frozen=True)
class Coverage:
    """In how many of the model's `of` layers the modules called `asked` (a role or a name) exist."""

    asked: str
    layers: int
    of: int


@dataclass(frozen=True)
class Targets:
    """What gets a LoRA, in the model's order, and notes for the person.

    `modules` are full names, `names` is what PEFT gets: last parts like ``q_proj`` where these mean exactly
    `modules`, else full names. `experts` are tensors of experts that learn as well, `parameters` their names for PEFT.
    `coverage` says in how many layers each thing asked for exists, `unquantized_bytes` what tensors of experts take
    that are held in 16 or 32 bits, trained or not.
    """

    modules: tuple[str, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    experts: tuple[ExpertTensor, ...] = ()
    parameters: tuple[str, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    unquantized_bytes: int = 0


@dataclass
class TextLinears:
    """The linear modules of a model's text part, by what may be done with them."""

    model: nn.Module
    prefix: str = field(init=False)
    _modules: dict[str, nn.Module] = field(init=False)

    def __post_init__(self) -> None:
        part = text_part(self.model)
        self.prefix = next((name + "." for name, module in self.model.named_modules() if module is part and name), "")
        self._modules = {self.prefix + name if name else self.prefix[:-1]: m for name, m in text_modules(part)}
        lists = [self.prefix + name for name in layer_lists(part)]
        self.layers = [f"{name}.{index}" for name in lists for index in range(len(self.model.get_submodule(name)))]

    @cached_property
    def mambas(self) -> tuple[str, ...]:
        """Names of the Mamba blocks."""
        return tuple(
            name
            for name, module in self._modules.items()
            if "A_log" in module._parameters and {"in_proj", "out_proj"} <= module._modules.keys()
        )

    @cached_property
    def all(self) -> tuple[str, ...]:
        """Names of all that may learn, experts that are modules included."""
        heads = {id(self.model.get_submodule(name)) for name in _HEADS if hasattr(self.model, name)}
        heads.add(id(_output_embeddings(self.model)))
        left = set(self.left_of_mamba)
        return tuple(
            name
            for name, module in self._modules.items()
            if _is_linear(module) and id(module) not in heads and name not in left and not self._chooses(name, module)
        )

    @cached_property
    def left_of_mamba(self) -> tuple[str, ...]:
        return tuple(
            f"{block}.{last}" for block in self.mambas for last in MAMBA_LEFT if f"{block}.{last}" in self._modules
        )

    @cached_property
    def expert_modules(self) -> tuple[str, ...]:
        return tuple(name for name in self.all if experts.is_in_experts(name))

    @cached_property
    def expert_tensors(self) -> tuple[ExpertTensor, ...]:
        return tuple(experts.expert_tensors(self._modules.items()))

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """Names of all that may learn, experts left out."""
        among = set(self.expert_modules)
        return tuple(name for name in self.all if name not in among)

    def by_role(self) -> dict[str, list[str]]:
        """The modules of each role, over all layers."""
        found: dict[str, list[str]] = {}
        for layer in self.layers or [self.prefix[:-1]]:
            start = f"{layer}." if layer else ""
            inside = [name.removeprefix(start) for name in self.plain if name.startswith(start)]
            mambas = [name.removeprefix(start) for name in self.mambas if name.startswith(start)]
            for role, names in roles_in_layer(inside, mambas).items():
                found.setdefault(role, []).extend(start + name for name in names)
        return found

    def covered(self, asked: str, modules: Iterable[str]) -> Coverage:
        names = list(modules)
        met = sum(any(name.startswith(layer + ".") for name in names) for layer in self.layers)
        return Coverage(asked, met, len(self.layers))

    def _chooses(self, name: str, module: nn.Module) -> bool:
        """Whether this chooses experts or tokens: the loss hardly teaches that."""
        inside = name.removeprefix(self.prefix)
        if _CHOOSES.search(inside):
            return True
        parent, _, last = name.rpartition(".")
        beside = self._modules.get(parent)
        return last in ("gate", "wg") and beside is not None and hasattr(beside, "experts")


def _is_linear(module: nn.Module) -> bool:
    if type(module).__name__ in _LINEAR_KINDS:
        return True
    if not isinstance(module, nn.Linear) or type(module).__name__ == "NonDynamicallyQuantizableLinear":
        return False
    return type(module).forward is nn.Linear.forward or _answers_like_a_linear(module)


def _answers_like_a_linear(module: nn.Linear) -> bool:
    """A kind of its own: whether it makes one row of `out_features` from one of `in_features`."""
    import torch

    weight = module.weight
    try:
        with torch.no_grad():
            made = module(torch.zeros(1, module.in_features, dtype=weight.dtype, device=weight.device))
        return tuple(made.shape) == (1, module.out_features)
    except Exception:  # noqa: BLE001 - whatever it raises, it isn't called as a linear module
        return False


def _output_embeddings(model: nn.Module) -> nn.Module | None:
    ask = getattr(model, "get_output_embeddings", None)
    try:
        return ask() if callable(ask) else None
    except (NotImplementedError, AttributeError):
        return None


def resolve_targets(model: nn.Module, preset: str, own_list: str = "", *, with_experts: bool = False) -> Targets:
    """The modules of `model` that `preset` (or `own_list`, names separated by commas) means.

    Raises:
        ModelError: nothing of that name is there; the message lists what there is.
    """
    linears = TextLinears(model)
    if preset == "own list":
        asked = _own(linears, own_list)
    elif preset == "all-linear":
        asked = {"all-linear": list(linears.plain)}
    else:
        asked = _from_roles(linears, preset)
    return _targets(linears, asked, with_experts, preset)


def _own(linears: TextLinears, own_list: str) -> dict[str, list[str]]:
    wanted = [part.strip() for part in own_list.replace("\n", ",").split(",") if part.strip()]
    if not wanted:
        raise ModelError(
            f"The own list of targets is empty; write names of modules with commas between. {_what_there_is(linears)}",
            option='--set target_modules="q_proj, v_proj"',
            setting="target_modules",
        )
    asked = {name: _ending_in(linears.all, name) for name in wanted}
    missing = [name for name, found in asked.items() if not found]
    if missing:
        raise ModelError(
            f"The model has no module named {', '.join(missing)}. {_what_there_is(linears)}",
            option="--set targets=all-linear",
            setting="target_modules",
        )
    return asked


def _from_roles(linears: TextLinears, preset: str) -> dict[str, list[str]]:
    by_role = linears.by_role()
    asked = {role: by_role.get(role, []) for role in _PRESETS[preset]}
    if not any(asked.values()):
        raise ModelError(
            f"The model has no module for {', '.join(asked)} of the targets {preset}; choose all-linear or an own "
            f"list. {_what_there_is(linears)}",
            option="--set targets=all-linear",
            setting="targets",
        )
    return asked


def _ending_in(names: Iterable[str], suffix: str) -> list[str]:
    return [name for name in names if name == suffix or name.endswith("." + suffix)]


def _what_there_is(linears: TextLinears) -> str:
    kinds = sorted({name.rsplit(".", 1)[-1] for name in linears.all})
    return "It has: " + (", ".join(kinds) or "no linear modules at all") + "."


def _targets(linears: TextLinears, asked: dict[str, list[str]], with_experts: bool, preset: str) -> Targets:
    tensors = linears.expert_tensors if with_experts else ()
    wanted = {name for names in asked.values() for name in names}
    if with_experts:
        wanted.update(linears.expert_modules)
    misread = misread_names(linears.model, wanted) if linears.expert_tensors else frozenset()
    chosen = wanted - misread
    modules = tuple(name for name in linears.all if name in chosen)
    if not modules and not tensors:
        raise ModelError(
            f"No module of the model is a target; choose all-linear or an own list. {_what_there_is(linears)}",
            option="--set targets=all-linear",
            setting="targets",
        )
    coverage = tuple(linears.covered(name, chosen.intersection(names)) for name, names in asked.items())
    explained = {role for role, names in asked.items() if misread.intersection(names)}
    explained |= {"gate", "up", "down"} if linears.expert_tensors or linears.expert_modules else set()
    roles = preset not in ("own list", "all-linear")
    notes = _fused_notes(asked) if roles else []
    notes += [*_coverage_notes(coverage, explained), *_misread_notes(misread)]
    notes += [*_mamba_notes(linears, asked), *_expert_notes(linears, asked, with_experts)]
    return Targets(
        modules,
        short_names(linears.model, modules),
        tuple(notes),
        tensors,
        experts.names_for_peft(list(tensors), (name for name, _ in linears.model.named_parameters())),
        coverage,
        sum(tensor.bytes for tensor in linears.expert_tensors if tensor.number_bytes > 1),
    )


def _fused_notes(asked: dict[str, list[str]]) -> list[str]:
    names = dict.fromkeys(".".join(name.split(".")[-2:]) for names in asked.values() for name in names)
    held = dict.fromkeys((name.rpartition(".")[2], held_roles(name)) for name in names)
    return [
        f"{last} holds {_listed(roles)} of this model in one; all of it is trained." for last, roles in held if roles
    ]


def _coverage_notes(coverage: tuple[Coverage, ...], explained: set[str]) -> list[str]:
    none = [found.asked for found in coverage if found.of and not found.layers and found.asked not in explained]
    notes = [f"This model has no module for {_listed(none)}; the others are trained."] if none else []
    by_count: dict[tuple[int, int], list[str]] = {}
    for found in coverage:
        if 0 < found.layers < found.of and found.asked != "all-linear":
            by_count.setdefault((found.layers, found.of), []).append(found.asked)
    for (layers, of), asked in by_count.items():
        notes.append(f"{_listed(asked)} exist{'s' if len(asked) == 1 else ''} in {layers} of the model's {of} layers.")
    return notes


def _misread_notes(misread: frozenset[str]) -> list[str]:
    if not misread:
        return []
    kinds = sorted({name.rpartition(".")[2] for name in misread})
    return [
        f"PEFT reads {_listed(kinds)} of this model as its experts, so that a LoRA on other modules of these names "
        f"could not be loaded again: {len(misread)} modules stay as they are (dense layers and shared experts)."
    ]


def _mamba_notes(linears: TextLinears, asked: dict[str, list[str]]) -> list[str]:
    left = sorted({name.rpartition(".")[2] for name in linears.left_of_mamba})
    concerned = "all-linear" in asked or ("o" in asked and not asked["o"])
    return [MAMBA_NOTE.format(names=_listed(left))] if left and concerned else []


def _expert_notes(linears: TextLinears, asked: dict[str, list[str]], with_experts: bool) -> list[str]:
    there = [tensor.name for tensor in linears.expert_tensors] or list(linears.expert_modules)
    if with_experts:
        return [] if there else ["Train Experts is on, but this model has no experts; the rest is trained."]
    concerned = asked.keys() & {"gate", "up", "down", "all-linear"}
    if not there or not concerned:
        return []
    kinds = sorted({name.removesuffix(".weight").rpartition(".")[2] for name in there})
    return [f"The experts of this model ({', '.join(kinds)}) are not trained; Train Experts trains them, too."]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
