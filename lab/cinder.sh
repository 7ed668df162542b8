# shellcheck shell=bash
# Cinder (Zed): api, scheduler, volume on Ceph "prod", backup to Ceph "backup" or, with a chunked driver, to files.

CINDER=(cinder-scheduler cinder-volume cinder-backup cinder-api)
cinder_conf() { echo "$LAB/os/cinder/cinder.conf"; }

prepare_cinder() { # ceph | posix
  mkdir -p "$LAB/os/cinder"/{state,lock,coord,tmp} "$LAB/posix-backups"
  local before
  before=$(cat "$LAB/os/backup-driver" 2>/dev/null || true)
  write_cinder_conf "$1" >"$(cinder_conf)"
  echo "$1" >"$LAB/os/backup-driver"
  if [ ! -f "$LAB/os/cinder/db-synced" ]; then
    say "cinder: database"
    database cinder
    cinder-manage --config-file "$(cinder_conf)" db sync >"$LOG/cinder-manage.out" 2>&1 || die "cinder-manage failed; see $LOG/cinder-manage.out"
    touch "$LAB/os/cinder/db-synced"
  fi
  # the other services do not read the driver's settings
  [ -z "$before" ] || [ "$before" = "$1" ] || stop_service cinder-backup
}

# Quotas unlimited: tests set their own where they are about quotas. Short report intervals: a service that died shows soon.
# host_manager=DEBUG: the scheduler tells what it has heard of cinder-backup (backup_is_known).
write_cinder_conf() { # ceph | posix
  local SERVICE_PROJECT CINDER_USER keystone
  # shellcheck source=/dev/null
  . "$LAB/os/identities"
  keystone=$(keystone_url)
  cat <<C
[DEFAULT]
state_path = $LAB/os/cinder/state
log_dir = $LOG
transport_url = rabbit://$(amqp_authority)
auth_strategy = keystone
my_ip = 127.0.0.1
host = lab
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = $(port_of cinder-api)
osapi_volume_workers = 1
enabled_backends = ceph
default_volume_type = ceph
api_paste_config = /etc/cinder/api-paste.ini
rootwrap_config = /etc/cinder/rootwrap.conf
glance_api_servers = http://127.0.0.1:$(port_of glance-api)
scheduler_default_filters = AvailabilityZoneFilter,CapacityFilter,CapabilitiesFilter
cinder_internal_tenant_project_id = $SERVICE_PROJECT
cinder_internal_tenant_user_id = $CINDER_USER
report_interval = 2
service_down_time = 15
periodic_interval = 10
periodic_fuzzy_delay = 0
backup_driver_stats_polling_interval = 10
default_log_levels = amqp=WARN,amqplib=WARN,oslo.messaging=INFO,oslo_messaging=INFO,sqlalchemy=WARN,stevedore=WARN,urllib3=WARN,cinder.scheduler.host_manager=DEBUG
backup_metadata_version = 2
quota_volumes = -1
quota_snapshots = -1
quota_gigabytes = -1
quota_backups = -1
quota_backup_gigabytes = -1
$(backup_settings "$1")
[ceph]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
volume_backend_name = ceph
rbd_pool = volumes
rbd_ceph_conf = $(ceph_conf prod)
rbd_cluster_name = $(ceph_cluster_name)
rbd_user = admin
rbd_exclusive_cinder_pool = true
rados_connect_timeout = -1
report_discard_supported = true
[database]
connection = $(database_url cinder)
[keystone_authtoken]
www_authenticate_uri = ${keystone%/v3}
auth_url = ${keystone%/v3}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = cinder
password = cinder
[oslo_concurrency]
lock_path = $LAB/os/cinder/lock
$(publishing)
[coordination]
backend_url = file://$LAB/os/cinder/coord
C
}

# Small files: a backup of a small volume already has several, and reports progress. 1 MiB is what an incremental compares.
backup_settings() { # ceph | posix
  case $1 in
  ceph) cat <<C ;;
backup_driver = cinder.backup.drivers.ceph.CephBackupDriver
backup_ceph_conf = $(ceph_conf backup)
backup_ceph_user = admin
backup_ceph_pool = backups
C
  posix) cat <<C ;;
backup_driver = cinder.backup.drivers.posix.PosixBackupDriver
backup_posix_path = $LAB/posix-backups
backup_file_size = 33554432
backup_sha_block_size_bytes = 1048576
backup_object_number_per_notification = 2
C
  esac
}

launch_cinder() { # cinder-api | cinder-scheduler | ...
  # os-brick leaves a temporary ceph.conf for each volume it opens
  launch "$1" env TMPDIR="$LAB/os/cinder/tmp" "$1" --config-file "$(cinder_conf)" --log-file "$LOG/$1.log"
}

start_cinder() {
  local service
  # together: each needs some seconds of a processor before it answers
  for service in "${CINDER[@]}"; do runs "$service" || { say "start $service" && launch_cinder "$service"; }; done
  for service in "${CINDER[@]}"; do start_service "$service"; done
  [ -f "$LAB/os/cinder/type-made" ] || {
    cinder_request POST /types '{"volume_type":{"name":"ceph","extra_specs":{"volume_backend_name":"ceph"}}}' >/dev/null ||
      die "cannot make the volume type; see $LOG/cinder-api.log"
    touch "$LAB/os/cinder/type-made"
  }
}

# SERVICE: has written its sign of life since this process was started, and lately. `up` in Cinder's own list may still be
# the predecessor's.
cinder_reports() {
  local started
  started=$(stat -c %Y "$RUN/$1.pid") || return
  [ "$(sql "set time_zone = '+00:00'; select count(*) from cinder.services where \`binary\` = '$1' and not deleted
    and updated_at > greatest(from_unixtime($started), utc_timestamp() - interval 15 second)" 2>/dev/null)" = 1 ]
}

# The scheduler has heard from this process that its driver works. A starting cinder-backup first tells that it does not
# (backup/manager.py: init_host publishes while the driver is still being checked) and corrects itself at the next
# interval; until then every backup ends with "Service not found for creating backup", though the service is `up`.
backup_is_known() {
  local started
  started=$(date -d "@$(stat -c %.3Y "$RUN/cinder-backup.pid")" '+%F %T.%3N') || return
  awk -v started="$started" '$1 " " $2 > started && /Received backup service update/ { works = /.backend_state.: True/ }
    END { exit !works }' "$LOG/cinder-scheduler.log"
}

cinder_request() { # METHOD PATH [JSON], as admin
  local headers project
  [ -s "$LAB/os/admin-project" ] || admin_token >/dev/null || return
  headers=$(admin_token) || return
  project=$(cat "$LAB/os/admin-project")
  curl -sf -X "$1" -H "X-Auth-Token: $headers" -H 'content-type: application/json' \
    "http://127.0.0.1:$(port_of cinder-api)/v3/$project$2" ${3:+-d "$3"}
}

# prints a token; leaves the project's id in os/admin-project
admin_token() {
  local body
  body=$(curl -sf -D "$LAB/os/token-headers" -H 'content-type: application/json' "$(keystone_url)/auth/tokens" -d '{"auth":
    {"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"secret"}}},
     "scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}') || return
  jq -r .token.project.id <<<"$body" >"$LAB/os/admin-project"
  sed -n 's/^x-subject-token: //Ip' "$LAB/os/token-headers" | tr -d '\r'
  rm -f "$LAB/os/token-headers"
}
