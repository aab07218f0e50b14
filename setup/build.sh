#!/usr/bin/env bash
# gcc and the C library's headers, which only Go's race detector needs. Needed by: make test.
. "$(dirname "$0")/lib.sh"

if ! command -v gcc >/dev/null || ! [ -e /usr/include/stdlib.h ]; then
	one_at_a_time
	apt_install gcc libc6-dev
fi
command -v gcc >/dev/null || die "gcc was installed but is not on PATH"
