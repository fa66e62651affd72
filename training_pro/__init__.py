"""Training PRO: the LoRA training tab for text-generation-webui.

The rooms, in the order a run walks through them: ``text`` (text to blocks), ``data`` (rows and blocks to
token arrays and loss masks), ``training`` (tokens to an adapter), ``record`` (what a run leaves behind).
``hosts`` knows who owns the model, ``session`` holds the host and the current run, ``ui`` is the page.
"""

__version__ = "1.0.0"
