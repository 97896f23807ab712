/** What joins letters and pictures where they are written so: emoji and their flags, variants of Han, Mongolian. */
const JOINERS =
  /\u200c|\u200d|\ufe0e|\ufe0f|(?<=\u{1f3f4})[\u{e0020}-\u{e007e}]+\u{e007f}|(?<=\p{Script=Han})[\u{e0100}-\u{e01ef}]|(?<=\p{Script=Mongolian})[\u180b-\u180d\u180f]/gu

/**
 * No characters that are not seen or that turn others round, but for joiners; none that are seen as blanks and are none,
 * no blanks on end but those that HTML makes one of, no heaps of marks; and something to see.
 */
export function isLegible(value: string): boolean {
  const bare = value.replaceAll(JOINERS, '').replaceAll(/ +/g, ' ')
  const isDisguised = /[\p{DI}\p{Cf}\p{Zl}\p{Zp}\u2800]|\p{Zs}{2}|\p{M}{7}|\p{Script=Inherited}{5}/u.test(
    bare,
  )
  return value === '' || (!isDisguised && /[\p{L}\p{N}\p{P}\p{S}]/u.test(bare))
}
