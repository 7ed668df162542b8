import { z } from 'zod'
import type { Lab } from './lab.js'

const answer = z.object({
  token: z.object({
    catalog: z.array(z.object({ type: z.string(), endpoints: z.array(z.object({ url: z.string() })) })),
  }),
})

/**
 * A token of the administrator, and where a service of the catalogue lies, by hands other than Cinderkeep's own.
 * @param services names of one type of service, each as good as the other
 */
export async function signIn({ os }: Lab, ...services: string[]): Promise<{ token: string; url: string }> {
  const user = { name: os['OS_USERNAME'], password: os['OS_PASSWORD'], domain: { name: os['OS_USER_DOMAIN_NAME'] } }
  const project = { name: os['OS_PROJECT_NAME'], domain: { name: os['OS_PROJECT_DOMAIN_NAME'] } }
  const response = await fetch(`${os['OS_AUTH_URL'] ?? ''}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user } }, scope: { project } } }),
  })
  const { catalog } = answer.parse(await response.json()).token
  const url = catalog.find(({ type }) => services.includes(type))?.endpoints[0]?.url
  const token = response.headers.get('x-subject-token')
  if (url === undefined || token === null)
    throw new Error(`the catalogue has no service of type ${services.join(' or ')}`)
  return { token, url }
}
