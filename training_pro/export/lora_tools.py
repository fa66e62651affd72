"""Tools for finished LoRAs: a strength baked in, several combined, made smaller, compared.

All work on the adapters alone, without the base model, in float32. A LoRA of rank 16 on all projections of a 7B model
takes some 300 MB of memory and a few seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training_pro.errors import ModelError
from training_pro.export.lora_source import Lora
from training_pro.export.products import Product, Products, is_made_by_tools, read_products, write_products
from training_pro.export.room import check_place, check_space
from training_pro.words import natural_key

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Made:
    """A LoRA that a tool made. `error`: how far it is from what it should add, as a share of that (2-norms)."""

    folder: Path
    size_bytes: int
    largest_rank: int
    error: float


def bake(lora: Lora, strength: float, target: Path, *, replace: bool = False) -> Made:
    """`lora` at `strength`, as a LoRA of its own that is used at 1. Exact.

    Raises:
        ModelError: `strength` is 0 or not a number, or `lora` is more than A and B.
        RunError: something is in the way at `target`, or the disk is full.
    """
    if not math.isfinite(strength) or strength == 0:
        raise ModelError(f"Strength {strength:g} gives a LoRA that does nothing. Usual values: 0.3 to 1.5.")
    check_place(target, replace, is_made_by_tools)
    products = _weighted(read_products(lora), strength)
    return _write(products, target, lora, 0.0, {"tool": "bake", "lora": lora.name, "strength": strength})


def combine(
    loras: Sequence[Lora], weights: Sequence[float], target: Path, *, rank: int | None = None, replace: bool = False
) -> Made:
    """The sum of `loras`, each times its weight. Exact without `rank`: ranks add up. With it: the nearest of that rank.

    Raises:
        ModelError: fewer than two LoRAs, another number of weights, another base, other shapes, or more than A and B.
        RunError: something is in the way at `target`, or the disk is full.
    """
    if len(loras) < 2 or len(loras) != len(weights):
        raise ModelError(
            f"{len(loras)} LoRAs and {len(weights)} weights: give two or more LoRAs and one weight for each."
        )
    if not all(math.isfinite(weight) for weight in weights):
        raise ModelError(f"Weights must be numbers, not {', '.join(map(str, weights))}.")
    _check_same_base(loras)
    check_place(target, replace, is_made_by_tools)
    products = _sum([_weighted(read_products(lora), weight) for lora, weight in zip(loras, weights, strict=True)])
    error = 0.0
    if rank is not None:
        products, error = _smaller(products, rank)
    made = {"tool": "combine", "loras": [lora.name for lora in loras], "weights": list(weights), "error": error}
    return _write(products, target, loras[0], error, made)


def shrink(lora: Lora, rank: int, target: Path, *, replace: bool = False) -> Made:
    """`lora` at a smaller rank: of each weight's change, the nearest one of that rank (by singular values).

    Raises:
        ModelError: `rank` is not smaller than that of `lora`, or `lora` is more than A and B.
        RunError: something is in the way at `target`, or the disk is full.
    """
    check_place(target, replace, is_made_by_tools)
    products = read_products(lora)
    largest = max(product.rank for product in products.values())
    if not 1 <= rank < largest:
        raise ModelError(
            f"Rank {rank} doesn't make a LoRA of rank {largest} smaller. Give a rank from 1 to {largest - 1}."
        )
    smaller, error = _smaller(products, rank)
    return _write(smaller, target, lora, error, {"tool": "shrink", "lora": lora.name, "rank": rank, "error": error})


@dataclass(frozen=True)
class ModuleNorms:
    """One weight: `norms` of what each LoRA adds to it (0: nothing), `cosine` of the first two (None: not both)."""

    module: str
    norms: tuple[float, ...]
    ranks: tuple[int, ...]
    cosine: float | None


@dataclass(frozen=True)
class Comparison:
    """`modules` in the model's order; `norms` of whole LoRAs; `cosine` of the first two over all weights."""

    modules: tuple[ModuleNorms, ...]
    norms: tuple[float, ...]
    cosine: float | None

    def by_layer(self) -> list[tuple[str, tuple[float, ...]]]:
        """The norms of each layer ("0", "1", ...; "other" for what is in none)."""
        squares: dict[str, list[float]] = {}
        for row in self.modules:
            layer = re.search(r"\.(?:layers|h|blocks)\.(\d+)\.", f".{row.module}.")
            sums = squares.setdefault(layer[1] if layer else "other", [0.0] * len(row.norms))
            for index, norm in enumerate(row.norms):
                sums[index] += norm**2
        return [(layer, tuple(math.sqrt(value) for value in sums)) for layer, sums in squares.items()]


