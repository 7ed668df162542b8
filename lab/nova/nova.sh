# shellcheck shell=bash disable=SC2154
# Nova (Zed): api, conductor, scheduler, and compute on libvirt with QEMU's own emulation.

NOVA=(nova-conductor nova-scheduler nova-compute nova-api)
nova_conf() { echo "$LAB/os/nova/nova.conf"; }

prepare_nova() {
  local N=$LAB/os/nova
  mkdir -p "$N"/{state,instances,lock}
  write_nova_conf "$N" >"$(nova_conf)"
}

# Quotas unlimited, short report intervals: as for Cinder. Guests have no disks of the host's: reserved_host_disk_mb is for nobody.
# The guest knows no power button: shutdown_timeout is waited for in vain.
# service_user: Cinder wants a service's token besides the user's before it lets an attachment in use go.
# Everything runs as root here: no sudo and rootwrap before the privsep daemons.
write_nova_conf() { # DIRECTORY
  cat <<C
[DEFAULT]
host = lab
my_ip = 127.0.0.1
state_path = $1/state
instances_path = $1/instances
log_dir = $LOG
transport_url = rabbit://$(amqp_authority)
enabled_apis = osapi_compute
osapi_compute_listen = 127.0.0.1
osapi_compute_listen_port = $(port_of nova-api)
osapi_compute_workers = 1
compute_driver = libvirt.LibvirtDriver
rootwrap_config = /etc/nova/rootwrap.conf
report_interval = 2
service_down_time = 15
reserved_host_memory_mb = 0
reserved_host_disk_mb = 0
cpu_allocation_ratio = 16
ram_allocation_ratio = 1
disk_allocation_ratio = 10
use_cow_images = false
heal_instance_info_cache_interval = -1
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
block_device_allocate_retries_interval = 1
shutdown_timeout = 3
[quota]
instances = -1
cores = -1
ram = -1
[api]
auth_strategy = keystone
[wsgi]
api_paste_config = /etc/nova/api-paste.ini
[api_database]
connection = $(database_url nova_api)
[database]
connection = $(database_url nova)
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = -1
[filter_scheduler]
enabled_filters = ComputeFilter
track_instance_changes = false
[keystone_authtoken]
www_authenticate_uri = $(keystone_url)
$(keystone_auth nova)
[service_user]
send_service_user_token = true
$(keystone_auth nova)
[placement]
region_name = RegionOne
$(keystone_auth placement)
[glance]
api_servers = $(glance_url)
[cinder]
catalog_info = volumev3:cinderv3:publicURL
os_region_name = RegionOne
$(keystone_auth nova)
[neutron]
region_name = RegionOne
$(keystone_auth neutron)
[vnc]
enabled = false
[spice]
enabled = false
[libvirt]
connection_uri = $(libvirt_uri)
virt_type = qemu
cpu_mode = none
hw_machine_type = x86_64=pc
images_type = raw
[oslo_concurrency]
lock_path = $1/lock
[notifications]
notification_format = both
notify_on_state_change = vm_and_task_state
versioned_notifications_topics = versioned_notifications
default_level = INFO
$(publishing)
[privsep_osbrick]
helper_command = privsep-helper --config-file $(nova_conf)
[nova_sys_admin]
helper_command = privsep-helper --config-file $(nova_conf)
[vif_plug_linux_bridge_privileged]
helper_command = privsep-helper --config-file $(nova_conf)
[vif_plug_ovs_privileged]
helper_command = privsep-helper --config-file $(nova_conf)
C
}

nova_manage() { nova-manage --config-file "$(nova_conf)" "$@"; }

database_of_nova() {
  local name
  for name in nova nova_api nova_cell0; do database "$name"; done
  {
    nova_manage api_db sync && nova_manage cell_v2 map_cell0 --database_connection "$(database_url nova_cell0)" &&
      nova_manage db sync &&
      { nova_manage cell_v2 list_cells | grep -q cell1 || nova_manage cell_v2 create_cell --name cell1; }
  } >"$LOG/nova-manage.out" 2>&1 || die "nova-manage failed; see $LOG/nova-manage.out"
}

launch_nova() { launch "$1" "$1" --config-file "$(nova_conf)" --log-file "$LOG/$1.log"; } # nova-api | nova-conductor | ...

# SERVICE: has given its sign of life since this process was started, and lately
nova_reports() {
  local started
  started=$(stat -c %Y "$RUN/$1.pid") || return
  [ "$(sql "set time_zone = '+00:00'; select count(*) from nova.services where \`binary\` = '$1' and not deleted
    and last_seen_up > greatest(from_unixtime($started), utc_timestamp() - interval 15 second)" 2>/dev/null)" = 1 ]
}

nova_request() { # METHOD PATH [JSON], as admin
  local token
  token=$(admin_token) || return
  curl -sf -X "$1" -H "X-Auth-Token: $token" -H 'content-type: application/json' \
    "http://127.0.0.1:$(port_of nova-api)/v2.1$2" ${3:+-d "$3"}
}
