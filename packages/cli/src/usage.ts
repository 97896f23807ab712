export const USAGE = `Usage: telnyx-auth <command> [options]

  explain [TOKEN | -]   says whether an access token is accepted, check by check, and what to do
  doctor [ISSUER]       examines an issuer, and your own API, and says what to repair
  issuer                runs an embedded Telnyx OAuth server, for development and tests

  --help                prints this text; after a command, that of the command
  --version             prints the version

Exit codes: 0 good, 1 refused or something is wrong, 2 wrong usage, 3 could not be decided
`

export const EXPLAIN_USAGE = `Usage: telnyx-auth explain [TOKEN | -] [options]

Says whether an access token is accepted: every check of the verifier, in its order. The token is read from standard
input (-), from TELNYX_AUTH_TOKEN, or from the argument, which stays in the history of the shell. The token stays on
this machine unless --introspect is given. The keys of the issuer are fetched.

  --issuer <url>        the issuer whose tokens are accepted (TELNYX_AUTH_ISSUER, else https://api.telnyx.com)
  --audience <uri>      the identifier of your API (TELNYX_AUTH_AUDIENCE); repeat it for several
  --scope <name>        a scope that the token needs; repeat it for several
  --introspect          also asks the issuer whether the token is active (TELNYX_CLIENT_ID, TELNYX_CLIENT_SECRET)
  --json                prints one JSON object
  --help                prints this text

Exit codes: 0 accepted, 1 refused, 2 wrong usage, 3 could not be decided (the issuer gave no answer that can be used: no
connection, 404, no JSON, refused credentials; the reason says which)
`

export const DOCTOR_USAGE = `Usage: telnyx-auth doctor [ISSUER] [options]

Examines an issuer (TELNYX_AUTH_ISSUER, else https://api.telnyx.com): discovery, its name, its keys, caching, the clocks,
TLS, introspection and how long each takes. Sends no access token. Clocks and connections are judged from this machine.

  --issuer <url>        the same as ISSUER
  --resource <url>      examines your own API too: its metadata, its challenge, and the proxies in front of it
  --introspect          sends the credentials in the environment (TELNYX_CLIENT_ID, TELNYX_CLIENT_SECRET) also to an
                        issuer that is named on the command line
  --json                prints one JSON object
  --help                prints this text

Exit codes: 0 good, 1 something is wrong, 2 wrong usage, 3 could not be decided (no answer, or one that may be another
in a minute)
`
