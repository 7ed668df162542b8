/** Keystone's projects: policies and people name them, volumes carry their ids. */
import { z } from 'zod'
import { readAs } from './answer.js'
import { CloudError, isCloudError } from './errors.js'
import { id, maybe, text } from './fields.js'
import type { CloudSession } from './session.js'

export interface Project {
  id: string
  name: string
  /** Names are unique within a domain only. */
  domainId: string | null
}

export interface Keystone {
  /** All projects of the cloud, or null where the identity may not see them. Remembered for five minutes. */
  listProjects(): Promise<Project[] | null>
  /** Null where there is no such project, or the identity may not see it. Remembered for five minutes. */
  projectName(projectId: string): Promise<string | null>
}

const rememberedMs = 300_000

const project = z
  .object({ id, name: text, domain_id: maybe })
  .transform((raw): Project => ({ id: raw.id, name: raw.name, domainId: raw.domain_id }))
const oneProject = z.object({ project })
const allProjects = z.object({ projects: z.array(project), truncated: z.boolean().nullish() })

/** @param clock milliseconds, for tests; without it the process's monotonic clock */
export function keystone(session: CloudSession, clock: () => number = () => performance.now()): Keystone {
  let list: { until: number; answer: Promise<Project[] | null> } | undefined
  const names = new Map<string, { until: number; answer: Promise<string | null> }>()

  async function askProjects() {
    const answer = await session.request('identity', { method: 'GET', path: '/projects' })
    const body = readAs(allProjects, answer.body, answer.call)
    // a policy that names a project beyond the cut would protect nothing, and nobody would know
    if (body.truncated === true) {
      throw new CloudError('CK-CLOUD-ANSWER-INVALID', 'the list of projects is cut short', {
        ...answer.call,
        cure: "Raise or remove list_limit in Keystone's configuration, or name projects by their ids.",
      })
    }
    return body.projects
  }

  async function askName(projectId: string) {
    const answer = await session.request('identity', { method: 'GET', path: `/projects/${projectId}` })
    return readAs(oneProject, answer.body, answer.call).project.name
  }

  return {
    listProjects() {
      if (list === undefined || list.until < clock()) {
        const answer = unlessHidden(askProjects())
        list = { until: clock() + rememberedMs, answer }
        answer.catch(() => {
          list = undefined
        })
      }
      return list.answer
    },

    projectName(projectId) {
      const known = names.get(projectId)
      if (known !== undefined && known.until >= clock()) return known.answer
      const answer = unlessHidden(askName(projectId))
      names.set(projectId, { until: clock() + rememberedMs, answer })
      answer.catch(() => names.delete(projectId))
      return answer
    },
  }
}

async function unlessHidden<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (isCloudError(error, 'CK-CLOUD-FORBIDDEN')) return null
    if (isCloudError(error, 'CK-CLOUD-NOT-FOUND') && error.fault !== null) return null
    throw error
  }
}
