#!/usr/bin/env bash
# xmllint, which reads the XML that is written for FreeSWITCH. Needed by: make test.
. "$(dirname "$0")/lib.sh"

RECIPE=1
if have_stamp xmllint "$RECIPE" && command -v xmllint >/dev/null; then
	exit 0
fi
one_at_a_time

command -v xmllint >/dev/null || apt_install libxml2-utils
printf '<a/>' | xmllint --noout - || die "xmllint does not read the smallest document"
stamp xmllint "$RECIPE" "$(xmllint --version 2>&1 | head -n 1)"
