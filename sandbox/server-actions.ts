import { ApiError, noAction } from './api-error.js'
import type { Cloud } from './cloud.js'
import { createImage } from './create-image.js'
import { goOnWriting } from './guest.js'
import type { ApiRequest, Handler } from './http.js'
import { notifyServer } from './nova-notify.js'
import { powerOff } from './server-guest.js'
import type { ServerRecord } from './state.js'

/** `POST /servers/{id}/action`: `os-stop`, `os-start`, `createImage`. Stopping and starting take no time here. */
export function actionHandler(cloud: Cloud, find: (request: ApiRequest) => ServerRecord): Handler {
  return async (request) => {
    const server = find(request)
    const { caller } = request
    const [name = ''] = Object.keys(request.body ?? {})
    switch (name) {
      case 'os-stop':
        refuseUnless(server, 'ACTIVE', 'stop')
        notifyServer(cloud, caller, server, 'power_off.start')
        powerOff(server)
        notifyServer(cloud, caller, server, 'power_off.end')
        return { status: 202 }
      case 'os-start':
        refuseUnless(server, 'SHUTOFF', 'start')
        notifyServer(cloud, caller, server, 'power_on.start')
        server.status = 'ACTIVE'
        goOnWriting(server.guest)
        notifyServer(cloud, caller, server, 'power_on.end')
        return { status: 202 }
      case 'createImage':
        return createImage(cloud, request, server)
      default:
        throw noAction(name)
    }
  }
}

function refuseUnless(server: ServerRecord, status: string, action: string): void {
  if (server.status === status) return
  const state = server.status === 'SHUTOFF' ? 'stopped' : server.status.toLowerCase()
  throw new ApiError(409, `Cannot '${action}' instance ${server.id} while it is in vm_state ${state}`)
}
