#!/usr/bin/env bash
# Paired: `flyball plan` of an eight-agent script at 200 samples, against Node starting up and
# running the same script once with stubs. Alternating, so that both meet the same machine.
# Prints both medians, their ratio, and each one's peak memory.
#
#   benches/plan_vs_node.sh [ROUNDS]          default 15 rounds after 2 that do not count
#   FLYBALL=path benches/plan_vs_node.sh      measures that binary instead of building one
#
# Needs bash 5 and node. Peak memory needs GNU time as /usr/bin/time; without it, it is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# A comma as decimal point would break the arithmetic below.
export LC_ALL=C

readonly rounds=${1:-15}
readonly warm_up=2
readonly script=benches/eight-agents.js
readonly samples=200

if [[ ! $rounds =~ ^[1-9][0-9]*$ ]]; then
  echo "rounds: expected a positive number, got '$rounds'" >&2
  exit 2
fi
if ! command -v node >/dev/null; then
  echo 'node is not installed: there is nothing to compare with' >&2
  exit 2
fi
flyball=${FLYBALL:-}
if [[ -z $flyball ]]; then
  cargo build --release --quiet
  flyball=${CARGO_TARGET_DIR:-target}/release/flyball
fi
readonly flyball

plan() { "$flyball" plan "$script" --samples "$samples" --seed 7 --format json; }
stub() { node benches/stub.mjs "$script"; }

# One checked run of each before anything is timed: a command that fails is fast.
plan >/dev/null || { echo "flyball plan failed with exit code $?" >&2; exit 1; }
stub >/dev/null || { echo "node failed with exit code $?" >&2; exit 1; }

# Microseconds that a command takes.
micros_of() {
  local begin=$EPOCHREALTIME
  "$1" >/dev/null
  local end=$EPOCHREALTIME
  echo $((${end/./} - ${begin/./}))
}

# Peak resident memory in kilobytes: the largest of the process and the children it waited for.
peak_of() {
  if /usr/bin/time -f %M true >/dev/null 2>&1; then
    { /usr/bin/time -f %M "$@" >/dev/null; } 2>&1 | tail -n 1
  else
    echo ''
  fi
}

median() { sort -n | awk '{ v[NR] = $1 } END { m = int((NR + 1) / 2); print NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2 }'; }

plan_micros=() stub_micros=()
for ((round = 1; round <= warm_up + rounds; round++)); do
  # Who goes first changes from round to round.
  if ((round % 2)); then
    p=$(micros_of plan) s=$(micros_of stub)
  else
    s=$(micros_of stub) p=$(micros_of plan)
  fi
  if ((round > warm_up)); then
    plan_micros+=("$p") stub_micros+=("$s")
  fi
done

plan_median=$(printf '%s\n' "${plan_micros[@]}" | median)
stub_median=$(printf '%s\n' "${stub_micros[@]}" | median)
plan_peak=$(peak_of "$flyball" plan "$script" --samples "$samples" --seed 7 --format json)
stub_peak=$(peak_of node benches/stub.mjs "$script")

report() { # name, microseconds, kilobytes
  awk -v name="$1" -v micros="$2" -v kb="$3" 'BEGIN {
    memory = kb == "" ? "memory not measured" : sprintf("%.0f MB at its peak", kb / 1024)
    printf "%-34s %7.1f ms   %s\n", name, micros / 1000, memory
  }'
}
echo "medians of $rounds alternating rounds, $(node --version), $(nproc 2>/dev/null || echo '?') cores"
report "flyball plan, $samples samples" "$plan_median" "$plan_peak"
report 'node, the script once with stubs' "$stub_median" "$stub_peak"
awk -v p="$plan_median" -v s="$stub_median" 'BEGIN { printf "ratio flyball / node                %.2f\n", p / s }'
