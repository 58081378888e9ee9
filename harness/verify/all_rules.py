"""The rules on records of runs, in the order in which they are applied."""

from __future__ import annotations

from harness.verify.read_submission import READING_RULES
from harness.verify.rules.entry import (
    about,
    eligibility,
    evidence,
    folder,
    ladder,
    presentation,
    privacy,
)
from harness.verify.rules.evaluation import answers, completions, leaks, scores
from harness.verify.rules.run import (
    adapter,
    adapter_config,
    codec,
    data,
    dependence,
    digests,
    environment,
    federation,
    form,
    own_code,
    recipe,
    times_and_costs,
    traffic,
)

RECORD_RULES = (
    *digests.RULES,
    *form.RULES,
    *federation.RULES,
    *dependence.RULES,
    *traffic.RULES,
    *codec.RULES,
    *privacy.RULES,
    *adapter.RULES,
    *adapter_config.RULES,
    *scores.RULES,
    *answers.RULES,
    *completions.RULES,
    *leaks.RULES,
    *times_and_costs.RULES,
    *environment.RULES,
    *own_code.RULES,
    *recipe.RULES,
    *data.RULES,
    *eligibility.RULES,
    *folder.RULES,
    *presentation.RULES,
    *about.RULES,
    *ladder.RULES,
    *evidence.RULES,
)

RULES = (*READING_RULES, *RECORD_RULES)
"""The rules on runs. Claims have their own, in `harness.claims.check`."""
