/**
 * Printable ASCII but space, `"` and `\` (RFC 6749 appendix A, NQCHAR): what a scope (§3.3) and an `acr` value are
 * made of, and nothing that could end a quoted string, or a header.
 */
export const NQCHARS: RegExp = /^[\x21\x23-\x5B\x5D-\x7E]+$/

/** The same with spaces (NQSCHAR): what can stand in a quoted string as it is. */
export const NQSCHARS: RegExp = /^[\x20\x21\x23-\x5B\x5D-\x7E]+$/
