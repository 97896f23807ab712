import { type Client, clientRecord } from '../protocol/client.js'
import { checkRedirectUris, parseCreation, parseUpdate } from '../protocol/client-metadata.js'
import { type Grant, grantRecord } from '../protocol/grant.js'
import { notFound } from '../protocol/refusals.js'
import { checkApiKey } from './credentials.js'
import { applyFilters, CLIENT_FILTERS, NO_FILTERS } from './filters.js'
import { type IssuerState, json, type Operation } from './operation.js'
import { pageOf } from './pages.js'
import { readJsonObject } from './request-body.js'

/** The operations on the clients and grants of the account. All require the API key. */
export function managementOperations(state: IssuerState): readonly Operation[] {
  const { clients, grants } = state

  const record = (client: Client): object => clientRecord(client, state.account)
  const findClient = (id: string): Client => found(clients.get(id), 'client')
  const showGrant = (grant: Grant | undefined): Response => json({ data: grantRecord(found(grant, 'grant')) })

  const operations: readonly Operation[] = [
    {
      endpoint: 'listClients',
      method: 'get',
      paths: spellings('clients'),
      work: ({ query }) => json(pageOf(applyFilters(CLIENT_FILTERS, clients.list(), query), query, record)),
    },
    {
      endpoint: 'createClient',
      method: 'post',
      paths: spellings('clients'),
      work: async ({ request }) => {
        const client = clients.create(parseCreation(await readJsonObject(request, 400)))
        return json({ data: record(client) }, 201)
      },
    },
    {
      endpoint: 'retrieveClient',
      method: 'get',
      paths: spellings('clients/:id'),
      work: ({ id }) => json({ data: record(findClient(id)) }),
    },
    {
      endpoint: 'updateClient',
      method: 'put',
      paths: spellings('clients/:id'),
      work: async ({ request, id }) => {
        const document = await readJsonObject(request, 422)
        const client = findClient(id)
        const update = parseUpdate(document)
        // A client without redirect URIs can still be renamed.
        if (update.allowed_grant_types || update.redirect_uris)
          checkRedirectUris(
            update.allowed_grant_types ?? client.grantTypes,
            update.redirect_uris ?? client.redirectUris,
          )
        return json({ data: record(clients.update(client, update)) })
      },
    },
    {
      endpoint: 'deleteClient',
      method: 'delete',
      paths: spellings('clients/:id'),
      work: ({ id }) => {
        const client = findClient(id)
        clients.delete(client)
        grants.revokeAllOfClient(client.clientId)
        return new Response(null, { status: 204 })
      },
    },
    {
      endpoint: 'listGrants',
      method: 'get',
      paths: spellings('grants'),
      work: ({ query }) => json(pageOf(applyFilters(NO_FILTERS, grants.list(), query), query, grantRecord)),
    },
    {
      endpoint: 'retrieveGrant',
      method: 'get',
      paths: spellings('grants/:id'),
      work: ({ id }) => showGrant(grants.get(id)),
    },
    {
      endpoint: 'deleteGrant',
      method: 'delete',
      paths: spellings('grants/:id'),
      work: ({ id }) => showGrant(grants.revoke(id)),
    },
  ]

  return operations.map((operation) => ({
    ...operation,
    work: (call) => {
      checkApiKey(call.request, state.apiKey)
      return operation.work(call)
    },
  }))
}

/** Telnyx's current path, and the one of earlier descriptions of its API. */
function spellings(path: string): readonly string[] {
  return [`/v2/oauth_${path}`, `/v2/oauth/${path}`]
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw notFound(what)
  return value
}
