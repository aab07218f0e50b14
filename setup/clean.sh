#!/usr/bin/env bash
# Removes .local: all that setup made, except Debian packages.
. "$(dirname "$0")/lib.sh"
one_at_a_time

# A mount in there (somebody's own, we make none) would be emptied along with it.
if grep -q " $LOCAL/" /proc/mounts; then
	die "something is mounted in .local: $(grep -o " $LOCAL/[^ ]*" /proc/mounts | head -n 1)"
fi
say "removing .local (it belongs to root in part)"
as_root rm -rf "$LOCAL"
