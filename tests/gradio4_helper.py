"""Makes the registry's gradio 4.37.2 work beside the WebUI's newer libraries. For tests alone.

The WebUI runs a gradio build of its own, which is on no registry. The stock release differs from it in two ways
that matter here: it imports a name which huggingface-hub 1.x no longer has, and it takes every JSON schema for a
dict, where pydantic 2.11 also writes true and false.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

SITE = Path(__file__).with_name("gradio4_site")  # on PYTHONPATH it does the same for a child process


def is_gradio4() -> bool:
    return version("gradio").startswith("4.")


def mend_gradio4() -> None:
    """Before gradio is imported."""
    import gradio_client.utils
    import huggingface_hub

    if not hasattr(huggingface_hub, "HfFolder"):
        huggingface_hub.HfFolder = _NoFolder
    utils = gradio_client.utils
    utils.get_type = _also_for_booleans(utils.get_type)
    utils._json_schema_to_python_type = _also_for_booleans(utils._json_schema_to_python_type)


def child_environment() -> dict[str, str]:
    """The environment for a child process that imports gradio."""
    own = dict(os.environ, GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1")
    if is_gradio4():
        own["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SITE), os.environ.get("PYTHONPATH")]))
    return own


class _NoFolder:
    @staticmethod
    def get_token() -> None:
        return None


def _also_for_booleans(function: Any) -> Any:
    def answer(schema: Any, *more: Any) -> Any:
        return "Any" if isinstance(schema, bool) else function(schema, *more)

    return answer
