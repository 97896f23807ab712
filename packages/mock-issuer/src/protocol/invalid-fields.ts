import type { BaseIssue } from 'valibot'
import type { InvalidFields } from './refusals.js'

/** The reasons per member. All sentences are fixed, so that a response never repeats a value. */
export function invalidFields(issues: readonly BaseIssue<unknown>[]): InvalidFields {
  const fields = new Map<string, string[]>()
  for (const { path, message } of issues) {
    const field = String(path?.[0]?.key ?? 'body')
    const reasons = fields.get(field) ?? []
    if (!reasons.includes(message)) fields.set(field, [...reasons, message])
  }
  return Object.fromEntries(fields)
}

/** The reason for a member that is missing from, or not known to, a strict object. */
export function memberMessage({ expected }: BaseIssue<unknown>): string {
  return expected === 'never' ? 'is not known' : 'is missing'
}
