"""What each linear module of a layer is for: query, key, value or output of its attention, or its feed-forward.

Models name the same projection differently (``q_proj``, ``query``, ``wq``), hold several in one (``qkv_proj``,
``c_attn``, ``gate_up_proj``) or in two steps (``q_a_proj``, ``q_b_proj``: the second one counts). The name alone
doesn't say enough: ``dense``, ``c_proj`` or ``key`` mean one thing beside a query and another in a feed-forward
block. So a module is judged by its name and by what stands beside it. Pure; costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

ROLES = ("q", "k", "v", "o", "gate", "up", "down")
_ATTENTION: dict[str, str] = {
    "q": "q q_proj q_b_proj wq wq_b query query_proj q_lin q_attn to_q project_q receptance",
    "k": "k k_proj wk key key_proj k_lin to_k project_k",
    "v": "v v_proj wv value value_proj v_lin to_v project_v",
    "o": "o o_proj o_b_proj out_proj wo out out_lin to_out dense c_proj output attention_out proj",
}
_FEED_FORWARD: dict[str, str] = {
    "gate": "gate_proj gate w1 wi_0 linear_gate c_fc_0 receptance",
    "up": "up_proj up w3 wi_1 fc1 fc_in c_fc c_fc_1 lin1 linear_fc1 linear_1 dense_h_to_4h key",
    "down": "down_proj down w2 fc2 fc_out c_proj lin2 linear_fc2 linear_2 dense_4h_to_h output_linear wo value",
}
_FUSED: dict[str, str] = {
    **dict.fromkeys(
        [
            "qkv_proj",
            "query_key_value",
            "wqkv",
            "c_attn",
            "qkv",
            "w_pack",
            "qkv_lin",
            "in_proj_qkv",
            "in_proj_qkvz",
            "qkvz_proj",
        ],
        "qkv",
    ),
    **dict.fromkeys(["kv_proj", "kv_b_proj", "wkv_b", "kv", "key_value", "to_kv"], "kv"),
    **dict.fromkeys(["qk_proj", "qk"], "qk"),
}
_FUSED_FEED_FORWARD = frozenset(["gate_up_proj", "gate_and_up_proj", "wi", "w12", "w13", "input_linear"])
_FEED_FORWARD_BLOCK = re.compile(r"(^|_)(mlp|ffn?|feed_forward|feedforward|shared_experts?)(_|$)", re.IGNORECASE)
MAMBA_IN = "in_proj"
MAMBA_LEFT = frozenset({"out_proj", "x_proj", "dt_proj"})
"""Mamba's fused kernels read these weights themselves: a LoRA on them would have no effect."""


def _split(names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {role: tuple(words.split()) for role, words in names.items()}


_ATTENTION_NAMES, _FEED_FORWARD_NAMES = _split(_ATTENTION), _split(_FEED_FORWARD)
_KNOWN = frozenset(
    name for names in (_ATTENTION_NAMES, _FEED_FORWARD_NAMES) for role in names.values() for name in role
)
_IN_ATTENTION = frozenset(name for role in "qkv" for name in _ATTENTION_NAMES[role]) | _FUSED.keys()


def roles_in_layer(linears: Iterable[str], mambas: Iterable[str] = ()) -> dict[str, list[str]]:
    """The modules of each role, by their names within one layer.

    `linears` are the names of the layer's linear modules that may learn, `mambas` those of its Mamba blocks. Where a
    layer has no attention, the way into its Mamba block (which makes the counterparts of query, key and value in one)
    stands for q, k and v.
    """
    full = {_projection(name): name for name in linears}
    blocks: dict[str, list[str]] = {}
    for name in full:
        parent, _, last = name.rpartition(".")
        blocks.setdefault(parent, []).append(last)
    mamba = set(mambas)
    attentions = [block for block, names in blocks.items() if _is_attention(block, names) and block not in mamba]
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    for block, names in blocks.items():
        if block in mamba or any(outer and block.startswith(outer + ".") for outer in attentions):
            continue  # what lies within attention besides its projections chooses or compresses
        kinds = (block in attentions, block not in attentions or block == "")
        for role, last in _roles_of_block(names, *kinds):
            found[role].append(full[f"{block}.{last}" if block else last])
    if not attentions:
        ways_in = [full[f"{block}.{MAMBA_IN}"] for block in blocks if block in mamba and MAMBA_IN in blocks[block]]
        for role in "qkv":
            found[role] += ways_in
    return found


def _projection(name: str) -> str:
    """The name of the projection: of ``q_proj.linear``, a linear module in a wrapper of its own, that is ``q_proj``."""
    around, _, last = name.rpartition(".")
    return around if last == "linear" and around.rpartition(".")[2].lower() in _KNOWN | _FUSED.keys() else name


def held_roles(name: str) -> tuple[str, ...]:
    """The roles that a module of this name holds in one; () for a module that serves one."""
    last = _projection(name).rpartition(".")[2].lower()
    if last in _FUSED_FEED_FORWARD:
        return ("gate", "up")
    return tuple(_FUSED.get(last, "qkv" if last == MAMBA_IN else ""))


def _is_attention(block: str, names: list[str]) -> bool:
    if _FEED_FORWARD_BLOCK.search(block.rpartition(".")[2]):
        return False
    return not _IN_ATTENTION.isdisjoint(name.lower() for name in names)


def _roles_of_block(names: list[str], attention: bool, feed_forward: bool) -> Iterable[tuple[str, str]]:
    if attention:
        yield from _attention_roles(names)
    if feed_forward:
        yield from _feed_forward_roles(names)


def _attention_roles(names: list[str]) -> Iterable[tuple[str, str]]:
    lower = {name.lower(): name for name in names}
    for role, known in _ATTENTION_NAMES.items():
        own = next((name for name in known if name in lower), None)
        shared = next((name for name in lower if role in _FUSED.get(name, "")), None)
        if own or shared:
            yield role, lower[own or str(shared)]


def _feed_forward_roles(names: list[str]) -> Iterable[tuple[str, str]]:
    lower = {name.lower(): name for name in names}
    shared = next((name for name in lower if name in _FUSED_FEED_FORWARD), None)
    for role, known in _FEED_FORWARD_NAMES.items():
        own = next((name for name in known if name in lower), None)
        if own is None and role != "down":
            own = shared
        if own is not None:
            yield role, lower[own]
