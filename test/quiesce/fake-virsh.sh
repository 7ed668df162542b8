#!/bin/sh
# A libvirt with guests of which files tell everything: STATE/<uuid>/… ; called as virsh is.
S=STATE
[ "$1 $2" = "--connect qemu:///system" ] || { echo "error: not called as agreed: $*" >&2; exit 1; }
[ "$LC_ALL" = C ] || { echo "error: in another language" >&2; exit 1; }
cmd=$3 id=$4 G=$S/$4
echo "$cmd $id" >>"$S/calls"
fail() { printf 'error: %s\n' "$@" >&2; exit 1; }
[ ! -e "$S/unreachable" ] || fail 'failed to connect to the hypervisor'
if [ "$cmd" = hostname ]; then echo compute-7.example; exit; fi
[ -d "$G" ] || fail "failed to get domain '$id'"
state=$(cat "$G/state")
wait_while() { while [ -e "$1" ]; do sleep 0.05; done; }
answers() {
  [ "$state" = running ] || fail "$1" 'Requested operation is not valid: domain is not running'
  case $(cat "$G/agent") in
  ok) ;;
  *) fail "$1" "$(cat "$G/agent")" ;;
  esac
  [ ! -e "$G/locked" ] || fail "$1" 'Timed out during operation: cannot acquire state change lock'
}
freeze() {
  [ ! -e "$G/frozen" ] || return 1
  cp "$G/filesystems" "$G/frozen.new" && mv "$G/frozen.new" "$G/frozen" && echo frozen >>"$G/freezes"
}
case $cmd in
domstate)
  wait_while "$G/hang-domstate"
  echo "$state"
  ;;
domfsfreeze)
  # virsh itself is slow: what kills it keeps the guest from being frozen
  wait_while "$G/slow-virsh"
  answers 'Unable to freeze filesystems'
  if [ -e "$G/slow-guest" ]; then
    # libvirt has asked the guest: it goes on whatever happens to virsh
    touch "$G/locked"
    (
      wait_while "$G/slow-guest"
      freeze
      rm -f "$G/locked"
    ) </dev/null >/dev/null 2>&1 &
    wait_while "$G/locked"
  else
    freeze || fail 'Unable to freeze filesystems' "internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': The command guest-fsfreeze-freeze has been disabled for this instance"
  fi
  wait_while "$G/slow-answer"
  echo "Froze $(cat "$G/filesystems") filesystem(s)"
  ;;
domfsthaw)
  answers 'Unable to thaw filesystems'
  wait_while "$G/slow-thaw"
  count=0
  if mv "$G/frozen" "$G/thawed.$$" 2>/dev/null; then count=$(cat "$G/thawed.$$"); fi
  echo "Thawed $count filesystem(s)"
  ;;
*) fail "unknown command: '$cmd'" ;;
esac
