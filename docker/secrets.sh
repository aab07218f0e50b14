#!/usr/bin/env bash
# Makes the secrets that compose.yaml mounts, in secrets/ beside this file (or in the folder given), once: what is there stays.
# The folder is closed to others; the files in it are readable, because the container's user is not yours.
set -euo pipefail
dir=${1:-$(dirname "$0")/secrets}
mkdir -p "$dir"
chmod 700 "$dir"
umask 022

# once NAME COMMAND...: secrets/NAME from what COMMAND prints.
once() {
	local file=$dir/$1
	shift
	[ -s "$file" ] && return
	"$@" >"$file.new"
	mv "$file.new" "$file"
	echo "made $file"
}

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; echo; }
dsn() { printf 'ringmaster:%s@tcp(mariadb:3306)/ringmaster\n' "$(cat "$dir/db_password")"; }

once db_password random 24
once dsn dsn
once number_key random 32 # numbers are found by it: keep a copy, never change it
once crypt_key random 32  # numbers are sealed with it: keep a copy
once ari_password random 24
