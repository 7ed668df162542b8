/** Variables as the process was started with. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The only reader of `process.env`. Used: CINDERKEEP_CONFIG, AMQP_URL, OS_* (and what locates clouds.yaml), TEMPORAL_*,
 * NO_COLOR. Empty ones count as not set.
 */
export function readEnvironment(): Environment {
  return Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''))
}
