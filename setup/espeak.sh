#!/usr/bin/env bash
# espeak-ng, the embedded voice. Needed by: make run, make run-asterisk, make test.
. "$(dirname "$0")/lib.sh"

RECIPE=1
if have_stamp espeak "$RECIPE" && command -v espeak-ng >/dev/null; then
	say "espeak ready: $(head -n 1 "$STAMPS/espeak")"
	exit 0
fi
one_at_a_time

if ! command -v espeak-ng >/dev/null; then
	apt_install espeak-ng
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The languages that the product speaks: Mandarin, Cantonese, Hakka, Uyghur, English. A voice that says nothing is missing.
for spoken in cmn:你好 yue:你好 hak:你好 ug:سالام en:hello; do
	espeak-ng -v "${spoken%%:*}" -w "$work/voice.wav" "${spoken#*:}" 2>"$work/said" ||
		die "espeak-ng has no voice '${spoken%%:*}': $(tail -n 1 "$work/said")"
	[ "$(wc -c <"$work/voice.wav")" -gt 8000 ] || die "espeak-ng says nothing in '${spoken%%:*}'"
done
stamp espeak "$RECIPE" "$(espeak-ng --version | head -n 1 | sed 's/ *Data at:.*//')"
