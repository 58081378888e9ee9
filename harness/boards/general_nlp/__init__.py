"""The general NLP board: multiple-choice questions of MMLU in three categories."""
