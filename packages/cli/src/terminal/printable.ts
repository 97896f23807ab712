/**
 * What a terminal may execute, or what makes text look like another text: control characters, characters that change the
 * direction of text or are invisible, halves of surrogate pairs, and separators of lines. Some invisible ones are letters or marks
 * to Unicode, and are known by `Default_Ignorable_Code_Point` only.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/**
 * Escapes what must not reach a terminal. Texts of a token, of an issuer or of an API pass through here before they are printed.
 *
 * @example
 * printable('a\u001b[31mb') // 'a\\u{1b}[31mb'
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/** A JSON text with the same characters escaped, which is still JSON. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}
