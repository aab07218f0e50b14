#!/usr/bin/env bash
# What `make run` needs and nothing more: the embedded voice, and Go. The program itself is pure Go: no C compiler.
. "$(dirname "$0")/lib.sh"

command -v go >/dev/null || die "no Go: install Go 1.25 or later from https://go.dev/dl/ and put its bin folder on PATH"
"$ROOT/setup/espeak.sh"
