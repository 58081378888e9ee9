"""Every extension point, codec and newer aggregation through the commands that an author types.

    python bench/open_division.py --out DIR [--only NAME ...] [--data MIRROR] [--budget-s S]

Each case is an example plugin's recipe, or the reference recipe with one thing changed, on the
small random model that a smoke run makes: `check_plugin`, `harness run --smoke`, `harness verify`,
`harness reproduce`. Half of the cases change the federation as the open division may. With `--data`
an open run is also killed after its first round, resumed, held against one that was not, verified,
reproduced and filed. A case that is there already is not run again, so that the same command goes
on where it stopped; the table is printed at the end, and `plugins/examples` must be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

TINY = Path(__file__).resolve().parents[1] / "tests" / "tiny"
sys.path.insert(0, str(TINY))

from harness.document import sha256_file  # noqa: E402

OPEN = ("--division", "open", "--set", "num_supernodes=6", "--set", "partitioner=dirichlet")
MODEL = "tests/small"
LORA = ("peft=standard/lora", "peft.r=8", "peft.alpha=16")
CASES: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "reference": ("smollm2-dora/1.7b", False, ()),
    "loss: label smoothing": ("example-loss/smooth", False, ()),
    "loss: distillation": ("example-loss/distilled", True, ()),
    "optimizer: LoRA+": ("example-optimizer/lora-plus", False, ()),
    "optimizer: Muon": ("example-optimizer/muon", True, ()),
    "rows: curriculum": ("example-rows/curriculum", True, ()),
    "rows: masked numbers": ("example-rows/masked", False, ()),
    "ranks: HetLoRA": ("example-ranks/hetlora", True, ()),
    "ranks: FlexLoRA": ("example-ranks/flexlora", False, ()),
    "loop: SAM": ("example-loop/sam", True, ()),
    "warm start": ("example-warm-start/continued", False, ()),
    **{
        f"codec: {name}": (
            "smollm2-dora/135m",
            name in ("float16", "top-k"),
            (f"codec.name={name}",),
        )
        for name in ("float16", "bfloat16", "int8", "top-k", "low-rank")
    },
    **{
        f"aggregation: {name}": (
            "smollm2-dora/135m",
            name in ("fedex-lora", "hetlora"),
            (f"strategy=federated-lora/{name}", *(LORA if name != "rebased" else ())),
        )
        for name in ("fedex-lora", "fedsvd", "lora-fair", "hetlora", "rebased")
    },
}
"""Name -> (plugin/recipe, whether in the open division, what is set)."""
CASES["aggregation: rebased"] = (
    *CASES["aggregation: rebased"][:2],
    ("strategy=federated-lora/rebased", "peft=standard/pissa", *LORA[1:]),
)


@dataclass
class Row:
    """What became of one case."""

    case: str
    plugin: str
    division: str
    checked: str = ""
    """What `check_plugin` found."""
    verified: str = ""
    reproduced: str = ""
    processor_s: float = 0.0
    """Of the processes of all four commands."""
    adapter: str = ""
    said: str = ""
    """The last line of the command that failed."""

    @property
    def good(self) -> bool:
        """Whether nothing was found anywhere."""
        clean = self.verified.endswith("clean") and self.checked == "nothing"
        return clean and "byte for byte" in self.reproduced


def harness(*words: str, cwd: Path) -> tuple[int, str, str]:
    """Run the installed command; return its exit code, what it printed, and its last words."""
    command = [str(Path(sys.executable).with_name("harness")), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    return done.returncode, done.stdout, last


def checked(plugin: str, cwd: Path) -> str:
    """Return what `check_plugin` says of an installed plugin, in a process of its own."""
    code = f"from harness.testing.check import check_plugin; check_plugin({plugin!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    return "nothing" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def ended(out: Path, folder: Path) -> tuple[str, str]:
    """Verify and repeat a run; return what each says."""
    shown = harness("verify", str(folder), cwd=out)[2]
    words = ("--mirror", str(mirrored(out)), "--quiet", "--actors", "1")
    _, text, last = harness("reproduce", str(folder), *words, cwd=out)
    lines = [line for line in text.splitlines() if "byte for byte" in line]
    return shown.rpartition(": ")[2], (lines or [last])[-1]


def mirrored(out: Path) -> Path:
    """Return a mirror whose small model is a Llama of odd shape, so that a smoke run makes one."""
    mirror = out / "mirror"
    folder = mirror / "models" / MODEL
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "llama", "num_hidden_layers": 4, "hidden_size": 256,
              "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
              "vocab_size": 49152, "attention_bias": True}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return mirror


def arguments(out: Path, name: str) -> list[str]:
    """Return the arguments of a case's run, `--out` left out."""
    recipe, opened, settings = CASES[name]
    words = ["--plugin", recipe, "--smoke", "--seed", "7", "--mirror", str(mirrored(out))]
    words += OPEN if opened else ()
    if name == "warm start":
        first = out / "mirror" / "models" / "tests" / "first"
        shutil.copytree(out / "reference" / "adapter", first, dirs_exist_ok=True)
        digest = sha256_file(first / "adapter_model.safetensors")
        settings = ("extensions.warm_start.adapter=tests/first",
                    f"extensions.warm_start.sha256={digest}")  # fmt: skip
    return words + [word for item in (f"model={MODEL}", *settings) for word in ("--set", item)]


