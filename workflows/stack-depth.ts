/**
 * How many lines the SDK takes down of where each promise came to be; it keeps two of them for itself. The four that are
 * left name who waits for what, and each one who waits for that has lines of its own: more of them tell nothing new in
 * the UI's *Call Stack*, and are looked up in the source map one by one (docs/figures.md). The bundle loads this first,
 * since later on `Error` is frozen.
 */
Error.stackTraceLimit = 6
