#!/usr/bin/env bash
# What `make test` needs: every real part, one after the other, with elapsed times. A second run takes no time.
. "$(dirname "$0")/lib.sh"
one_at_a_time

began=$SECONDS
n=0
parts=(build espeak phones xmllint mariadb asterisk mysql)
for part in "${parts[@]}"; do
	n=$((n + 1))
	from=$SECONDS
	if "$ROOT/setup/$part.sh"; then
		rm -f "$STAMPS/$part.missing"
		[ $((SECONDS - from)) -lt 2 ] || say "[$n/${#parts[@]}] $part: $((SECONDS - from)) s"
	elif [ "$part" = mysql ]; then
		# The only optional part: Debian carries it in sid alone, and sid is not always whole.
		rm -f "$STAMPS/mysql"
		printf 'setup/mysql.sh failed at %s, see .local/log/mysql-root.log\n' "$(date -u +%FT%TZ)" >"$STAMPS/mysql.missing"
		say "[$n/${#parts[@]}] MYSQL IS NOT THERE: the store will be tested on SQLite and MariaDB only, and make test will say so"
	else
		die "$part: see the lines above; what is done stays done, so just run the same command again"
	fi
done
say "all parts ready ($((SECONDS - began)) s)"
