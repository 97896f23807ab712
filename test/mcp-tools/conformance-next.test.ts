import { testConformance } from './scenarios.js'

// Our server has no tasks, and not every tool that scenarios ask for: their checks fail, with and without the guard.
testConformance({
  tool: 'conformance-next',
  version: '0.2.0-alpha.12',
  args: ['--requirements', '2026-07-28'],
  passes: 25,
})
