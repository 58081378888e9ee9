"""What was measured, as a table for people."""

from __future__ import annotations

import json

from committed import lines as committed_lines
from timed import Results


def table(result: Results) -> str:
    """Return the figures as a table for people."""
    lines: list[tuple[str, str]] = []
    sections = result["sections"]
    if found := sections.get("card"):
        lines.append(("card", f"{found['device']}, torch {found['versions']['torch']}"))
        lines.append(("bfloat16 product, TFLOP/s", str(found["bfloat16_tflops"])))
        lines.append(("float32 product, TFLOP/s", str(found["float32_tflops"])))
        lines.append(("copy, GB/s", str(found["copy_gb_per_s"])))
    for name, item in sections.get("template", {}).items():
        lines.append((f"plain {name}, ms a step", _ms(item["step_s"])))
    for method, item in sections.get("steps", {}).items():
        for form, one in item["forms"].items():
            value = _ms(one["step_s"]) if "step_s" in one else one["failed"]
            lines.append((f"{method}, {form}, ms a step", value))
    for method, item in sections.get("losses", {}).items():
        for form, one in item.items():
            if isinstance(one, dict):
                value = f"{one['largest_relative_difference']:.1e}"
                lines.append((f"{method}, {form}: losses differ by", value))
    if found := sections.get("repeat"):
        lines.append(("a round repeats itself", str(found["equal"])))
    for clients, item in sections.get("memory", {}).items():
        if "failed" in item:
            lines.append((f"{clients} client(s)", item["failed"]))
            continue
        lines.append(
            (f"{clients} client(s), peak GiB", f"{item['peak_gib']} of {item['card_gib']}")
        )
        lines.append((f"{clients} client(s), steps/s", f"{item['steps_per_s']:.1f}"))
    if found := sections.get("evaluation"):
        lines.append(("rows evaluated", f"{found['rows']} in {found['all_s']} s, loading included"))
        lines.append(("labels equal to the plain loop's", json.dumps(found["plain"])))
    if found := sections.get("committed"):
        lines += committed_lines(found)
    lines += [(f"{name} failed", text[:200]) for name, text in result["failed"].items()]
    width = max(len(name) for name, _ in lines) if lines else 0
    return "\n".join(f"| {name:<{width}} | {value} |" for name, value in lines)


def _ms(values: dict[str, float]) -> str:
    return f"{values['median'] * 1e3:.1f} ({values['min'] * 1e3:.1f}-{values['max'] * 1e3:.1f})"
