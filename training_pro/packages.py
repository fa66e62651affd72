"""Which packages are missing, and what does not work without them. The WebUI installs most of what we need, not all."""

from __future__ import annotations

import importlib.util
from pathlib import Path

USES = {
    "bitsandbytes": "models in 4-bit and 8-bit optimizers",
    "matplotlib": "the picture of the loss curve",
    "gguf": "LoRAs for llama.cpp",
}


def installed(package: str) -> bool:
    """Whether `package` can be found; it is not imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def missing_packages() -> list[str]:
    """Those of `USES` that are not installed."""
    return [package for package in USES if not installed(package)]


def missing_notice(missing: list[str], requirements: Path) -> str:
    """One sentence for the page: what does not work, and the line that installs it; "" where nothing is missing."""
    if not missing:
        return ""
    uses = ", ".join(f"{package} ({USES.get(package, 'needed to start')})" for package in missing)
    return f"Not installed: {uses}. Run `pip install -r {requirements}` in the WebUI's environment and start it again."
