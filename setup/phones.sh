#!/usr/bin/env bash
# SIP phones and sound tools for the tests: sipp, baresip, sox. Needed by: make test.
. "$(dirname "$0")/lib.sh"

RECIPE=1
if have_stamp phones "$RECIPE" && command -v sipp >/dev/null && command -v baresip >/dev/null && command -v sox >/dev/null; then
	say "phones ready: $(head -n 1 "$STAMPS/phones")"
	exit 0
fi
one_at_a_time

# baresip-core is the phone without the sound card and video modules.
apt_install sip-tester baresip-core sox

# sipp ends with 99 after -v, whatever happened.
sipp=$(sipp -v 2>/dev/null | grep -oE 'SIPp v[0-9][^ ,]*' | head -n 1) || true
[ -n "$sipp" ] || die "sipp is installed but 'sipp -v' does not tell its version"
baresip=$(baresip -h 2>&1 | grep -oE 'baresip v?[0-9][^ ,]*' | head -n 1) || true
[ -n "$baresip" ] || die "baresip is installed but 'baresip -h' does not tell its version"
sox=$(sox --version | grep -oE 'SoX.*' | head -n 1) || true
[ -n "$sox" ] || die "sox is installed but 'sox --version' does not tell its version"

# One pass through real audio files: an 800 Hz tone made, read back and measured.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sox -n -r 8000 -b 16 -c 1 "$work/tone.wav" synth 0.5 sine 800 && sox "$work/tone.wav" -n stat >"$work/stat" 2>&1 ||
	die "sox cannot make and read a wav file"
stamp phones "$RECIPE" "$sipp, $baresip, $sox"