def one(out: Path, name: str) -> Row:
    """Run one case to its end."""
    recipe, opened, _ = CASES[name]
    row = Row(name, recipe.partition("/")[0], "open" if opened else "closed")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if name.startswith("aggregation"):
        row.plugin = "federated-lora"
    row.checked = checked(row.plugin, out)
    folder = out / name.replace(": ", "-").replace(" ", "-").lower()
    if not (folder / "result.json").is_file():
        mirror = str(mirrored(out))
        words = ["--resume", str(folder), "--mirror", mirror]
        if not (folder / "spec.json").is_file():
            words = [*arguments(out, name), "--out", str(folder)]
        code, _, last = harness("run", *words, "--quiet", "--actors", "1", cwd=out)
        if code:
            row.said = last
            return row
    row.adapter = sha256_file(folder / "adapter" / "adapter_model.safetensors")[:12]
    row.verified, row.reproduced = ended(out, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row.processor_s = round(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime, 1)
    return row


def killed_and_filed(out: Path, data: Path) -> Row:
    """Kill an open run after its first round, resume it, and file it as an entry would be."""
    from tiny_model import make_tiny_model

    row = Row("killed, resumed, filed", "smollm2-dora", "open", "nothing")
    mirror = mirrored(out)
    if not (mirror / "models/tests/tiny").is_dir():
        make_tiny_model(mirror / "models/tests/tiny")
        (mirror / "datasets").symlink_to((data / "datasets").resolve())
    words = ["run", "--plugin", "smollm2-dora/135m", *OPEN, "--set", "model=tests/tiny", "--set",
             "rounds=3", "--set", "max_steps=2", "--limit", "8", "--mirror", str(mirror),
             "--device", "cpu", "--quiet", "--actors", "1", "--seed", "7"]  # fmt: skip
    for name in ("whole", "half", "filed"):
        shutil.rmtree(out / name, ignore_errors=True)
    code, _, row.said = harness(*words, "--out", "whole", cwd=out)
    if code:
        return row
    killed(words, out)
    code, _, row.said = harness(
        "run", "--resume", "half", "--mirror", str(mirror), "--quiet", cwd=out
    )
    if code:
        return row
    digests = [sha256_file(out / name / "adapter/adapter_model.safetensors")
               for name in ("whole", "half")]  # fmt: skip
    row.verified, row.reproduced = ended(out, out / "half")
    words = ["submit", "half", "--name", "entry", "--submissions", "filed", "--weights"]
    code, text, last = harness(*words, cwd=out)
    row.said = f"resumed adapter {'equal' if digests[0] == digests[1] else 'DIFFERS'}; "
    if code:
        row.verified, row.said = "not filed", row.said + last
        return row
    row.adapter = digests[1][:12]
    row.said += f"{Path(text.strip()).parent.name}: {harness('verify', 'filed', cwd=out)[2]}"
    return row


def killed(words: list[str], out: Path) -> None:
    """Start a run and end it at once, with all that it has started, when a round is written."""
    command = [str(Path(sys.executable).with_name("harness")), *words, "--out", "half"]
    with subprocess.Popen(
        command, cwd=out, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        rounds = out / "half" / "rounds.jsonl"
        while process.poll() is None and not (rounds.is_file() and rounds.stat().st_size):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| case | plugin | division | `check_plugin` | `verify` | `reproduce` | processor s |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        what = row.reproduced or row.said
        lines.append(
            f"| {row.case} | `{row.plugin}` | {row.division} | {row.checked} | {row.verified} |"
            f" {what} | {row.processor_s:.0f} |"
        )
    lines += [f"{row.case}: {row.said}" for row in rows if row.said and row.reproduced]
    return "\n".join(lines)


def main() -> None:
    """Run what is not in the file yet; exit 1 where a case is not clean and byte for byte."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="cases by their name or its beginning")
    parser.add_argument("--data", type=Path, help="a mirror with the board's data sets")
    parser.add_argument("--budget-s", type=float, default=1e9, help="no case begins later")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    file = out / "rows.json"
    kept = json.loads(file.read_text()) if file.is_file() else {}
    cases: dict[str, Callable[[], Row]] = {name: lambda n=name: one(out, n) for name in CASES}  # type: ignore[misc]
    if options.data is not None:
        cases["killed, resumed, filed"] = lambda: killed_and_filed(out, options.data)
    begin = time.monotonic()
    for name, run in cases.items():
        wanted = options.only is None or name.startswith(tuple(options.only))
        if not wanted or name in kept or time.monotonic() - begin > options.budget_s:
            continue
        row = run()
        print(f"{name}: {'good' if row.good else 'BAD'} {row}", file=sys.stderr, flush=True)
        if row.good:
            kept[name] = asdict(row)
            file.write_text(json.dumps(kept, indent=1))
    print(table([Row(**kept[name]) for name in cases if name in kept]))
    sys.exit(any(name not in kept for name in cases if options.only is None))


if __name__ == "__main__":
    main()
