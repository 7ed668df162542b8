import { forbidden, notFound } from './api-error.js'
import { catalogue, interfaces, region, services } from './catalogue.js'
import type { Cloud } from './cloud.js'
import type { ApiRequest, Handler, Route } from './http.js'
import type { Project, User } from './state.js'

/** Projects, users, roles, services, endpoints: enough to look names up. */
export function keystoneLists(cloud: Cloud): readonly Route[] {
  const asAdmin = (request: ApiRequest, action: string): void => {
    if (!request.caller.isAdmin) throw forbidden(`identity:${action}`)
  }
  const named = <T extends { name: string }>(request: ApiRequest, items: Iterable<T>): T[] => {
    const name = request.query.get('name')
    return [...items].filter((item) => name === null || item.name === name)
  }
  const links = { self: `${cloud.url}/identity/v3`, previous: null, next: null }
  const ownProjects: Handler = (request) => {
    const user = cloud.state.users.get(request.caller.userId)
    const own = [...cloud.state.projects.values()].filter((project) => user?.roles.has(project.id))
    return { status: 200, body: { projects: own.map((project) => shownProject(project)), links } }
  }
  const projects: Handler = (request) => {
    asAdmin(request, 'list_projects')
    return {
      status: 200,
      body: { projects: named(request, cloud.state.projects.values()).map((project) => shownProject(project)), links },
    }
  }
  const project: Handler = (request) => {
    const found = cloud.state.projects.get(request.params['id'] ?? '')
    if (found === undefined) throw notFound('Could not find project:', request.params['id'] ?? '')
    if (found.id !== request.caller.projectId) asAdmin(request, 'get_project')
    return { status: 200, body: { project: shownProject(found) } }
  }
  const users: Handler = (request) => {
    asAdmin(request, 'list_users')
    return {
      status: 200,
      body: { users: named(request, cloud.state.users.values()).map((user) => shownUser(user)), links },
    }
  }
  const user: Handler = (request) => {
    const found = cloud.state.users.get(request.params['id'] ?? '')
    if (found === undefined) throw notFound('Could not find user:', request.params['id'] ?? '')
    return { status: 200, body: { user: shownUser(found) } }
  }
  return [
    ['GET', '/auth/projects', ownProjects],
    [
      'GET',
      '/auth/catalog',
      (request) => ({ status: 200, body: { catalog: catalogue(cloud, request.caller.projectId), links } }),
    ],
    ['GET', '/projects', projects],
    ['GET', '/projects/:id', project],
    ['GET', '/users', users],
    ['GET', '/users/:id', user],
    ['GET', '/users/:id/projects', ownProjects],
    [
      'GET',
      '/roles',
      () => ({
        status: 200,
        body: { roles: ['admin', 'member'].map((name) => ({ id: `role-${name}`, name })), links },
      }),
    ],
    ['GET', '/domains', () => ({ status: 200, body: { domains: [defaultDomain], links } })],
    ['GET', '/domains/:id', () => ({ status: 200, body: { domain: defaultDomain } })],
    [
      'GET',
      '/services',
      () => ({
        status: 200,
        body: { services: services.map(({ id, type, name }) => ({ id, type, name, enabled: true })), links },
      }),
    ],
    ['GET', '/regions', () => ({ status: 200, body: { regions: [{ id: region }], links } })],
    ['GET', '/endpoints', () => ({ status: 200, body: { endpoints: endpoints(cloud), links } })],
  ]
}

const defaultDomain = { id: 'default', name: 'Default', enabled: true, description: 'The default domain' }

const shownProject = (project: Project): unknown => ({
  id: project.id,
  name: project.name,
  description: project.description,
  domain_id: 'default',
  parent_id: 'default',
  enabled: true,
  is_domain: false,
  tags: [],
  options: {},
})

const shownUser = (user: User): unknown => ({ id: user.id, name: user.name, domain_id: 'default', enabled: true })

function endpoints(cloud: Cloud): unknown[] {
  return services.flatMap((service) =>
    interfaces.map((name) => ({
      id: `${service.id}-${name}`,
      service_id: service.id,
      interface: name,
      region,
      region_id: region,
      enabled: true,
      url: cloud.url + service.path('$(project_id)s'),
    })),
  )
}
