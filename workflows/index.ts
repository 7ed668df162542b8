/** The list that the bundler sees. */
export { archiveVolume } from './archive-volume.js'
export { runPolicy } from './run-policy.js'
export { watchVolume } from './watch-volume.js'
