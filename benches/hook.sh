#!/usr/bin/env bash
# How long Claude Code waits for the launch hook: each call is answered again and again, one after the
# other, and the middle and the worst time are printed. Runs on its own; another busy process shows.
#
#   benches/hook.sh [TIMES]                   builds flyball; 100 times each, unless said otherwise
#   FLYBALL=path benches/hook.sh              measures that binary
#
# Needs bash, jq and python3 (its clock; the shell's own process would be most of what is measured).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

times=${1:-100}
flyball=${FLYBALL:-}
if [[ -z $flyball ]]; then
  cargo build --release --quiet
  flyball=${CARGO_TARGET_DIR:-target}/release/flyball
fi
flyball=$(realpath "$flyball")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/home" "$work/project/.git" "$work/project/.claude/workflows"

call() { # tool, input
  jq -nc '{hook_event_name: "PreToolUse", session_id: "s", cwd: $cwd, tool_name: $tool, tool_input: $input, tool_use_id: "t"}' \
    --arg cwd "$work/project" --arg tool "$1" --argjson input "$2"
}
script() { jq -nc '{script: $script}' --arg script "$1"; }

small="export const meta = { name: 'small', description: 'Eight agents' }
const told = await parallel(Array.from({ length: 7 }, (_, n) => () => agent('Look at part ' + n, { label: 'look:' + n })))
return await agent('Sum up ' + JSON.stringify(told), { label: 'sum' })"
wide="export const meta = { name: 'wide', description: 'Two hundred agents' }
const schema = { type: 'object', properties: { found: { type: 'array', items: { type: 'string' } } }, required: ['found'] }
const told = await parallel(Array.from({ length: 199 }, (_, n) => () => agent('Look at part ' + n, { label: 'look:' + n, schema })))
return await agent('Sum up ' + JSON.stringify(told), { label: 'sum' })"
hostile="export const meta = { name: 'hostile', description: 'Computes for ever' }
await agent('x', { label: 'x' })
while (true) {}"
printf '%s' "$small" >"$work/project/.claude/workflows/small.js"

call Workflow "$(script "$small")" >"$work/eight agents"
call Workflow '{"name": "small"}' >"$work/eight agents, by name"
call Workflow "$(script "$wide")" >"$work/two hundred agents"
call Workflow "$(script "$hostile")" >"$work/a loop without end"
call Agent '{"description": "look", "prompt": "Look", "subagent_type": "general-purpose"}' >"$work/one agent"
call Read '{"file_path": "x"}' >"$work/another tool"

python3 - "$flyball" "$work" "$times" <<'PYTHON'
import os, subprocess, sys, time
flyball, work, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
environment = {"HOME": work + "/home", "PATH": "/usr/bin:/bin"}
print(f"{'call':<24} {'p50 ms':>8} {'p99 ms':>8} {'worst ms':>9}")
for name in ["another tool", "one agent", "eight agents", "eight agents, by name", "two hundred agents", "a loop without end"]:
    taken = []
    for _ in range(times):
        with open(os.path.join(work, name)) as call:
            begun = time.perf_counter()
            ended = subprocess.run([flyball, "hook", "pre-tool-use"], stdin=call, stdout=subprocess.DEVNULL, env=environment)
            taken.append((time.perf_counter() - begun) * 1000)
        if ended.returncode != 0:
            sys.exit(f"{name}: exit code {ended.returncode}")
    taken.sort()
    print(f"{name:<24} {taken[len(taken) // 2]:8.1f} {taken[int(len(taken) * 0.99)]:8.1f} {taken[-1]:9.1f}")
PYTHON
