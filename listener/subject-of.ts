/** Which volume or server a workflow is about, as the log names it. @param workflowId `volume/<id>` or `server/<id>` */
export function subjectOf(workflowId: string): Record<string, string> {
  const [kind = '', id = ''] = workflowId.split('/')
  return { [kind]: id }
}
