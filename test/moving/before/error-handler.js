import { UnauthorizedError } from 'express-oauth2-jwt-bearer'

/** @type {import('express').ErrorRequestHandler} */
export const errorHandler = (err, _req, res, next) => {
  if (!(err instanceof UnauthorizedError)) return next(err)
  res.status(err.status).set(err.headers).json({ title: err.code, detail: err.message })
}
