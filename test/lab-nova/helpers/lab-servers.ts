import { labEnvironment, type Lab, type LabServers } from '../../helpers/lab.js'

export interface ServersLab extends Lab {
  servers: LabServers
}

/** @throws Error when the lab that runs has no servers */
export function labWithServers(): ServersLab {
  const lab = labEnvironment()
  if (lab.servers === null) throw new Error(`the lab in ${lab.dir} has no servers: lab/lab up nova (docs/lab.md)`)
  return { ...lab, servers: lab.servers }
}
