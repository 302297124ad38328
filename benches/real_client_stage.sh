# What the scripts beside it stand on that drive the real Claude Code; read by them, not run.
#
#   benches/real_client_NAME.sh               installs the client into a throw-away folder with npm
#   benches/real_client_NAME.sh CLIENT        uses that binary of Claude Code, 2.1.330 or later
#   FLYBALL=path benches/real_client_NAME.sh  runs that binary of flyball instead of building one
#
# Needs bash, curl, jq, and npm unless a client is given; Linux on x86-64. The client is not free
# software and is kept nowhere. It gets a home of its own, no key, and only addresses of loopback.
#
# Leaves $flyball, $client and $work, a folder that goes with whatever was started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

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
  npm install --prefix "$work/client" --ignore-scripts --no-audit --no-fund --loglevel=error "$package@2.1.330"
  client=$work/client/node_modules/$package/claude
fi
client=$(realpath "$client")
readonly client

# Waits until the server $2, whose log is $1, says where it listens; then $address is that.
listens() { # log, process
  until grep -qs 'http://' "$1"; do
    kill -0 "$2" 2>/dev/null || { cat "$1" >&2; exit 1; }
    sleep 0.05
  done
  address=$(grep -om1 'http://[0-9.]*:[0-9]*' "$1")
}

holds() { jq -en "$1" >/dev/null; } # arithmetic

# What more is said of a check that failed; a script may have more to say.
explain() { :; }
failures=0
check() { # words, command
  local words=$1
  shift
  if ! "$@"; then
    echo "FAILED${row:+ in $row}: $words" >&2
    explain
    failures=$((failures + 1))
  fi
}
