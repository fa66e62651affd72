"""Lines of libraries that would alarm a reader for nothing, each by name, with the reason. Standard library only.

Called once by each entry before the libraries are imported; everything else that they say is still shown.
"""

from __future__ import annotations

import logging
import os
import warnings

# Warnings, by the beginning of their message (a regular expression).
_WARNINGS = (
    "Paged optimizers are not supported on CPU",  # they work there, without paging; which is all that the line says
    "Already found a `peft_config` attribute",  # a LoRA was used before this one; it is taken out, as a test shows
    r"MatmulLtState\.\w+ is deprecated",  # bitsandbytes asks its own object for attributes that it no longer has
    "`is_gradient_checkpointing` is deprecated",  # PEFT reads it; nothing here does
)
# Log lines, by logger and the beginning of their message.
_LOG_LINES = {
    # Asks for a package that would make 4-bit layers faster on some CPUs; it works without.
    "bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward",
}


class _Without(logging.Filter):
    def __init__(self, beginning: str) -> None:
        super().__init__()
        self.beginning = beginning

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(self.beginning)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Without) and other.beginning == self.beginning

    __hash__ = None  # type: ignore[assignment]  # compared only: a logger keeps its filters in a list


def quiet() -> None:
    """Leave these lines out from here on; may be called again."""
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    for name, beginning in _LOG_LINES.items():
        logging.getLogger(name).addFilter(_Without(beginning))


def quiet_terminal() -> None:
    """As `quiet`, for our own command line: no bars and no advice of libraries between our lines."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    quiet()
