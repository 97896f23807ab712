/** A scope, as a consent page tells it. */
export interface ScopeInWords {
  readonly id: string
  readonly name: string
  readonly description: string
}

/** What the scopes of Telnyx are about. How Telnyx itself words it is not known. */
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

/** Puts a scope into words. One that is not of Telnyx is told by its own name. */
export function scopeInWords(id: string): ScopeInWords {
  const [, subjectId = '', verb] = /^(.+)\.(read|write)$/.exec(id) ?? []
  const subject = SUBJECTS.get(subjectId)
  if (subject === undefined) return { id, name: id, description: `Use the scope ${id}` }
  return verb === 'read'
    ? { id, name: `See ${subject}`, description: `See your ${subject}, without changing anything` }
    : { id, name: `Change ${subject}`, description: `Create, change and delete your ${subject}` }
}
