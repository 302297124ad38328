#!/usr/bin/env bash
# The real Claude Code with flyball's plugin, before `flyball simulate-upstream`: the client's own
# check of the plugin; a workflow over the budget and a small one, with the plugin from a folder, from
# the marketplace of this checkout, and with the hook that `flyball init` writes; then a machine where
# flyball is not installed. Prints a table, and fails where a check does.
#
# real_client_stage.sh says how it is called and what it needs.
source "$(dirname "${BASH_SOURCE[0]}")/real_client_stage.sh"

root=$PWD
readonly root
mkdir "$work/bin"
ln -s "$flyball" "$work/bin/flyball"

installed=$work/bin
clean() { exec env -i PATH="$installed:/usr/bin:/bin" HOME="$home" "$@"; }

# A home, a repository with a budget, and an upstream of its own.
begin() { # name
  home=$work/$1
  mkdir -p "$home/project/.git"
  printf 'budget = "1usd"\n' >"$home/project/flyball.toml"
  (installed=$work/bin clean "$flyball" simulate-upstream --turns 1-1 --listen 127.0.0.1:0 >"$home/bill.json" 2>"$home/upstream.log") &
  upstream_pid=$!
  listens "$home/upstream.log" "$upstream_pid"
  upstream=$address
  before=0
}
end() { kill "$upstream_pid"; wait "$upstream_pid" || true; }

claude() { # arguments; what it says goes to $home/said, its exit code to $code
  code=0
  (
    cd "$home/project"
    clean ANTHROPIC_BASE_URL="$upstream" ANTHROPIC_API_KEY=none IS_SANDBOX=1 \
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
      "$client" "$@" </dev/null >"$home/said" 2>"$home/said.errors"
  ) || code=$?
}

# One prompt that makes the model start a workflow.
start() { # script, flags
  local input
  input=$(jq -nc '{tool: "Workflow", input: {script: $script}}' --arg script "$1")
  shift
  claude --output-format json "$@" -p "@simulate $input"
}

# Requests since the last row of the table.
requests() { echo $(($(curl -s "$upstream/simulate/bill" | jq -r .requests) - before)); }
# What the model was told of its call: the transcript has it.
told() { cat "$home"/.claude/projects/*/*.jsonl | grep -c "$1" || true; }
denied() { jq -r '.permission_denials | length' "$home/said"; }

readonly meta="description: 'Looks at parts', phases: [{ title: 'Look' }] }"
readonly dear="export const meta = { name: 'dear', $meta
const parts = Array.from({ length: 12 }, (_, part) => part)
return await parallel(parts.map(part => () => agent(\`Look at part \${part}\`, { label: \`part-\${part}\`, phase: 'Look', model: 'opus' })))"
readonly cheap="export const meta = { name: 'cheap', $meta
return await agent('Look at part 1', { label: 'part-1', phase: 'Look', model: 'haiku' })"

explain() { sed 's/^/  /' "$home/said" "$home/said.errors" >&2; }

rows=()
show() { # note
  local asked
  asked=$(requests)
  rows+=("$row|$code|$asked|$1")
  before=$((before + asked))
}

# A workflow over the budget of the repository does not start, a small one does.
tries() { # name, flags of the client
  local name=$1
  shift
  row="$name: over budget"
  start "$dear" "$@"
  check 'the client goes on' [ "$code" = 0 ]
  check 'the model is told why' [ "$(told 'flyball denies dear: it needs')" -gt 0 ]
  check 'the call counts as denied' [ "$(denied)" = 1 ]
  check 'no agent asks anything' [ "$(requests)" = 2 ]
  show 'denied, the model reads the number needed'
  row="$name: small"
  start "$cheap" "$@"
  check 'the client goes on' [ "$code" = 0 ]
  check 'nothing is denied' [ "$(denied)" = 0 ]
  check 'the agent asks' [ "$(requests)" -ge 3 ]
  show 'goes ahead'
}

row='plugin validate'
begin validate
claude plugin validate --strict "$root"
check 'the marketplace is one' [ "$code" = 0 ]
claude plugin validate --strict "$root/plugin"
check 'the plugin is one' [ "$code" = 0 ]
show "$(grep -c '❯' "$home/said") parts"
end

begin folder
tries '--plugin-dir' --plugin-dir "$root/plugin"
end

begin marketplace
row='marketplace'
claude plugin marketplace add "$root"
check 'the checkout is a marketplace' [ "$code" = 0 ]
claude plugin install flyball@flyball
check 'the plugin is installed' [ "$code" = 0 ]
(cd "$home/project" && clean "$flyball" doctor) >"$home/doctor" || true
check 'the doctor finds it' grep -q '^ok    plugin' "$home/doctor"
tries 'marketplace'
end

begin init
row='flyball init'
(cd "$home/project" && clean "$flyball" init --project --yes) >/dev/null
tries 'flyball init'
end

begin missing
row='no flyball: plugin'
mkdir "$work/empty"
installed=$work/empty
start "$cheap" --plugin-dir "$root/plugin"
check 'the client goes on' [ "$code" = 0 ]
check 'the model is told why' [ "$(told 'flyball is not in PATH')" -gt 0 ]
check 'no agent asks anything' [ "$(requests)" = 2 ]
show 'blocked, the model reads how to install it'
row='no flyball: init'
(cd "$home/project" && exec env -i PATH="$work/bin:/usr/bin:/bin" HOME="$home" "$flyball" init --project --yes) >/dev/null
start "$cheap"
check 'the client goes on' [ "$code" = 0 ]
check 'no agent asks anything' [ "$(requests)" = 2 ]
show 'blocked'
installed=$work/bin
end

(home=$work clean "$client" --version) </dev/null 2>/dev/null | head -1 || true
printf '%-26s %4s %8s  %s\n' 'what' exit requests ''
for line in "${rows[@]}"; do
  IFS='|' read -r what code count note <<<"$line"
  printf '%-26s %4s %8s  %s\n' "$what" "$code" "$count" "$note"
done
if ((failures > 0)); then
  echo "$failures checks failed" >&2
  exit 1
fi
echo 'every check held'
