# shellcheck shell=bash
# Two single-node Ceph clusters on files, "prod" and "backup": one monitor, one manager, one BlueStore OSD each.

# Sparse files: they take what is written, and this much at most.
OSD_BYTES=${LAB_OSD_BYTES:-21474836480}

# os-brick, in cinder-backup, looks for the keyring of a volume's cluster in /etc/ceph/<cluster name>.client.<user>.keyring
# and nowhere else. With a cluster name of our own nothing that is there already is replaced.
ceph_cluster_name() { echo "cklab$PORT_SHIFT"; }
ceph_link() { echo "/etc/ceph/$(ceph_cluster_name).client.admin.keyring"; }
remove_ceph_link() {
  [ "$(readlink "$(ceph_link)")" != "$LAB/ceph-prod/keyring" ] || rm -f "$(ceph_link)"
}

ceph_conf() { echo "$LAB/ceph-$1/ceph.conf"; }
ceph_cmd() { local cluster=$1 && shift && ceph -c "$(ceph_conf "$cluster")" "$@"; }

prepare_ceph() { # CLUSTER
  local root=$LAB/ceph-$1 port fsid
  port=$(port_of "$1-mon")
  mkdir -p "$root"/{mon,mgr/a,osd/0,run}
  fsid=$(cat "$root/fsid" 2>/dev/null || uuidgen | tee "$root/fsid")
  # Logs, sockets and pid files in the daemons' sections only: clients read this file too, perhaps not as root.
  cat >"$(ceph_conf "$1")" <<C
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$port,v1:127.0.0.1:$((port + 1))]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $root/keyring
run dir = $root/run
ms bind port min = $((port + 2))
ms bind port max = $((port + 99))
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 1
auth allow insecure global id reclaim = false
[client]
admin socket =
[client.cinderkeep]
keyring = $root/ceph.client.cinderkeep.keyring
[client.ck-write]
keyring = $root/ceph.client.ck-write.keyring
[client.ck-remove]
keyring = $root/ceph.client.ck-remove.keyring
[mon]
log file = $LOG/$1-mon.log
admin socket = $root/run/mon.asok
mon data = $root/mon/a
# they put off what comes within a second of their last commit: an RBD snapshot takes 0.1 s or 1 s then, as chance has it
paxos propose interval = 0.1
[mgr]
log file = $LOG/$1-mgr.log
admin socket = $root/run/mgr.asok
mgr data = $root/mgr/a
keyring = $root/mgr/a/keyring
mgr initial modules =
[osd]
log file = $LOG/$1-osd.log
admin socket = $root/run/osd.asok
osd data = $root/osd/0
keyring = $root/osd/0/keyring
osd objectstore = bluestore
bluestore block size = $OSD_BYTES
bluestore block create = true
osd memory target = 1073741824
C
  [ -f "$root/mon/ready" ] && return
  say "ceph $1: new cluster"
  rm -rf "$root/mon/a" "$root/keyring"
  ceph-authtool --create-keyring "$root/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool "$root/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *' >/dev/null
  mkdir -p "$root/mon/a"
  monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$port,v1:127.0.0.1:$((port + 1))]" "$root/monmap" --clobber >/dev/null
  ceph-mon -c "$(ceph_conf "$1")" --mkfs -i a --monmap "$root/monmap" --keyring "$root/keyring"
  touch "$root/mon/ready"
}

launch_ceph() { # CLUSTER-mon | CLUSTER-mgr | CLUSTER-osd
  local kind=${1##*-} id=a
  [ "$kind" = osd ] && id=0
  launch "$1" "ceph-$kind" -f -c "$(ceph_conf "${1%-*}")" -i "$id"
}

up_ceph() { # CLUSTER
  local root=$LAB/ceph-$1 uuid
  start_service "$1-mon"
  [ -f "$root/mgr/a/keyring" ] ||
    ceph_cmd "$1" auth get-or-create mgr.a mon 'allow profile mgr' osd 'allow *' mds 'allow *' -o "$root/mgr/a/keyring"
  if [ ! -f "$root/osd/0/ready" ]; then
    uuid=$(cat "$root/osd/uuid" 2>/dev/null || uuidgen | tee "$root/osd/uuid")
    ceph_cmd "$1" osd new "$uuid" 0 >/dev/null
    ceph_cmd "$1" auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' mgr 'allow profile osd' -o "$root/osd/0/keyring"
    ceph-osd -c "$(ceph_conf "$1")" -i 0 --mkfs --osd-uuid "$uuid" >>"$LOG/$1-osd.out" 2>&1 || die "ceph-osd --mkfs failed; see $LOG/$1-osd.out"
  fi
  # the manager may start while the OSD does; Ceph 16 marks a finished mkfs with a file "ready"
  runs "$1-mgr" || { say "start $1-mgr" && launch_ceph "$1-mgr"; }
  start_service "$1-osd"
  start_service "$1-mgr"
}

ceph_pools() { # CLUSTER POOL...
  local cluster=$1 pool have && shift
  have=$(ceph_cmd "$cluster" osd pool ls)
  for pool in "$@"; do
    grep -qx "$pool" <<<"$have" && continue
    ceph_cmd "$cluster" osd pool create "$pool" 8 >/dev/null 2>&1
    ceph_cmd "$cluster" osd pool application enable "$pool" rbd >/dev/null 2>&1
  done
}

# client.cinderkeep, with the least that suffices. On prod: make, read and remove RBD snapshots, never write data (header and
# object map change with a snapshot); parents are read. On backup: read what Cinder's Ceph driver wrote.
# client.ck-write and client.ck-remove, for a target of kind ceph: RBD's own objects and hash trees in the pool archives.
ceph_users() {
  local archives='allow r pool=archives, allow rwx pool=archives object_prefix rbd_, allow rwx pool=archives object_prefix ck-tree.'
  ceph_user prod cinderkeep 'allow r class-read pool=volumes, allow r class-read pool=images, allow rwx pool=volumes object_prefix rbd_header, allow rwx pool=volumes object_prefix rbd_object_map'
  ceph_user backup cinderkeep 'profile rbd-read-only pool=backups'
  ceph_user backup ck-write "$archives"
  ceph_user backup ck-remove "$archives"
  mkdir -p /etc/ceph
  ln -sfn "$LAB/ceph-prod/keyring" "$(ceph_link)"
}
ceph_user() { # CLUSTER USER OSD-CAPABILITIES
  local keyring=$LAB/ceph-$1/ceph.client.$2.keyring
  [ -f "$keyring" ] || ceph_cmd "$1" auth get-or-create "client.$2" mon 'profile rbd' osd "$3" -o "$keyring"
}
