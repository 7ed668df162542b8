"""tenants.py KEYSTONE-URL USER:SERVICE:TYPE:URL... -- TENANT...: makes what is missing; prints ids that services need, as shell.

Each service has a user of its own (password as the name) in the project service, and endpoints of one URL.
"""
import sys

from keystoneauth1 import identity, session
from keystoneclient.v3 import client

keystone_url, *rest = sys.argv[1:]
given_services, tenants = rest[:rest.index('--')], rest[rest.index('--') + 1:]
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


services = {s.type: s for s in keystone.services.list()}
endpoints = {(e.service_id, e.interface) for e in keystone.endpoints.list()}


def service(user_name, name, service_type, url):
    user, project = member(user_name, user_name, 'service', 'admin', 'service')
    made = ensure(services, service_type, lambda: keystone.services.create(name, type=service_type))
    for interface in ('public', 'internal', 'admin'):
        if (made.id, interface) not in endpoints:
            keystone.endpoints.create(made, url, interface=interface, region='RegionOne')
    print(f'SERVICE_PROJECT={project.id}')
    print(f'{user_name.upper()}_USER={user.id}')


for given in given_services:
    service(*given.split(':', 3))
for tenant in tenants:
    member(tenant, 'secret', tenant, 'member')
