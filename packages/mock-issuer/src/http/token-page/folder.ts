/** The page's own files stand in the package as they are served: a browser runs them without a build. */
export const FOLDER: URL = new URL('../../../token-page/', import.meta.url)
