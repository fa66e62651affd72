"""What the host keeps of its card: the model and its memory after a run, an open page, waits in an update."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.card.check import Found, at_most
from tests.card.one_card import MIB, Card
from tests.card.random_model import Scale, loaded_4bit, model_of, trained
from tests.training.loop.syncs import syncs_per_update
from tests.training.model.fingerprint import model_fingerprint
from training_pro.training.memory.out_of_memory import free_memory

_READY = "ready"


def given_back(card: Card, scale: Scale) -> Iterator[Found]:
    """The model bit for bit, and the memory that the run took."""
    with loaded_4bit(scale.sizes["small"], card.device) as owner:
        trained(owner, [scale.tokens] * 2, name="first")  # what libraries keep for themselves is there already
        free_memory()
        before, held = model_fingerprint(model_of(owner)), card.allocated()
        trained(owner, [scale.tokens] * 8, name="second")
        free_memory()
        after, kept = model_fingerprint(model_of(owner)), card.allocated()
    yield at_most("card_model_given_back", float(before != after), 0, where="card")
    yield at_most("card_memory_given_back", (kept - held) / MIB, 1, "MiB", "card")


def page(card: Card, scale: Scale) -> Iterator[Found]:
    """What the card has less of while another process holds an open page: making a context would take 300 MB."""
    command = [sys.executable, "-m", "tests.card.open_page"]
    root = Path(__file__).parents[2]
    free_memory()
    before = card.free_bytes()
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        opened = process.stdout.readline().split()
        taken = before - card.free_bytes()
        process.communicate("")
    if opened[:1] != [_READY]:
        raise RuntimeError("the page did not open")
    yield Found("card_page_wakes_cuda", opened[1], "no", opened[1] == "no", "card")
    yield at_most("card_page_takes", taken / MIB, 50, "MiB", "card")


def waits(card: Card, scale: Scale) -> Iterator[Found]:
    """How often an update waits for the card, by torch's own count."""
    for accumulation in (1, 3):
        with loaded_4bit(scale.sizes["small"], card.device) as owner:
            found = syncs_per_update(owner, card.waits(), gradient_accumulation_steps=accumulation)
        yield at_most(f"card_waits_accumulation_{accumulation}", found, 3, where="card")
