# shellcheck shell=bash
# What every part of the lab shares: places, ports, and how a service is started, recognised and stopped.
# `here`, set by the lab script, is the directory of these files.
# shellcheck disable=SC2154

export LAB=${LAB:-$(dirname "$here")/.lab}
LAB=$(realpath -m "$LAB")
RUN=$LAB/run
LOG=$LAB/log

# In the order in which they start.
SERVICES=(mariadb epmd rabbit prod-mon prod-mgr prod-osd backup-mon backup-mgr backup-osd
  keystone cinder-scheduler cinder-volume cinder-backup cinder-api)

say() { printf '%s lab: %s\n' "$(date +%T)" "$*" >&2; }
die() { printf 'lab: %s\n' "$*" >&2 && exit 1; }
is_service() { [[ " ${SERVICES[*]} " == *" $1 "* ]]; }

# A lab keeps the ports it was made with, whatever the caller's environment says later.
read_port_shift() {
  PORT_SHIFT=$(cat "$LAB/port-shift" 2>/dev/null || echo "${LAB_PORT_SHIFT:-0}")
  [[ $PORT_SHIFT =~ ^[0-9]{1,4}$ ]] || die "LAB_PORT_SHIFT must be a number from 0 to 9999, not '$PORT_SHIFT'"
}
keep_port_shift() { echo "$PORT_SHIFT" >"$LAB/port-shift"; }

port_of() { # SERVICE: the port that says whether it answers; nothing for the services without one
  case $1 in
  mariadb) echo $((3307 + PORT_SHIFT)) ;;
  epmd) echo $((4370 + PORT_SHIFT)) ;;
  rabbit) echo $((5673 + PORT_SHIFT)) ;;
  rabbit-dist) echo $((25673 + PORT_SHIFT)) ;;
  keystone) echo $((5000 + PORT_SHIFT)) ;;
  cinder-api) echo $((8776 + PORT_SHIFT)) ;;
  prod-mon) echo $((6800 + PORT_SHIFT)) ;; # each Ceph cluster takes a hundred ports from its monitor's on
  backup-mon) echo $((6900 + PORT_SHIFT)) ;;
  nova-api) echo $((8774 + PORT_SHIFT)) ;;
  placement-api) echo $((8778 + PORT_SHIFT)) ;;
  glance-api) echo $((9292 + PORT_SHIFT)) ;;
  neutron) echo $((9696 + PORT_SHIFT)) ;;
  esac
}

require_root() { [ "$(id -u)" = 0 ] || die "needs root: it installs packages and runs Ceph, RabbitMQ and OpenStack daemons"; }

require_machine() {
  require_root
  # shellcheck disable=SC1091
  [ "$(. /etc/os-release && echo "$ID-$VERSION_ID")" = debian-12 ] ||
    die "needs Debian 12 (bookworm): its Ceph 16 and OpenStack Zed packages are what the lab is made of"
  # a UNIX socket's path has at most 107 bytes, and Ceph and MariaDB put sockets below $LAB
  [ ${#LAB} -le 70 ] || die "the path $LAB is too long for sockets below it (70 characters at most); set LAB to a shorter one"
  mkdir -p "$RUN" "$LOG" "$LAB/os"
}

# Two `lab up` or `down` at once would undo each other; the second waits. Released when this shell ends.
lock_lab() {
  exec 9>"$LAB/lock"
  flock --nonblock 9 || { say "another lab command works on $LAB; waiting for it" && flock 9; }
}

# Every process that we start carries LAB in its environment, so a number in a stale pid file is never mistaken for ours.
# (A process in the midst of an exec shows an empty one for a moment, so that is asked again.)
is_ours() { # PID
  local environment
  for _ in 1 2 3 4 5; do
    [ -r "/proc/$1/environ" ] || return
    environment=$(tr '\0' '\n' 2>/dev/null <"/proc/$1/environ") || return
    [ -z "$environment" ] || break
    sleep .05
  done
  grep -qxF "LAB=$LAB" <<<"$environment"
}
runs() { # SERVICE
  local pid
  pid=$(cat "$RUN/$1.pid" 2>/dev/null) && [ -n "$pid" ] && is_ours "$pid"
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT

answers() { # SERVICE: it does what it is for, as far as one question tells
  case $1 in
  mariadb) sql 'select 1' >/dev/null 2>&1 ;;
  keystone | cinder-api | nova-api | placement-api | glance-api | neutron) curl -s -o /dev/null --max-time 10 "http://127.0.0.1:$(port_of "$1")/" ;;
  *-mgr) ceph_cmd "${1%-mgr}" --connect-timeout 5 -s 2>/dev/null | grep -q 'mgr:.*active' ;;
  *-osd) ceph_cmd "${1%-osd}" --connect-timeout 5 -s 2>/dev/null | grep -q '1 up' ;;
  cinder-scheduler | cinder-volume) cinder_reports "$1" ;;
  cinder-backup) cinder_reports "$1" && backup_is_known ;;
  nova-*) nova_reports "$1" ;;
  libvirtd) libvirt_runs_qemu ;;
  *) listens "$(port_of "$1")" ;;
  esac
}

