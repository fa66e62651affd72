"""What a real llama.cpp says: run as a process of its own, since it ends the process where it meets a fault.

``python -m tests.export.llama_cpp JOB.json``: the job names model, LoRA, prompts and how many tokens to add to
each; for one token the log-probabilities of the whole vocabulary are saved, for more the greedy continuations.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Job:
    """`prompts` are token ids each; `lora` "" for none; `words` is the vocabulary's size."""

    model: str
    lora: str
    prompts: list[list[int]]
    words: int
    new_tokens: int = 1


def log_probabilities(model: Path, lora: Path | None, prompts: list[list[int]], words: int) -> np.ndarray[Any, Any]:
    """Of the token after each prompt; shape (prompts, vocabulary)."""
    return np.array(_ran(Job(str(model), str(lora or ""), prompts, words)))


def continuations(model: Path, lora: Path | None, prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
    """The greedy continuation of each prompt, as ids."""
    found: list[list[int]] = _ran(Job(str(model), str(lora or ""), prompts, 1, new_tokens))
    return found


def _ran(job: Job) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.export.llama_cpp"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.rsplit("ANSWER", 1)[1])


def _server(job: Job) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = job.model
    if job.lora:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(job.lora, 1.0)]
    params.n_ctx, params.n_parallel, params.n_gpu_layers, params.warmup = 512, 1, 0, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.verbosity = 0
    return xllamacpp.Server(params)


def _answer(server: Any, job: Job, prompt: list[int]) -> list[float] | list[int]:
    asked = {"prompt": prompt, "n_predict": job.new_tokens, "n_probs": job.words, "temperature": 0, "cache_prompt": False}
    steps = server.handle_completions(asked)["choices"][0]["logprobs"]["content"]
    if job.new_tokens > 1:
        return [step["id"] for step in steps]
    found = np.full(job.words, np.nan)
    for entry in steps[0]["top_logprobs"]:
        found[entry["id"]] = entry["logprob"]
    values: list[float] = found.tolist()
    return values


if __name__ == "__main__":
    wanted = Job(**json.load(sys.stdin))
    running = _server(wanted)
    sys.stdout.write("ANSWER" + json.dumps([_answer(running, wanted, prompt) for prompt in wanted.prompts]))
