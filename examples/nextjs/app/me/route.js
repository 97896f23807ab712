import { withAuth } from '../../auth.js'

export const GET = withAuth({}, ({ subject, scopes }) => Response.json({ subject, scopes }))
