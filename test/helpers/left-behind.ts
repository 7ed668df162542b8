import { listImages, listRbdSnapshots, rbdJson, volumeImage, type Lab } from './lab.js'
import { listOf, waitFor, type LabCloud } from './lab-cloud.js'

/** As Cinder names them; other tests make images of other names. */
const volumesImage = /^volume-[0-9a-f]{8}-[0-9a-f]{4}-/

/**
 * What an archive must not leave: snapshots and volumes called `ck-…`, images of volumes on prod that Cinder does not know,
 * and anything in the RBD trash.
 * @param admin sees all projects
 * @param installation leaves out what another one marked as its own: for tests that run beside others
 */
export async function temporaryThings(lab: Lab, admin: LabCloud, installation?: string): Promise<string[]> {
  const snapshots = await listOf(admin.listSnapshots({ allProjects: true }))
  // images before volumes: one that is made meanwhile is known
  const images = await listImages(lab, 'prod', 'volumes')
  const volumes = await listOf(admin.listVolumes({ allProjects: true }))
  const isAnothers = ({ metadata }: { metadata: Record<string, string> }): boolean => {
    const mark = metadata['ck:installation']
    return installation !== undefined && mark !== undefined && mark !== installation
  }
  const ours = [...snapshots, ...volumes]
    .filter((one) => one.name.startsWith('ck-') && !isAnothers(one))
    .map(({ name }) => name)
  const known = new Set(volumes.map(({ id }) => `volume-${id}`))
  const trash = (await rbdJson(lab, 'prod', ['trash', 'ls', 'volumes'])) as unknown[]
  return [
    ...ours,
    ...images.filter((image) => volumesImage.test(image) && !known.has(image)).map((image) => `image ${image}`),
    ...trash.map((one) => `trash: ${JSON.stringify(one)}`),
  ]
}

/**
 * @param before what was there before the archive, from `temporaryThings`
 * @throws Error when anything else does not vanish within a moment, or the volume's image has an RBD snapshot
 */
export async function expectNothingLeft(
  lab: Lab,
  admin: LabCloud,
  volumeId: string,
  before: readonly string[],
  installation?: string,
): Promise<void> {
  let left: string[] = []
  // images go a moment after Cinder forgot their volume; other tests' too
  await waitFor(
    'nothing to be left',
    async () => {
      const rbdSnapshots = await listRbdSnapshots(lab, 'prod', volumeImage(volumeId))
      const things = await temporaryThings(lab, admin, installation)
      left = [...things.filter((one) => !before.includes(one)), ...rbdSnapshots]
      return left.length === 0 ? true : null
    },
    60,
  ).catch((error: unknown) => {
    throw new Error(`left behind: ${left.join(', ')}`, { cause: error })
  })
}
