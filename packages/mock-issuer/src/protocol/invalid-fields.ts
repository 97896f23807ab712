import type { BaseIssue } from 'valibot'
import type { InvalidFields } from './refusals.js'

/** What is wrong, by member. The sentences are ours, so that no value is repeated in an answer. */
export function invalidFields(issues: readonly BaseIssue<unknown>[]): InvalidFields {
  const fields = new Map<string, string[]>()
  for (const { path, message } of issues) {
    const field = String(path?.[0]?.key ?? 'body')
    const reasons = fields.get(field) ?? []
    if (!reasons.includes(message)) fields.set(field, [...reasons, message])
  }
  return Object.fromEntries(fields)
}

/** What a strict object says of a member that should be there, or should not. */
export function memberMessage({ expected }: BaseIssue<unknown>): string {
  return expected === 'never' ? 'is not known' : 'is missing'
}
