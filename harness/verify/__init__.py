"""`harness verify`: an independent checker that sees files only, without plugins or models.

Every rule has an id, a source and a fixture in the tests that nothing else rejects; none can be
skipped. `all_rules` lists them, `harness.submissions.check.verify` applies them.
"""
