"""The base model for a while, whatever LoRA the host uses. Costs what the host needs to unload and load it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from training_pro.errors import RunError
from training_pro.hosts.host import Host


@contextmanager
def loras_off(host: Host) -> Iterator[None]:
    """No LoRA is on the model inside; afterwards the one that was is on again.

    Raises:
        RunError: the model uses several LoRAs, which can't be put back in one piece.
        ModelError: the host could not do it.
    """
    before = host.loras_on()
    if not before:
        yield
        return
    if len(before) > 1:
        raise RunError(f"The model uses several LoRAs ({', '.join(before)}). Stop using them first.")
    host.take_loras_off()
    try:
        yield
    finally:
        host.put_lora_on(before[0])
