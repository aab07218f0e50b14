# Shared by the scripts of this folder; sourced, never run.
#
# Rules: everything but Debian packages lives in .local/ (git-ignored); a part that is installed leaves a stamp
# .local/stamps/<part> whose first line is the part's version; a second run only reads stamps and is over at once.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LOCAL=$ROOT/.local
STAMPS=$LOCAL/stamps
LOGS=$LOCAL/log
mkdir -p "$STAMPS" "$LOGS"

export DEBIAN_FRONTEND=noninteractive
# Debian keeps debootstrap, chroot and daemons in sbin, which is not on an ordinary user's PATH.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say()  { printf 'setup: %s\n' "$*"; }
die()  { printf 'setup: FAILED: %s\n' "$*" >&2; exit 1; }

# as_root CMD...: runs CMD as root, by sudo where we are not root.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo env DEBIAN_FRONTEND=noninteractive "PATH=$PATH" "$@"
	else
		die "this step needs root: run it as root, or install sudo (as root: apt-get install sudo)"
	fi
}

# have_stamp PART RECIPE [FILE]: the part is installed by this very recipe and its FILE still exists.
have_stamp() {
	[ -s "$STAMPS/$1" ] && [ "$(sed -n 2p "$STAMPS/$1")" = "recipe $2" ] && { [ -z "${3:-}" ] || [ -e "$3" ]; }
}

# stamp PART RECIPE VERSION: to be called only after the part was seen to work.
stamp() {
	[ -n "$3" ] || die "$1 was installed but does not tell its version"
	printf '%s\nrecipe %s\n' "$3" "$2" >"$STAMPS/$1.new"
	mv "$STAMPS/$1.new" "$STAMPS/$1"
	say "$1 ready: $3"
}

# logged NAME CMD...: runs CMD with its output in .local/log/NAME.log and shows the end of it when CMD fails.
logged() {
	local name=$1 from; shift
	printf '\n== %s: %s\n' "$(date -u +%FT%TZ)" "$*" >>"$LOGS/$name.log"
	from=$(wc -l <"$LOGS/$name.log")
	if ! "$@" >>"$LOGS/$name.log" 2>&1; then
		tail -n "+$((from + 1))" "$LOGS/$name.log" | tail -n 15 | sed 's/^/setup: | /' >&2
		printf 'setup: | (whole output: %s)\n' "$LOGS/$name.log" >&2
		return 1
	fi
}

# one_at_a_time: two set-ups at once (two terminals, two CI jobs of one checkout) wait for each other.
one_at_a_time() {
	[ "${RINGMASTER_SETUP_LOCKED:-}" = 1 ] && return
	command -v flock >/dev/null || return 0
	exec 9>"$LOCAL/setup.lock"
	if ! flock -n 9; then
		say "another set-up of this folder is running: waiting for it"
		flock 9
	fi
	export RINGMASTER_SETUP_LOCKED=1
	[ "$(id -u)" -eq 0 ] || say "packages are installed by sudo, which may ask for your password"
}

# apt_lists: fetches package lists once an hour at most.
apt_lists() {
	local mark=$LOCAL/apt-lists
	if [ -n "$(find "$mark" -mmin -60 2>/dev/null)" ]; then return; fi
	say "reading Debian's package lists"
	logged apt as_root apt-get update -q ||
		die "apt-get update failed: is the network up, and are the sources in /etc/apt right?"
	touch "$mark"
}

# apt_has PKG...: all of them are installed.
apt_has() {
	local p
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || return 1
	done
}

# apt_install PKG...: without recommended packages, never removing one of the user's own.
apt_install() {
	command -v apt-get >/dev/null || die "this machine has no apt-get: install these programs yourself, or use Debian 12: $*"
	apt_has "$@" && return
	apt_lists
	say "apt-get install $*"
	logged apt as_root apt-get install -y -q --no-install-recommends --no-remove \
		-o Dpkg::Options::=--force-unsafe-io -o DPkg::Lock::Timeout=300 "$@" ||
		die "apt-get could not install: $* (if it wants to remove packages of yours, it was not allowed to)"
}

