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
    """`ways`: by kind of data; or why it doesn't take that kind. `why_faster` and `why_smaller`: likely reasons, for
    the page to say where it is faster or needs less memory."""

    name: str
    environment: str
    entry: str
    ways: Mapping[Kind, Way | str]
    why_faster: Mapping[Kind, str] = field(default_factory=dict)
    why_smaller: Mapping[Kind, str] = field(default_factory=dict)


_OURS = {"watch_forgetting": "false"}  # the others measure no general text meanwhile
_OURS_TEXT = {**_OURS, "overlap": "false", "add_bos": "false", "eos": "none"}  # nothing that the others don't add
_PARAGRAPHS_AN_UPDATE = 6
_PACKED_BY_ITSELF = "as LLaMA-Factory: it always packs text"
_NO_PADDING = "short rows are joined into packs and need no padding; ours pads"
_NO_SENTENCES = (
    "no check of the run's health (see below); and blocks that are full, because sentences are cut, so fewer and "
    "larger steps do the work"
)
_SMALL_PACKS = "a pack has at most 512 tokens, four padded rows have more"
BARE = Contender(
    "bare PyTorch loop",
    OURS,
    "bare",
    {"rows": Way("batches"), "text": Way("batches")},
    dict.fromkeys(KINDS, "no check of the run's health, no history, no watch over the memory"),
    dict.fromkeys(KINDS, "no check, no history, no watch over the memory"),
)
TRAINING_PRO = Contender("Training PRO", OURS, "ours", {"rows": Way("chats", _OURS), "text": Way("text", _OURS_TEXT)})
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
        {"rows": _NO_PADDING, "text": _NO_SENTENCES},
        {"rows": _SMALL_PACKS},
    ),
    Contender(
        "LLaMA-Factory",
        LLAMA_FACTORY,
        "llama_factory",
        {"rows": Way("chats"), "text": Way("text")},
        {"text": _NO_SENTENCES},
    ),
    Contender(
        "LLaMA-Factory, neat_packing",
        LLAMA_FACTORY,
        "llama_factory",
        {"rows": Way("chats", {"neat_packing": True}, batch=1), "text": _PACKED_BY_ITSELF},
        {"rows": _NO_PADDING},
        {"rows": _SMALL_PACKS},
    ),
    Contender(
        "LLaMA-Factory, paragraphs as rows",
        LLAMA_FACTORY,
        "llama_factory",
        {"rows": "only for text", "text": Way("paragraphs")},
        {"text": _NO_SENTENCES},
    ),
    Contender(
        "the WebUI's own trainer",
        WEBUI,
        "webui",
        {"rows": Way("chats"), "text": Way("one row")},
        {"text": _NO_SENTENCES},
    ),
)
