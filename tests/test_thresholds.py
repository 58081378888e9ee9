"""Every number that a module of the harness names has a test that holds it, or a reason for none.

`python bench/mutation/thresholds.py` changes each of the held ones a little, both ways, and runs
the test that is named here.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LIMITS = "tests/verify/test_limits.py::test_a_limit_holds_from_both_sides"
DOCUMENTS = "tests/document/test_document_limits.py::"
CLAIMS = "tests/claims/test_claim_limits.py::"
REAL_LIFE = "tests/claims/importing/test_real_life.py::"
PLANS = "tests/planning/test_planning_limits.py::"
SHOWN = "tests/leaderboard/test_shown.py::"
DROPPED = "tests/leaderboard/test_verifier.py::"

CODECS = "tests/codec/test_codec_choice.py::"

HELD = {
    "machine MOST_WATTS": "tests/machine/energy/test_energy.py"
        "::test_a_count_that_may_have_come_round_twice_is_an_estimate",
    "processes LARGE_BYTES":
        "tests/processes/test_large_blocks.py"
        "::test_a_large_block_is_taken_from_the_machine_inside_and_from_the_heap_outside",
    "processes USUAL_LARGE_BYTES":
        "tests/processes/test_large_blocks.py"
        "::test_a_large_block_is_taken_from_the_machine_inside_and_from_the_heap_outside",
    "processes M_MMAP_THRESHOLD":
        "tests/processes/test_large_blocks.py"
        "::test_a_large_block_is_taken_from_the_machine_inside_and_from_the_heap_outside",
    "training LARGEST_PARAMETERS":
        "tests/training/test_shared_base.py"
        "::test_only_models_of_a_size_that_nobody_waits_for_are_loaded_before",
    "library_internals LEAST_SCALE":
        "tests/library_internals/test_quantize.py"
        "::test_every_kind_of_value_gets_the_bits_that_bitsandbytes_gives_it",
    "federation KEPT_IN_MEMORY":
        "tests/federation/serverapp/test_reply_memory.py"
        "::test_one_reply_stays_in_memory_and_the_others_wait_in_files",
    "federation LEAST_ADDRESSES_BYTES":
        "tests/federation/simulation/test_ray_session.py"
        "::test_too_few_addresses_are_told_before_ray_would_wait_for_ever",
    "federation LARGEST_FILE_BYTES":
        "tests/federation/superlink/test_sent_lines.py"
        "::test_a_file_that_no_disk_holds_is_refused",
    "frontier FEWEST_ROWS": "tests/frontier/test_frontier.py::test_too_few_rows_choose_no_round",
    "boards MOST_SUPERNODES":
        "tests/boards/test_open_division.py::test_a_run_has_2_to_10_000_supernodes",
    "plugins MOST_PASSES":
        "tests/plugins/examples/test_examples.py::test_a_loop_asks_for_1_to_16_gradients_a_step",
    "codec HEADER_BYTES": f"{CODECS}test_sizes_and_losses_follow_from_shapes",
    "codec FLOAT_BYTES": f"{CODECS}test_sizes_and_losses_follow_from_shapes",
    "side_by_side T_95": "tests/side_by_side/test_intervals.py::test_the_interval_is_students",
    "side_by_side T_MANY": "tests/side_by_side/test_intervals.py::test_the_interval_is_students",
    "testing GAUGE_CONDITION":
        "tests/testing/test_gauge_law.py"
        "::test_an_average_of_products_is_not_moved_and_one_of_factors_is",
    "testing GAUGE_TOLERANCE":
        "tests/testing/test_gauge_law.py"
        "::test_an_average_of_products_is_not_moved_and_one_of_factors_is",
    "codec NUMBER": f"{CODECS}test_a_codec_is_complete_by_its_name",
    "boards CORPUS_SEED":
        "tests/boards/finance/test_finance_rows.py"
        "::test_the_smoke_corpus_is_the_one_of_all_smoke_records",
    "boards SMOKE_ROWS": f"{PLANS}test_a_smoke_run_has_32_rows_a_partition_and_8_a_set",
    "boards MAX_ROWS":
        "tests/scoring/test_scoring_limits.py::test_100_000_rows_are_read_and_one_more_is_not",
    "boards WORDS":
        "tests/boards/test_shingles.py"
        "::test_a_row_is_known_by_windows_of_eight_words_and_a_short_one_by_itself",
    "boards FEWEST_WORDS":
        "tests/boards/test_shingles.py"
        "::test_a_row_is_known_by_windows_of_eight_words_and_a_short_one_by_itself",
    "boards WINDOWS":
        "tests/boards/test_shingles.py"
        "::test_a_row_is_known_by_windows_of_eight_words_and_a_short_one_by_itself",
    "boards DIGEST_BYTES":
        "tests/boards/test_shingles.py"
        "::test_no_word_of_a_row_is_shipped_and_the_files_are_small",
    "planning MAX_PATTERN":
        "tests/planning/settings/test_bounded_templates.py"
        "::test_a_pattern_has_a_thousand_characters_and_a_hundred_repetitions_at_most",
    "planning MAX_REPEATS":
        "tests/planning/settings/test_bounded_templates.py"
        "::test_a_pattern_has_a_thousand_characters_and_a_hundred_repetitions_at_most",
    "verify LONGEST_MACHINE":
        "tests/verify/test_strict_values.py::test_a_machine_s_name_has_at_most_200_characters",
    "verify CLOSE": "tests/verify/test_breaches_of_results.py"
        "::test_an_epsilon_that_does_not_follow_is_found",
    "verify MOST_WATTS": "tests/verify/test_breaches_of_results.py"
        "::test_energy_is_what_a_machine_can_draw_and_a_run_counts",
    "verify MOST_GRAMS_PER_KWH": "tests/verify/test_breaches_of_results.py"
        "::test_energy_is_what_a_machine_can_draw_and_a_run_counts",
    "verify ORDERS": "tests/verify/independent/test_gaussian_privacy.py"
        "::test_epsilon_is_that_of_the_library",
    "verify LONGEST_TOKEN":
        "tests/verify/test_completions.py::test_an_output_has_as_many_tokens_as_a_right_answer",
    "verify LEAST_AGREEMENT":
        "tests/verify/test_strict_values.py"
        "::test_measures_that_contradict_each_other_on_nearly_every_row_are_flagged",
    "verify CARD_SINCE":
        "tests/verify/test_breaches_of_results.py"
        "::test_the_card_of_a_record_of_version_1_may_be_an_older_harness_s",
    "verify FILED_DEPTH":
        "tests/submissions/test_once.py"
        "::test_a_record_lies_at_board_and_name_and_nowhere_else",
    "submissions SHORT_PASSAGE":
        "tests/submissions/test_submit.py"
        "::test_only_a_sentence_of_16_characters_or_more_counts_as_repeated",
    "submissions MAX_WEIGHTS_BYTES":
        "tests/submissions/test_about.py"
        "::test_weights_of_4_mib_may_lie_in_the_folder_and_larger_ones_on_the_hub",
    "pull_request MAX_LINES":
        "tests/pull_request/test_judge.py::test_a_list_has_60_lines_of_300_characters_and_counts_the_rest",
    "pull_request LINE_CHARACTERS":
        "tests/pull_request/test_judge.py::test_a_list_has_60_lines_of_300_characters_and_counts_the_rest",
    "pull_request MAX_CHANGES":
        "tests/pull_request/test_judge.py::test_2000_changed_files_are_looked_at_and_one_more_is_not",
    "record MAPPED": "tests/record/test_card.py::test_twenty_lines_of_a_mapping_are_shown",
    "record MAX_LINK": "tests/submissions/test_about.py::test_what_is_one_is_read",
    "record MAX_ARGUMENTS": "tests/submissions/test_about.py::test_what_is_one_is_read",
    "boards CONTEXT_CHARS": "tests/boards/test_rows.py::test_every_official_row_is_pinned",
    "boards TARGET_CHARS": "tests/boards/test_rows.py::test_every_official_row_is_pinned",
    "boards LONGEST_PROMPT":
        "tests/boards/code/test_program_files.py::test_a_prompt_ends_within_8192_characters",
    "claims MAX_CLAIM_BYTES": f"{CLAIMS}test_a_claim_s_file_may_be_as_large_as_its_limit",
    "claims AS_PERCENT":
        f"{CLAIMS}test_an_accuracy_file_in_percent_is_the_recount_s_to_two_decimals",
    "claims MAX_CLAIM_FILES": f"{CLAIMS}test_ten_files_of_a_claim_are_listed_and_no_more",
    "claims MAX_README_CHARACTERS":
        f"{CLAIMS}test_the_first_200_000_characters_of_a_readme_tell_the_board",
    "claims MAX_ENTRIES": f"{CLAIMS}test_20_000_files_of_a_project_are_listed_and_no_more",
    "claims MAX_TEXT_BYTES": f"{CLAIMS}test_a_text_of_2_mib_is_read_and_one_byte_more_is_not",
    "claims MAX_PUBLISHED_BYTES":
        f"{CLAIMS}test_generations_of_64_mib_are_counted_and_one_byte_more_are_not",
    "side_by_side MAX_CELLS":
        "tests/side_by_side/test_sweep.py::test_a_sweep_has_1000_cells_at_most",
    "cli BYTES": "tests/cli/test_plan_for_a_card.py::test_a_size_is_read_as_people_write_it",
    "machine DESCRIBED_GPU_BYTES": "tests/cli/test_plan_for_a_card.py"
        "::test_without_a_card_the_forecast_is_for_one_of_16_gib",
    "machine ENOUGH_DISK_BYTES":
        "tests/machine/test_doctor.py::test_a_disk_is_enough_from_10_gib_on",
    "machine ENOUGH_MEMORY_BYTES":
        "tests/machine/test_doctor.py::test_memory_is_enough_from_3_gib_on",
    "claims MAX_BUNDLE_BYTES":
        "tests/claims/test_as_recipe.py::test_a_bundle_is_unpacked_up_to_its_limit",
    "document MAX_KEY_PARTS":
        "tests/claims/importing/test_real_life.py::test_a_key_may_have_64_parts",
    "claims MAX_CODE_BYTES":
        "tests/claims/importing/test_real_life.py::test_code_of_up_to_200_kb_is_read",
    "claims MOST_BAD_LINES": f"{REAL_LIFE}test_a_configuration_is_read_without_20_bad_lines",
    "claims MAX_MENDED_CHARACTERS": f"{REAL_LIFE}test_a_long_configuration_is_not_mended",
    "claims NEARLY": f"{REAL_LIFE}test_a_set_that_is_nearly_named_is_read_and_named",
    "claims MOST_RUNS": f"{REAL_LIFE}test_forty_runs_are_told_apart",
    "claims MAX_RANK": f"{CLAIMS}test_a_rank_beyond_65_536_is_no_adapter_s",
    "claims UNITS_MIB": f"{CLAIMS}test_a_gb_of_upstream_is_1024_of_its_mb",
    "federation ATTEMPTS":
        "tests/federation/serverapp/test_exchange.py"
        "::test_a_client_that_dies_while_it_is_asked_its_partition_is_asked_again",
    "reproduce SHOWN":
        "tests/reproduce/test_dispute.py::test_three_tensors_are_named_and_the_rest_counted",
    "cli MEANT":
        "tests/side_by_side/test_listing.py"
        "::test_a_resume_without_its_run_names_those_that_stopped",
    "cli LONGEST_PATH": "tests/cli/test_cli.py::test_200_characters_of_a_path_are_shown",
    "components MOST_LAYERS":
        "tests/components/test_families.py::test_sizes_up_to_the_limits_are_taken",
    "components MOST_PARTS":
        "tests/sources/unknown_family/test_layouts.py"
        "::test_a_layout_is_bounded_and_belongs_to_unknown_families_alone",
    "components LARGEST_SIZE":
        "tests/components/test_families.py::test_sizes_up_to_the_limits_are_taken",
    "training ENCODED_AT_ONCE": "tests/training/rows/test_prompt.py"
        "::test_a_table_of_doubtful_rows_is_never_held_as_tokens_whole",
    "training SPECIAL_TOKENS":
        "tests/training/rows/test_prompt.py::test_no_row_is_left_out_that_was_not_doubted",
    "sources PLAIN":
        "tests/sources/test_locate.py"
        "::test_a_model_that_asks_for_sampling_is_decoded_greedily_and_its_record_says_so",
    "sources MAX_CONFIG_BYTES":
        "tests/sources/test_hub_model.py"
        "::test_a_config_of_a_mebibyte_is_read_and_one_byte_more_is_not",
    "document MAX_DOCUMENT_BYTES":
        f"{DOCUMENTS}test_a_document_of_64_mib_is_read_and_one_byte_more_is_not",
    "document MAX_NESTING": f"{DOCUMENTS}test_64_levels_are_read_and_65_refused",
    "document MAX_HEADER_BYTES":
        f"{DOCUMENTS}test_a_header_of_32_mib_is_read_and_one_byte_more_is_not",
    "document DTYPE_BITS": f"{DOCUMENTS}test_a_number_of_each_kind_has_its_size",
    "document MAX_KEYS": f"{DOCUMENTS}test_an_object_has_100_000_keys_and_no_more",
    "document MAX_VALUES": f"{DOCUMENTS}test_half_a_million_values_are_parsed_and_one_more_is_not",
    "document MAX_EXPLAINED":
        f"{DOCUMENTS}test_of_a_thousand_problems_three_are_named_of_more_their_number",
    "document MAX_STRING": f"{LIMITS}[length of a string]",
    "document MAX_INTEGER": f"{LIMITS}[a positive integer]",
    "document MAX_FLOAT": f"{LIMITS}[a positive float]",
    "federation ROUNDING":
        "tests/federation/serverapp/test_aggregation_error.py"
        "::test_an_error_below_a_millionth_is_rounding",
    "federation SMALLEST_DISTANCE":
        "tests/federation/dependence/test_check_round.py"
        "::test_a_change_of_a_ten_thousandth_is_rounding_and_more_is_not",
    "federation MOST_MOVED":
        "tests/federation/dependence/test_check_round.py"
        "::test_of_more_than_eight_clients_eight_are_moved",
    "record TOLERANCE": f"{LIMITS}[a distance from the formula]",
    "record LEAST_INFLUENCE": f"{LIMITS}[an aggregate that follows replies]",
    "record MOST_UNMOVED": f"{LIMITS}[an aggregate when nobody has moved]",
    "leaderboard LEVEL":
        "tests/leaderboard/test_build.py"
        "::test_entries_that_chance_would_part_once_in_twenty_times_share_a_group",
    "leaderboard NORMAL_95":
        f"{SHOWN}test_the_interval_of_an_average_is_196_standard_errors_to_each_side",
    "leaderboard CURVE_POINTS": f"{SHOWN}test_a_curve_has_60_points_and_always_its_last",
    "leaderboard SAMPLES": f"{SHOWN}test_three_right_and_three_wrong_answers_of_each_set_are_shown",
    "leaderboard OUTPUT_CHARACTERS": f"{SHOWN}test_160_characters_of_an_answer_are_shown",
    "leaderboard CHANGES_CHARACTERS":
        "tests/boards/test_open_division.py::test_a_table_shows_120_characters_of_what_a_run_changes",
    "leaderboard TEXT_CHARACTERS":
        f"{SHOWN}test_a_text_of_a_recipe_is_shown_up_to_4000_characters",
    "leaderboard MARKDOWN_ROWS":
        f"{SHOWN}test_200_rows_stand_in_the_markdown_and_the_rest_is_counted",
    "leaderboard MAX_DROPPED": f"{DROPPED}test_2000_files_of_256_mib_are_unpacked_and_no_more",
    "leaderboard MAX_DROPPED_BYTES":
        f"{DROPPED}test_2000_files_of_256_mib_are_unpacked_and_no_more",
    "leaderboard MAX_LINK_BYTES": f"{DROPPED}test_a_link_s_target_is_kept_up_to_4000_bytes",
    "leaderboard STATIC_ROWS":
        f"{SHOWN}test_50_rows_stand_in_the_html_and_the_rest_in_the_data",
    "new_plugin LONGEST_NAME":
        "tests/new_plugin/test_new_plugin.py"
        "::test_a_name_of_60_characters_fits_and_one_of_61_does_not",
    "pipeline SECONDS_PER_HOUR":
        "tests/pipeline/test_compose.py"
        "::test_the_cost_is_the_price_table_s_sum_times_the_hours_of_all_stages",
    "planning HOPELESS":
        "tests/planning/test_resolve.py::"
        "test_a_training_that_no_memory_here_can_hold_is_refused_and_a_doubtful_one_is_told",
    "planning FLOAT_BYTES": f"{PLANS}test_the_memory_of_a_process_is_counted_part_by_part",
    "planning STEP_TOKENS": f"{PLANS}test_training_steps_are_forecast_within_three_tenths",
    "planning EVALUATION_SHARE": f"{PLANS}test_a_run_is_forecast_within_three_tenths",
    "planning LOADING_S": f"{PLANS}test_a_run_is_forecast_within_three_tenths",
    "planning GPU_EVALUATION_FLOPS":
        f"{PLANS}test_an_evaluation_on_a_card_is_forecast_by_its_launches_and_operations",
    "planning GPU_LAYER_S":
        f"{PLANS}test_an_evaluation_on_a_card_is_forecast_by_its_launches_and_operations",
    "planning CORE_LAYER_S":
        "tests/planning/test_forecast.py::test_answers_of_a_small_model_take_minutes_as_well",
    "planning ALONE":
        "tests/planning/test_forecast.py::test_answers_of_a_small_model_take_minutes_as_well",
    "planning DRAWN_BYTES_PER_S": f"{PLANS}test_drawn_programs_are_forecast_as_if_none_ended",
    "planning MODEL_FILE_BYTES": f"{PLANS}test_files_are_forecast",
    "planning ROW_BYTES": f"{PLANS}test_files_are_forecast",
    "planning KEPT_ADAPTERS": f"{PLANS}test_files_are_forecast",
    "planning PROCESS_BYTES": f"{PLANS}test_the_memory_of_a_process_is_counted_part_by_part",
    "planning LOSS_COPIES":
        f"{PLANS}test_the_loss_of_long_answers_over_a_large_vocabulary_needs_memory",
    "planning PADDED_COPIES":
        f"{PLANS}test_the_loss_of_long_answers_over_a_large_vocabulary_needs_memory",
    "planning MEMORY_SHARE": f"{PLANS}test_processes_fill_six_tenths_of_the_memory",
    "machine GPU_SHARE_UNIT":
        "tests/planning/test_client_processes.py::test_a_part_of_a_gpu_is_whole_ten_thousandths",
    "planning SMOKE_THREADS": f"{PLANS}test_a_smoke_run_takes_four_threads_or_what_there_is",
    "planning GPU_PARAMETERS": f"{PLANS}test_a_model_of_a_thousand_million_weights_wants_a_gpu",
    "planning HEADER_BYTES":
        "tests/planning/test_resolve.py::test_published_communication_figures_come_out",
    "planning TRAINING_SHARE": f"{PLANS}test_a_core_is_as_fast_as_its_vectors_are_wide",
    "machine CORE_FLOPS": f"{PLANS}test_a_core_is_as_fast_as_its_vectors_are_wide",
    "machine KEPT_S":
        "tests/machine/test_core_speed.py"
        "::test_a_measurement_is_kept_for_a_day_on_its_machine",
    "machine DIGITS":
        "tests/machine/test_core_speed.py"
        "::test_cores_are_measured_together_and_told_in_two_digits",
    "planning GPU_FLOPS": f"{PLANS}test_a_gpu_is_as_fast_as_the_reference_entry_s",
    "planning SETUP_S": f"{PLANS}test_a_core_is_as_fast_as_its_vectors_are_wide",
    "planning DEFAULT_SEED": f"{PLANS}test_the_seed_is_the_same_for_everyone_who_names_none",
    "plugins MOST_ANSWERS":
        "tests/plugins/test_loading.py"
        "::test_a_plugin_offers_a_thousand_components_of_a_kind_and_no_more",
    "plugins LONG_CALL_S":
        "tests/plugins/test_long_calls.py::test_a_call_that_takes_long_is_told_again_and_again_and_a_short_one_is_not",
    "plugins LONGEST_CAUSE":
        "tests/plugins/test_loading.py"
        "::test_300_characters_of_a_plugin_s_own_message_are_shown",
    "scoring CONFIDENCE":
        "tests/scoring/test_scoring_limits.py"
        "::test_the_interval_leaves_out_a_fortieth_at_each_end",
    "testing LAW_TOLERANCE":
        "tests/testing/test_check_plugin.py"
        "::test_an_average_may_be_off_by_a_ten_thousandth",
    "training DROPOUT_LEVELS":
        "tests/training/test_same_losses.py::test_dropout_keeps_the_share_that_it_divides_by",
    "training BETAS":
        "tests/training/test_optimizers.py"
        "::test_adam_has_the_betas_and_the_epsilon_of_transformers",
    "training EPSILON":
        "tests/training/test_optimizers.py"
        "::test_adam_has_the_betas_and_the_epsilon_of_transformers",
    "verify MAX_LABELS": f"{LIMITS}[labels of a row]",
    "verify MAX_OUTPUT": f"{LIMITS}[characters of an output]",
    "verify MAX_FILES":
        "tests/verify/test_limits.py::test_200_files_and_folders_are_listed_and_no_more",
    "verify MAX_BYTES": "tests/verify/test_limits.py::test_a_file_may_be_as_large_as_its_limit",
    "verify MAX_RUN_GENERATIONS_BYTES":
        "tests/verify/test_limits.py::test_generations_of_a_run_may_have_64_mib",
    "submissions LEAST_VARIED":
        "tests/submissions/test_once.py"
        "::test_two_models_that_answer_nearly_every_row_alike_are_no_copies",
    "verify SHOWN_CHARACTERS":
        "tests/verify/test_limits.py::test_200_characters_of_a_value_are_shown",
    "verify MOST_KINDS":
        "tests/verify/files/test_plain_generations.py"
        "::test_rows_that_are_counted_by_number_are_those_that_are_counted_one_by_one",
    "verify MAX_ASKED":
        "tests/verify/files/test_plain_generations.py::test_only_a_few_names_and_rows_are_remembered",
    "verify MAX_ASKED_ROWS":
        "tests/verify/files/test_plain_generations.py::test_only_a_few_names_and_rows_are_remembered",
    "verify MAX_BREACHES":
        "tests/verify/test_limits.py::test_a_rule_lists_five_breaches_and_counts_the_others",
    "verify MAX_SIDE": f"{LIMITS}[the width of the plot]",
    "verify MOST_LIKELY": f"{LIMITS}[a sum of probabilities]",
    "verify EXACT": f"{LIMITS}[a standard error]",
    "verify MAX_LAYERS":
        "tests/verify/test_limits.py"
        "::test_models_of_absurd_size_are_not_listed_tensor_by_tensor",
    "verify MAX_WIDTH":
        "tests/verify/test_limits.py"
        "::test_models_of_absurd_size_are_not_listed_tensor_by_tensor",
    "verify AT_REST": "tests/verify/test_limits.py::test_a_setting_of_peft_at_rest_is_no_setting",
    "verify MAX_ACTORS": f"{LIMITS}[processes of a device]",
    "verify MAX_ATTEMPTS": f"{LIMITS}[attempts of a client]",
    "verify MAX_PRODUCT_ERROR": f"{LIMITS}[an error of averaging factors]",
    "verify LOSS_TOLERANCE": f"{LIMITS}[a round's loss, too low]",
    "verify CLOCK_SKEW": f"{LIMITS}[a day into the future]",
    "verify SMALLEST_MESSAGE": f"{LIMITS}[bytes of a message]",
    "federation CLOSE":
        "tests/federation/test_checked.py::test_an_honest_run_passes_and_each_forged_value_is_named",
    "verify MAX_DEPTH":
        "tests/verify/test_limits.py::test_submissions_are_searched_four_folders_deep",
}  # fmt: skip
"""Room and constant -> the test that fails when its value is another."""

HOW_MANY = "how many at a time: memory and time, and no result"
WAITING = "waiting time: no result depends on it"
SPEED = "how work is cut up: no text and no score depends on it, as the decoder's tests hold"
DRAWING = "where a drawing puts things"
UNIT = "a unit"
VERSION = "counted up by hand when what it numbers changes; tests/historic reads every one"
MEMORY = "a share of memory: no result depends on it"

HOSTILE = (
    "a bound of hostile programs: tests/boards/execution goes far beyond it, and the verdicts of"
    " published programs, which are far below it, are held there"
)
LINUX = "a number of the kernel's interface, without which tests/boards/execution fails"

FREE = {
    "record DP_DELTA": "a convention, which the record states",
    "replication MAX_RUNS": "more than anybody waits for",
    "replication SCALE": "alpha / r of the kit's LoRA",
    "codec SLACK": "a hundred times what float32 sums lose; a codec that loses more is far off",
    "codec HALF_STEP": "a number of the format float16",
    "federation WITHIN": "what float32 loses; another product is far off",
    "verify SHOWN_PATH_CHARACTERS": "PATH_MAX of Linux: no path that can be opened is longer",
    "verify SLACK": "a thousand times what sums in another order give",
    **dict.fromkeys(
        (
            "machine HUB", "machine INDEX", "machine HUB_TIMEOUT_S", "pipeline POLL_S",
            "pipeline INIT_TIMEOUT_S",
            "claims TEMPLATE_DROPOUT", "claims TEMPLATE_RANK", "claims TEMPLATE_ALPHA",
            "boards FOLDER_BYTES", "boards FOLDER_FILES", "boards MEMORY_BYTES",
            "boards PIPE_BYTES", "boards DRAIN_BYTES_PER_S", "boards PRINTED_CHARACTERS",
            "boards KEPT_BYTES", "boards PYTHON_WALL_S", "boards PYTHON_GRACE_S",
            "boards JAVASCRIPT_WALL_S", "boards CPP_WALL_S", "boards PATIENCE",
        ),
        HOSTILE,
    ),
    "pipeline KEEP_S": "how often a stage is kept on the disk: what a killed session loses of it",
    "machine SAMPLE_S": "how often counters are read: one that comes round is caught far before",
    "record JOULES_PER_KWH": UNIT,
    "publishing STEP_TOKENS": SPEED,
    "cli SHOWN": "lines that are printed; same_labels.json has them all",
    "pipeline OPEN_S": WAITING, "pipeline ANSWER_S": WAITING, "pipeline LONGEST_S": WAITING,
    "boards ENDING_S": WAITING, "boards BUILD_S": WAITING, "boards SEARCH_S": WAITING,
    "boards LOOK_EVERY_S": WAITING, "boards WORTH_PRECOMPILING": SPEED,
    "boards OWN_USERS": "any user that nobody is", "boards NOBODY": LINUX,
    "boards SPLIT_SEED": "the pinned rows follow from it, and each is compared with its pin",
    "boards SPLIT_SHARE": "the pinned rows follow from it, and each is compared with its pin",
    "boards NEGATIVE_BELOW": "the pinned labels follow from it, and each is compared",
    "boards NEUTRAL_BELOW": "the pinned labels follow from it, and each is compared",
    "federation CHECKPOINT_VERSION": VERSION, "record FORMS": VERSION,
    "federation NEAR_TIE": "ten times what float32 loses; a wrong choice is far off",
    "training SMALLEST_MOVE": "any move shows whether something follows it",
    "document MIB": UNIT, "document GIB": UNIT,
    "verify CHUNK_BYTES": SPEED,
    "verify MAX_RUN_ENTRIES": "far above what runs hold; a test of it would write 100,000 files",
    "document MAX_FILE_BYTES": "no limit: weights of our own are read at any size",
    "claims CLAIM_VERSION": VERSION, "record RECORD_VERSION": VERSION, "spec SPEC_VERSION": VERSION,
    "leaderboard LEADERBOARD_VERSION": VERSION, "evaluation DECODER_VERSION": VERSION,
    "record GENESIS": "every stored chain begins with it; tests/historic reads them",
    "evaluation CPU_BYTES": MEMORY, "evaluation GPU_SHARE": MEMORY,
    "training DEQUANTISED_SHARE": MEMORY, "training ACTIVATION_SHARE": MEMORY,
    "training THREADS_LIMIT_S": WAITING,
    "machine SIDE": SPEED, "machine MEASURED_S": SPEED, "machine LIMIT_S": WAITING,
    "evaluation SPARE_STEP_TOKENS": SPEED, "evaluation MAX_SPARE_GUESSES": SPEED,
    "evaluation GRAMS": SPEED, "evaluation MAX_GUESSES": SPEED, "evaluation SURE_STREAK": SPEED,
    "evaluation BLOCK_TOKENS": SPEED,
    "evaluation PAD_POSITION": SPEED, "evaluation STEP_TOKENS": SPEED,
    "evaluation MAX_LINES": SPEED, "evaluation FEWEST_LINES": SPEED, "evaluation MIN_LINES": SPEED,
    "evaluation ANSWER_TOKENS": WAITING, "evaluation PACE_FROM": WAITING,
    "evaluation UNIT_ROWS": SPEED, "evaluation EVEN_UNITS": SPEED, "evaluation LIKELIEST": SPEED,
    "evaluation ROOM_TOKENS": SPEED, "evaluation MAX_NUMBERS": SPEED,
    "evaluation COUNTED_TOKENS": SPEED, "evaluation COUNTED_CHARACTERS": SPEED,
    "evaluation CLOSE": "wider than a sum's error; within it sorting decides, as a test compares",
    "evaluation SMOKE_LENGTH_TOKENS": "how long an exercise is",
    "evaluation MAX_DECODERS": SPEED, "evaluation TAIL_TOKENS": SPEED,
    "training BLOCK_VALUES": "a number of bitsandbytes', whose bits a test compares",
    "training FEWEST_IN_8_BITS": "a number of bitsandbytes', whose bits a test compares",
    "training GRAPH_SHARE": MEMORY, "training MAX_TOKENS": SPEED, "training SIZES": SPEED,
    "training TOKENS_STEP": SPEED, "training TOKENS_FIRST": SPEED, "training TARGETS_STEP": SPEED,
    "training LEVELS": "a unit of dropout's rate, which a test measures",
    "training INT32": UNIT, "training IGNORED": "torch's own number for no target",
    "training BLOCK": SPEED, "federation STRIP_ROWS": SPEED, "submissions PARALLEL_FROM": SPEED,
    "scoring DEVIATIONS": SPEED,
    "submissions GIT_LIMIT_S": WAITING,
    "evaluation SYNC_INTERVAL_S": WAITING, "federation STOP_POLL_S": WAITING,
    "federation RETRY_PAUSE_S": WAITING, "federation CONNECT_LIMIT_S": WAITING,
    "federation NODE_PAUSE_S": WAITING, "federation LOOK_LIMIT_S": WAITING,
    "federation NOBODY_LIMIT_S": WAITING,
    "federation LEAST_START": "rounding is a hundredth of it, PiSSA of rank 1,000 three times",
    "federation LARGE_ROUND_BYTES": "memory is given back sooner or later, and no value changes",
    "federation AGAIN_PAUSE_S": WAITING, "federation AWAY_LIMIT_S": WAITING,
    "federation AWAY_PAUSE_S": WAITING, "federation BACK_LIMIT_S": WAITING,
    "federation COMMAND_LIMIT_S": WAITING, "federation END_LIMIT_S": WAITING,
    "federation PLACE_S": WAITING,
    "federation LOOK_S": WAITING, "federation PART_PAUSE_S": WAITING,
    "federation POLL_S": WAITING, "federation REMOTE_POLL_S": WAITING,
    "federation START_LIMIT_S": WAITING, "federation ASKED_AT_ONCE": HOW_MANY,
    "federation ASKED_HERE_AT_ONCE": HOW_MANY,
    "federation CHECKED_AT_ONCE": HOW_MANY, "federation PULLED_AT_ONCE": HOW_MANY,
    "federation PART_BYTES": HOW_MANY, "machine CORES_PER_CARD": "of a forecast's machine only",
    "federation SECRET_BYTES": "any length is a secret that nobody guesses",
    "federation VALID_DAYS": "how long nobody need renew a certificate",
    "federation REPLY_POLL_S": WAITING, "library_internals RAY_POLL_S": WAITING,
    "federation RAY_START_LIMIT_S": WAITING, "federation CLIENT_START_LIMIT_S": WAITING,
    "library_internals AT_ONCE": "few values and many: equal bits (test_quantize)",
    "processes M_TRIM_THRESHOLD": "glibc's name for how much it keeps, which changes no value",
    "processes WATCH_S": WAITING, "processes PATIENCE_S": WAITING,
    "federation JOIN_LIMIT_S": WAITING, "federation SUPERLINK_STOP_LIMIT_S": WAITING,
    "federation SERVER_STOP_LIMIT_S": WAITING, "federation GOODBYE_S": WAITING,
    "federation SUPERLINK_START_LIMIT_S": WAITING,
    "isolation END_LIMIT_S": WAITING, "isolation ENDED_LIMIT_S": WAITING,
    "isolation STOP_LIMIT_S": WAITING,
    "record MOST_MARKS": "more than any script has, and few enough to stay in a line",
    "isolation KEPT_RIGHTS": LINUX, "isolation ENDED_FIRST": LINUX,
    "isolation FEWEST_TASKS": HOW_MANY, "isolation TASKS_PER_CORE": HOW_MANY,
    "isolation LONGEST_ANSWER_BYTES": "a thousand times the longest answer of a real run",
    "federation LOAD_LIMIT_S": WAITING, "progress PLAIN_INTERVAL_S": WAITING,
    "processes LONGEST_S": WAITING, "sources LIMIT_S": WAITING,
    "sources MOST_DATA_BYTES": "several times what building the largest models takes",
    "sources SMALL": "any sizes that differ from each other",
    "sources SMALL_INTERMEDIATE": "any width that no other size of the small model has",
    "sources SMALL_KV_HEADS": "any number by which the small model's heads can be divided",
    "sources TOKENS": "a row of any length shows whether a token sees those after it",
    "federation START_ATTEMPTS": "how often a start that failed is tried again",
    "pull_request MAX_COMMENT": "less than what GitHub takes",
    "federation STACK_CHARACTERS": "how much of a stack a message shows",
    "evaluation LISTED": "how many names a message lists",
    "evaluation KEY_BYTES": "the length of the hash that it is used with",
    "evaluation PR_SET_DUMPABLE": LINUX, "processes PR_SET_DUMPABLE": LINUX,
    "processes ARGUMENTS_FIELD": LINUX, "processes OUTPUT_LIMIT_S": WAITING,
    "federation MOST_LOOKS": "any number ends the waiting; tests/federation/test_strategy_parts.py",
    "library_internals LONGEST_PARENT": "leaves a margin below the longest path of a socket",
    "federation LONGEST_HEADER_BYTES": "thirty times what a header takes",
    "federation ERROR_RAISED": "any number that Flower does not use",
    "federation APP_NAME_CHARACTERS": "Flower's own limit; tests/federation/superlink asks Flower",
    "leaderboard WIDTH": DRAWING, "leaderboard HEIGHT": DRAWING,
    "leaderboard DIGITS": "more decimals than a table shows",
    "leaderboard SETTLED_S": WAITING, "leaderboard MAX_RUNTIME_BYTES": MEMORY,
    "leaderboard MOST_KEPT": "how much a cache keeps: no result depends on it",
    "evaluation BLOCK_SIZE": "tests/evaluation/model compares every weight with bitsandbytes'",
    "evaluation CHECK_TOKENS": "how many tokens a model is tried with",
    "evaluation CHECK_TOLERANCE": "a thousand times what rounding gives; a wrong model is far off",
    "evaluation TOLERANCE": "both sides sum the same zeros and ones",
    "federation RATE": "what a trial of a component trains with",
    "testing RATE": "what a trial of a component trains with",
    "federation STEPS": "what a trial of a component trains with",
    "testing STEPS": "what a trial of a component trains with",
    "federation MOVE": "the size of a trial's moves; the laws are relative to it",
    "plugins LOOKS": WAITING,
    "federation LAYERS": "how small the model of a rehearsal is",
    "federation LARGEST_BYTES": "how much memory a second rehearsal may take",
    "federation LIMIT_S": WAITING, "federation UNTOLD_S": WAITING,
    "testing TRIAL_ROUNDS": "how long a trial is",
    "testing SMALL_RANK": "the size of a trial's tensors",
    "testing LORA_PARAMS": "the size of a trial's tensors",
    "testing SUPERNODES": "the size of a trial's federation",
    "testing MOST_ROUNDS": "how many rounds of a recipe a trial plays",
    "testing CLIENTS": "the size of a trial's federation",
}  # fmt: skip
"""Room and constant -> why no test holds its exact value."""

FREE_FILES = {
    "kernel/call_filter.py": LINUX,
    "kernel/calls.py": LINUX,
    "kernel/landlock.py": LINUX,
    "kernel/namespaces.py": LINUX,
}
"""Module -> why none of its numbers is listed."""


def constants() -> dict[str, list[tuple[Path, ast.expr]]]:
    """Return `room NAME` -> (file, value) of every number that a module of the harness names."""
    found: dict[str, list[tuple[Path, ast.expr]]] = {}
    for path in sorted((ROOT / "harness").rglob("*.py")):
        if path.relative_to(ROOT / "harness").as_posix() in FREE_FILES:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            for target in targets:
                for name in [item.id for item in ast.walk(target) if isinstance(item, ast.Name)]:
                    if re.fullmatch(r"_?[A-Z][A-Z0-9_]*", name) and is_number(node.value):
                        room = path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")
                        found.setdefault(f"{room} {name}", []).append((path, node.value))
    return found


def is_number(value: ast.expr | None) -> bool:
    """Whether a value is a number, a sum of such, a span of time, or a table of numbers."""
    if isinstance(value, ast.Constant):
        return type(value.value) in (int, float)
    if isinstance(value, ast.UnaryOp):
        return is_number(value.operand)
    if isinstance(value, ast.BinOp):
        return is_number(value.left) or is_number(value.right)
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) == "timedelta"
    if isinstance(value, ast.Tuple | ast.List):
        return any(map(is_number, value.elts))
    return isinstance(value, ast.Dict) and any(map(is_number, value.values))


def test_every_number_has_a_test_or_a_reason() -> None:
    found = constants().keys()
    listed = HELD.keys() | FREE.keys()
    assert sorted(found - listed) == [], "hold it from both sides by a test and list it here"
    assert sorted(listed - found) == [], "there is no such number any more"
    assert not HELD.keys() & FREE.keys()


@pytest.mark.parametrize("name", HELD)
def test_the_test_that_holds_a_number_is_there(name: str) -> None:
    path, _, rest = HELD[name].partition("::")
    function = rest.partition("[")[0]
    assert re.search(rf"^def {function}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)