def compare(loras: Sequence[Lora]) -> Comparison:
    """Where one or two LoRAs change the model, how much, and how alike.

    Raises:
        ModelError: another base, other shapes, or more than A and B.
    """
    _check_same_base(loras)
    all_products = [read_products(lora) for lora in loras]
    _check_shapes(all_products)
    names = list(dict.fromkeys(name for products in all_products for name in products))
    rows = tuple(
        _row(name, [products.get(name) for products in all_products]) for name in sorted(names, key=natural_key)
    )
    norms = tuple(math.hypot(*(row.norms[index] for row in rows)) for index in range(len(loras)))
    cosine = None
    if len(loras) == 2 and all(norms):
        first, second = all_products
        cosine = sum(first[name].inner(second[name]) for name in first if name in second) / (norms[0] * norms[1])
    return Comparison(rows, norms, cosine)


def _row(name: str, products: list[Product | None]) -> ModuleNorms:
    norms = tuple(product.norm() if product else 0.0 for product in products)
    cosine = None
    if len(products) == 2 and all(norms):
        first, second = products
        cosine = first.inner(second) / (norms[0] * norms[1]) if first and second else None
    return ModuleNorms(name, norms, tuple(product.rank if product else 0 for product in products), cosine)


def _weighted(products: Products, weight: float) -> Products:
    return {name: Product(product.a, product.b * weight) for name, product in products.items()}


def _sum(all_products: list[Products]) -> Products:
    """Exact: the A of all below one another, the B beside one another."""
    _check_shapes(all_products)
    names = dict.fromkeys(name for products in all_products for name in products)
    parts = {name: [products[name] for products in all_products if name in products] for name in names}
    return {
        name: Product(torch.cat([part.a for part in found]), torch.cat([part.b for part in found], dim=1))
        for name, found in parts.items()
    }


def _smaller(products: Products, rank: int) -> tuple[Products, float]:
    """The nearest products of at most `rank`, and how far they are, as a share of all."""
    if rank < 1:
        raise ModelError(f"Rank {rank} is too small. Give a rank of 1 or more.")
    found, lost, whole = {}, 0.0, 0.0
    for name, product in products.items():
        q_b, r_b = torch.linalg.qr(product.b.double())
        q_a, r_a = torch.linalg.qr(product.a.double().T)
        left, values, right = torch.linalg.svd(r_b @ r_a.T, full_matrices=False)
        whole += float((values**2).sum())
        lost += float((values[rank:] ** 2).sum())
        root = values[:rank].sqrt()
        found[name] = Product((root[:, None] * (right[:rank] @ q_a.T)).float(), ((q_b @ left[:, :rank]) * root).float())
    return found, math.sqrt(lost / whole) if whole else 0.0


def _write(products: Products, target: Path, like: Lora, error: float, made: dict[str, Any]) -> Made:
    numbers = sum(product.a.numel() + product.b.numel() for product in products.values())
    check_space(target, numbers * _FLOAT_BYTES)
    size = write_products(products, target, like, made)
    return Made(target, size, max(product.rank for product in products.values()), error)


def _check_same_base(loras: Sequence[Lora]) -> None:
    names = {Path(lora.info.base_model).name for lora in loras} - {""}
    if len(names) > 1:
        raise ModelError(
            f"The LoRAs have different base models ({', '.join(sorted(names))}). Choose LoRAs of one base."
        )


def _check_shapes(all_products: Iterable[Products]) -> None:
    seen: dict[str, tuple[int, int]] = {}
    for products in all_products:
        for name, product in products.items():
            shape = (product.b.shape[0], product.a.shape[1])
            if seen.setdefault(name, shape) != shape:
                raise ModelError(
                    f"{name} is {seen[name][0]} x {seen[name][1]} in one LoRA and {shape[0]} x {shape[1]} in another. "
                    "Choose LoRAs of one base."
                )
