import { getAuth, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

const app = express()

// At the MCP endpoint, and where clients look for its metadata. Everything else stays open.
app.use(
  ['/mcp', '/.well-known/oauth-protected-resource/mcp'],
  telnyxAuth({ audience: 'https://api.example.com/mcp', scopes: ['messaging.read'] }),
)

app.post('/mcp', express.json(), (req, res) => {
  // Hand the request to your MCP server; here, it only says who calls.
  res.json({ jsonrpc: '2.0', id: req.body.id, result: { caller: getAuth(req).clientId } })
})

app.listen(Number(process.env.PORT ?? 3000))
