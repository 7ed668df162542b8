import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CodedError } from '../../errors/coded-error.js'
import { projectRoot } from '../../setup/project.js'

/** The two clusters and the cloud that data is measured on. */
export interface DataLab {
  /** ceph.conf of the cluster that holds volumes, and of the one that holds copies. */
  prod: string
  backup: string
  /** Of the user who reads volumes. */
  user: string
  /** `OS_*` of the cloud's administrator. */
  os: Record<string, string>
}

/** @throws CodedError `CK-BENCH-LAB` when no lab is up in `$LAB`, by default `.lab` */
export function dataLab(): DataLab {
  const openrc = join(process.env['LAB'] ?? join(projectRoot, '.lab'), 'os', 'openrc')
  if (!existsSync(openrc)) {
    throw new CodedError('CK-BENCH-LAB', `there is no lab: ${openrc} does not exist`, {
      cure: 'Start one as root: npm run lab up',
    })
  }
  const exported = readFileSync(openrc, 'utf8').matchAll(/^export (\w+)='?(.*?)'?$/gm)
  const named = new Map([...exported].map(([, name = '', value = '']) => [name, value]))
  const need = (name: string): string => {
    const value = named.get(name)
    if (value !== undefined) return value
    throw new CodedError('CK-BENCH-LAB', `${openrc} lacks ${name}`, { cure: 'Start the lab again: npm run lab up' })
  }
  return {
    prod: need('LAB_PROD_CEPH_CONF'),
    backup: need('LAB_BACKUP_CEPH_CONF'),
    user: need('LAB_CEPH_USER'),
    os: Object.fromEntries([...named].filter(([name]) => name.startsWith('OS_'))),
  }
}
