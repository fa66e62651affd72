"""What a real llama.cpp says, with and without a LoRA: a process of its own, since faults there end the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 900


class Heard(NamedTuple):
    """Log-probabilities of the token after each prompt, shape (prompts, vocabulary); NaN: not among the likeliest.

    The greedy continuations are lists of token ids.
    """

    without: np.ndarray[Any, Any]
    with_lora: np.ndarray[Any, Any]
    said_without: list[list[int]]
    said_with: list[list[int]]


def ask(model: Path, lora: Path, prompts: list[list[int]], vocabulary: int, **more: int) -> Heard:
    """`prompts` are token ids. `likeliest`: how many log-probabilities to ask for (all); `new_tokens`: how many (1)."""
    job = {"model": str(model), "lora": str(lora), "prompts": prompts, "vocabulary": vocabulary, **more}
    done = subprocess.run(
        [sys.executable, "-m", "tests.export.llama_cpp"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=_TIMEOUT_S,
    )
    assert done.returncode == 0, f"llama.cpp ended with {done.returncode}: {done.stderr[-20000:]}"
    answers = json.loads(done.stdout.rsplit("ANSWERS", 1)[1])
    without, with_lora = ([_table(step, vocabulary) for step, _ in answers[key]] for key in ("0", "1"))
    said_without, said_with = ([ids for _, ids in answers[key]] for key in ("0", "1"))
    return Heard(np.array(without), np.array(with_lora), said_without, said_with)


def change_correlation(wanted: np.ndarray[Any, Any], heard: Heard) -> float:
    """Of what the LoRA changes here (`wanted`, same shape) and there, over all prompts and words."""
    found = heard.with_lora - heard.without
    known = np.isfinite(found)
    return float(np.corrcoef(wanted[known], found[known])[0, 1])


def _table(entries: list[list[float]], vocabulary: int) -> np.ndarray[Any, Any]:
    table = np.full(vocabulary, np.nan)
    for number, log_probability in entries:
        table[int(number)] = log_probability
    return table


def _serve(job: dict[str, Any]) -> dict[int, list[tuple[list[tuple[int, float]], list[int]]]]:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = job["model"]
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(job["lora"], 1.0)]
    params.n_ctx, params.n_parallel, params.n_gpu_layers, params.warmup = 512, 1, 0, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.verbosity = 1  # errors alone
    server = xllamacpp.Server(params)
    return {scale: [_answer(server, job, prompt, scale) for prompt in job["prompts"]] for scale in (0, 1)}


def _answer(server: Any, job: dict[str, Any], prompt: list[int], scale: int) -> tuple[Any, list[int]]:
    asked = {
        "prompt": prompt,
        "lora": [{"id": 0, "scale": float(scale)}],
        "n_probs": job.get("likeliest", job["vocabulary"]),
        "n_predict": job.get("new_tokens", 1),
        "temperature": 0,
        "cache_prompt": False,
    }
    steps = server.handle_completions(asked)["choices"][0]["logprobs"]["content"]
    first = [(entry["id"], entry["logprob"]) for entry in steps[0]["top_logprobs"]]
    return first, [step["id"] for step in steps]


if __name__ == "__main__":
    sys.stdout.write("ANSWERS" + json.dumps(_serve(json.load(sys.stdin))))
