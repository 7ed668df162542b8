"""tenants.py KEYSTONE-URL CINDER-URL TENANT...: makes what is missing; prints the ids that cinder.conf needs, as shell."""
import sys

from keystoneauth1 import identity, session
from keystoneclient.v3 import client

keystone_url, cinder_url, *tenants = sys.argv[1:]
auth = identity.Password(keystone_url, username='admin', password='secret', project_name='admin',
                         user_domain_id='default', project_domain_id='default')
keystone = client.Client(session=session.Session(auth=auth), connect_retries=5)

projects = {p.name: p for p in keystone.projects.list()}
users = {u.name: u for u in keystone.users.list()}
roles = {r.name: r for r in keystone.roles.list()}


def ensure(have, name, make):
    if name not in have:
        have[name] = make()
    return have[name]


def member(name, password, project_name, *role_names):
    """A user with these roles in a project; both are made when they are missing."""
    project = ensure(projects, project_name, lambda: keystone.projects.create(project_name, domain='default'))
    user = ensure(users, name, lambda: keystone.users.create(name, domain='default', password=password,
                                                             default_project=project))
    for role_name in role_names:
        role = ensure(roles, role_name, lambda: keystone.roles.create(role_name))
        keystone.roles.grant(role, user=user, project=project)
    return user, project


cinder, service_project = member('cinder', 'cinder', 'service', 'admin', 'service')
for tenant in tenants:
    member(tenant, 'secret', tenant, 'member')

services = {s.type: s for s in keystone.services.list()}
volumes = ensure(services, 'volumev3', lambda: keystone.services.create('cinderv3', type='volumev3'))
endpoints = {(e.service_id, e.interface) for e in keystone.endpoints.list()}
for interface in ('public', 'internal', 'admin'):
    if (volumes.id, interface) not in endpoints:
        keystone.endpoints.create(volumes, f'{cinder_url}/v3/%(project_id)s', interface=interface, region='RegionOne')

print(f'SERVICE_PROJECT={service_project.id}')
print(f'CINDER_USER={cinder.id}')
