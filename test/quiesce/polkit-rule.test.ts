/** The rule for libvirt's polkit driver, run as polkit runs it. */
import { readFile } from 'node:fs/promises'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'

type Rule = (action: { id: string }, subject: { user: string }) => string

const text = await readFile(new URL('../../deploy/polkit/60-cinderkeep-quiesce.rules', import.meta.url), 'utf8')
const rules: Rule[] = []
const Result = { YES: 'yes', NO: 'no', NOT_HANDLED: 'not handled' }
runInNewContext(text, { polkit: { addRule: (rule: Rule) => rules.push(rule), Result } })
const answers = (id: string, user = 'cinderkeep') => rules.map((rule) => rule({ id }, { user }))

it('lets the agent look at guests and freeze them', () => {
  for (const what of ['connect.getattr', 'connect.read', 'domain.getattr', 'domain.read', 'domain.fs-freeze'])
    expect(answers(`org.libvirt.api.${what}`)).toEqual(['yes'])
  expect(answers('org.libvirt.unix.manage')).toEqual(['yes'])
})

it('lets it do nothing else with libvirt', () => {
  for (const what of ['domain.write', 'domain.stop', 'domain.delete', 'domain.send-input', 'connect.write'])
    expect(answers(`org.libvirt.api.${what}`)).toEqual(['no'])
})

it('says nothing of other users, nor of other services', () => {
  expect(answers('org.libvirt.api.domain.fs-freeze', 'nova')).toEqual(['not handled'])
  expect(answers('org.freedesktop.login1.reboot')).toEqual(['not handled'])
})