require_free_ports() {
  local service port
  for service in "${SERVICES[@]}" rabbit-dist; do
    port=$(port_of "$service")
    [ -n "$port" ] || continue
    runs "${service%-dist}" && continue
    ! listens "$port" || die "port $port for $service is in use by another process ($(ss -Hlntp "sport = :$port" | grep -o 'users:.*' || echo unknown)); stop it, or set LAB_PORT_SHIFT (for example 1000) to move the lab's ports"
  done
}

# NAME COMMAND...: runs it in a session of its own, output in $LOG/NAME.out, pid (and process group) in $RUN/NAME.pid
launch() {
  local name=$1 && shift
  setsid "$@" >>"$LOG/$name.out" 2>&1 </dev/null 9>&- &
  local pid=$!
  echo "$pid" >"$RUN/$name.pid"
  # until it is past its exec it still looks like this shell, which may not have LAB
  for _ in $(seq 100); do
    if is_ours "$pid"; then return; fi
    sleep .05
  done
}

wait_until() { # SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2 && shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || die "$what: not within the time allowed; see $LOG"
    sleep .2
  done
}

runs_and_answers() { # SERVICE
  ! gone "$(cat "$RUN/$1.pid")" || die "$1 ended while starting; see $LOG/$1.out"
  answers "$1"
}

start_process() { # NAME
  case $1 in
  mariadb) launch_mariadb ;;
  epmd) launch_epmd ;;
  rabbit) launch_rabbit ;;
  *-mon | *-mgr | *-osd) launch_ceph "$1" ;;
  keystone) launch_keystone ;;
  cinder-*) launch_cinder "$1" ;;
  libvirtd) launch_libvirtd ;;
  neutron) launch_neutron ;;
  glance-api) launch_glance ;;
  placement-api) launch_placement ;;
  nova-*) launch_nova "$1" ;;
  esac
}

start_service() { # NAME: returns when it answers
  runs "$1" && answers "$1" && return
  if ! runs "$1"; then
    say "start $1"
    start_process "$1"
  fi
  wait_until 120 "$1 does not answer" runs_and_answers "$1"
  [ "$1" != rabbit ] || wait_until 60 "cinder or nova does not come back to the broker" services_consume
}

# GROUP: nothing of it lives. Zombies count as gone: a container's init may take seconds to reap them.
gone() { ! pgrep -g "$1" -r R,S,D,I,T,t >/dev/null; }

# SIGNAL SERVICE...: at once
stop_services() {
  local signal=$1 service stops=() stop && shift
  for service in "$@"; do
    stop_service "$service" "$signal" &
    stops+=($!)
  done
  for stop in "${stops[@]}"; do wait "$stop"; done
}

stop_service() { # NAME [SIGNAL]: the whole process group; what ignores SIGTERM for 30 s is killed
  local pid
  if runs "$1"; then
    pid=$(cat "$RUN/$1.pid")
    say "stop $1"
    # cinder's and uwsgi's masters stop their children themselves
    if [ "${2:-TERM}" = KILL ]; then kill -KILL -- "-$pid"; else kill -TERM "$pid"; fi
    for _ in $(seq 150); do gone "$pid" && break; sleep .2; done
    gone "$pid" || { say "$1 does not end; killed" && kill -KILL -- "-$pid"; }
    wait_until 10 "$1 cannot be killed" gone "$pid"
  fi
  rm -f "$RUN/$1.pid"
}

signal_service() { # NAME SIGNAL: to the whole process group
  runs "$1" || die "$1 does not run"
  say "$1: $2"
  kill "-$2" -- "-$(cat "$RUN/$1.pid")"
}
