"""Small stand-ins for tests: quick to make, real enough to train."""

from __future__ import annotations

from pathlib import Path

TINY_VOCABULARY = 512
TINY_CONTEXT_TOKENS = 256
TINY_TEXT = """The lamp keeper climbs the tower at dusk. She counts the steps, and there are ninety of them.
"Is the glass clean?" asks the boy. It is; she wiped it in the morning, when the gulls were still asleep.
A ship passes far out. Its light answers hers: two short, one long. Nobody else on the island saw it.
"""
TINY_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_tiny_model(folder: Path, seed: int = 0) -> Path:
    """A Llama of 2 layers and 131,712 random weights with a byte-level BPE tokenizer of its own, saved to `folder`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=TINY_VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=TINY_CONTEXT_TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    save_tiny_tokenizer(folder)
    return folder


def save_tiny_tokenizer(folder: Path) -> None:
    """Every byte is known, so that decoding gives any text back; BOS, EOS and PAD differ."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TINY_VOCABULARY,
        special_tokens=["<|im_start|>", "<|im_end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TINY_TEXT], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        chat_template=TINY_CHAT_TEMPLATE,
        model_max_length=TINY_CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)


def save_tiny_lora(model_folder: Path, folder: Path, **more: object) -> Path:
    """A LoRA of rank 4 with random weights, so that it changes what the model of `model_folder` says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = LoraConfig(
        r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM", **more
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "modules_to_save" in name:  # a head that differs from the base's
                parameter.mul_(1.5)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder
