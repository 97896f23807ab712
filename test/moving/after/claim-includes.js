import { requireAuth } from '@telnyx-auth/express'

/** @type {(name: string, ...values: unknown[]) => import('express').RequestHandler} */
export const claimIncludes = (name, ...values) =>
  requireAuth({
    validate: ({ claims }) => {
      const claim = claims[name]
      const list = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
      return values.every((value) => list.includes(value))
    },
  })
