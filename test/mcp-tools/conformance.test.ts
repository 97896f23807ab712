import { testConformance } from './scenarios.js'

testConformance({ tool: 'conformance', version: '0.1.16', args: ['--suite', 'all'], passes: 30 })
