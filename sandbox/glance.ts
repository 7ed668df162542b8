import type { Service } from './http.js'

/** An image service without images: the clients look there for a server's image. Mounted at `/image`. */
export function glance(): Service {
  return {
    mount: 'image',
    answer: async (request) => {
      const trimmed = request.path.replace(/\/$/, '')
      if (trimmed === '' || trimmed === '/versions') {
        const links = [{ rel: 'self', href: `${request.base}/v2/` }]
        return { status: 300, body: { versions: [{ id: 'v2.15', status: 'CURRENT', links }] } }
      }
      if (trimmed === '/v2/images')
        return { status: 200, body: { images: [], first: '/v2/images', schema: '/v2/schemas/images' } }
      return { status: 404 }
    },
  }
}
