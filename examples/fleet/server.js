import { getAuth, telnyxAuth } from '@telnyx-auth/express'
import { createReplayStore } from '@telnyx-auth/redis'
import express from 'express'
import { createClient } from 'redis'

// Without a listener for errors, the client ends the process when the connection is lost.
const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const client = await createClient({ url }).on('error', console.error).connect()

const app = express()
app.use(
  telnyxAuth({
    audience: 'https://api.example.com',
    dpop: { mode: 'required', replayStore: createReplayStore({ client }) },
  }),
)
app.get('/me', (req, res) => {
  res.json({ subject: getAuth(req).subject })
})
app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => process.send?.('listening'))
