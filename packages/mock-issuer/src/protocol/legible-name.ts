/** Invisible characters with a purpose: in emoji and flags, in Han variants and in Mongolian. */
const JOINERS =
  /\u200c|\u200d|\ufe0e|\ufe0f|(?<=\u{1f3f4})[\u{e0020}-\u{e007e}]+\u{e007f}|(?<=\p{Script=Han})[\u{e0100}-\u{e01ef}]|(?<=\p{Script=Mongolian})[\u180b-\u180d\u180f]/gu

/**
 * Whether users see a name as it is: something visible, no invisible characters except joiners, none that change the
 * direction of text, none that only look like a space, no runs of special spaces, no stacks of combining marks.
 */
export function isLegible(value: string): boolean {
  const bare = value.replaceAll(JOINERS, '').replaceAll(/ +/g, ' ')
  const isDisguised = /[\p{DI}\p{Cf}\p{Zl}\p{Zp}\u2800]|\p{Zs}{2}|\p{M}{7}|\p{Script=Inherited}{5}/u.test(
    bare,
  )
  return value === '' || (!isDisguised && /[\p{L}\p{N}\p{P}\p{S}]/u.test(bare))
}
