# shellcheck shell=bash disable=SC2154
# Servers on top of the rest: Glance, placement, a stub of Neutron, libvirt, Nova, and a guest small enough for QEMU's emulation.

# In the order in which they start.
NOVA_SERVICES=(libvirtd neutron glance-api placement-api nova-conductor nova-scheduler nova-compute nova-api)

# A lab that once had Nova keeps it until it is wiped.
has_nova() { [ -f "$LAB/os/nova/wanted" ]; }
want_nova() {
  has_nova || SERVICES+=("${NOVA_SERVICES[@]}")
  mkdir -p "$LAB/os/nova"
  touch "$LAB/os/nova/wanted"
}

up_nova() {
  build_guest &
  local guest=$! service
  prepare_libvirt
  prepare_glance
  prepare_placement
  prepare_nova
  # it probes QEMU meanwhile
  runs libvirtd || { say "start libvirtd" && launch_libvirtd; }
  nova_identities
  nova_databases
  for service in neutron glance-api placement-api nova-conductor nova-scheduler nova-api; do
    runs "$service" || { say "start $service" && start_process "$service"; }
  done
  start_service libvirtd
  libvirt_secret
  # together, as Cinder's services; compute when the others answer, whom it asks at once
  for service in "${NOVA_SERVICES[@]}"; do start_service "$service"; done
  know_compute_host
  wait "$guest" || die "the guest was not built"
  guest_in_cloud
}

nova_identities() {
  [ -f "$LAB/os/nova/identities" ] && return
  say "keystone: services of Nova"
  /usr/bin/python3 "$here/tenants.py" "$(keystone_url)" nova:nova:compute:"http://127.0.0.1:$(port_of nova-api)/v2.1" \
    placement:placement:placement:"http://127.0.0.1:$(port_of placement-api)" glance:glance:image:"$(glance_url)" \
    neutron:neutron:network:"http://127.0.0.1:$(port_of neutron)" -- >"$LAB/os/nova/identities.new"
  mv "$LAB/os/nova/identities.new" "$LAB/os/nova/identities"
}

nova_databases() {
  [ -f "$LAB/os/nova/db-synced" ] && return
  say "nova, placement, glance: databases"
  local part parts=()
  for part in glance placement nova; do
    "database_of_$part" &
    parts+=($!)
  done
  for part in "${parts[@]}"; do wait "$part" || die "no databases for Nova; see $LOG"; done
  touch "$LAB/os/nova/db-synced"
}

# the scheduler gives servers to hosts that were mapped into the cell only
know_compute_host() {
  [ -f "$LAB/os/nova/host-mapped" ] && return
  nova_manage cell_v2 discover_hosts >>"$LOG/nova-manage.out" 2>&1 || die "nova-manage discover_hosts failed; see $LOG/nova-manage.out"
  touch "$LAB/os/nova/host-mapped"
}

# The guest's kernel and initramfs in Glance, and a flavor without a disk of its own.
guest_in_cloud() {
  local G=$LAB/os/guest-in-cloud
  [ "$G" -nt "$LAB/guest/built" ] && return
  say "guest: images and flavor"
  nova_request GET /flavors/tiny >/dev/null ||
    nova_request POST /flavors '{"flavor":{"name":"tiny","ram":160,"vcpus":1,"disk":0,"id":"tiny"}}' >/dev/null || die "cannot make the flavor; see $LOG/nova-api.log"
  {
    echo "export LAB_GUEST_KERNEL=$(image_of_file tiny-kernel aki "$(guest_kernel)")"
    echo "export LAB_GUEST_RAMDISK=$(image_of_file tiny-ramdisk ari "$(guest_initramfs)")"
    echo "export LAB_GUEST_FLAVOR=tiny"
  } >"$G.new"
  mv "$G.new" "$G"
}

# What tests of servers need besides.
nova_exports() {
  echo "export LAB_LIBVIRT_URI='$(libvirt_uri)'"
  echo "export LAB_GUEST_DIR='$LAB/guest'"
  echo "export LAB_INSTANCES_DIR='$LAB/os/nova/instances'"
  cat "$LAB/os/guest-in-cloud"
}

down_nova() { # SIGNAL
  stop_services "$1" nova-api nova-scheduler nova-compute
  stop_services "$1" nova-conductor libvirtd
  stop_guests
  stop_services "$1" glance-api placement-api neutron
}
