#!/usr/bin/env bash
# The real Claude Code through `flyball gateway` before `flyball simulate-upstream`: one prompt, a
# subagent, a prompt that nothing is left for, a workflow of twenty agents whose budget ends half-way,
# the same workflow resumed after the budget was raised, and each fault of the upstream once. Checks
# what was spent, refused and paid twice, prints a table, and fails where a check does.
#
#   SLOW=1 benches/real_client.sh             with the faults that the client waits out for minutes
#
# real_client_stage.sh says how it is called and what it needs.
source "$(dirname "${BASH_SOURCE[0]}")/real_client_stage.sh"

readonly cap=0.80 raise=1.50 agents=20

# In a subshell it takes its place, so that whoever ends the one ends the other.
clean() { exec env -i PATH=/usr/bin:/bin HOME="$home" "$@"; }

# Starts a server of flyball; its address goes to $address, its process to $started.
start() { # log, arguments
  local log=$1
  shift
  clean FLYBALL_LEDGER="$home/ledger.db" "$flyball" "$@" --listen 127.0.0.1:0 >"$log.out" 2>"$log" &
  started=$!
  listens "$log" "$started"
}

# A home, an upstream, a ledger and a gateway of their own.
begin() { # name, flags of the gateway
  home=$work/$1
  mkdir -p "$home/project"
  shift
  start "$home/upstream.log" simulate-upstream --turns 1-1
  upstream=$address
  start "$home/gateway.log" gateway --upstream "$upstream" --project trial "$@"
  gateway=$address gateway_pid=$started
}

claude() { # arguments; what it says goes to $home/said, its exit code to $code
  code=0
  (
    cd "$home/project"
    clean ANTHROPIC_BASE_URL="$gateway" ANTHROPIC_API_KEY=none IS_SANDBOX=1 \
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
      "$client" --output-format json "$@" </dev/null >"$home/said" 2>"$home/said.errors"
  ) || code=$?
}

bill() { curl -s "$upstream/simulate/bill" | jq -r "$1"; }
books() { # settled or reserved, of the one session
  (clean FLYBALL_LEDGER="$home/ledger.db" "$flyball" runs charged --format json) |
    jq -r ".runs[0].units[] | select(.unit == \"usd\") | .$1"
}
logged() { grep -c "$1" "$home/gateway.log" || true; }
end() { kill "$gateway_pid"; wait "$gateway_pid" || true; }

explain() { sed 's/^/  /' "$home/gateway.log" >&2; }

rows=()
show() { # note; a row of the table, after the gateway has ended
  rows+=("$row|$code|$(bill .requests)|$(bill .usd)|$(books settled)|$(books reserved)|$1")
}

row='one prompt'
begin prompt
claude -p 'Say hello'
end
check 'the client ends well' [ "$code" = 0 ]
check 'one request' [ "$(bill .requests)" = 1 ]
check 'charged is what was billed' [ "$(books settled)" = "$(bill .usd)" ]
check 'the client counts the same dollars' holds "$(jq .total_cost_usd "$home/said") - $(bill .usd) | fabs < 1e-9"
show ''

row='a subagent'
begin subagent
claude -p '@simulate {"tool":"Agent","input":{"description":"look","prompt":"Look","subagent_type":"general-purpose"}}'
end
check 'the client ends well' [ "$code" = 0 ]
check 'an agent asked' [ "$(logged ' agent ')" = 1 ]
check 'the agent ended well' [ "$(jq .subagent_stats.completed "$home/said")" = 1 ]
check 'charged is what was billed' [ "$(books settled)" = "$(bill .usd)" ]
show ''

row='nothing left'
begin denied --session-budget 0.01usd
claude -p 'Say hello'
end
check 'the client ends with an error' [ "$code" = 1 ]
check 'one request, which is refused' [ "$(logged '^exhausted 429')" = 1 -a "$(bill .requests)" = 0 ]
check 'the client shows why' [ "$(jq '.result | contains("flyball: spend limit reached")' "$home/said")" = true ]
rows+=("$row|$code|0|0|||$(jq -r '.result[:79]' "$home/said")…")

