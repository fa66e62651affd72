"""Thoughts that chat programs keep inside an answer, apart from it: Open WebUI's boxes, the channels of gpt-oss.

``<think>`` stays where it is: that is how models write it.
"""

from __future__ import annotations

import html
import re

_BOX = re.compile(r'<details type="reasoning"[^>]*>\s*(?:<summary>[^<]*</summary>)?(?P<said>.*?)</details>', re.DOTALL)
_CHANNELS = re.compile(
    r"(?:<\|start\|>assistant)?<\|channel\|>(?P<name>\w+)[^<]*<\|message\|>(?P<said>.*?)"
    r"(?:<\|end\|>|<\|return\|>|(?=<\|start\|>)|\Z)",
    re.DOTALL,
)
_QUOTED = re.compile(r"^> ?", re.MULTILINE)


def parted_thoughts(answer: str) -> tuple[str, str]:
    """The thoughts, "" for none, and the answer without them."""
    if answer.startswith("<|channel|>"):
        said = {"final": "", "analysis": ""}
        for found in _CHANNELS.finditer(answer):
            name = "final" if found["name"] == "final" else "analysis"
            said[name] = "\n".join(filter(None, [said[name], found["said"].strip()]))
        return (said["analysis"], said["final"]) if said["final"] else ("", answer)
    if '<details type="reasoning"' not in answer:
        return "", answer
    thoughts = [html.unescape(_QUOTED.sub("", found["said"])).strip() for found in _BOX.finditer(answer)]
    return "\n".join(filter(None, thoughts)), _BOX.sub("", answer).strip()
