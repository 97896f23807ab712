import { toResponse } from '@telnyx-auth/express'

/** @type {import('express').ErrorRequestHandler} */
export const errorHandler = (err, _req, res, _next) => {
  // It throws an error that is no refusal. Express hands that to the next error handler.
  const { status, headers, body } = toResponse(err)
  res.status(status).set(headers).json({ title: body.error, detail: body.error_description, code: body.code })
}
