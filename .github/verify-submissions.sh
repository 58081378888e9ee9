#!/usr/bin/env bash
# verify-submissions.sh BASE HEAD COMMENT
# Verifies the submissions that differ between two checkouts and writes a Markdown comment.
# Needs $BASE and $HEAD, the two commits, and `harness` installed from BASE. HEAD is data.
set -euo pipefail
base=$1 head=$2 comment=$3
fence='~~~~~~~~'

folders=()
strays=0
while IFS= read -r -d '' name; do
  if [[ $name =~ ^(submissions/[a-z0-9-]+/[a-z0-9][a-z0-9._-]*)/ ]]; then
    folders+=("${BASH_REMATCH[1]}")
  else
    strays=$((strays + 1))
  fi
done < <(git -C "$head" diff --name-only -z "$BASE...$HEAD" -- submissions)
mapfile -t folders < <(printf '%s\n' "${folders[@]:-}" | sort -u | sed '/^$/d')
others=$(git -C "$head" diff --name-only "$BASE...$HEAD" -- . ':!submissions' ':!leaderboard' | wc -l)

status=0
{
  echo "## harness verify"
  echo
  for folder in "${folders[@]}"; do
    echo "### \`$folder\`"
    if [[ ! -e $head/$folder ]]; then
      echo "removed"
      continue
    fi
    echo "$fence"
    (cd "$head" && timeout 120 harness verify "$folder") || status=1
    echo "$fence"
  done
  if [[ ${#folders[@]} -eq 0 ]]; then
    echo "No submission folder changed: submissions lie in \`submissions/<challenge>/<name>/\`."
    status=1
  fi
  if [[ $strays -gt 0 ]]; then
    echo
    echo "$strays files below \`submissions/\` lie in no folder of that form, and were not verified."
    status=1
  fi
  if [[ $others -gt 0 ]]; then
    echo
    echo "$others files outside of \`submissions/\` change too; please send them apart."
  fi
  echo
  echo "## What it does to the table"
  if (cd "$head" && harness leaderboard --out ../generated > /dev/null 2>&1); then
    echo "$fence diff"
    diff -U0 <(cat "$base"/leaderboard/*/*.csv) <(cat generated/*/*.csv) \
      | tail -n +3 | cut -c1-300 || true
    echo "$fence"
  else
    echo "Not generated: a submission is refused."
  fi
} > "$comment" 2>&1
cat "$comment" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
exit $status
