# shellcheck shell=bash disable=SC2154
# Glance (Zed) on files: the guest's kernel and initramfs, and the records of what createImage makes.

glance_conf() { echo "$LAB/os/glance/glance-api.conf"; }
glance_url() { echo "http://127.0.0.1:$(port_of glance-api)"; }

# USER: how a service signs in at Keystone
keystone_auth() {
  local keystone
  keystone=$(keystone_url)
  cat <<C
auth_url = ${keystone%/v3}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $1
password = $1
C
}

prepare_glance() {
  local G=$LAB/os/glance
  mkdir -p "$G"/{images,lock,tasks,staging}
  cat >"$(glance_conf)" <<C
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $(port_of glance-api)
workers = 0
transport_url = rabbit://$(amqp_authority)
enabled_backends = file:file
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = $G/images
[os_glance_tasks_store]
filesystem_store_datadir = $G/tasks
[os_glance_staging_store]
filesystem_store_datadir = $G/staging
[database]
connection = $(database_url glance)
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
[keystone_authtoken]
www_authenticate_uri = $(keystone_url)
$(keystone_auth glance)
[oslo_concurrency]
lock_path = $G/lock
$(publishing)
C
}

database_of_glance() {
  database glance
  glance-manage --config-file "$(glance_conf)" db_sync >"$LOG/glance-manage.out" 2>&1 || die "glance-manage failed; see $LOG/glance-manage.out"
}

launch_glance() { launch glance-api glance-api --config-file "$(glance_conf)" --log-file "$LOG/glance-api.log"; }

# NAME FORMAT FILE: prints the id of a public image with the file's bytes, made when it is missing
image_of_file() {
  local token id
  token=$(admin_token)
  id=$(curl -sf -H "X-Auth-Token: $token" "$(glance_url)/v2/images?name=$1&os_hash_value=$(sha512sum <"$3" | cut -d' ' -f1)" | jq -r '.images[0].id // empty')
  if [ -z "$id" ]; then
    id=$(curl -sf -X POST -H "X-Auth-Token: $token" -H 'content-type: application/json' "$(glance_url)/v2/images" \
      -d "{\"name\":\"$1\",\"disk_format\":\"$2\",\"container_format\":\"$2\",\"visibility\":\"public\"}" | jq -r .id)
    curl -sf -X PUT -H "X-Auth-Token: $token" -H 'content-type: application/octet-stream' --data-binary "@$3" "$(glance_url)/v2/images/$id/file" ||
      die "cannot upload $3; see $LOG/glance-api.log"
  fi
  echo "$id"
}
