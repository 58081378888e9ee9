"""The prose of `docs/components.md`, between its tables."""

from __future__ import annotations

INTRODUCTION = """\
# Components

<!-- Generated: python -m harness_standard.documentation docs/components.md -->

What `plugins/standard` offers. A recipe names a component `standard/<name>`; `--set peft=...` and
`--set strategy=...` try another one, `--set peft.<parameter>=...` another value.

"n_i / n" is the share of client i's examples among those of the round's clients; w is what clients
received, w_i what client i returned, w' what the server makes of it.
"""

AFTER_METHODS = """
`ffa-lora` freezes A at its seeded start: it is saved with the adapter, neither trained nor sent.
`adalora`, `pissa` and `olora` are listed for their forecast; no strategy here may use them (below).

Prompt and prefix tuning are not offered: they put virtual tokens before the prompt, and the
official evaluation counts positions and its 512 tokens from the first token of the prompt.
"""

AFTER_STRATEGIES = """
**Laws.** Every aggregation is held to these by `check_plugin`: the order of replies does not
matter; the same replies give the same bytes; a strategy restored from a checkpoint goes on as it
would have; clients that return what they received change nothing (*fixed-point*); clients that
agree, or one client alone, make their update the new adapter (*identity*); a client of twice the
examples counts as two (*examples*). The table names the exceptions; the first three have none.

**What is sent is read.** A config key that a strategy sends must be named by its client part
(`LocalObjective.reads`); otherwise the run stops before anything is trained. A FedProx whose
clients ignore `proximal-mu` would be a FedAvg under another name.

**Aggregation error.** Every round of a method with factors A and B records
||mean(B A) - mean(B) mean(A)|| / ||mean(B A)||: what averaging factors loses against averaging
products. It is zero where all clients share one factor (`ffa-lora`, `rolora`).

**Clients that keep something.** Where the table says *kept*, a client's arrays stay in the run
directory's `clients/`, are never sent and are not counted as communication. Replaying one round of
such a run needs them.

**Privacy.** With `dp-*` the noise comes from the run's seed, so that a run can be repeated: whoever
knows the seed can take the noise out again.
"""

NOT_OFFERED = """
FedEx-LoRA is not offered. It adds the aggregation error to the frozen base each round: the base is
held in 4 bits, where such an edit is lost in rounding, and the official evaluation puts the adapter
on the unedited base.
"""
