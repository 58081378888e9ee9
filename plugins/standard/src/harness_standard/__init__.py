"""PEFT methods and federation strategies for flowertune-harness."""
