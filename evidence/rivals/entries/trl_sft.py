"""TRL's SFTTrainer, with its defaults but for the numbers that all share."""

from __future__ import annotations

import sys

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from evidence.rivals.entries.watch import Watch, read_task


def main(task_file: str) -> None:
    task, watch = read_task(task_file), Watch()
    watch.patch_trainer()
    config = SFTConfig(
        output_dir=task["folder"],
        max_length=task["context"],
        per_device_train_batch_size=task["batch"],
        num_train_epochs=1,
        learning_rate=task["rate"],
        lr_scheduler_type="constant",
        seed=task["seed"],
        bf16=task["dtype"] == "bfloat16",
        use_cpu=True,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        **task["options"],
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(task["model"], dtype=getattr(torch, task["dtype"])),
        args=config,
        train_dataset=load_dataset("json", data_files=task["data"], split="train"),
        processing_class=AutoTokenizer.from_pretrained(task["model"]),
        peft_config=LoraConfig(
            r=task["rank"], lora_alpha=2 * task["rank"], target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
    trainer.save_model(task["out"])
    watch.write(task)


if __name__ == "__main__":
    main(sys.argv[1])
