# lib.sh: what the tools share.  Sourced by them; sets ROOT and goes there.
set -euo pipefail
SELF=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
LOGS=$ROOT/build/log

if [ -t 1 ]; then
	BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
	BOLD='' RED='' GREEN='' PLAIN=''
fi

say() { printf '%s\n' "${BOLD}$*${PLAIN}"; }
die() { printf '%s\n' "${RED}$*${PLAIN}" >&2; exit 1; }

# usage: prints the comment at the head of the tool.
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$SELF"; }

# step NAME LOG COMMAND...: runs the command with its output in LOG; on failure shows the end of it and says where the rest is.
step() {
	local name=$1 log=$2 start=$SECONDS
	shift 2
	mkdir -p "$(dirname "$log")"
	printf '%s ... ' "$name"
	printf '\n== %s: %s\n' "$(date -u +%FT%TZ)" "$*" >>"$log"
	if "$@" >>"$log" 2>&1; then
		printf '%s (%d s)\n' "${GREEN}done${PLAIN}" $((SECONDS - start))
	else
		printf '%s\n' "${RED}failed${PLAIN}"
		tail -n 25 "$log" >&2
		die "$name failed. Everything it printed: $log"
	fi
}

# configure PRESET [ARGS...] and build PRESET [TARGETS...]
configure() {
	local preset=$1
	shift
	mkdir -p "$LOGS"
	: >"$LOGS/configure-$preset.log"
	step "configure $preset" "$LOGS/configure-$preset.log" cmake --preset "$preset" "$@"
}

build() {
	local preset=$1
	shift
	mkdir -p "$LOGS"
	: >"$LOGS/build-$preset.log"
	step "build $preset" "$LOGS/build-$preset.log" cmake --build --preset "$preset" ${1:+--target "$@"}
}
