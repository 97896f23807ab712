/** The application as a worker. */
import { createApp } from './app.mjs'
import { parts } from './parts.mjs'

export default createApp(parts)
