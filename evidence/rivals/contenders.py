"""Who takes part, and what each is given. Data alone; needs nothing installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evidence.rivals.environments import LLAMA_FACTORY, OURS, TRL, WEBUI

Kind = Literal["rows", "text"]
KINDS: tuple[Kind, ...] = ("rows", "text")
DTYPES = ("float32", "bfloat16")
COMMON: dict[str, Any] = {"rank": 32, "rate": 1e-3}
BY_KIND: dict[Kind, dict[str, int]] = {"rows": {"context": 512, "batch": 4}, "text": {"context": 256, "batch": 2}}


@dataclass(frozen=True)
class Way:
    """How a contender takes one kind of data. `shape`: of `data.SHAPES`, or "batches" of ours. `batch`: where another
    one is needed for as many updates as ours."""

    shape: str
    options: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 0


@dataclass(frozen=True)
class Contender:
    """`ways`: by kind of data; or why it doesn't take that kind. `why_faster`: the reason that was found, for the page
    to say where it is faster."""

    name: str
    environment: str
    entry: str
    ways: Mapping[Kind, Way | str]
    why_faster: Mapping[Kind, str] = field(default_factory=dict)


_OURS_TEXT = {"overlap": "false", "add_bos": "false", "eos": "none"}  # nothing that the others don't add
_PARAGRAPHS_AN_UPDATE = 11
_PACKED_BY_ITSELF = "it fills its blocks of text as it is"
BARE = Contender("bare PyTorch loop", OURS, "bare", {"rows": Way("batches"), "text": Way("batches")})
TRAINING_PRO = Contender("Training PRO", OURS, "ours", {"rows": Way("chats"), "text": Way("text", _OURS_TEXT)})
CONTENDERS = (
    TRAINING_PRO,  # first: the bare loop takes its batches
    BARE,
    Contender("TRL", TRL, "trl_sft", {"rows": Way("chats"), "text": Way("paragraphs", batch=_PARAGRAPHS_AN_UPDATE)}),
    Contender(
        "TRL, packed",
        TRL,
        "trl_sft",
        {
            "rows": Way("chats", {"packing": True}, batch=1),
            "text": Way("one row", {"packing": True, "packing_strategy": "wrapped"}),
        },
    ),
    Contender("LLaMA-Factory", LLAMA_FACTORY, "llama_factory", {"rows": Way("chats"), "text": Way("text")}),
    Contender(
        "LLaMA-Factory, neat_packing",
        LLAMA_FACTORY,
        "llama_factory",
        {"rows": Way("chats", {"neat_packing": True}, batch=1), "text": _PACKED_BY_ITSELF},
    ),
    Contender(
        "LLaMA-Factory, paragraphs as rows",
        LLAMA_FACTORY,
        "llama_factory",
        {"rows": "a way of giving it text", "text": Way("paragraphs")},
    ),
    Contender("the WebUI's own trainer", WEBUI, "webui", {"rows": Way("chats"), "text": Way("one row")}),
)
