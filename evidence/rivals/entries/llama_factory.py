"""LLaMA-Factory: "sft" for rows and "pt" for text, with its defaults but for the numbers that all share.

It imports torchaudio for sounds, whose registry build doesn't load beside a torch for processors: an empty module
stands in for it.
"""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from evidence.rivals.entries.watch import Watch, read_task

_ROWS: dict[str, Any] = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
}


def main(task_file: str) -> None:
    sys.modules["torchaudio"] = module_from_spec(ModuleSpec("torchaudio", None))
    from llamafactory.train.tuner import run_exp

    task, watch = read_task(task_file), Watch()
    watch.patch_trainer()
    file, rows = Path(task["data"]), task["kind"] == "rows"
    about = {"race": {"file_name": file.name, **(_ROWS if rows else {"columns": {"prompt": "text"}})}}
    (file.parent / "dataset_info.json").write_text(json.dumps(about), encoding="utf-8")
    run_exp(
        {
            "stage": "sft" if rows else "pt",
            "do_train": True,
            "model_name_or_path": str(_model_in(task["dtype"], Path(task["model"]), file.parent / "model")),
            "dataset_dir": str(file.parent),
            "dataset": "race",
            "template": "smollm2",
            "finetuning_type": "lora",
            "lora_rank": task["rank"],
            "lora_alpha": 2 * task["rank"],
            "lora_target": "q_proj,v_proj",
            "cutoff_len": task["context"],
            "per_device_train_batch_size": task["batch"],
            "num_train_epochs": 1.0,
            "learning_rate": task["rate"],
            "lr_scheduler_type": "constant",
            "seed": task["seed"],
            "output_dir": task["out"],
            "report_to": "none",
            "use_cpu": True,
            "save_strategy": "no",
            "disable_gradient_checkpointing": True,
            "bf16": task["dtype"] == "bfloat16",
            "train_on_prompt": rows,
            **task["options"],
        }
    )
    watch.write(task)


def _model_in(dtype: str, model: Path, folder: Path) -> Path:
    """The model in a folder whose config names `dtype`: that, and no option of its own, is what it computes in."""
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((model / "config.json").read_text(encoding="utf-8")) | {"dtype": dtype}
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


if __name__ == "__main__":
    main(sys.argv[1])
