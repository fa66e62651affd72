"""Which modules of the loaded model get a LoRA: the presets' names resolved against what is there.

Models name the same projection differently (``q_proj``, ``query``, ``wq``) or fuse several into one
(``qkv_proj``, ``query_key_value``, ``c_attn``, ``gate_up_proj``). A preset asks for *roles*; a role is met by
the module of its own name or, failing that, by the fused one that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from training_pro.errors import ModelError

_ROLES: dict[str, tuple[str, ...]] = {
    "q": ("q_proj", "query", "wq", "q_lin", "q_attn", "query_proj", "to_q"),
    "k": ("k_proj", "key", "wk", "k_lin", "key_proj", "to_k"),
    "v": ("v_proj", "value", "wv", "v_lin", "value_proj", "to_v"),
    "o": ("o_proj", "out_proj", "dense", "wo", "out_lin", "to_out", "attn.c_proj"),
    "gate": ("gate_proj", "w1", "gate"),
    "up": ("up_proj", "w3", "fc1", "dense_h_to_4h", "mlp.c_fc", "fc_in"),
    "down": ("down_proj", "w2", "fc2", "dense_4h_to_h", "mlp.c_proj", "fc_out"),
}
_FUSED: tuple[tuple[str, frozenset[str]], ...] = (
    ("qkv_proj", frozenset("qkv")),
    ("query_key_value", frozenset("qkv")),
    ("Wqkv", frozenset("qkv")),
    ("attn.c_attn", frozenset("qkv")),
    ("qkv", frozenset("qkv")),
    ("kv_proj", frozenset("kv")),
    ("gate_up_proj", frozenset({"gate", "up"})),
    ("dense_h_to_4h", frozenset({"up"})),
)
_PRESETS: dict[str, tuple[str, ...]] = {
    "q-v": ("q", "v"),
    "q-k-v": ("q", "k", "v"),
    "q-k-v-o": ("q", "k", "v", "o"),
    "k-v-down": ("k", "v", "down"),
    "all": ("q", "k", "v", "o", "gate", "up", "down"),
}
_MUST = frozenset("qkv")
_HEADS = ("lm_head", "embed_out", "output")


_EXPERT_ROLES = frozenset({"gate", "up", "down"})


@dataclass(frozen=True)
class Targets:
    """Full names of the modules to adapt, in the model's order, and notes for the person.

    `names` is what PEFT is told: last parts like ``q_proj`` where these mean exactly `modules`, else full names.
    """

    modules: tuple[str, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def linear_module_names(model: nn.Module) -> list[str]:
    """Full names of all linear-like modules (Linear, 4-bit, 8-bit, Conv1D), heads left out."""
    return [
        name
        for name, module in model.named_modules()
        if _is_linear(module) and name.rsplit(".", 1)[-1] not in _HEADS and not _is_router(name)
    ]


def _is_linear(module: nn.Module) -> bool:
    if isinstance(module, nn.Linear):
        return True
    return type(module).__name__ in ("Conv1D", "Linear4bit", "Linear8bitLt", "QuantLinear", "WQLinear")


def _is_router(name: str) -> bool:
    return re.search(r"\.(router|block_sparse_moe\.gate|mlp\.gate|gate\.wg|shared_expert_gate)$", name) is not None


def expert_tensors(model: nn.Module) -> list[str]:
    """Last names of the experts that are one 3-D tensor for all of them, not modules; a LoRA layer can't wrap these."""
    found = {n.rsplit(".", 1)[-1] for n, p in model.named_parameters() if p.ndim == 3 and ".experts." in n}
    return sorted(found)


def resolve_targets(model: nn.Module, preset: str, own_list: str = "") -> Targets:
    """The modules of `model` that `preset` (or `own_list`, names parted by commas) means.

    Raises:
        ModelError: nothing of that name is there; the message lists what there is.
    """
    names = linear_module_names(model)
    experts = expert_tensors(model)
    if preset == "own list":
        chosen, notes = _own(names, own_list), []
    elif preset == "all-linear":
        chosen, notes = names, _expert_notes(experts)
    else:
        chosen, notes = _from_roles(names, preset, experts)
    return _targets(model, names, chosen, notes)


def _own(names: list[str], own_list: str) -> list[str]:
    wanted = [part.strip() for part in own_list.replace("\n", ",").split(",") if part.strip()]
    if not wanted:
        raise ModelError(f"The own list of targets is empty; name modules, parted by commas. {_what_there_is(names)}")
    missing = [suffix for suffix in wanted if not _ending_in(names, suffix)]
    if missing:
        raise ModelError(f"The model has no module named {', '.join(missing)}. {_what_there_is(names)}")
    return [name for suffix in wanted for name in _ending_in(names, suffix)]


def _expert_notes(experts: list[str]) -> list[str]:
    if not experts:
        return []
    return [
        f"The experts of this model ({', '.join(experts)}) are 3-D tensors and stay as they are; the rest is trained."
    ]


def _from_roles(names: list[str], preset: str, experts: list[str]) -> tuple[list[str], list[str]]:
    found: list[str] = []
    notes: list[str] = []
    missing: list[str] = []
    for role in _PRESETS[preset]:
        modules, fused = _modules_of(names, role)
        found.extend(modules)
        if fused:
            notes.append(f"This model fuses {role} into {fused}; the whole of it is trained.")
        if not modules:
            missing.append(role)
    if not found or _MUST & set(missing) & set(_PRESETS[preset]):
        asked = ", ".join(missing or _PRESETS[preset])
        raise ModelError(f"The model has no module for {asked} of the targets {preset}. {_what_there_is(names)}")
    if experts and _EXPERT_ROLES & set(_PRESETS[preset]):
        notes.extend(_expert_notes(experts))
        missing = [role for role in missing if role not in _EXPERT_ROLES]
    if missing:
        notes.append(f"This model has no module for {', '.join(missing)}; the others are trained.")
    return found, notes


def _modules_of(names: list[str], role: str) -> tuple[list[str], str]:
    for suffix in _ROLES[role]:
        found = _ending_in(names, suffix)
        if found:
            return found, ""
    for suffix, roles in _FUSED:
        found = _ending_in(names, suffix)
        if role in roles and found:
            return found, suffix
    return [], ""


def _ending_in(names: Iterable[str], suffix: str) -> list[str]:
    return [name for name in names if name == suffix or name.endswith("." + suffix)]


def _what_there_is(names: list[str]) -> str:
    kinds = sorted({name.rsplit(".", 1)[-1] for name in names})
    return "It has: " + (", ".join(kinds) or "no linear modules at all") + "."


def _targets(model: nn.Module, order: list[str], chosen: Iterable[str], notes: list[str]) -> Targets:
    wanted = set(chosen)
    modules = tuple(name for name in order if name in wanted)
    if not modules:
        raise ModelError(f"No module of the model is a target. {_what_there_is(order)}")
    return Targets(modules, _short_names(model, modules), tuple(dict.fromkeys(notes)))


def _short_names(model: nn.Module, modules: tuple[str, ...]) -> tuple[str, ...]:
    last_parts = {name.rsplit(".", 1)[-1] for name in modules}
    meant = {name for name, _ in model.named_modules() if name.rsplit(".", 1)[-1] in last_parts}
    return tuple(sorted(last_parts)) if meant == set(modules) else modules
