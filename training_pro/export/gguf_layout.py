"""The order in which llama.cpp keeps the rows of a weight, where it is not that of transformers.

A LoRA must follow the weight that it is added to: its B has the rows, its A the columns. In a wrong order the file
loads without an error and the model talks nonsense. Every order here is compared with llama.cpp's own converter and
heard in llama.cpp by the tests. Costs nothing: indexes of a few thousand rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Order = Callable[[Any, "torch.Tensor"], "torch.Tensor"]
"""Takes a model's text config and the numbers 0, 1, 2, ... of the rows; returns them in llama.cpp's order."""

Scale = Callable[[Any], float]
"""The factor that llama.cpp's converter multiplies a weight with, by the model's text config."""


@dataclass(frozen=True)
class Part:
    """One GGUF tensor that holds a module's weight or some of its rows.

    `suffix`: llama.cpp's name within the block ("attn_qkv"); empty: the name in gguf's own table. `rows`, `columns`:
    the order of rows (outputs) and columns (inputs); None: unchanged. `scale`: None for a factor of 1.
    """

    suffix: str = ""
    rows: Order | None = None
    columns: Order | None = None
    scale: Scale | None = None


def paired(heads: str, _config: Any = None) -> Part:
    """Rotary halves as neighbours, in `config.<heads>` heads: transformers turns row i with row i + half of its head,
    llama.cpp's "llama" kind turns neighbouring rows."""
    return Part(rows=partial(_paired, heads))


def _paired(heads: str, config: Any, rows: torch.Tensor) -> torch.Tensor:
    count = getattr(config, heads)
    return rows.reshape(count, 2, -1).swapaxes(1, 2).reshape(-1)


def _grouped(config: Any, rows: torch.Tensor) -> torch.Tensor:
    """From (query, key, value) head by head to all queries, all keys, all values."""
    return rows.reshape(config.num_attention_heads, 3, -1).swapaxes(0, 1).reshape(-1)


def _falcon_groups(config: Any, rows: torch.Tensor) -> torch.Tensor:
    """From groups of queries with their key and value to all queries, all keys, all values."""
    import torch

    groups = _falcon_kv_heads(config)
    shaped = rows.reshape(groups, config.num_attention_heads // groups + 2, -1)
    return torch.cat([shaped[:, :-2].reshape(-1), shaped[:, -2].reshape(-1), shaped[:, -1].reshape(-1)])


def _falcon_kv_heads(config: Any) -> int:
    if config.new_decoder_architecture:
        return int(config.num_kv_heads)
    return 1 if config.multi_query else int(config.num_attention_heads)


def _tiled(config: Any, rows: torch.Tensor) -> torch.Tensor:
    """Value heads of linear attention: from those of one key head together to one of each key head in turn."""
    keys, values = config.linear_num_key_heads, config.linear_num_value_heads
    return rows.reshape(keys, values // keys, -1).swapaxes(0, 1).reshape(-1)


def _tiled_after_keys(config: Any, rows: torch.Tensor) -> torch.Tensor:
    """The same for a projection that gives queries and keys first."""
    import torch

    first = 2 * config.linear_num_key_heads * config.linear_key_head_dim
    return torch.cat([rows[:first], _tiled(config, rows[first:])])


def _of_key_heads(config: Any, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Queries, keys, values and gates of a projection that has them key head by key head."""
    keys, share = config.linear_num_key_heads, config.linear_num_value_heads // config.linear_num_key_heads
    sizes = [config.linear_key_head_dim] * 2 + [share * config.linear_value_head_dim] * 2
    return tuple(part.reshape(-1) for part in rows.reshape(keys, -1).split(sizes, dim=1))


def _without_gates(config: Any, rows: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat(_of_key_heads(config, rows)[:3])


def _gates(config: Any, rows: torch.Tensor) -> torch.Tensor:
    return _of_key_heads(config, rows)[3]


def _first_half(_config: Any, rows: torch.Tensor) -> torch.Tensor:
    return rows[: len(rows) // 2]


def _second_half(_config: Any, rows: torch.Tensor) -> torch.Tensor:
    return rows[len(rows) // 2 :]


Layout = Mapping[str, tuple[Part, ...]]
"""The parts of modules by the ending of their name; modules that are not listed are kept as they are."""

PAIRED: Layout = {
    "self_attn.q_proj": (paired("num_attention_heads"),),
    "self_attn.k_proj": (paired("num_key_value_heads"),),
}
GROUPED: Layout = {"query_key_value": (Part(rows=_grouped),)}
FALCON: Layout = {"query_key_value": (Part(rows=_falcon_groups),)}
TILED: Layout = {
    "linear_attn.in_proj_qkv": (Part(rows=_tiled_after_keys),),
    "linear_attn.in_proj_z": (Part(rows=_tiled),),
    "linear_attn.in_proj_a": (Part(rows=_tiled),),
    "linear_attn.in_proj_b": (Part(rows=_tiled),),
    "linear_attn.out_proj": (Part(columns=_tiled),),
}
KEY_HEADS: Layout = {
    "linear_attn.in_proj_qkvz": (Part("attn_qkv", rows=_without_gates), Part("attn_gate", rows=_gates)),
}
SHARED_EXPERT: Layout = {
    "shared_mlp.input_linear": (Part("ffn_gate_shexp", rows=_first_half), Part("ffn_up_shexp", rows=_second_half)),
    "shared_mlp.output_linear": (Part("ffn_down_shexp"),),
}
FALCON_H1: Layout = {
    "feed_forward.gate_proj": (Part(scale=lambda config: config.mlp_multipliers[0]),),
    "feed_forward.down_proj": (Part(scale=lambda config: config.mlp_multipliers[1]),),
    "self_attn.q_proj": (Part(scale=lambda config: config.attention_in_multiplier),),
    "self_attn.k_proj": (Part(scale=lambda config: config.attention_in_multiplier * config.key_multiplier),),
    "self_attn.v_proj": (Part(scale=lambda config: config.attention_in_multiplier),),
    "self_attn.o_proj": (Part(scale=lambda config: config.attention_out_multiplier),),
    "lm_head": (Part(scale=lambda config: config.lm_head_multiplier),),
}