# debian_mirror: the mirror of this machine's own apt configuration, as an URL. Elsewhere than on Debian, RINGMASTER_DEBIAN_MIRROR
# names one.
debian_mirror() {
	local all
	if [ -n "${RINGMASTER_DEBIAN_MIRROR:-}" ]; then printf '%s\n' "$RINGMASTER_DEBIAN_MIRROR"; return; fi
	all=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk '$1 == "Debian" && $2 !~ /security|updates|backports/ && $3 ~ /^https?:/ {print $3}')
	[ -n "$all" ] || die "no http mirror of Debian in this machine's apt sources (/etc/apt/sources.list*): add one, or set RINGMASTER_DEBIAN_MIRROR to its URL, and run again"
	printf '%s\n' "${all%%$'\n'*}"
}

# apt_transport: the lines of this machine's apt configuration that say how to reach a mirror (proxy, checks, retries).
apt_transport() {
	apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date|Retries|ForceIPv4|Max-FutureTime)' |
		grep -v '"";$' || true
}

# remove_tree DIR: removes DIR as root, and never what may be mounted in it.
remove_tree() {
	local at
	[ -e "$1" ] || return 0
	{ grep -o " $1/[^ ]* " /proc/mounts || true; } | sort -r | while read -r at; do
		as_root umount "$at" || die "$at is mounted and cannot be unmounted"
	done
	as_root rm -rf --one-file-system "$1"
}

# bootstrap SUITE DIR: a minimal Debian of SUITE in DIR, whose apt reaches the mirror as this machine's does and where no
# package may start a daemon. DIR is complete or absent: it is built beside and moved.
bootstrap() {
	local suite=$1 dir=$2 mirror proxy work extra= apart=()
	[ -x "$dir/usr/bin/apt-get" ] && return
	apt_install debootstrap debian-archive-keyring
	# The mirror is known once apt has its lists.
	[ -n "$(apt-get indextargets 'Created-By: Packages' 2>/dev/null)" ] || { rm -f "$LOCAL/apt-lists"; }
	apt_lists
	mirror=$(debian_mirror)
	proxy=$(apt-config dump | sed -n 's/^Acquire::http::[Pp]roxy "\(.\+\)";$/\1/p')
	case $mirror in https:*) extra=--include=ca-certificates ;; esac
	work=$dir.new
	remove_tree "$work"
	# debootstrap mounts /proc and /sys inside the new folder; in a mount namespace of its own they are gone whenever it ends,
	# killed or not.
	if as_root unshare --mount true 2>/dev/null; then apart=(unshare --mount --propagation private); fi
	say "debootstrap of Debian $suite into ${dir#"$ROOT"/} (about a minute)"
	# forky, sid and every later suite are built by debootstrap's one script for Debian, named here because an older
	# debootstrap has no link for a suite younger than itself.
	logged "${dir##*/}" as_root "${apart[@]}" env ${proxy:+"http_proxy=$proxy" "https_proxy=$proxy"} debootstrap \
		--variant=minbase $extra "$suite" "$work" "$mirror" /usr/share/debootstrap/scripts/sid ||
		die "debootstrap of Debian $suite failed: the mirror may not carry that suite, or the disk may be full"
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$work/usr/sbin/policy-rc.d" >/dev/null
	as_root chmod 755 "$work/usr/sbin/policy-rc.d"
	apt_transport | as_root tee "$work/etc/apt/apt.conf.d/90host" >/dev/null
	if [ -s /etc/ssl/certs/ca-certificates.crt ] && [ -n "$extra" ]; then
		as_root cp /etc/ssl/certs/ca-certificates.crt "$work/etc/ssl/certs/ca-certificates.crt"
	fi
	as_root mv "$work" "$dir"
}

# in_root DIR CMD...: CMD inside the bootstrapped DIR with the machine's name resolution.
in_root() {
	local dir=$1; shift
	as_root cp -L /etc/resolv.conf /etc/hosts "$dir/etc/" 2>/dev/null || true
	as_root env -u LANG -u LC_ALL chroot "$dir" /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		DEBIAN_FRONTEND=noninteractive "$@"
}

# finish_dpkg DIR: an installation that was interrupted in DIR is brought to its end.
finish_dpkg() {
	logged "${1##*/}" in_root "$1" dpkg --configure -a || true
}
