#!/usr/bin/env bash
# The real Claude Code through `flyball gateway --claude-home`: a workflow of two phases whose second
# has a budget of its own, and an agent of the Agent tool, which has no phase. Checks that the first
# phase completes and the second stops at its budget, that the refusal names the phase, that what was
# charged to each phase is there to be read, and that no agent was unknown; fails where a check does.
#
# real_client_stage.sh says how it is called and what it needs.
source "$(dirname "${BASH_SOURCE[0]}")/real_client_stage.sh"

readonly look=20 check=20 budget=0.60
home=$work/home
mkdir "$home"
readonly home

# In a subshell it takes its place, so that whoever ends the one ends the other.
clean() { exec env -i PATH=/usr/bin:/bin HOME="$home" FLYBALL_LEDGER="$home/ledger.db" "$@"; }

# Starts a server of flyball; its address goes to $address, its process to $started.
start() { # log, arguments
  local log=$1
  shift
  clean "$flyball" "$@" --listen 127.0.0.1:0 >"$log.out" 2>"$log" &
  started=$!
  listens "$log" "$started"
}

claude() { # arguments; what it says goes to $home/said, its exit code to $code
  code=0
  (
    cd "$home/project"
    clean ANTHROPIC_BASE_URL="$gateway" ANTHROPIC_API_KEY=none IS_SANDBOX=1 \
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
      CLAUDE_CODE_WORKFLOW_MAX_CONCURRENT_AGENTS=16 \
      "$client" --output-format json "$@" </dev/null >"$home/said" 2>"$home/said.errors"
  ) || code=$?
}

runs() { (clean "$flyball" runs charged "$@"); }

mkdir -p "$home/project"
cat >"$home/phases.toml" <<POLICY
schema = 1
name = "phases"

[budget]
phase = { "check" = "\$$budget" }
POLICY
start "$home/upstream.log" simulate-upstream --turns 1-1
upstream=$address
start "$home/gateway.log" gateway --upstream "$upstream" --project trial \
  --policy "$home/phases.toml" --claude-home "$home/.claude"
gateway=$address gateway_pid=$started

readonly session=5f1b4a11-0000-4000-8000-000000000021
script=$(
  cat <<SCRIPT
export const meta = { name: 'two-phases', description: 'Looks, then checks', phases: [{ title: 'Look' }, { title: 'Check' }] }
const all = (what, count) => parallel(Array.from({ length: count }, (_, part) => () =>
  agent(\`\${what} part \${part}. @simulate {"output_tokens":2000} @simulate {"turns":1}\`, { label: \`\${what}:\${part}\` })))
phase('Look')
const seen = await all('look', $look)
phase('Check')
const checked = await all('check', $check)
return { seen: seen.filter(Boolean).length, checked: checked.filter(Boolean).length }
SCRIPT
)
directive() { jq -nc "{tool: \"Workflow\", input: $1}" --arg script "${2:-}"; }
short='@simulate {"output_tokens":50}'
claude -p "@simulate $(directive '{script: $script}' "$script") $short" \
  --allowedTools Workflow --session-id "$session"
journal=$(compgen -G "$home/.claude/projects/*/$session/workflows/wf_*.json")
seen=$(jq .result.seen "$journal") checked=$(jq .result.checked "$journal")
check 'the client ends well' [ "$code" = 0 ]
check 'the first phase completes' [ "$seen" = $look ]
check 'of the second some agents are done, and some refused' [ "$checked" -gt 0 -a "$checked" -lt $check ]
refused=$(grep -c '^exhausted 429' "$home/gateway.log" || true)
check 'every refusal is of an agent of the second phase' [ "$refused" = $((check - checked)) ]
check 'and names it' [ "$(grep -c '^exhausted 429 .*workflow two-phases wf_[^ ]* / phase check has spent' "$home/gateway.log")" = "$refused" ]
claude -p '@simulate {"tool":"Agent","input":{"description":"look","prompt":"Look","subagent_type":"general-purpose"}}' \
  --resume "$session"
check 'an agent of the Agent tool is held to no phase' [ "$code" = 0 -a "$(jq .subagent_stats.completed "$home/said")" = 1 ]
unknown=$(curl -s "$gateway/metrics" | sed -n 's/^flyball_gateway_origins_unknown_total //p')
check 'no agent was unknown' [ "$unknown" = 0 ]
kill "$gateway_pid"
wait "$gateway_pid" || true
billed=$(curl -s "$upstream/simulate/bill" | jq .usd -r)
runs "$session" --format json >"$home/runs.json"
charged() { jq -r ".scopes[] | select(.scope | test(\"$1\")) | .units[] | select(.unit == \"usd\") | .settled" "$home/runs.json"; }
check 'charged is what was billed' holds "$(charged '^session') == $billed"
check 'the phase is within its budget' holds "$(charged '^phase check') <= $budget"
check 'the ledger balances' grep -q balances <(clean "$flyball" ledger verify)

"$client" --version </dev/null 2>/dev/null | head -1 || true
echo "$seen of $look agents of Look, $checked of $check of Check under \$$budget; $refused refused, $unknown unknown"
runs "$session" --agents 3
if ((failures > 0)); then
  sed 's/^/  /' "$home/gateway.log" >&2
  echo "$failures checks failed" >&2
  exit 1
fi
echo 'every check held'
