# shellcheck shell=bash
# What tests and people need to use the lab, as shell exports in $LAB/os/openrc. Written last: where it is, the lab was up.

write_openrc() { # ceph | posix
  cat >"$LAB/os/openrc.new" <<C
export LAB='$LAB'
export OS_AUTH_URL=$(keystone_url)
export OS_USERNAME=admin
export OS_PASSWORD=secret
export OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME=RegionOne
export AMQP_URL=amqp://$(amqp_authority)
export LAB_TENANTS='${TENANTS[*]}'
export LAB_TENANT_PASSWORD=secret
export LAB_BACKUP=$1
export LAB_PROD_CEPH_CONF='$(ceph_conf prod)'
export LAB_BACKUP_CEPH_CONF='$(ceph_conf backup)'
export LAB_CEPH_USER=cinderkeep
C
  ! has_nova || nova_exports >>"$LAB/os/openrc.new"
  mv "$LAB/os/openrc.new" "$LAB/os/openrc"
}