row="$agents agents"
readonly session=5f1b4a11-0000-4000-8000-000000000020
begin workflow --session-budget "${cap}usd"
script=$(
  cat <<SCRIPT
export const meta = { name: 'parts', description: 'Looks at many parts', phases: [{ title: 'Look' }] }
const told = await parallel(Array.from({ length: $agents }, (_, part) => () =>
  agent(\`Look at part \${part}. @simulate {"output_tokens":2000} @simulate {"turns":1}\`, { label: \`part-\${part}\` })))
return { done: told.filter(Boolean).length, denied: told.filter(one => one === null).length }
SCRIPT
)
directive() { jq -nc "{tool: \"Workflow\", input: $1}" --arg script "${2:-}" --arg run "${3:-}"; }
short='@simulate {"output_tokens":50}'
claude -p "@simulate $(directive '{script: $script}' "$script") $short" \
  --allowedTools Workflow --session-id "$session"
journal=$(compgen -G "$home/.claude/projects/*/$session/workflows/wf_*.json")
done=$(jq .result.done "$journal") denied=$(jq .result.denied "$journal")
refused=$(logged '^exhausted 429 .* agent ')
who=$(grep '^exhausted 429 .* agent ' "$home/gateway.log" | grep -o ' agent [0-9a-f]*' | sort -u | wc -l)
before=$(bill .requests)
check 'the upstream billed no more than the budget' holds "$(bill .usd) <= $cap"
check 'some agents ended well and some were denied' [ "$done" -gt 0 -a "$denied" -gt 0 ]
check 'who was denied is null' [ $((done + denied)) = $agents ]
check 'a refusal is one request of one agent' [ "$refused" = "$denied" -a "$who" = "$denied" ]
check 'the workflow shows why' [ "$(jq '.logs | map(select(contains("flyball: spend limit reached"))) | length' "$journal")" = "$denied" ]
rows+=("$row|$code|$before|$(bill .usd)|||budget \$$cap: $done done, $denied denied with $refused requests")

row='resumed'
(clean FLYBALL_LEDGER="$home/ledger.db" "$flyball" runs raise "$session" "${raise}usd") >/dev/null
begun=$(logged ' agent ') refusals=$(logged '^exhausted')
claude -p "@simulate $(directive '{scriptPath: $script, resumeFromRunId: $run}' \
  "$(jq -r .scriptPath "$journal")" "$(jq -r .runId "$journal")") $short" \
  --allowedTools Workflow --resume "$session"
end
check 'the client ends well' [ "$code" = 0 ]
check 'all agents are done' [ "$(jq -c .result "$journal")" = "{\"done\":$agents,\"denied\":0}" ]
check 'who was done asks nothing' [ $(($(logged ' agent ') - begun)) = "$denied" ]
check 'and is taken from before' [ "$(jq '[.workflowProgress[] | select(.cached)] | length' "$journal")" = "$done" ]
check 'nothing is refused any more' [ "$(logged '^exhausted')" = "$refusals" ]
check 'the upstream billed no more than the raised budget' holds "$(bill .usd) <= $cap + $raise"
check 'charged is what was billed' [ "$(books settled)" = "$(bill .usd)" ]
check 'nothing stays reserved' [ "$(books reserved)" = 0 ]
show "budget raised by \$$raise: $(($(logged ' agent ') - begun)) agents asked, $done from before"

faults='status-400 status-401 status-429 status-500 status-529 error-mid-stream reset close-early
  truncate drip usage-over usage-disagree bad-sse no-usage'
if [[ -n ${SLOW:-} ]]; then faults+=' stall no-headers'; fi
for fault in $faults; do
  row=$fault
  begin "$fault"
  claude -p "Look. $short @simulate {\"fault\":\"$fault\",\"times\":1}"
  end
  check 'the client ends well' [ "$code" = 0 ]
  check 'charged is at least what was billed' holds "$(books settled) >= $(bill .usd)"
  check 'nothing stays reserved' [ "$(books reserved)" = 0 ]
  show "$(grep -v '^flyball: gateway' "$home/gateway.log" | grep -o '^[a-z_]* [0-9]*' | paste -sd, | sed 's/,/, /g; s/flyball.*/overrun/')"
done

"$client" --version </dev/null 2>/dev/null | head -1 || true
printf '%-17s %4s %8s %11s %11s %8s  %s\n' 'what' exit requests billed charged reserved ''
for line in "${rows[@]}"; do
  IFS='|' read -r what code requests billed charged reserved note <<<"$line"
  printf '%-17s %4s %8s %11s %11s %8s  %s\n' "$what" "$code" "$requests" "$billed" "$charged" "$reserved" "$note"
done
if ((failures > 0)); then
  echo "$failures checks failed" >&2
  exit 1
fi
echo 'every check held'
