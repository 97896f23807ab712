/** Express 4 under a second name. It is called here in no way that its types would see differently. */
declare module 'express4' {
  import express from 'express'

  export default express
}
