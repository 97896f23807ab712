import { answerQuestions } from './helper-process.js'

// The question is asked before this file runs, and waits: a process imports once.
answerQuestions(async (question) => {
  const { name }: { name: string } = JSON.parse(question)
  const started = performance.now()
  await import(name)
  return { ms: performance.now() - started }
})
