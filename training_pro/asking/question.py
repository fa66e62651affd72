"""What is asked, who answers, and how. Plain values, no model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from training_pro.errors import Fault, SettingsError

Framing = Literal["trained", "plain", "chat", "character"]
BASE = ""  # in place of a LoRA
MOST_VOICES = 6
MOST_STRENGTH = 2.0
MOST_TOKENS = 4000


@dataclass(frozen=True)
class Voice:
    """Who answers: the base model, or an entry of `lora_choices` at a strength (0: as the base, 1: as trained)."""

    lora: str = BASE
    strength: float = 1.0

    @property
    def label(self) -> str:
        """A name for the answer, the same whenever the same is asked."""
        if self.lora == BASE:
            return "base model"
        name = self.lora.replace("/checkpoint-", " · checkpoint ")
        return name if self.strength == 1 else f"{name} × {self.strength:g}"


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0: always the likeliest answer."""

    tokens: int = 80
    temperature: float = 0.0
    top_p: float = 0.95
    repetition_penalty: float = 1.15
    seed: int = 0


@dataclass(frozen=True)
class Question:
    """One prompt for all `voices`. `blind`: whose answer is whose is hidden until it is revealed."""

    prompt: str
    voices: tuple[Voice, ...]
    framing: Framing = "trained"
    sampling: Sampling = field(default_factory=Sampling)
    blind: bool = False


def voices_of(loras: list[str], strengths: list[float]) -> tuple[Voice, ...]:
    """Each chosen LoRA at each strength; the base model once."""
    found = [Voice(lora, strength) for lora in loras for strength in (strengths if lora != BASE else [1.0])]
    return tuple(dict.fromkeys(found))


def check_question(question: Question) -> None:
    """Raises:
    SettingsError: everything that is wrong with it, all at once.
    """
    faults = [*_voice_faults(question), *_sampling_faults(question.sampling)]
    if not question.prompt.strip():
        faults.insert(0, "The prompt is empty. Write how the text should begin, or a question.")
    if faults:
        raise SettingsError([Fault(fault) for fault in faults])


def _voice_faults(question: Question) -> list[str]:
    count = len(question.voices)
    faults = []
    if count == 0:
        faults.append("Nobody is chosen to answer. Choose the base model, a LoRA or a checkpoint.")
    if count > MOST_VOICES:
        faults.append(f"{count} answers side by side are too many. Choose at most {MOST_VOICES}.")
    if question.blind and count == 1:
        faults.append("A blind comparison needs two answers or more. Choose another LoRA, checkpoint or strength.")
    for voice in question.voices:
        if not (math.isfinite(voice.strength) and 0 <= voice.strength <= MOST_STRENGTH):
            faults.append(
                f"Strength {voice.strength:g} is out of range. Choose a strength from 0 to {MOST_STRENGTH:g}."
            )
    return list(dict.fromkeys(faults))


def _sampling_faults(sampling: Sampling) -> list[str]:
    checks = (
        (1 <= sampling.tokens <= MOST_TOKENS, f"Length of the answer {sampling.tokens}: 1 to {MOST_TOKENS} tokens."),
        (0 <= sampling.temperature <= 5, f"Temperature {sampling.temperature:g}: 0 (the likeliest answer) to 5."),
        (0 < sampling.top_p <= 1, f"Top-p {sampling.top_p:g}: above 0, at most 1 (off)."),
        (
            1 <= sampling.repetition_penalty <= 2,
            f"Repetition penalty {sampling.repetition_penalty:g}: 1 (off) to 2; 1.15 is usual.",
        ),
        (0 <= sampling.seed < 2**63, f"Seed {sampling.seed}: a whole number from 0 on."),
    )
    return [sentence for holds, sentence in checks if not holds]
