/**
 * Printable ASCII except space, `"` and `\` (RFC 6749 appendix A, NQCHAR): the characters of a scope (§3.3) and an `acr`
 * value. None of them can end a quoted string or a header.
 */
export const NQCHARS: RegExp = /^[\x21\x23-\x5B\x5D-\x7E]+$/

/** The same with spaces (NQSCHAR): a quoted string can hold them without escapes. */
export const NQSCHARS: RegExp = /^[\x20\x21\x23-\x5B\x5D-\x7E]+$/
