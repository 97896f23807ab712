import { shellWord } from '../../protocol/shell-word.js'

/** A line to paste into a shell. */
export interface CurlLine {
  readonly title: string
  readonly line: string
}

/**
 * The lines that use a token. There are none for a token that no header can carry (RFC 6750 §2.1).
 *
 * @param apiUrl where the API under test is
 */
export function curlLines(
  token: string,
  apiUrl: string,
  issuer: { readonly introspectionUrl: string; readonly apiKey: string },
): readonly CurlLine[] {
  if (!/^[\w.~+/-]+=*$/.test(token)) return []
  const bearer = (credential: string) => `curl -i -H ${shellWord(`Authorization: Bearer ${credential}`)}`
  const form = shellWord(`token=${token}`)
  return [
    { title: 'Call your API with the token', line: `${bearer(token)} ${shellWord(apiUrl)}` },
    {
      title: 'Ask the issuer about the token',
      line: `${bearer(issuer.apiKey)} --data-urlencode ${form} ${shellWord(issuer.introspectionUrl)}`,
    },
  ]
}
