/** Older versions under a second name. For the uses here, the types of both versions are the same. */
declare module 'express4' {
  import express from 'express'

  export default express
}

declare module 'koa2' {
  import Koa from 'koa'

  export default Koa
}
