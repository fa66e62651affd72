"""How a text is cut: anywhere, at sentences, with overlaps, or a window from each sentence (DEMENTOR)."""

from __future__ import annotations

from typing import Any

from evidence.arms import Arm, Claim, Comparison, Experiment

WINDOWS_TOKENS = {64: 1830, 128: 3020, 256: 5200}  # that one epoch of DEMENTOR trains at this context
_WAYS: dict[str, dict[str, Any]] = {
    "chunks": {"eos": "none"},
    "PRTS": {},
    "PRTS with overlap": {"overlap": True},
    "DEMENTOR": {"dementor": True},
}


def name(way: str, context: int) -> str:
    return f"{way}, context {context}"


def _arm(way: str, context: int) -> Arm:
    settings = {"max_tokens": context, "hard_cut": "", **_WAYS[way]}
    chunked = context if way == "chunks" else 0
    tokens = WINDOWS_TOKENS[context]
    return Arm(name(way, context), settings, "whole market", tokens=tokens, chunk_tokens=chunked, ends=True)


def _in_two_epochs(way: str, context: int) -> Arm:
    """Twice the tokens, constant for the first half of the run and then annealed."""
    schedule = {"lr_scheduler_type": "FP_low_epoch_annealing" if way == "DEMENTOR" else "FP_half_time_annealing"}
    settings = {"max_tokens": context, "hard_cut": "", **_WAYS[way], **schedule}
    tokens = 2 * WINDOWS_TOKENS[context]
    return Arm(f"{name(way, context)}, twice", settings, "whole market", tokens=tokens, ends=True)


def _beats(better: str, worse: str, *measures: Any) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(name(better, context), name(worse, context), measure)
        for context in WINDOWS_TOKENS
        for measure in measures
    )


SLICING = Experiment(
    name="slicing",
    title="Slicing: chunks, PRTS, overlaps, DEMENTOR",
    question="How should a text be cut into blocks?",
    answer=(
        "Cutting between sentences (PRTS) recalled clearly more than cutting anywhere (chunks), but only in blocks of "
        "256 tokens. Overlaps changed nothing clearly. DEMENTOR continued more of the text word for word with 128 "
        "tokens, and less with 256."
    ),
    about=(
        "The whole market without hard cuts, at a constant rate. *Chunks* have a fixed length and are cut anywhere. "
        "*PRTS* (precise raw text slicer) cuts between sentences; [overlaps and DEMENTOR](text.md) add blocks. "
        "At each context (tokens per block) all train as many tokens as one epoch of DEMENTOR. *twice*: double the "
        "tokens; the rate is constant for the first half and then falls."
    ),
    arms=(
        *(_arm(way, context) for context in WINDOWS_TOKENS for way in _WAYS),
        *(_in_two_epochs(way, context) for context in WINDOWS_TOKENS for way in ("PRTS", "DEMENTOR")),
    ),
    claims=(
        Claim("PRTS recalls more than chunks", _beats("PRTS", "chunks", "recall")),
        Claim("PRTS ends answers with whole sentences more often than chunks", _beats("PRTS", "chunks", "whole_ends")),
        Claim("Overlaps recall more than PRTS alone", _beats("PRTS with overlap", "PRTS", "recall")),
        Claim("DEMENTOR recalls more than PRTS", _beats("DEMENTOR", "PRTS", "recall")),
        Claim("DEMENTOR continues more verbatim than PRTS", _beats("DEMENTOR", "PRTS", "verbatim")),
        Claim(
            "One epoch of DEMENTOR continues more verbatim when its context grows",
            (
                Comparison(name("DEMENTOR", 128), name("DEMENTOR", 64), "verbatim"),
                Comparison(name("DEMENTOR", 256), name("DEMENTOR", 128), "verbatim"),
            ),
        ),
    ),
    shown=("recall", "verbatim", "general_loss", "whole_ends"),
    plotted=("recall", "verbatim", "general_loss"),
)
