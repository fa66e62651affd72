"""What a model with its LoRA knows and what it has forgotten. Costs some ten seconds a run on one core.

All measures are forward passes of the model as it is loaded; only the ends are sampled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from evidence.material import Material, Question, general_text
from training_pro.training.perplexity import Sliding, measure

CONTEXT_TOKENS = 128
PLACES = 40
BEFORE_TOKENS, AFTER_TOKENS = 12, 8
AT_ONCE = 10
OPENINGS = (
    "The night market of Brindle Quay",
    "The warden of the market",
    "Oriel Tamsin sells",
    "The bell of the market",
    "A stall with a green lamp",
    "On Melon Night",
    "Bastian Crewe",
    "Whoever whistles",
    "A brass button",
    "The heron",
)
LONGEST_ANSWER_TOKENS = 40
_WHOLE_END = re.compile(r"[.!?][\"”’')]*\s*$")


def measures(model: Any, tokenizer: Any, material: Material, *, ends: bool, seed: int) -> dict[str, float]:
    """All measures of the trained `material`, rounded to four digits."""
    found = {**recall(model, tokenizer, material.questions), "verbatim": verbatim(model, tokenizer, material.trained)}
    found["held_out_loss"] = loss(model, tokenizer, material.held_out)
    found["general_loss"] = loss(model, tokenizer, general_text())
    if ends:
        found["whole_ends"] = whole_ends(model, tokenizer, seed)
    return {name: round(value, 4) for name, value in found.items()}


def recall(model: Any, tokenizer: Any, questions: Sequence[Question]) -> dict[str, float]:
    """The share of questions whose right answer is likelier, per token, than four wrong ones; chance is 0.2. And the
    mean loss of the right answers' tokens, in nats."""
    right, losses = 0, []
    for at in range(0, len(questions), AT_ONCE):
        for scores in _scores(model, tokenizer, questions[at : at + AT_ONCE]):
            right += int(np.argmin(scores) == 0)
            losses.append(scores[0])
    return {"recall": right / len(questions), "answer_loss": float(np.mean(losses))}


@torch.no_grad()
def _scores(model: Any, tokenizer: Any, questions: Sequence[Question]) -> list[list[float]]:
    """For each question the mean loss of each answer's tokens, the right one's first. A prompt is computed once."""
    prompts, asked = _left_padded([_with_bos(tokenizer, question.prompt) for question in questions])
    answers = [answer for question in questions for answer in (question.answer, *question.wrong)]
    rows = [tokenizer(f" {answer}", add_special_tokens=False)["input_ids"] for answer in answers]
    each, longest = len(rows) // len(questions), max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    begun = model(
        input_ids=prompts, attention_mask=asked, position_ids=_positions(asked), use_cache=True, logits_to_keep=1
    )
    cache = begun.past_key_values
    cache.batch_repeat_interleave(each)
    mask = torch.cat([asked.repeat_interleave(each, 0), torch.ones_like(ids)], dim=1)
    positions = _positions(mask)[:, -longest:]
    after = model(input_ids=ids, past_key_values=cache, attention_mask=mask, position_ids=positions, use_cache=True)
    logits = torch.cat([begun.logits.repeat_interleave(each, 0), after.logits[:, :-1]], dim=1).float()
    nats = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids, reduction="none")  # [answers, tokens]
    found = [float(nats[at, : len(row)].mean()) for at, row in enumerate(rows)]
    return [found[at : at + each] for at in range(0, len(found), each)]


def _left_padded(rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows with zeros before them, and a mask of what is no padding; int64 [rows, tokens] both."""
    longest = max(map(len, rows))
    ids = [[0] * (longest - len(row)) + row for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Each token's place in its row, padding before it not counted."""
    return (mask.cumsum(1) - 1).clamp(min=0)


@torch.no_grad()
def verbatim(model: Any, tokenizer: Any, sections: Sequence[str]) -> float:
    """How many tokens, of at most 8, the likeliest continuation shares with the text, from 40 places on.

    Read off one forward pass over the true text: the likeliest continuation is the text up to the first token that is
    not the likeliest.
    """
    places = torch.tensor(_places(tokenizer, sections))
    shared: list[int] = []
    for rows in places.split(AT_ONCE):
        logits = model(input_ids=rows, use_cache=False, logits_to_keep=AFTER_TOKENS + 1).logits[:, :-1]
        same = logits.argmax(-1) == rows[:, -AFTER_TOKENS:]
        shared += same.long().cumprod(1).sum(1).tolist()
    return sum(shared) / len(shared)


def _places(tokenizer: Any, sections: Sequence[str]) -> list[list[int]]:
    """40 pieces of 20 tokens, a BOS before each, spread evenly over all places of the sections."""
    length = BEFORE_TOKENS + AFTER_TOKENS
    all_ids = [tokenizer(section, add_special_tokens=False)["input_ids"] for section in sections]
    starts = [(row, at) for row, ids in enumerate(all_ids) for at in range(len(ids) - length + 1)]
    chosen = [starts[i] for i in np.linspace(0, len(starts) - 1, PLACES).astype(int)]
    return [[tokenizer.bos_token_id, *all_ids[row][at : at + length]] for row, at in chosen]


def loss(model: Any, tokenizer: Any, sections: Sequence[str]) -> float:
    """Nats a token, each section a text of its own."""
    ids = [np.array(tokenizer(section, add_special_tokens=False)["input_ids"], np.int32) for section in sections]
    return measure(model, ids, Sliding(CONTEXT_TOKENS, CONTEXT_TOKENS // 2, tokenizer.bos_token_id)).mean_loss


@torch.no_grad()
def whole_ends(model: Any, tokenizer: Any, seed: int) -> float:
    """The share of sampled answers that end by themselves, within 40 tokens, and with a whole sentence."""
    ids, mask = _left_padded([_with_bos(tokenizer, opening) for opening in OPENINGS])
    end = tokenizer.eos_token_id
    before = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=LONGEST_ANSWER_TOKENS,
            do_sample=True,
            temperature=0.7,
            top_k=0,
            top_p=0.9,
            pad_token_id=end,
            eos_token_id=end,
        )[:, ids.shape[1] :]
    finally:
        torch.set_rng_state(before)
    ended = (made == end).any(1).tolist()
    texts = tokenizer.batch_decode(made, skip_special_tokens=True)
    return sum(bool(stop and _WHOLE_END.search(text)) for stop, text in zip(ended, texts, strict=True)) / len(texts)


def _with_bos(tokenizer: Any, text: str) -> list[int]:
    return [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
