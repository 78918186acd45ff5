#!/bin/bash
# Installs every real program that the interop tests run, unattended, on Debian 12.
#
# What belongs here: packages and unpacked binaries. How a program is configured and started stands in the
# component files beside this one. Nothing is started, no service is configured, port 25 is not touched.
#
#   tests/stack/install.sh            install what is missing, then check that each program runs
#   tests/stack/install.sh --check    only check
#
# Two programs cannot be installed as packages and are unpacked under POSTMILL_PEERS (default
# /opt/postmill-peers): Sendmail, whose package conflicts with Postfix, and milter-greylist, which Debian
# dropped after Debian 11. The packages whose files the tests of detection read are unpacked there, too, as
# their maintainers made them, whatever has become of their configuration here; so is spamassassin, for the
# sample mails in its documentation, which small images of Debian do not install.
#
# Exit status: 0 all peers are there, 1 one is missing or does not run, 3 neither root nor sudo.
set -euo pipefail

PEERS=${POSTMILL_PEERS:-/opt/postmill-peers}
# gpg-agent: lintian brings gpg, and where that is, spamassassin's installation wants the agent, too.
PACKAGES="postfix dovecot-core openssl swaks libnet-ssleay-perl spamassassin spamc spamd spamass-milter
  clamav-daemon clamav-milter opendkim opendkim-tools opendmarc rspamd ruby dbconfig-no-thanks iproute2 procps
  util-linux m4 ca-certificates systemd systemd-container mmdebstrap dpkg-dev lintian gpg-agent
  postgresql redis-server prometheus munin-node rrdtool chromium curl"
TO_READ="spamass-milter clamav-milter opendkim opendmarc rspamd amavisd-milter dkimpy-milter pyspf-milter mimedefang
  spamassassin"
PACKAGING=$(cd "$(dirname "$0")/../../packaging" && pwd) # what `make deb` needs is said in its debian/control
OLD_RELEASE=bullseye
MILTER_GREYLIST=$PEERS/milter-greylist/usr/sbin/milter-greylist
SENDMAIL=$PEERS/sendmail/usr/libexec/sendmail/sendmail

say() { printf 'install.sh: %s\n' "$*"; }
fail() { say "$2" >&2; exit "$1"; }

# --- check -------------------------------------------------------------------------------------------------

# check NAME PATTERN COMMAND...: the command's output must show PATTERN; the exit status of a --help varies.
check() {
  local name=$1 pattern=$2 output
  shift 2
  output=$(PATH=$PATH:/usr/sbin:/sbin timeout 20 "$@" 2>&1 </dev/null) || true
  if line=$(grep -m1 -E -- "$pattern" <<<"$output"); then
    printf '  %-16s %s\n' "$name" "$(tr -s ' \t' ' ' <<<"${line:0:70}")"
  else
    printf '  %-16s MISSING: %s\n' "$name" "$(tail -n1 <<<"$output")"
    MISSING="${MISSING:+$MISSING }$name"
  fi
}

