#!/usr/bin/env bash
# Two sessions of the real Claude Code at once, each behind a gateway of its own as on two machines, on
# one ledger with one budget for the day: a workflow of twenty agents in one, in the other an agent that
# the Agent tool starts. Checks that both together are held to the day, and that what both
# gateways charged is what the upstream billed.
#
# real_client_stage.sh says how it is called and what it needs.
source "$(dirname "${BASH_SOURCE[0]}")/real_client_stage.sh"

readonly cap=1.20 agents=20
mkdir -p "$work/bin"
ln -s "$client" "$work/bin/claude"

# In a subshell it takes its place, so that whoever ends the one ends the other.
clean() { exec env -i PATH="$work/bin:/usr/bin:/bin" HOME="$home" FLYBALL_LEDGER="$work/ledger.db" "$@"; }

home=$work/one
mkdir -p "$work/one/project" "$work/two/project"
clean "$flyball" simulate-upstream --turns 1-1 --listen 127.0.0.1:0 >"$work/upstream" 2>&1 &
listens "$work/upstream" $!
upstream=$address
(clean "$flyball" budget set day "${cap}usd") >/dev/null

begin() { # name, flags and arguments of the client; runs beside the other
  home=$work/$1
  shift
  (
    cd "$home/project"
    clean ANTHROPIC_API_KEY=none IS_SANDBOX=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
      "$flyball" exec --upstream "$upstream" --project trial --budget 5usd --no-hook --out "$home/report.json" -- claude "$@" \
      </dev/null >"$home/said" 2>"$home/report"
  ) &
}
report() { jq -r "$2" "$work/$1/report.json"; }
bill() { curl -s "$upstream/simulate/bill" | jq -r "$1"; }

script=$(
  cat <<SCRIPT
export const meta = { name: 'parts', description: 'Looks at many parts' }
const told = await parallel(Array.from({ length: $agents }, (_, part) => () =>
  agent(\`Look at part \${part}. @simulate {"output_tokens":2000} @simulate {"turns":1}\`, { label: \`part-\${part}\` })))
return { done: told.filter(Boolean).length }
SCRIPT
)
workflow=$(jq -nc '{tool: "Workflow", input: {script: $script}}' --arg script "$script")
helper='{"tool":"Agent","input":{"description":"look","prompt":"Look","subagent_type":"general-purpose"}}'
begin one -p "@simulate $workflow @simulate {\"output_tokens\":50}" --allowedTools Workflow
one=$!
begin two -p "@simulate $helper @simulate {\"output_tokens\":50}"
two=$!
wait "$one" || true
wait "$two" || true

billed=$(bill .usd) both=$(jq -n "$(report one .spent_usd) + $(report two .spent_usd)")
day=$( (clean "$flyball" budget show --format json) | jq -c '.. | objects | select(.unit? == "usd" and .settled? != null)' | head -1)
echo "day      $cap dollars: billed $billed, charged $both by two gateways"
echo "one      $(report one .spent_usd) in $(report one .requests) requests: $(report one '.workflows[0].calls | "\(.done) agents done, \(.refused) refused"')"
echo "two      $(report two .spent_usd) in $(report two .requests) requests"
echo "ledger   $day"
check 'the upstream billed no more than the day has' holds "$billed <= $cap"
check 'both together charged what was billed' holds "($both - $billed) | fabs < 1e-9"
check 'both spent' holds "$(report one .spent_usd) > 0 and $(report two .spent_usd) > 0"
check 'the day refused agents of the workflow' [ "$(report one '.workflows[0].calls.refused')" -gt 0 ]
check 'nothing went around' [ "$(report one .bypassed[0])$(report two .bypassed[0])" = nullnull ]
if ((failures > 0)); then
  sed "s|$work|…|g; s|token=[0-9a-f]*|token=…|" "$work/one/report" "$work/two/report" >&2
  echo "$failures checks failed" >&2
  exit 1
fi
echo 'every check held'
