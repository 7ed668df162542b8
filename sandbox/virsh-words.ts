/** The commands about one domain: what is asked of the control API (null: nothing beside its state), and virsh's words. */
export const domainWords: Partial<Record<string, { verb: 'freeze' | 'thaw' | null; did: string; failed: string }>> = {
  domstate: { verb: null, did: '', failed: '' },
  domfsfreeze: { verb: 'freeze', did: 'Froze', failed: 'Unable to freeze filesystems' },
  domfsthaw: { verb: 'thaw', did: 'Thawed', failed: 'Unable to thaw filesystems' },
}

/** Where servers run unless they were put elsewhere (sandbox/cloud.ts), kept here: virsh loads nothing of the cloud. */
export const defaultHypervisor = 'sandbox'