check_all() {
  MISSING=
  check postfix '^mail_version' postconf -d mail_version
  check smtp-source 'usage:' smtp-source
  check dovecot '^2\.' dovecot --version
  check openssl '^OpenSSL' openssl version
  check swaks '^swaks version' swaks --version
  check swaks-tls 'TLS supported' swaks --support
  check spamd 'SpamAssassin Server version' spamd --version
  check spamc 'SpamAssassin Client version' spamc -V
  check spamass-milter 'SpamAssassin Sendmail Milter' spamass-milter -h
  check clamd '^ClamAV [0-9]' clamd --version
  check clamav-milter '^clamav-milter [0-9]' clamav-milter --version
  check opendkim 'OpenDKIM Filter v' opendkim -V
  check opendkim-genkey 'version|usage|Usage' opendkim-genkey --help
  check opendmarc 'opendmarc: OpenDMARC' opendmarc -V
  check rspamd 'Rspamd daemon version' rspamd --version
  check milter-greylist 'milter-greylist-4' "$MILTER_GREYLIST" -r
  # Sendmail prints its version, then waits for a qualified host name.
  check sendmail 'Version 8' timeout 1 "$SENDMAIL" -C /dev/null -d0.1 -bv root
  check ruby '^ruby [0-9]' ruby --version
  check postgresql '^postgres ' sh -c '$(ls -d /usr/lib/postgresql/*/bin | tail -n1)/postgres --version'
  check redis-server '^Redis server' redis-server --version
  check prometheus '^prometheus, version' prometheus --version
  check promtool '^promtool, version' promtool --version
  check munin-run 'This is munin-run' munin-run --version
  check rrdtool '^RRDtool 1' rrdtool --version
  check chromium '^Chromium [0-9]' chromium --version
  check curl '^curl [0-9]' curl --version
  check m4 'GNU M4' m4 --version
  check systemctl '^systemd [0-9]' systemctl --version
  check ip 'iproute2-' ip -V
  check unshare 'from util-linux' unshare --version
  check nsenter 'from util-linux' nsenter --version
  check setpriv 'from util-linux' setpriv --version
  check systemd-nspawn '^systemd [0-9]' systemd-nspawn --version
  check systemd-analyze '^systemd [0-9]' systemd-analyze --version
  check mmdebstrap '^mmdebstrap [0-9]' mmdebstrap --version
  check lintian '^Lintian v' lintian --version
  check build-deps '^there$' sh -c 'dpkg-checkbuilddeps "$1" && echo there' sh "$PACKAGING/debian/control"
  [ -f "$PEERS/sendmail/usr/share/sendmail/cf/m4/cf.m4" ] || MISSING="${MISSING:+$MISSING }sendmail-cf"
  for name in $TO_READ; do
    [ -d "$PEERS/packages/$name" ] || MISSING="${MISSING:+$MISSING }packages/$name"
  done
  [ -z "$MISSING" ]
}

# --- install -----------------------------------------------------------------------------------------------

# Package scripts ask policy-rc.d whether they may start a daemon. Ours says no; what was there comes back.
deny_daemons() {
  POLICY=/usr/sbin/policy-rc.d KEPT=$WORK/policy-rc.d
  [ ! -e $POLICY ] || cp -a $POLICY "$KEPT"
  printf '#!/bin/sh\nexit 101\n' >$POLICY
  chmod 755 $POLICY
}

clean_up() {
  if [ -e "$WORK/policy-rc.d" ]; then cp -a "$WORK/policy-rc.d" /usr/sbin/policy-rc.d; else rm -f /usr/sbin/policy-rc.d; fi
  rm -rf "$WORK"
}

run_logged() {
  "$@" >"$WORK/log" 2>&1 || { tail -n 30 "$WORK/log" >&2; fail 1 "failed: $*"; }
}

run_apt() {
  run_logged apt-get "$1" -y -q --no-install-recommends -o DPkg::Lock::Timeout=600 \
    -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef "${@:2}"
}

missing_packages() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# The shared libraries that an unpacked package declares, by this release's names where they exist here.
libraries_of() {
  dpkg-deb -f "$1" Depends | tr ',' '\n' | sed -E 's/\|.*//; s/\(.*//; s/[[:space:]]//g' |
    grep '^lib' | while read -r name; do
      if apt-cache show "$name" >/dev/null 2>&1; then echo "$name"; fi
    done
}

# The machine's own Debian mirror, from deb822 or one-line sources.
mirror() {
  local uri
  uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n -E 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p' |
    grep -E '/debian/?$' | head -n1) || true
  [ -n "$uri" ] || uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n -E 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' | grep -E '/debian/?$' | head -n1) || true
  echo "${uri:-http://deb.debian.org/debian}"
}

# apt with nothing but one old release in its lists; the machine's own lists stay untouched.
old_apt() {
  apt-get -o Dir::Etc::sourcelist="$WORK/old.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$WORK/lists" -o Dir::Cache="$WORK/cache" -o APT::Sandbox::User=root \
    -o Acquire::Check-Valid-Until=false "$@"
}

