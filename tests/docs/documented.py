"""The commands of the documents for people, and why some of them are not run in a reader's clone.

A command that stands in none of the lists below is run by `test_commands.py`, in a fresh clone and
in the environment that README's own install makes.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "harness" / "new_plugin" / "template" / "README.md.jinja"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
    TEMPLATE,
]

PROGRAMS = ("harness", "python", "pip", "tox", "pytest", "flwr", "ray", "hf", "npm", "mkdocs", "cd")
SHELLS = ("sh", "bash", "console")

TESTED = {
    r"harness run --plugin smollm2-dora --smoke( --out first)?": (
        "pipeline/test_run.py::test_fifty_supernodes_two_rounds_of_five"
    ),
    r"harness run .*--superlink deployment": (
        "federation/simulation/test_simulation.py"
        "::test_a_local_superlink_gives_the_same_digests_though_a_client_dies"
    ),
    r"harness run .*--keep-steps": (
        "reproduce/test_dispute.py::test_one_bit_of_one_gradient_is_found_with_one_repetition"
    ),
    r"harness reproduce (runs/X|sam)": "reproduce/test_reproduce.py::test_the_whole_run_is_equal",
    r"harness reproduce runs/X --round 7": (
        "reproduce/test_reproduce.py::test_the_command_says_it_with_its_exit_code"
    ),
    r"harness reproduce runs/X --round 7 --client 31": (
        "reproduce/test_reproduce.py::test_one_client_of_one_round"
    ),
    r"harness reproduce submissions/finance/NAME|tox -e repro -- \S+ --round 1 --client 6": (
        "reproduce/test_recorded.py"
        "::test_the_committed_record_is_repeated_by_its_own_code_from_another_folder"
    ),
    r"harness reproduce \S+ --evaluation --adapter DIR": (
        "evaluation/test_reevaluate.py::test_the_same_adapter_answers_the_same_and_earns_the_rung"
    ),
    r"harness dispute .*": (
        "reproduce/test_dispute.py::test_the_command_says_where_and_exits_with_1"
    ),
    r"harness evaluate RUN_DIR": (
        "evaluation/test_session.py::test_both_measures_of_every_set_are_scored"
    ),
    r"harness evaluate RUN_DIR --untrained": (
        "evaluation/test_session.py"
        "::test_the_untrained_model_answers_beside_the_run_and_not_over_it"
    ),
    r"harness evaluate RUN_DIR --round 10": (
        "frontier/test_frontier.py"
        "::test_every_kept_round_has_its_own_adapter_whichever_way_it_was_kept"
    ),
    r"harness frontier .*": (
        "frontier/test_frontier.py::test_the_table_the_value_and_the_picture_agree"
    ),
    r"harness rescore humaneval .*": (
        "cli/execute/test_rescore_programs.py::test_programs_are_executed_and_the_score_is_told"
    ),
    r"harness rescore code FOLDER .*": (
        "submissions/test_executed.py::test_a_rung_is_written_into_a_submission_alone"
    ),
    r"harness submit \S+ --name \S+": (
        "submissions/test_submit.py::test_a_run_is_submitted_whole_and_verifies"
    ),
    r"harness submit \S+ --name \S+ --author .*": (
        "submissions/test_about.py::test_submit_keeps_who_where_and_what_was_typed"
    ),
    r"harness amend \S+ --withdraw .*": (
        "submissions/test_amend.py::test_a_withdrawn_entry_is_clean_and_shown_and_has_no_rank"
    ),
    r"harness amend \S+ --author-name .*": ("submissions/test_amend.py::test_a_team_is_renamed"),
    r"harness publish runs/<run> --repository OWNER/NAME": (
        "publishing/test_publish.py"
        "::test_a_run_lies_on_the_hub_byte_for_byte_and_the_submission_says_where"
    ),
    r"harness leaderboard --verifier verifier": (
        "leaderboard/test_verifier.py"
        "::test_pages_offer_the_checker_where_it_is_given_and_nowhere_else"
    ),
}
"""Pattern of a command -> the test that does what it does, which takes too long to do it twice."""

IN_A_FILE = {
    r"pip install tox": (".ci/run", "pip install --quiet tox"),
    r"tox": (".ci/run", ".ci/venv/bin/tox"),
    r"tox -e (light|full)": ("tox.ini", "env_list = light, full"),
    r"tox -e docs": (".github/workflows/pages.yml", 'mkdocs" build'),
    r"npm pack .*": (".github/workflows/pages.yml", "npm pack"),
    r"pip download .*": (".github/workflows/pages.yml", "pip download"),
}
"""Pattern of a command -> the file that CI runs it from, and its text there."""

NOT_RUN = {
    r"python (bench|tests)/\S+\.py.*": "minutes to hours, or a GPU; its options are checked below",
    r"python -m http\.server .*": "serves until it is ended, and is Python's own",
    r"ray start.*": "joins machines to a cluster",
    r"harness run .*--ray-address \S+": "needs a cluster, as bench/deployment/ray_cluster.py makes",
    r"hf auth login": "needs an account of the hub",
    r"tox -e repro": "minutes; its parts are tests of federation/ and reproduce/",
    r"tox -e py311,py312,py313,pythons": "needs three Pythons, and the smoke run on each",
    r"tox (-c \S+ )?-e repro -- PATH": "stands for the line with a path, which is above",
    r"pip install '?flowertune-harness(\[\w+\])?'?": "a download; that the extra exists is checked",
    r"python -m venv \.venv|\. \.venv/bin/activate|pip install -r requirements\.txt": (
        "what makes the environment that all others are run in"
    ),
}
"""Pattern of a command -> why nothing runs it."""


def fenced(text: str) -> list[str]:
    """Return the commands of a page's fenced blocks, comments taken off, `&&` taken apart.

    A block of a shell's language is commands and nothing else; of `text` and of none, the lines
    that begin with a program.
    """
    found: list[str] = []
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
        if kind not in (*SHELLS, "text", ""):
            continue
        lines = [line.strip() for line in re.sub(r"\\\n\s*", "", block).splitlines()]
        if kind == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        if kind not in SHELLS:
            lines = [line for line in lines if line.split(" ")[0] in PROGRAMS]
        lines = [re.sub(r"\s+#.*$", "", line) for line in lines if line and line[0] != "#"]
        found += [part for line in lines for part in line.split(" && ")]
    return found


def inline(text: str) -> list[str]:
    """Return the commands of a page's running text that have an argument, but `harness`'s own.

    Those are parts of commands as often as whole ones; `test_docs.py` holds their options.
    """
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    found = re.findall(r"`((?:pip install|tox|python|ray start|hf) ?[^`\n]*)`", prose)
    return [part for line in found for part in line.split(" && ") if " " in part]


def page_text(page: Path) -> str:
    """Return a page as a reader sees it: the README that `new-plugin` writes, with a name."""
    text = page.read_text(encoding="utf-8")
    return text if page != TEMPLATE else text.replace("{{ name }}", "my-entry")


def why_not_here(command: str) -> str | None:
    """Return what the lists say of a command, or nothing: it is run in the reader's clone."""
    for pattern, why in (TESTED | IN_A_FILE | NOT_RUN).items():
        if re.fullmatch(pattern, command):
            return why if isinstance(why, str) else why[0]
    return None
