#!/usr/bin/env bash
# MariaDB server, only the program: package mariadb-server-core has no service, so nothing is started on this machine and no
# database of the user's is touched. The tests start it on folders of their own, copied from .local/mariadb/template.
# Needed by: make test.
. "$(dirname "$0")/lib.sh"

RECIPE=1
DIR=$LOCAL/mariadb

if have_stamp mariadb "$RECIPE" "$DIR/template/mysql" && command -v mariadbd >/dev/null; then
	say "mariadb ready: $(head -n 1 "$STAMPS/mariadb")"
	exit 0
fi
one_at_a_time

if ! command -v mariadbd >/dev/null || ! command -v mariadb-install-db >/dev/null || ! command -v my_print_defaults >/dev/null; then
	# The second has my_print_defaults, without which mariadb-install-db does nothing.
	apt_install mariadb-server-core mariadb-client-core
fi
version=$(mariadbd --no-defaults --version) || die "mariadbd is installed but does not start"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "making an empty database folder"
rm -rf "$DIR/template" "$DIR/template.new"
mkdir -p "$DIR"
# mariadb-install-db --user would also change the owner of the machine's own PAM helper, so the user goes in by this door.
printf '#!/bin/sh\nexec mariadbd "$@" --user=%s\n' "$(id -un)" >"$work/mariadbd"
chmod +x "$work/mariadbd"
logged mariadb env MYSQLD_BOOTSTRAP="$work/mariadbd" mariadb-install-db --no-defaults --datadir="$DIR/template.new" \
	--auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --innodb-log-file-size=8M ||
	die "mariadb-install-db failed"

# It works when it starts on a copy and answers.
cp -a "$DIR/template.new" "$work/data"
printf "SELECT VERSION();\n" >"$work/init.sql"
logged mariadb mariadbd --no-defaults --user="$(id -un)" --datadir="$work/data" --innodb-log-file-size=8M --bootstrap --skip-networking \
	<"$work/init.sql" || die "mariadbd does not work on a new folder"
mv "$DIR/template.new" "$DIR/template"
stamp mariadb "$RECIPE" "$(printf '%s' "$version" | grep -oE '[0-9]+\.[0-9]+\.[0-9]+-MariaDB' | head -n 1)"
