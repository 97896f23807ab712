/** A scope as the consent page describes it. */
export interface ScopeDescription {
  readonly id: string
  readonly name: string
  readonly description: string
}

/** The subjects of Telnyx's scopes, in words of our own: those of Telnyx are not documented. */
const SUBJECTS: ReadonlyMap<string, string> = new Map([
  ['account_management', 'account settings'],
  ['ai', 'AI assistants'],
  ['authentication_and_access', 'sign-in and access settings'],
  ['billing', 'bills'],
  ['edge_compute', 'edge functions'],
  ['fax', 'faxes'],
  ['messaging', 'messages'],
  ['networking', 'networks'],
  ['numbers', 'phone numbers'],
  ['reporting', 'reports'],
  ['storage', 'stored files'],
  ['verify', 'verifications'],
  ['voice', 'calls'],
  ['wireless', 'SIM cards'],
])

/** Describes a scope to a user. An unknown scope is described by its id. */
export function describeScope(id: string): ScopeDescription {
  const [, subjectId = '', verb] = /^(.+)\.(read|write)$/.exec(id) ?? []
  const subject = SUBJECTS.get(subjectId)
  if (subject === undefined) return { id, name: id, description: `Use the scope ${id}` }
  return verb === 'read'
    ? { id, name: `See ${subject}`, description: `See your ${subject}, without changing anything` }
    : { id, name: `Change ${subject}`, description: `Create, change and delete your ${subject}` }
}
