# shellcheck shell=bash disable=SC2154
# libvirtd and what it starts, with QEMU's own emulation (TCG).
#
# libvirt's system daemon has its places built in: settings, sockets, state of guests. It runs in a mount namespace in which
# $LAB/libvirt lies there, so that neither the machine's libvirt nor a second lab's is met. The socket is reached from outside.

libvirt_uri() { echo "qemu+unix:///system?socket=$LAB/libvirt/run/libvirt-sock"; }
lab_virsh() { timeout 20 virsh --quiet --connect "$(libvirt_uri)" "$@" 9>&-; }

prepare_libvirt() {
  local L=$LAB/libvirt
  mkdir -p "$L"/{etc,run,lib,cache,log}
  # as root and without its games of namespaces, cgroups and owners; consoles go to files without virtlogd
  cat >"$L/etc/qemu.conf" <<C
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
C
  # what is asked of guest agents, and when, stands in the log
  cat >"$L/etc/libvirtd.conf" <<C
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_filters = "1:qemu.qemu_agent 3:*"
log_outputs = "1:file:$LOG/libvirtd.log"
C
}

launch_libvirtd() { launch libvirtd unshare --mount --propagation private bash "$here/nova/libvirtd-here" "$LAB/libvirt"; }

# a probe of QEMU that failed once is remembered; asking for capabilities probes again
libvirt_runs_qemu() { lab_virsh capabilities >/dev/null 2>&1 && lab_virsh domcapabilities --virttype qemu --machine pc >/dev/null 2>&1; }

# Cinder's RBD driver names the cluster's id as the secret of its volumes when rbd_secret_uuid is not set.
libvirt_secret() {
  local fsid key=$LAB/libvirt/key definition=$LAB/libvirt/secret.xml
  fsid=$(cat "$LAB/ceph-prod/fsid")
  if ! lab_virsh secret-get-value "$fsid" >/dev/null 2>&1; then
    echo "<secret ephemeral='no' private='no'><uuid>$fsid</uuid><usage type='ceph'><name>client.admin prod</name></usage></secret>" >"$definition"
    lab_virsh secret-define "$definition" >/dev/null || die "cannot define libvirt's secret; see $LOG/libvirtd.log"
    (umask 077 && ceph_cmd prod auth get-key client.admin >"$key")
    lab_virsh secret-set-value "$fsid" --file "$key" >/dev/null || die "cannot set libvirt's secret; see $LOG/libvirtd.log"
    rm -f "$key"
  fi
}

# Guests outlive libvirtd. What libvirtd wrote of a guest's process is believed only while it works on this lab's files.
stop_guests() {
  local file pid
  for file in "$LAB"/libvirt/run/qemu/*.pid; do
    pid=$(cat "$file" 2>/dev/null) && is_guest "$pid" || continue
    say "stop guest $(basename "$file" .pid)"
    kill -KILL "$pid"
    wait_until 10 "guest $pid cannot be killed" ends "$pid"
  done
}
is_guest() { tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qF "$LAB/"; }
ends() { ! is_guest "$1"; }
