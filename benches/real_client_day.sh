#!/usr/bin/env bash
# Two sessions of the real Claude Code at once, each behind a gateway of its own as on two machines, on
# one ledger with one budget for the day: a workflow of twenty agents in one, in the other an agent that
# the Agent tool starts. Checks that both together are held to the day, and that what both
# gateways charged is what the upstream billed.
#
#   benches/real_client_day.sh               installs the client into a throw-away folder with npm
#   benches/real_client_day.sh CLIENT        uses that binary of Claude Code, 2.1.330 or later
#   FLYBALL=path benches/real_client_day.sh  runs that binary of flyball instead of building one
#
# Needs bash, curl, jq, and npm unless a client is given; Linux on x86-64. The client is not free
# software and is kept nowhere. It gets a home of its own, no key, and only addresses of loopback.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

readonly version=2.1.330
readonly cap=1.20 agents=20

for tool in curl jq; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
flyball=${FLYBALL:-}
if [[ -z $flyball ]]; then
  cargo build --release --quiet
  flyball=${CARGO_TARGET_DIR:-target}/release/flyball
fi
flyball=$(realpath "$flyball")
work=$(mktemp -d)
readonly flyball work

clean_up() {
  for pid in $(jobs -pr); do kill "$pid" || true; done
  wait
  rm -rf "$work"
}
trap clean_up EXIT

client=${1:-}
if [[ -z $client ]]; then
  package=@anthropic-ai/claude-code-linux-x64
  npm install --prefix "$work/client" --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$version"
  client=$work/client/node_modules/$package/claude
fi
client=$(realpath "$client")
readonly client
mkdir -p "$work/bin"
ln -s "$client" "$work/bin/claude"

# In a subshell it takes its place, so that whoever ends the one ends the other.
clean() { exec env -i PATH="$work/bin:/usr/bin:/bin" HOME="$home" FLYBALL_LEDGER="$work/ledger.db" "$@"; }

home=$work/one
mkdir -p "$work/one/project" "$work/two/project"
clean "$flyball" simulate-upstream --turns 1-1 --listen 127.0.0.1:0 >"$work/upstream" 2>&1 &
until grep -qs 'http://' "$work/upstream"; do
  kill -0 $! 2>/dev/null || { cat "$work/upstream" >&2; exit 1; }
  sleep 0.05
done
upstream=$(grep -om1 'http://[0-9.]*:[0-9]*' "$work/upstream")
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
holds() { jq -en "$1" >/dev/null; } # arithmetic

failures=0
check() { # words, command
  local words=$1
  shift
  if ! "$@"; then
    echo "FAILED: $words" >&2
    failures=$((failures + 1))
  fi
}

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
