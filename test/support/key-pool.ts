import { returnRsaKeyPairs } from './rsa-keys.js'

// Vitest runs this file before each test file, several times in a worker.
returnRsaKeyPairs()
