# shellcheck shell=bash disable=SC2154
# Who is in the cloud besides admin: Cinder's own user, its endpoints, and two tenants whose volumes an administrator archives.

TENANTS=(payments research) # project and user of the same name, password "secret", role member

prepare_tenants() {
  [ -f "$LAB/os/identities" ] && return
  say "keystone: services, endpoints, tenants ${TENANTS[*]}"
  /usr/bin/python3 "$here/tenants.py" "$(keystone_url)" cinder:cinderv3:volumev3:"http://127.0.0.1:$(port_of cinder-api)/v3/%(project_id)s" -- \
    "${TENANTS[@]}" >"$LAB/os/identities.new"
  mv "$LAB/os/identities.new" "$LAB/os/identities"
}
