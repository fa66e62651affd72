"""A finished LoRA, ready to use elsewhere: merged into its base model, or as a file for llama.cpp."""
