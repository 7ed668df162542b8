# shellcheck shell=bash
# Debian's packages, installed without starting any of their services: those would have ports and settings that are not ours.

PACKAGES=(curl jq procps iproute2 mariadb-server rabbitmq-server
  ceph-mon ceph-mgr ceph-osd ceph-common python3-rbd python3-rados
  keystone uwsgi-plugin-python3 cinder-api cinder-scheduler cinder-volume cinder-backup qemu-utils
  python3-pymysql python3-keystoneauth1 python3-keystoneclient)

# For `up nova`. Whether its guests run by KVM or not is nova.conf's affair: nova-compute-kvm is what brings libvirt's side.
NOVA_PACKAGES=(qemu-system-x86 qemu-block-extra libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu
  nova-api nova-conductor nova-scheduler nova-compute nova-compute-kvm placement-api glance-api e2fsprogs cpio)

# What the tiny guest is made of is only unpacked: this machine boots no such kernel and runs no such agent.
guest_packages() {
  echo busybox-static qemu-guest-agent
  apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }'
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# PACKAGE... A subshell, so that its trap removes our policy-rc.d however it ends. One that was there before stays.
install_packages() (
  local missing=() package
  for package in "$@"; do is_installed "$package" || missing+=("$package"); done
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

download_guest_packages() (
  local package packages
  mkdir -p "$LAB/guest/packages"
  cd "$LAB/guest/packages"
  [ ! -f downloaded ] || return 0
  # the lists of a machine that had every package already may never have been fetched
  [ -n "$(apt-cache pkgnames linux-image-cloud-amd64)" ] || apt_get update || die "apt-get update failed; see $LOG/apt.log"
  mapfile -t packages < <(guest_packages | tr ' ' '\n')
  say "downloading ${packages[*]}"
  apt_get download "${packages[@]}" || die "apt-get download failed; see $LOG/apt.log"
  touch downloaded
)
