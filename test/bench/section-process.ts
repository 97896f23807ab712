import { answerQuestions } from './helper-process.js'
import type { Plan } from './plan.js'
import { SECTIONS } from './sections.js'

answerQuestions(async (question) => {
  const { section, plan }: { section: string; plan: Plan } = JSON.parse(question)
  const measure = await SECTIONS[section]?.()
  if (!measure) throw new Error(`There is no section ${section}`)
  return measure(plan)
})
