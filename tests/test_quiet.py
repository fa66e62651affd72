"""Lines of libraries that say nothing a reader can use are left out, and no others."""

from __future__ import annotations

import logging
import warnings

import pytest

from training_pro.quiet import quiet


@pytest.mark.parametrize(
    ("message", "category", "shown"),
    [
        ("Paged optimizers are not supported on CPU. Falling back.", UserWarning, False),
        ("Already found a `peft_config` attribute in the model.", UserWarning, False),
        ("MatmulLtState.CxB is deprecated and will be removed.", FutureWarning, False),
        ("`is_gradient_checkpointing` is deprecated.", FutureWarning, False),
        ("Something else is deprecated.", FutureWarning, True),
    ],
)
def test_warnings(message: str, category: type[Warning], shown: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet()
        warnings.warn(message, category, stacklevel=1)
    assert bool(caught) == shown


def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    quiet()
    quiet()
    logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
    logger.warning("Failed to load CPU gemm_4bit_forward from kernels-community: %s", "none")
    logger.warning("Something else.")
    assert caplog.messages == ["Something else."]
    assert len(logger.filters) == 1
