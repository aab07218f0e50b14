#!/usr/bin/env bash
# Asterisk 22 in a folder of its own: .local/asterisk-root, a minimal Debian "forky" (the first suite that has it).
# Needed by: make run-asterisk, make test.
. "$(dirname "$0")/lib.sh"

RECIPE=1
DIR=$LOCAL/asterisk-root

if have_stamp asterisk "$RECIPE" "$DIR/usr/sbin/asterisk"; then
	say "asterisk ready: $(head -n 1 "$STAMPS/asterisk")"
	exit 0
fi
one_at_a_time

bootstrap forky "$DIR"
if [ ! -x "$DIR/usr/sbin/asterisk" ]; then
	say "installing Asterisk into it (about a minute)"
	logged asterisk-root in_root "$DIR" apt-get update -q ||
		die "apt-get update inside $DIR failed: see .local/log/asterisk-root.log"
fi
finish_dpkg "$DIR"
logged asterisk-root in_root "$DIR" apt-get install -y -q --no-install-recommends \
	-o Dpkg::Options::=--force-unsafe-io asterisk asterisk-modules ||
	die "Asterisk could not be installed: delete .local/asterisk-root (as root) and run again"
logged asterisk-root in_root "$DIR" apt-get clean || true

version=$(in_root "$DIR" /usr/sbin/asterisk -V) || die "asterisk is installed but does not start: $version"
case $version in
"Asterisk 22."* | "Asterisk 2"[3-9]*) ;;
*) die "Debian forky now has '$version', Ringmaster is tested with Asterisk 22: please report it" ;;
esac
for module in chan_websocket res_ari_channels chan_pjsip res_pjsip_registrar; do
	ls "$DIR"/usr/lib/*/asterisk/modules/"$module.so" >/dev/null 2>&1 || die "asterisk came without $module.so"
done

# Each test's Asterisk has its own folder here; the users of this machine may make one.
as_root mkdir -p "$DIR/srv/ringmaster"
as_root chmod 1777 "$DIR/srv/ringmaster"
stamp asterisk "$RECIPE" "$version"
