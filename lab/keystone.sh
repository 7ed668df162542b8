# shellcheck shell=bash
# Keystone (Zed) under uWSGI. Administrator: admin / secret, project admin.

keystone_url() { echo "http://127.0.0.1:$(port_of keystone)/v3"; }

prepare_keystone() {
  local K=$LAB/os/keystone url
  url=$(keystone_url)
  mkdir -p "$K/fernet-keys" "$K/credential-keys"
  chmod 700 "$K" "$K"/*-keys
  cat >"$K/keystone.conf" <<C
[DEFAULT]
log_file = $LOG/keystone.log
transport_url = rabbit://$(amqp_authority)
[database]
connection = $(database_url keystone)
[token]
provider = fernet
[fernet_tokens]
key_repository = $K/fernet-keys
[fernet_receipts]
key_repository = $K/fernet-keys
[credential]
key_repository = $K/credential-keys
[cache]
enabled = true
backend = oslo_cache.dict
C
  [ -f "$K/bootstrapped" ] && return
  say "keystone: database and bootstrap"
  database keystone
  {
    keystone_manage db_sync &&
      keystone_manage fernet_setup --keystone-user root --keystone-group root &&
      keystone_manage credential_setup --keystone-user root --keystone-group root &&
      keystone_manage bootstrap --bootstrap-password secret --bootstrap-region-id RegionOne \
        --bootstrap-admin-url "$url" --bootstrap-internal-url "$url" --bootstrap-public-url "$url"
  } >"$LOG/keystone-manage.out" 2>&1 || die "keystone-manage failed; see $LOG/keystone-manage.out"
  touch "$K/bootstrapped"
}
keystone_manage() { keystone-manage --config-file "$LAB/os/keystone/keystone.conf" "$@"; }

# one process: the token cache is per process, and a revoked token must be refused by the next request
launch_keystone() {
  launch keystone uwsgi_python3 --http-socket "127.0.0.1:$(port_of keystone)" --master --processes 1 --threads 1 \
    --lazy-apps --rem-header Content-Length --post-buffering 65536 --buffer-size 65535 --die-on-term \
    --wsgi-file /usr/bin/keystone-wsgi-public --logto "$LOG/keystone-uwsgi.log" \
    --env OS_KEYSTONE_CONFIG_DIR="$LAB/os/keystone" --env OS_KEYSTONE_CONFIG_FILES=keystone.conf
}