download_milter_greylist() {
  local uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$WORK/lists/partial" "$WORK/cache/archives/partial" "$WORK/greylist"
  for uri in "$(mirror)" http://archive.debian.org/debian; do
    echo "deb [signed-by=$keyring] $uri $OLD_RELEASE main" >"$WORK/old.list"
    if old_apt update -qq >"$WORK/log" 2>&1 && (cd "$WORK/greylist" && old_apt download -q milter-greylist) >>"$WORK/log" 2>&1
    then return; fi
  done
  tail -n 10 "$WORK/log" >&2
  fail 1 "milter-greylist: no mirror serves Debian $OLD_RELEASE"
}

unpack() {
  local target=$1
  shift
  rm -rf "$target.new"
  mkdir -p "$target.new"
  for deb in "$@"; do dpkg -x "$deb" "$target.new"; done
  rm -rf "$target"
  mv "$target.new" "$target"
}

install_milter_greylist() {
  [ -x "$MILTER_GREYLIST" ] && return
  say "milter-greylist from Debian $OLD_RELEASE, unpacked to $PEERS"
  download_milter_greylist
  run_apt install $(libraries_of "$WORK"/greylist/*.deb)
  unpack "$PEERS/milter-greylist" "$WORK"/greylist/*.deb
}

install_sendmail() {
  [ -x "$SENDMAIL" ] && return
  say "sendmail, unpacked to $PEERS"
  mkdir -p "$WORK/sendmail"
  (cd "$WORK/sendmail" && run_logged apt-get -o APT::Sandbox::User=root download -q sendmail-bin sendmail-base sendmail-cf)
  run_apt install $(libraries_of "$WORK"/sendmail/sendmail-bin_*.deb)
  unpack "$PEERS/sendmail" "$WORK"/sendmail/*.deb
}

unpack_to_read() {
  local name
  mkdir -p "$PEERS/packages"
  for name in $TO_READ; do
    [ -d "$PEERS/packages/$name" ] && continue
    say "$name, unpacked to $PEERS/packages"
    mkdir -p "$WORK/$name"
    (cd "$WORK/$name" && run_logged apt-get -o APT::Sandbox::User=root download -q "$name")
    unpack "$PEERS/packages/$name" "$WORK/$name"/*.deb
  done
}

install_all() {
  local wanted
  export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
  WORK=$(mktemp -d)
  trap clean_up EXIT
  deny_daemons
  mkdir -p "$PEERS"
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then # no database cluster of the machine's own
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  wanted=$(missing_packages $PACKAGES)
  say "package lists"
  run_logged apt-get update -q
  if [ -n "$wanted" ]; then
    say "packages:" $wanted
    printf '%s\n' 'postfix postfix/main_mailer_type select No configuration' \
      'postfix postfix/mailname string localhost' >"$WORK/debconf"
    if command -v debconf-set-selections >/dev/null; then debconf-set-selections "$WORK/debconf"; fi
    run_apt install $wanted
  fi
  dpkg-checkbuilddeps "$PACKAGING/debian/control" 2>/dev/null || run_apt build-dep "$PACKAGING"
  install_milter_greylist
  install_sendmail
  unpack_to_read
}

# --- main --------------------------------------------------------------------------------------------------

if report=$(check_all); then
  echo "$report"
  say "all peers are there"
  exit 0
fi
if [ "${1:-}" = --check ]; then
  check_all || fail 1 "missing: $MISSING (run $0)"
fi
command -v apt-get >/dev/null || fail 1 "needs Debian 12 (no apt-get here)"
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || fail 3 "must be root, or sudo must work without a password, to install packages"
  exec sudo --preserve-env=POSTMILL_PEERS,http_proxy,https_proxy,no_proxy "$0" "$@"
fi
install_all
say "check"
check_all || fail 1 "missing after installation: $MISSING"
say "all peers are there"
