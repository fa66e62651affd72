"""Asking the host's model: the base, a LoRA, its checkpoints, at any strength, side by side, blind on wish."""
