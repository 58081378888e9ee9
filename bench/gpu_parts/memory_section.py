"""The section about memory: one, two and four client processes at once."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from subject import Subject
from timed import Results

SHARE_OF_16_GIB = 7.2
"""GiB that torch may take for each of two clients on a card of 16, besides their contexts."""


def memory(subject: Subject, results: Results) -> Results:
    """Measure what one, two and four client processes take, all at work at once."""
    found: Results = {}
    _ = subject.model_dir
    for clients in (1,) if subject.small else (1, 2, 4):
        try:
            found[str(clients)] = _clients(subject, clients)
        except Exception as error:  # other numbers of them are to be measured all the same
            found[str(clients)] = {"failed": f"{type(error).__name__}: {error}"[-600:]}
    return found


def _clients(subject: Subject, clients: int) -> Results:
    command = [sys.executable, str(Path(sys.argv[0]).resolve()), "--child", "client"]
    command += ["--work", str(subject.work)]
    for name in ("mirror", "tokenizer"):
        if value := getattr(subject.options, name):
            command += [f"--{name}", str(value)]
    command += ["--rehearse"] * subject.small
    if clients == 2:
        # As on a card of 16 GB: what two contexts leave is shared.
        command += ["--cap-gib", str(SHARE_OF_16_GIB)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(clients)
    ]
    outputs = [process.communicate() for process in running]
    if bad := [error for (_, error), p in zip(outputs, running, strict=True) if p.returncode]:
        raise RuntimeError(bad[0][-1500:])
    each = [json.loads(output.splitlines()[-1]) for output, _ in outputs]
    return {
        "peak_gib": [item["peak_gib"] for item in each],
        "reserved_gib": [item["reserved_gib"] for item in each],
        "card_gib": max(item["card_gib"] for item in each),
        "step_s": [item["step_s"] for item in each],
        "steps_per_s": sum(1 / item["step_s"] for item in each),
        "load_s": [item["load_s"] for item in each],
    }


def client(options: argparse.Namespace) -> None:
    """Train as one client process does; print one JSON line. The parent runs several at once."""
    subject = Subject(options)
    if options.cap_gib and subject.device == "cuda":
        whole = torch.cuda.get_device_properties(0).total_memory / 2**30
        torch.cuda.set_per_process_memory_fraction(options.cap_gib / whole)
    begin = time.perf_counter()
    trainer = subject.trainer("dora", max_steps=2 if subject.small else 16)
    load_s = time.perf_counter() - begin
    start = trainer.initial()
    trainer.train(start, 1, 0)
    begin = time.perf_counter()
    rounds = 1 if subject.small else 4
    for number in range(rounds):
        trainer.train(start, number + 1, number % 4)
    seconds = (time.perf_counter() - begin) / rounds / trainer.spec.train.max_steps
    result = {"load_s": load_s, "step_s": seconds, "peak_gib": 0, "reserved_gib": 0, "card_gib": 0}
    if subject.device == "cuda":
        free_bytes, total = torch.cuda.mem_get_info()
        result["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        result["reserved_gib"] = round(torch.cuda.max_memory_reserved() / 2**30, 2)
        result["card_gib"] = round((total - free_bytes) / 2**30, 2)
    print(json.dumps(result))
