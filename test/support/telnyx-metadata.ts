/** The answer of https://api.telnyx.com/.well-known/oauth-authorization-server in October 2026, to the letter. */
export const TELNYX_METADATA: string = `{"issuer":"https://api.telnyx.com",
 "authorization_endpoint":"https://api.telnyx.com/v2/oauth/authorize",
 "token_endpoint":"https://api.telnyx.com/v2/oauth/token",
 "introspection_endpoint":"https://api.telnyx.com/v2/oauth/introspect",
 "jwks_uri":"https://api.telnyx.com/v2/oauth/jwks",
 "registration_endpoint":"https://api.telnyx.com/v2/oauth/register",
 "code_challenge_methods_supported":["S256"],
 "grant_types_supported":["client_credentials","authorization_code","refresh_token"],
 "response_types_supported":["code"],
 "token_endpoint_auth_methods_supported":["none","client_secret_basic","client_secret_post"],
 "protected_resources":["https://api.telnyx.com","https://api.telnyx.com/v2/mcp"],
 "scopes_supported":["account_management.read","account_management.write","ai.read","ai.write","authentication_and_access.read","billing.read","edge_compute.read","edge_compute.write","fax.read","fax.write","messaging.read","messaging.write","networking.read","networking.write","numbers.read","numbers.write","reporting.read","reporting.write","storage.read","storage.write","verify.read","verify.write","voice.read","voice.write","wireless.read","wireless.write"],
 "agent_auth":{"auth_md":"https://telnyx.com/auth.md"}}`
