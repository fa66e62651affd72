"""Several runs one after another: the list, who works it off, and experiments over one setting. No gradio, no torch."""
