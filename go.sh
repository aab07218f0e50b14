#!/usr/bin/env bash
# One command on a bare Debian 12 that has only git and Go:
#
#   ./go.sh run      calls to scripted callees, printed as they happen
#   ./go.sh test     installs what the tests need and runs every test
#   ./go.sh          lists what else there is
#
# It installs make (with root or sudo) where it is missing, and hands over to the Makefile.
set -euo pipefail
cd "$(dirname "$0")"

die() { printf 'go.sh: %s\n' "$*" >&2; exit 1; }

# Go is often unpacked into /usr/local and not on the PATH of root or of a script.
if ! command -v go >/dev/null; then
	for dir in /usr/local/go/bin "$HOME/go/bin" "$HOME/sdk/go/bin" /usr/lib/go/bin; do
		if [ -x "$dir/go" ]; then PATH=$dir:$PATH; break; fi
	done
	export PATH
fi
command -v go >/dev/null || die "no Go on PATH: install it from https://go.dev/dl/ (Debian's own package is too old)"

# Go 1.21 and later fetch the version that go.mod names by themselves.
have=$(go env GOVERSION 2>/dev/null || true)
minor=${have#go1.}
minor=${minor%%[!0-9]*}
if [ -z "$have" ] || [ "${have#go1.}" = "$have" ] || [ "${minor:-0}" -lt 21 ]; then
	die "this Go is too old (${have:-it tells no version}): install a new one from https://go.dev/dl/"
fi

need=()
command -v make >/dev/null || need+=(make)
# Modules come over https.
[ -s /etc/ssl/certs/ca-certificates.crt ] || need+=(ca-certificates)
if [ ${#need[@]} -gt 0 ]; then
	command -v apt-get >/dev/null || die "please install: ${need[*]} (this script does it on Debian only)"
	sudo=
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "needs root to install ${need[*]}: run it as root, or as root: apt-get install sudo"
		sudo=sudo
	fi
	printf 'go.sh: installing %s\n' "${need[*]}"
	$sudo apt-get update -qq || die "apt-get update failed: is the network up?"
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null ||
		die "apt-get could not install: ${need[*]}"
fi
exec make "$@"
