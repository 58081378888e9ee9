"""`harness verify`: an independent checker that sees files only, without plugins or models.

Every rule has an id, a source and a fixture in the tests that nothing else rejects; none can be
skipped. `table.RULES` lists them, `check.verify` applies them.
"""
