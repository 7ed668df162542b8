# shellcheck shell=bash disable=SC2154
# Placement (Zed) under uWSGI, and the stub that stands for Neutron: servers have no networks here.

placement_conf() { echo "$LAB/os/placement/placement.conf"; }

prepare_placement() {
  mkdir -p "$LAB/os/placement"
  cat >"$(placement_conf)" <<C
[DEFAULT]
log_file = $LOG/placement-api.log
[api]
auth_strategy = keystone
[placement_database]
connection = $(database_url placement)
[keystone_authtoken]
www_authenticate_uri = $(keystone_url)
$(keystone_auth placement)
C
}

database_of_placement() {
  database placement
  OS_PLACEMENT_CONFIG_DIR=$LAB/os/placement placement-manage --config-file "$(placement_conf)" db sync >"$LOG/placement-manage.out" 2>&1 ||
    die "placement-manage failed; see $LOG/placement-manage.out"
}

launch_placement() {
  launch placement-api uwsgi_python3 --http-socket "127.0.0.1:$(port_of placement-api)" --master --processes 1 --threads 1 \
    --enable-threads --lazy-apps --rem-header Content-Length --post-buffering 65536 --buffer-size 65535 --die-on-term \
    --wsgi-file /usr/bin/placement-api --pyargv '' --logto "$LOG/placement-uwsgi.log" \
    --env OS_PLACEMENT_CONFIG_DIR="$LAB/os/placement"
}

launch_neutron() { launch neutron /usr/bin/python3 "$here/nova/neutron-stub.py" "$(port_of neutron)"; }
