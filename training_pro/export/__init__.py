"""A finished LoRA taken to where it is used: merged into its base model, or as a file for llama.cpp."""
