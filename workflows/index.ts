/** The list that the bundler sees. */
export { archiveVolume } from './archive-volume.js'
export { captureServer } from './capture-server.js'
export { permits } from './permits.js'
export { reconcile } from './reconcile.js'
export { runPolicy } from './run-policy.js'
export { verifyPoint } from './verify-point.js'
export { watchVolume } from './watch-volume.js'
