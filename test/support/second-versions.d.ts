/** Older versions under a second name. They are used here in no way that their types would see differently. */
declare module 'express4' {
  import express from 'express'

  export default express
}

declare module 'koa2' {
  import Koa from 'koa'

  export default Koa
}
