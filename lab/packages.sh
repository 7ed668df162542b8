# shellcheck shell=bash
# Debian's packages, installed without starting any of their services: those would have ports and settings that are not ours.

PACKAGES=(curl jq procps iproute2 mariadb-server rabbitmq-server
  ceph-mon ceph-mgr ceph-osd ceph-common python3-rbd python3-rados
  keystone uwsgi-plugin-python3 cinder-api cinder-scheduler cinder-volume cinder-backup qemu-utils
  python3-pymysql python3-keystoneauth1 python3-keystoneclient)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# A subshell, so that its trap removes our policy-rc.d however it ends. One that was there before stays.
install_packages() (
  local missing=() package
  for package in "${PACKAGES[@]}"; do is_installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]} (apt's output: $LOG/apt.log)"
    export DEBIAN_FRONTEND=noninteractive
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
      trap 'exit 1' INT TERM
      printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
      chmod +x /usr/sbin/policy-rc.d
    fi
    apt_get update || die "apt-get update failed; see $LOG/apt.log"
    apt_get install --no-install-recommends "${missing[@]}" || die "apt-get install failed; see $LOG/apt.log"
  fi
  mend_cinder_context
)

# other installations on the machine are waited for
apt_get() { apt-get -y -qq -o DPkg::Lock::Timeout=600 "$@" >>"$LOG/apt.log" 2>&1 9>&-; }

# Debian's cinder 21.3.1 cannot build a context from oslo.messaging 14.0.3's sanitised one: it has read_deleted=None, which
# RequestContext refuses, so every notification, and with it every API call that makes one, is a 500.
mend_cinder_context() {
  local file=/usr/lib/python3/dist-packages/cinder/context.py
  grep -q "read_deleted=values.get('read_deleted')," "$file" || return 0
  say "mending $file"
  sed -i "s/read_deleted=values.get('read_deleted'),/read_deleted=values.get('read_deleted') or 'no',/" "$file"
}
