import { withAuth } from '../../auth.js'

export const GET = withAuth({ scopes: ['messaging.read'] }, ({ subject }) => {
  return Response.json({ messages: [], caller: subject })
})

export const POST = withAuth({ scopes: ['messaging.write'] }, async ({ subject }, request) => {
  return Response.json({ sent: await request.text(), caller: subject }, { status: 201 })
})
