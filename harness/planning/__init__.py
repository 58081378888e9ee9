"""What a run would be: resolved, held against the rules, forecast. Nothing heavy is imported."""
