#!/usr/bin/env bash
# Oracle's MySQL (8 or the series of the day) in a folder of its own: .local/mysql-root, a minimal Debian "sid" (the only suite that has it).
# Wanted by: make test, which runs the store's contract suite on it as well. Where sid does not carry it today, make test says so.
. "$(dirname "$0")/lib.sh"

RECIPE=2
DIR=$LOCAL/mysql-root
TEMPLATE=$DIR/srv/ringmaster/template

if have_stamp mysql "$RECIPE" "$TEMPLATE/ibdata1" && [ -x "$DIR/usr/sbin/mysqld" ]; then
	say "mysql ready: $(head -n 1 "$STAMPS/mysql")"
	exit 0
fi
one_at_a_time

bootstrap sid "$DIR"
if [ ! -x "$DIR/usr/sbin/mysqld" ]; then
	logged mysql-root in_root "$DIR" apt-get update -q || die "apt-get update inside $DIR failed"
fi
# mysql-server-core has the server and no service; some series carry their number in the package's name.
package=$(in_root "$DIR" apt-cache pkgnames mysql-server-core | sort -V | tail -n 1)
[ -n "$package" ] || die "Debian sid carries no MySQL server at the moment"
say "installing $package into it"
finish_dpkg "$DIR"
logged mysql-root in_root "$DIR" apt-get install -y -q --no-install-recommends \
	-o Dpkg::Options::=--force-unsafe-io "$package" || die "$package could not be installed from Debian sid"
logged mysql-root in_root "$DIR" apt-get clean || true
version=$(in_root "$DIR" /usr/sbin/mysqld --no-defaults --version) || die "mysqld is installed but does not start"

as_root mkdir -p "$DIR/srv/ringmaster"
as_root chmod 1777 "$DIR/srv/ringmaster" "$DIR/tmp"
say "making an empty database folder"
as_root rm -rf "$TEMPLATE"
# Without name resolution a connection comes from 127.0.0.1, which to MySQL is another host than localhost.
cat <<'SQL' | as_root tee "$DIR/srv/ringmaster/init.sql" >/dev/null
CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
SQL
logged mysql-root in_root "$DIR" /usr/sbin/mysqld --no-defaults --initialize-insecure --user=root \
	--init-file=/srv/ringmaster/init.sql --datadir=/srv/ringmaster/template --innodb-redo-log-capacity=8M || die "mysqld cannot make a database folder"
# The tests may run as the user who owns this checkout.
as_root chown -R "$(id -u):$(id -g)" "$TEMPLATE"
stamp mysql "$RECIPE" "$(printf '%s' "$version" | sed 's/.*Ver \([0-9.]*\).*/MySQL \1/')"
