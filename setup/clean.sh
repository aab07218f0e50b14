#!/usr/bin/env bash
# Removes .local: all that setup made, except Debian packages.
. "$(dirname "$0")/lib.sh"
one_at_a_time

say "removing .local (it belongs to root in part)"
remove_tree "$LOCAL"
