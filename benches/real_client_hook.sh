#!/usr/bin/env bash
# The real Claude Code with flyball's launch hook, before `flyball simulate-upstream`: a workflow that
# is denied, one whose fan-out agents are moved to Haiku, one that goes ahead without a word, each
# started by its text, its name and its path; then what becomes of a hook that cannot check, of one
# that crashes, and of one that is not there. Prints a table, and fails where a check does.
#
# real_client_stage.sh says how it is called and what it needs.
source "$(dirname "${BASH_SOURCE[0]}")/real_client_stage.sh"

clean() { exec env -i PATH=/usr/bin:/bin HOME="$home" "$@"; }

# A home with a saved workflow, and an upstream of its own.
begin() { # name
  home=$work/$1
  mkdir -p "$home/project/.claude/workflows" "$home/project/.git"
  printf '%s' "$script" >"$home/project/.claude/workflows/parts.js"
  printf '%s' "$script" >"$home/project/elsewhere.js"
  clean "$flyball" simulate-upstream --turns 1-1 --listen 127.0.0.1:0 >"$home/bill.json" 2>"$home/upstream.log" &
  upstream_pid=$!
  listens "$home/upstream.log" "$upstream_pid"
  upstream=$address
}
end() { kill "$upstream_pid"; wait "$upstream_pid" || true; }

# One prompt that makes the model call a tool; what the client says goes to $home/said.
claude() { # command of the hook, tool, input of the tool
  local settings input
  settings=$(jq -nc '{hooks: {PreToolUse: [{matcher: "Workflow|Agent|Task", hooks: [{type: "command", command: $command}]}]}}' --arg command "$1")
  input=$(jq -nc '{tool: $tool, input: $input}' --arg tool "$2" --argjson input "$3")
  code=0
  (
    cd "$home/project"
    clean ANTHROPIC_BASE_URL="$upstream" ANTHROPIC_API_KEY=none IS_SANDBOX=1 \
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
      "$client" --output-format json --settings "$settings" ${allowed[@]+"${allowed[@]}"} \
      -p "@simulate $input" </dev/null >"$home/said" 2>"$home/said.errors"
  ) || code=$?
}

bill() { curl -s "$upstream/simulate/bill" | jq -r "$1"; }
on_haiku() { bill '[.models | to_entries[] | select(.key | contains("haiku")) | .value.requests] | add // 0'; }
models() { bill '.models | to_entries | map("\(.key | ltrimstr("claude-"))=\(.value.requests)") | join(" ")'; }
transcript() { cat "$home"/.claude/projects/*/*.jsonl >"$home/transcript"; }
agents() { find "$home/.claude/projects" -name 'agent-*.jsonl' | wc -l; }

rows=()
show() { rows+=("$row|$code|$(agents)|$(models)|$1"); end; }
says() { transcript && grep -qF "$1" "$home/transcript"; }
# The command of the hook stands in the transcript all the same.
silent() { transcript && ! grep -qE 'flyball(:| asks| denies| did| could)' "$home/transcript"; }
quoted() { transcript && grep -o 'flyball denies[^"]*' "$home/transcript" | sed -n '1s/^\(.\{60\}\).*/\1…/p'; }

readonly script="export const meta = { name: 'parts', description: 'Looks at many parts', phases: [{ title: 'Look' }, { title: 'Sum up' }] }
const told = await parallel(Array.from({ length: 5 }, (_, part) => () =>
  agent(\`Look at part \${part}. @simulate {\"output_tokens\":50}\`, { label: \`part-\${part}\`, phase: 'Look' })))
return await agent('Sum up. @simulate {\"output_tokens\":50} ' + told.length, { label: 'sum', phase: 'Sum up' })
"
readonly by_text=$(jq -nc '{script: $script}' --arg script "$script")
readonly by_name='{"name": "parts"}'
readonly by_path='{"scriptPath": "elsewhere.js"}'
readonly gate="$flyball hook pre-tool-use"
allowed=()

for way in text name path; do
  call=by_$way
  row="denied, by $way"
  begin "deny-$way"
  claude "$gate --budget 0.50usd" Workflow "${!call}"
  check 'no agent started' [ "$(agents)" = 0 ]
  check 'the model reads why' says 'flyball denies parts: it needs'
  check 'the client lists it' [ "$(jq '.permission_denials | length' "$home/said")" = 1 ]
  show "$(quoted)"

  row="rewritten, by $way"
  begin "rewrite-$way"
  claude "$gate --policy haiku-fanout --allow-under 1000usd" Workflow "${!call}"
  check 'all agents ran' [ "$(agents)" = 6 ]
  check 'five of them on Haiku' [ "$(on_haiku)" = 5 ]
  check 'the file is as it was' cmp -s <(printf '%s' "$script") "$home/project/elsewhere.js"
  show 'five on Haiku, the sum on the session model'

  row="allowed, by $way"
  begin "allow-$way"
  claude "$gate --allow-under 1000usd" Workflow "${!call}"
  check 'all agents ran' [ "$(agents)" = 6 ]
  check 'none of them on Haiku' [ "$(on_haiku)" = 0 ]
  check 'nothing is said' silent
  show 'without a word'
done

row='asked, in -p'
begin ask
claude "$gate --allow-under 0.01usd" Workflow "$by_text"
check 'no agent started' [ "$(agents)" = 0 ]
check 'the model reads why' says 'flyball asks about parts'
show 'asking is denying where nobody answers'

row='one agent, denied'
begin agent
claude "$gate --budget 0.01usd" Agent '{"description":"look","prompt":"Look","subagent_type":"general-purpose"}'
check 'no agent started' [ "$(agents)" = 0 ]
check 'the model reads why' says 'flyball denies agent: it needs'
show ''

row='two scripts in a call'
begin both
claude "$gate --allow-under 1000usd" Workflow "$(jq -nc '{scriptPath: "elsewhere.js", script: $script}' --arg script "${script//length: 5/length: 2}")"
check 'what was planned ran' [ "$(agents)" = 6 ]
show 'only the planned one is handed on'

# From here on the workflow is allowed by the client itself, so that only the hook can stop it.
allowed=(--allowedTools Workflow)
row='cannot check'
begin blocked
claude "$gate --policy missing.toml" Workflow "$by_text"
check 'no agent started' [ "$(agents)" = 0 ]
check 'the model reads why' says 'could not check this launch, so it is blocked'
show 'exit code 2 blocks'

row='cannot check, --fail-open'
begin open
claude "$gate --policy missing.toml --fail-open" Workflow "$by_text"
check 'all agents ran' [ "$(agents)" = 6 ]
show 'chosen by the user'

row='crashes, not by flyball'
begin crash
claude 'kill -SEGV $$' Workflow "$by_text"
show "$([ "$(agents)" = 0 ] && echo blocked || echo 'goes ahead: the client fails open')"

row='no such program'
begin missing
claude "$work/nowhere hook pre-tool-use" Workflow "$by_text"
show "$([ "$(agents)" = 0 ] && echo blocked || echo 'goes ahead: the client fails open')"

"$client" --version </dev/null 2>/dev/null | head -1 || true
printf '%-26s %4s %6s  %-46s %s\n' 'what' exit agents 'requests by model' ''
for line in "${rows[@]}"; do
  IFS='|' read -r what code agents models note <<<"$line"
  printf '%-26s %4s %6s  %-46s %s\n' "$what" "$code" "$agents" "$models" "$note"
done
if ((failures > 0)); then
  echo "$failures checks failed" >&2
  exit 1
fi
echo 'every check held'
