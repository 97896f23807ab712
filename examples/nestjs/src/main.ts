import { createApp } from './app.js'

// Every route needs an access token that was issued for this API.
const app = await createApp({ audience: 'https://api.example.com' })
await app.listen(Number(process.env.PORT ?? 3000))
