#!/usr/bin/env bash
# The real Claude Code under `flyball exec` before `flyball simulate-upstream`: a workflow of twenty
# agents whose budget ends half-way, the same run raised and resumed to its end, a session that is
# forked, a launch that the gate denies, and a client whose settings are taken away from it. The
# settings files of the user and of the project set ANTHROPIC_BASE_URL to where nobody listens. Checks
# what was spent, named and found out, prints the reports, and fails where a check does.
#
# real_client_stage.sh says how it is called and what it needs.
source "$(dirname "${BASH_SOURCE[0]}")/real_client_stage.sh"

readonly cap=0.80 raised=2.50 agents=20
mkdir -p "$work/bin" "$work/around"
ln -s "$client" "$work/bin/claude"

# In a subshell it takes its place, so that whoever ends the one ends the other.
clean() { exec env -i PATH="$work/bin:/usr/bin:/bin" HOME="$home" "$@"; }

home=$work/home
mkdir -p "$home/project/.claude" "$home/.claude"
for settings in "$home/.claude/settings.json" "$home/project/.claude/settings.json"; do
  echo '{"env":{"ANTHROPIC_BASE_URL":"http://127.0.0.1:9","CLAUDE_CODE_USE_BEDROCK":"1"}}' >"$settings"
done
clean "$flyball" simulate-upstream --turns 1-1 --listen 127.0.0.1:0 >"$work/upstream" 2>&1 &
listens "$work/upstream" $!
upstream=$address

held() { # flags of exec, --, command; its report goes to $home/report*, what it says to $home/said
  code=0
  rm -f "$home/report.json"
  (
    cd "$home/project"
    clean ANTHROPIC_API_KEY=none IS_SANDBOX=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 ${extra:-} \
      "$flyball" exec --upstream "$upstream" --project trial --out "$home/report.json" "$@" \
      </dev/null >"$home/said" 2>"$home/report"
  ) || code=$?
  echo "--- $row: exit code $code"
  sed "s|$work|…|g; s|token=[0-9a-f]*|token=…|" "$home/report"
}
bill() { curl -s "$upstream/simulate/bill" | jq -r "$1"; }
report() { jq -c "$1" "$home/report.json"; }
directive() { jq -nc "{tool: \"Workflow\", input: $1}" --arg script "${2:-}" --arg run "${3:-}"; }

