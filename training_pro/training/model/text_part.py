"""Finds the part of a loaded model that reads and writes text: its layers, without vision and audio towers.

Models say it themselves (`get_decoder`); of those that don't, it is the smallest part that holds the embeddings and a
list of layers. Costs a walk over the modules; nothing is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

_TOWER = re.compile(
    r"(^|_)(vision|visual|image|img|audio|speech|video|tower|multi_modal|multimodal|modality|connector|aligner)(_|$)"
)


def text_part(model: nn.Module) -> nn.Module:
    """The module whose list of layers reads the text; `model` itself where none can be found."""
    decoder = _named_by_model(model)
    return _around_embeddings(decoder if decoder is not None else model)


def _named_by_model(model: nn.Module) -> nn.Module | None:
    """What `get_decoder` leads to, through wrappers within wrappers."""
    at, seen = model, {id(model)}
    while True:
        inner = _asked(at, "get_decoder")
        if not isinstance(inner, nn.Module) or id(inner) in seen or not _lists(inner):
            return at if at is not model else None
        seen.add(id(inner))
        at = inner


def _around_embeddings(model: nn.Module) -> nn.Module:
    """The smallest module that holds the embeddings and a list of layers; `model` if there is none."""
    embeddings = _asked(model, "get_input_embeddings")
    name = next((name for name, module in model.named_modules() if module is embeddings), "")
    while "." in name:
        name = name.rpartition(".")[0]
        around = model.get_submodule(name)
        if _lists(around):
            return around
    return model


def _asked(model: nn.Module, method: str) -> Any:
    ask = getattr(model, method, None)
    try:
        return ask() if callable(ask) else None
    except Exception:  # noqa: BLE001 - models raise errors of their own kinds; then the modules are looked at
        return None


def _lists(module: nn.Module) -> list[tuple[str, nn.ModuleList]]:
    """The lists of modules in `module` that lie in no other list and hold layers, by name."""
    found: list[tuple[str, nn.ModuleList]] = []
    for name, child in module.named_modules():
        if not isinstance(child, nn.ModuleList) or not len(child):
            continue
        inside = any(name.startswith(outer + ".") for outer, _ in found)
        if not inside and any(
            isinstance(part, nn.Module) and next(part.children(), None) is not None for part in child
        ):
            found.append((name, child))
    return found


def layer_lists(part: nn.Module) -> list[str]:
    """Names, within the text part, of its lists of layers: those nearest to its top; deeper ones are towers'."""
    lists = [(name, child) for name, child in _lists(part) if not _is_tower(name)]
    top = min((name.count(".") for name, _ in lists), default=0)
    return [name for name, _ in lists if name.count(".") == top]


def text_modules(part: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Names (within the text part) and modules, towers left out."""
    lists = layer_lists(part)
    towers = {name.rpartition(".")[0] for name, _ in _lists(part) if name not in lists} - {""}
    for name, module in part.named_modules():
        in_layers = any(name.startswith(prefix + ".") for prefix in lists)
        if in_layers or not (_is_tower(name) or any(name == t or name.startswith(t + ".") for t in towers)):
            yield name, module


def _is_tower(name: str) -> bool:
    return any(_TOWER.search(piece) for piece in name.split("."))
