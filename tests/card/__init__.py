"""What training does on a graphics card, proven on fake tensors where there is none: ``python -m tests.card``."""
