/** What those report who look at all volumes. */

/** What a run of a policy's schedule did. */
export interface PolicyRunReport {
  policy: string
  /** The nominal time, ISO 8601 in UTC. */
  at: string
  /** How many volumes of the cloud were looked at. */
  volumes: number
  /** How many of them are the policy's and were told that they are due. */
  told: number
  /** How many Temporal refused to tell; the first ones by name. */
  refused: number
  refusals: { volume: string; reason: string }[]
}

/** Something about one volume that no notification told. */
export interface Finding {
  volume: string
  /** Of the volume and its project; null where it is not known any more. */
  name: string | null
  project: string | null
  /**
   * `unwatched`: a policy protects it, and nobody knew. `policy`: another one, or another rpo, protects it now. `missed`: an archive was
   * due that nobody asked for. `gone`: it was deleted. `returned`: it was taken for deleted. `silent`: its workflow does
   * not answer.
   */
  why: 'unwatched' | 'policy' | 'missed' | 'gone' | 'returned' | 'silent'
  /** One sentence for people. */
  says: string
  /** Why its workflow could not be told to look; null: it was told. */
  untold: string | null
}

/** What a run of `reconcile` found, and told to the volumes' workflows. */
export interface ReconcileReport {
  /** The nominal time of the run, ISO 8601 in UTC. */
  at: string
  policyHash: string
  /** How many volumes the cloud has, and how many of them a policy protects. */
  volumes: number
  protected: number
  /** How many volumes have a workflow. */
  watched: number
  counts: Partial<Record<Finding['why'], number>>
  /** The first 200; `counts` has them all. */
  found: Finding[]
}