readonly short='@simulate {"output_tokens":50}'
script=$(
  cat <<SCRIPT
export const meta = { name: 'parts', description: 'Looks at many parts', phases: [{ title: 'Look' }, { title: 'Sum' }] }
phase('Look')
const told = await parallel(Array.from({ length: $agents }, (_, part) => () =>
  agent(\`Look at part \${part}. @simulate {"output_tokens":2000} @simulate {"turns":1}\`, { label: \`part-\${part}\` })))
phase('Sum')
const sum = await agent('Sum up. @simulate {"turns":1} @simulate {"output_tokens":50}', { label: 'sum' })
return { done: told.filter(Boolean).length, summed: sum !== null }
SCRIPT
)

row='a cap half-way'
held --run nightly --budget "${cap}usd" --no-hook -- \
  claude -p "@simulate $(directive '{script: $script}' "$script") $short" --allowedTools Workflow
run=$(report '.workflows[0].run' | jq -r .) session=$(report '.workflows[0].session' | jq -r .)
look='.workflows[0].phases[] | select(.title == "Look") | .calls'
done=$(report "$look.done") refused=$(report "$look.refused")
before=$(bill .usd)
check 'the upstream billed no more than the budget' holds "$before <= $cap"
check 'charged is what was billed' [ "$(report .spent_usd)" = "\"$before\"" ]
check 'phases are named' [ "$(report '[.workflows[0].phases[].title]')" = '["Look","Sum"]' ]
check 'some agents ended well and some were refused' [ "$done" -gt 0 -a "$refused" -gt 0 ]
check 'every agent is one or the other' [ $((done + refused)) = $agents ]
check 'who was refused is named' [ "$(report '[.workflows[0].phases[0].agents[] | select(.ending == "refused") | .label | startswith("part-")] | all')" = true ]
check 'what finishing needs is said' [ "$(report '.workflows[0].to_finish.agents')" = $((refused + 1)) ]
check 'how to go on is said' [ "$(report '.resume.commands[-1] | contains("--run nightly --budget")')" = true ]
check 'the exit code is the client'"'"'s, or says that a budget stopped it' [ "$code" = 1 -o "$code" = 4 ]
check 'nothing went around' [ "$(report '.bypassed')" = '[]' ]
script_path=$(report '.workflows[0].script' | jq -r .)

row='raised and resumed'
held --run nightly --budget "${raised}usd" --no-hook -- \
  claude -p "@simulate $(directive '{scriptPath: $script, resumeFromRunId: $run}' "$script_path" "$run") $short" \
  --allowedTools Workflow --resume "$session"
check 'the client ends well' [ "$code" = 0 ]
check 'all agents are done' [ "$(report '.workflows[0].calls | [.done, .refused, .unfinished]')" = "[$((agents + 1)),0,0]" ]
check 'those from before asked nothing' [ "$(report '.workflows[0].calls.done_before')" = "$done" ]
check 'nothing is left to finish' [ "$(report '[.workflows[0].to_finish, .resume]')" = '[null,null]' ]
check 'what was spent before counts' [ "$(report .spent_before_usd)" = "\"$before\"" ]
check 'charged is what was billed' [ "$(report '.budget[0].settled')" = "\"$(bill .usd)\"" ]
check 'nothing went around' [ "$(report .bypassed)" = '[]' ]

row='forked'
held --run nightly --budget 5usd -- claude -p "Hello. $short" --resume "$session" --fork-session
check 'the client ends well' [ "$code" = 0 ]
check 'what the fork repeats did not go around' [ "$(report .bypassed)" = '[]' ]

row='a budget below the forecast'
held --budget 0.50usd -- claude -p "@simulate $(directive '{script: $script}' "$script") $short" --allowedTools Workflow
check 'no agent started' [ "$(report '[.workflows, .other_agents]')" = '[[],[]]' ]
check 'the gate said why' [ "$(report '.launches | length')" = 1 ]

row='a budget above the forecast'
held --budget 50usd -- claude -p "@simulate $(directive '{script: $script}' "$script") $short" --allowedTools Workflow
check 'all agents are done' [ "$(report '.workflows[0].calls | [.done, .refused, .unfinished]')" = "[$((agents + 1)),0,0]" ]
check 'there is a forecast' [ "$(report '.workflows[0].forecast.agents.p50')" = $((agents + 1)) ]
check 'of each phase' [ "$(report '[.workflows[0].phases[].forecast.agents.p50]')" = "[$agents,1]" ]

row='settings taken away'
cat >"$work/around/claude" <<'SHELL'
#!/bin/sh
# Whoever starts the client drops the settings that hold it.
shift 2
exec "$REAL_CLIENT" "$@"
SHELL
chmod +x "$work/around/claude"
for settings in "$home/.claude/settings.json" "$home/project/.claude/settings.json"; do
  jq -n --arg url "$upstream" '{env: {ANTHROPIC_BASE_URL: $url}}' >"$settings"
done
extra="REAL_CLIENT=$client" held --budget 1usd -- "$work/around/claude" -p "Hello. $short"
check 'it is found out' [ "$(report '[.bypassed[] | [.requests, .is_ours]]')" = '[[1,true]]' ]
check 'and ends with 7' [ "$code" = 7 ]

row='another API'
extra=CLAUDE_CODE_USE_BEDROCK=1 held --budget 1usd -- claude -p Hello
check 'it is refused before it starts' [ "$code" = 2 ]

"$client" --version </dev/null 2>/dev/null | head -1 || true
if ((failures > 0)); then
  echo "$failures checks failed" >&2
  exit 1
fi
echo 'every check held'
