"""A run steered and watched from another process, by small files beside its folder. No network, no server."""
