"""What a GGUF LoRA can't hold: everything that is more than a product of two matrices added to a weight."""

from __future__ import annotations

from training_pro.errors import ModelError
from training_pro.export.lora_source import Lora

_FEATURES = {
    "use_dora": "is a DoRA, which also scales whole columns",
    "modules_to_save": "holds whole trained modules (embeddings or head)",
    "trainable_token_indices": "trained single tokens of the embeddings",
    "target_parameters": "changes the experts' parameters",
    "lora_bias": "trained biases",
    "alora_invocation_tokens": "is one that acts only after certain tokens",
    "layer_replication": "repeats layers of its base",
}
_NOTHING: tuple[object, ...] = (None, False, "none", [], {})
# Ways to start a LoRA that leave the base as it is; others (PiSSA, OLoRA, LoftQ, ...) change it.
_HARMLESS_STARTS: tuple[object, ...] = (None, True, False, "gaussian", "eva", "orthogonal")
_A_OR_B = (".lora_A.weight", ".lora_B.weight")


def check_expressible(lora: Lora) -> None:
    """Whether `lora` is nothing but A and B of linear modules.

    Raises:
        ModelError: what else it is or has.
    """
    config = lora.config
    for name, phrase in _FEATURES.items():
        if config.get(name) not in _NOTHING:
            raise refusal(lora, phrase)
    if config.get("bias") not in _NOTHING:
        raise refusal(lora, "trained biases")
    if config.get("init_lora_weights") not in _HARMLESS_STARTS:
        raise refusal(lora, f"changed its base when it began (init_lora_weights {config['init_lora_weights']!r})")
    kinds = [name for name in config if name.startswith("use_") and name != "use_rslora" and config[name]]
    kinds += [name for name in ("arrow_config", "kasa_config", "monteclora_config") if config.get(name)]
    if kinds:
        raise refusal(lora, f"is of a special kind ({', '.join(kinds)})")
    odd = [name for name in lora.info.shapes if not name.endswith(_A_OR_B)]
    if any("lora_embedding" in name for name in odd):
        raise refusal(lora, "changes the embeddings")
    if odd:
        raise refusal(lora, f"holds more than A and B ({odd[0][:100]})")


def refusal(lora: Lora, phrase: str) -> ModelError:
    """The sentence on a LoRA that can't be expressed."""
    return ModelError(
        f'The LoRA "{lora.name}" {phrase}, which a GGUF LoRA can\'t express; '
        "merge it into its base instead and convert the merged model."
    )
